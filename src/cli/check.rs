//! Reading a configuration as every command does, and `check`, which says how that went.
//!
//! Problems and warnings go to standard error, problems first; that all is well goes to standard output. A warning
//! never changes the exit code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::app::check::{Checked, check};
use crate::app::warnings::Surroundings;
use crate::config::problem::{Problem, Problems};
use crate::config::{self, Config, Organisation, Receiver, SecretsRead};
use crate::model::budget::Budget;
use crate::model::name::{ChannelKey, Name};

/// What a container's runtime leaves inside it: Docker's mark and Podman's.
const MARKS_OF_CONTAINERS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Reads and checks these files.
pub fn read(files: &[PathBuf], secrets: SecretsRead) -> Checked {
    // Where secrets do not exist, as in CI, the configuration is not going to run: the place says nothing about it.
    let surroundings = if secrets == SecretsRead::Skip { Surroundings::Unknown } else { surroundings() };
    check(config::draft(files, environment(), secrets), surroundings)
}

/// Says that a configuration is sound, and what it has.
pub fn say_sound(config: &Config, warnings: &[Problem]) {
    println!("The configuration is sound: {}.", summary(config));
    months(config).iter().for_each(|line| println!("{line}"));
    say_warnings(warnings);
}

/// What the month of each organisation means for its groups, where it has a quota and groups.
pub fn months(config: &Config) -> Vec<String> {
    let month = |(name, organisation): (&Name, &Organisation)| {
        let of_organisation = |receiver: &&Receiver| config.apps[&receiver.app].organisation == *name;
        let groups: BTreeSet<_> = config.receivers.values().filter(of_organisation).map(channel).collect();
        let budget = organisation.budget().filter(|_| !groups.is_empty())?;
        Some(format!("organisation {name}: {}", meaning(&budget, groups.len())))
    };
    config.organisations.iter().filter_map(month).collect()
}

/// Receivers that are the same robot in the same group are one group.
fn channel(receiver: &Receiver) -> ChannelKey {
    ChannelKey::app_robot(&receiver.app, &receiver.robot_code, &receiver.open_conversation_id)
}

fn meaning(budget: &Budget, groups: usize) -> String {
    let Budget { calls_per_month, kept_for_others, critical_reserve } = *budget;
    let others =
        if kept_for_others > 0 { format!(", {kept_for_others} of them kept for others,") } else { String::new() };
    let group = if groups == 1 { "1 group".to_owned() } else { format!("{groups} groups") };
    let each = match budget.a_group_and_day(groups) {
        each if each < 1.0 => "less than one message".to_owned(),
        each if each < 1.5 => "about 1 message".to_owned(),
        each => format!("about {each:.0} messages"),
    };
    let reserve = critical_reserve.of(calls_per_month);
    let reserve = if reserve > 0 {
        format!(", and {reserve} calls kept for what is critical ({critical_reserve})")
    } else {
        String::new()
    };
    format!(
        "{calls_per_month} calls a month{others} for {group}: {each} a group and day{reserve}; what is more gathers"
    )
}

/// Says everything that is wrong.
pub fn say_problems(problems: Vec<Problem>, warnings: &[Problem]) {
    eprintln!("{}", Problems(problems));
    say_warnings(warnings);
}

fn say_warnings(warnings: &[Problem]) {
    if warnings.is_empty() {
        return;
    }
    eprintln!("legal, but it will hurt:");
    warnings.iter().for_each(|warning| eprintln!("  {warning}"));
}

/// What is not UTF-8 cannot be ours, and `std::env::vars` would panic at it.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

/// Kubernetes tells in the environment, other runtimes by a file.
fn surroundings() -> Surroundings {
    let is_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if is_pod || MARKS_OF_CONTAINERS.iter().any(|mark| Path::new(mark).exists()) {
        Surroundings::Container
    } else {
        Surroundings::Unknown
    }
}

/// `2 apps, 3 receivers, 1 source`.
pub fn summary(config: &Config) -> String {
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let counts = [
        count(config.apps.len(), "app"),
        count(config.receivers.len(), "receiver"),
        count(config.sources.len(), "source"),
    ];
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::budget::Percent;

    #[test]
    fn a_month_is_told_in_messages_a_group_and_day() {
        let of = |calls_per_month, kept_for_others, reserve, groups| {
            let critical_reserve = Percent::new(reserve).unwrap();
            meaning(&Budget { calls_per_month, kept_for_others, critical_reserve }, groups)
        };
        let told = [of(5_000, 0, 20, 12), of(5_000, 1_000, 20, 1), of(5_000, 0, 0, 120), of(5_000, 0, 20, 500)];
        insta::assert_snapshot!(told.join("\n"), @r"
        5000 calls a month for 12 groups: about 11 messages a group and day, and 1000 calls kept for what is critical (20%); what is more gathers
        5000 calls a month, 1000 of them kept for others, for 1 group: about 100 messages a group and day, and 1000 calls kept for what is critical (20%); what is more gathers
        5000 calls a month for 120 groups: about 1 message a group and day; what is more gathers
        5000 calls a month for 500 groups: less than one message a group and day, and 1000 calls kept for what is critical (20%); what is more gathers
        ");
    }
}
