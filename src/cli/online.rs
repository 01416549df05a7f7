//! `check --online`, as a person reads it: what it will cost, then an app after another with its groups, one line
//! each, and at the end what could not be checked.
//!
//! The report goes to standard output as the answers come. That DingTalk said no to something, or could not be asked
//! about an app at all, is also the error the program ends with (exit 1): whoever waits for the exit code asked for an
//! answer. What an answer leaves open is said, and is no failure. Knows nothing of codes: reasons and cures are printed
//! as `dingtalk` tells them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::bail;

use crate::app::online::{Answers, Inquiry, Part, Said, costs, plan};
use crate::config::region::Region;
use crate::config::{App, Config};
use crate::model::name::Name;
use crate::model::outcome::Verdict;

/// What no query can show, whatever it is answered.
const ONLY_A_MESSAGE_SHOWS: [&str; 3] = [
    "that a message gets through: a robot that was muted, its security settings and the moderation of contents show \
     only when one is sent, as by `dingtalk-relay send`",
    "that robot and group are right where DingTalk does not object: what it looks at before it says that it does not \
     know a message is not documented",
    "whether messages may be taken back, and how many calls the month has left",
];

/// Asks DingTalk about a configuration that is sound.
///
/// # Errors
/// When DingTalk says no to something, or could not be asked about an app: it was not reached, gave no answer that
/// can be read, or put it off.
pub async fn check(config: &Config) -> anyhow::Result<()> {
    let plan = plan(config);
    if plan.is_empty() {
        println!("\nThere is no app, so there is nothing to ask DingTalk.");
        return Ok(());
    }
    print!("\n{}", announcement(config, &plan));
    let mut inquiry = Inquiry::new(Region::base_url);
    let mut all = Vec::new();
    for part in &plan {
        let answers = inquiry.ask(part).await?;
        print!("\n{}", section(part, &answers));
        all.push((part, answers));
    }
    print!("\n{}", not_checked(config, &all));
    let failures: Vec<_> = [refused(&all), not_asked(&all)].into_iter().flatten().collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    println!("\n{}", ending(&all));
    Ok(())
}

fn announcement(config: &Config, plan: &[Part<'_>]) -> String {
    let mut text = "Asking DingTalk. No message is sent. An access token for each app is free; one query for each \
                    group, about a\nmessage that never was, is a call of the organisation's month, which a running \
                    relay does not count:\n"
        .to_owned();
    for (organisation, calls) in costs(plan) {
        let month = config.organisations.get(organisation).and_then(|organisation| organisation.calls_per_month);
        let month = month.map_or_else(String::new, |calls| format!(", of {calls} a month"));
        let calls = if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
        let _infallible = writeln!(text, "  organisation {organisation}: {calls}{month}");
    }
    text
}

/// An app and its groups.
fn section(part: &Part<'_>, answers: &Answers) -> String {
    let (app, organisation) = (part.app, &part.app.organisation);
    let place = app.region.map_or_else(|| host(app), |region| format!("region {}", region.as_str()));
    let groups = part.groups.iter().map(|group| names(&group.receivers));
    let mut lines = vec![("the app".to_owned(), &answers.app, app_text(answers))];
    lines.extend(groups.zip(&answers.groups).map(|(names, said)| (names, said, group_text(said))));
    let width = lines.iter().map(|(what, ..)| what.chars().count()).max().unwrap_or_default();
    let mut text = format!("app {} (organisation {organisation}, {place})\n", part.name);
    for (what, said, why) in lines {
        let _infallible = writeln!(text, "  {:<7}  {what:<width$}  {why}", word(said));
    }
    text
}

fn word(said: &Said) -> &'static str {
    match said {
        Said::Yes => "ok",
        Said::No(_) => "no",
        Said::Unknown(_) => "unknown",
    }
}

fn app_text(answers: &Answers) -> String {
    let text = match &answers.app {
        Said::Yes if answers.is_let_in() => {
            return "its credentials, this address, and its permission, which queries and sends share".to_owned();
        }
        Said::Yes if answers.groups.is_empty() => {
            return "its credentials; with no receiver of its own, nothing else was asked".to_owned();
        }
        Said::Yes => return "its credentials; nothing is known of address and permission".to_owned(),
        Said::No(verdict) | Said::Unknown(Some(verdict)) => reason(verdict),
        Said::Unknown(None) => return String::new(),
    };
    let Some((region, said)) = &answers.other_region else { return text };
    let region = region.as_str();
    match said {
        Said::Yes => format!("{text} They work in region {region}: set region: {region}."),
        Said::No(verdict) => format!("{text} Region {region} does not take them either ({}).", verdict.code),
        Said::Unknown(verdict) => {
            let code = verdict.as_ref().map_or("no answer", |verdict| verdict.code.as_str());
            format!("{text} Region {region} could not be asked ({code}).")
        }
    }
}

fn group_text(said: &Said) -> String {
    match said {
        Said::Yes => "no objection to the robot in this group".to_owned(),
        Said::No(verdict) | Said::Unknown(Some(verdict)) => reason(verdict),
        Said::Unknown(None) => "because of the app".to_owned(),
    }
}

fn reason(verdict: &Verdict) -> String {
    format!("{}: {}", verdict.code, verdict.hint)
}

fn names(names: &[&Name]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

fn not_checked(config: &Config, all: &[(&Part<'_>, Answers)]) -> String {
    let mut lines: Vec<String> = all.iter().flat_map(|(part, answers)| unknown(part, answers)).collect();
    let cool = config.receivers.iter().filter(|(_, receiver)| receiver.cool_app_code.is_some());
    let cool: Vec<_> = cool.map(|(name, _)| name).collect();
    if !cool.is_empty() {
        lines.push(format!("cool_app_code of {}: a query does not carry it", names(&cool)));
    }
    lines.extend(ONLY_A_MESSAGE_SHOWS.map(str::to_owned));
    let lines = lines.iter().fold(String::new(), |text, line| text + "  - " + line + "\n");
    format!("Not checked:\n{lines}")
}

/// What nobody knows of an app and its groups, and because of what.
fn unknown(part: &Part<'_>, answers: &Answers) -> Vec<String> {
    let of_app = match &answers.app {
        Said::Yes | Said::Unknown(None) => None,
        Said::No(verdict) | Said::Unknown(Some(verdict)) => Some(verdict.code.as_str()),
    };
    let mut behind: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (group, said) in part.groups.iter().zip(&answers.groups) {
        if let Said::Unknown(verdict) = said {
            let code = verdict.as_ref().map(|verdict| verdict.code.as_str()).or(of_app).unwrap_or_default();
            behind.entry(code).or_default().push(names(&group.receivers));
        }
    }
    let app =
        of_app.filter(|_| matches!(answers.app, Said::Unknown(_))).map(|code| format!("app {}: {code}", part.name));
    let groups = behind.iter().map(|(code, names)| format!("{} (app {}): {code}", names.join(", "), part.name));
    app.into_iter().chain(groups).collect()
}

/// How it ended, where DingTalk said no to nothing and could be asked about every app.
fn ending(all: &[(&Part<'_>, Answers)]) -> String {
    let groups = || all.iter().flat_map(|(_, answers)| &answers.groups);
    match groups().filter(|said| matches!(said, Said::Unknown(_))).count() {
        0 => "DingTalk objects to nothing.".to_owned(),
        unknown => format!(
            "DingTalk objects to nothing, but its answer leaves open whether {unknown} of {} groups are right.",
            groups().count(),
        ),
    }
}

/// Every app and group that DingTalk says no to.
fn refused(all: &[(&Part<'_>, Answers)]) -> Option<String> {
    let mut refused = Vec::new();
    for (part, answers) in all {
        if matches!(answers.app, Said::No(_)) {
            refused.push(format!("app {}", part.name));
        }
        let groups = part.groups.iter().zip(&answers.groups).filter(|(_, said)| matches!(said, Said::No(_)));
        refused.extend(groups.map(|(group, _)| names(&group.receivers)));
    }
    (!refused.is_empty()).then(|| format!("DingTalk says no to {}", refused.join(", ")))
}

/// Every app about which DingTalk could not be asked, where, and why; its groups were not asked about either.
fn not_asked(all: &[(&Part<'_>, Answers)]) -> Option<String> {
    let mut not_asked = Vec::new();
    for (part, answers) in all {
        if let Said::Unknown(Some(verdict)) = &answers.app {
            not_asked.push(format!("app {} ({}: {})", part.name, host(part.app), verdict.code));
        }
    }
    (!not_asked.is_empty()).then(|| format!("DingTalk could not be asked about {}", not_asked.join(", ")))
}

/// Where an app's DingTalk is, without what else its base URL may hold.
fn host(app: &App) -> String {
    app.base_url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use crate::model::outcome::{Outcome, Scope};

    use super::*;

    #[test]
    fn credentials_that_belong_to_the_other_region_are_told_with_what_to_write() {
        let rejected = || Verdict {
            outcome: Outcome::Blocked,
            scope: Scope::App,
            code: "wrong".to_owned(),
            label: "other",
            http_status: Some(400),
            may_have_arrived: false,
            uncounted: true,
            of_token: true,
            complaint: None,
            retry_after: None,
            hint: "Check them.".to_owned(),
        };
        let told = |said| {
            let other_region = Some((Region::Cn, said));
            app_text(&Answers { app: Said::No(rejected()), other_region, groups: vec![] })
        };
        assert_eq!(told(Said::Yes), "wrong: Check them. They work in region cn: set region: cn.");
        assert_eq!(told(Said::No(rejected())), "wrong: Check them. Region cn does not take them either (wrong).");
        let unknown = told(Said::Unknown(Some(rejected())));
        assert_eq!(unknown, "wrong: Check them. Region cn could not be asked (wrong).");
    }
}
