//! What a reader wants to know beyond the title: what the object is called, what was written, a few words about it,
//! and where to look.
//!
//! All of it by tables of places; the first that has something counts. Kept short here, made harmless in `render`.

use serde_json::Value;

use crate::model::event::Labels;
use crate::sources::github::happening::{Happening, short_commit};
use crate::sources::github::wire::{each, first, text};
use crate::sources::github::{facts, prose, severity};
use crate::sources::outside::{one_line, web_address};

/// So many commits of a push are shown.
const COMMITS: usize = 5;
/// The characters of a label's value.
const LONGEST_LABEL: usize = 100;

/// What the object is called, in it or in what it belongs to.
const SUMMARIES: &[&str] = &[
    "/title",
    "/display_title",
    "/security_advisory/summary",
    "/summary",
    "/rule/description",
    "/secret_type_display_name",
    "/output/title",
    "/head_commit/message",
    "/package_version/summary",
    "/commit/commit/message",
    "/note",
];

/// What was written about it.
const DESCRIPTIONS: &[&str] =
    &["/body", "/output/summary", "/security_advisory/description", "/description", "/error/message"];

/// The actions that bring a new text. At any other the reader knows it already.
const WRITTEN: &[&str] = &[
    "answered",
    "commented",
    "created",
    "edited",
    "opened",
    "prereleased",
    "published",
    "released",
    "reported",
    "submitted",
];

/// Where a person would look; the most telling first.
const IN_OBJECT: &[&str] = &["/html_url", "/target_url", "/details_url", "/log_url", "/references/0/url"];
const IN_PAYLOAD: &[&str] = &[
    "/answer/html_url",
    "/compare",
    "/deployment_status/log_url",
    "/workflow_run/html_url",
    "/check_run/html_url",
    "/commit/html_url",
    "/repository/html_url",
    "/organization/html_url",
    "/installation/html_url",
    "/sender/html_url",
];

/// Facts that are worth a reader's eye.
const SHOWN_FACTS: &[&str] = &["assignee", "environment", "label", "member", "package", "team", "workflow"];

/// More words about it: name, where in the payload.
const SHOWN: &[(&str, &[&str])] = &[
    ("milestone", &["/milestone/title"]),
    ("reviewer", &["/requested_reviewer/login", "/requested_team/name"]),
    ("version", &["/package/package_version/version"]),
    ("fixed in", &["/alert/security_vulnerability/first_patched_version/identifier", "/alert/fixed_in"]),
    ("file", &["/comment/path", "/thread/comments/0/path"]),
    ("plan", &["/sponsorship/tier/name"]),
    ("was", &["/changes/title/from", "/changes/repository/name/from", "/changes/login/from"]),
];

/// What it is called, on one line, where the title does not say it.
pub(super) fn summary(happening: &Happening<'_>) -> Option<String> {
    if happening.event == "push" {
        return None;
    }
    let repository = happening.payload.pointer("/repository");
    let about = Some(happening.object).filter(|object| Some(*object) != repository);
    let parent = happening.parent.map(|(_, parent)| parent);
    // A title of its own is shown, however short; a mere name only if the line above does not hold it.
    let called = |place: &Value| first(place, SUMMARIES).filter(|said| Some(said) != happening.name().as_ref());
    let named = |place: &Value| text(place, "/name").filter(|name| !happening.title().contains(name.as_str()));
    let mut places = [about, parent].into_iter().flatten();
    let said = places.find_map(|place| called(place).or_else(|| named(place)));
    said.and_then(|said| prose::first_line(&said))
}

/// What was written: the text of a comment, the notes of a release, the commits of a push.
pub(super) fn description(happening: &Happening<'_>) -> Option<String> {
    if happening.event == "push" {
        return commits(happening);
    }
    let lists = [("/repositories_added", "/full_name"), ("/repositories_removed", "/full_name"), ("/pages", "/title")];
    let listed = lists.iter().map(|(list, name)| each(happening.payload, list, name)).find(|list| !list.is_empty());
    let listed = listed.filter(|names| !names.iter().all(|name| happening.title().contains(name)));
    let news = happening.action.as_deref().is_some_and(|action| WRITTEN.contains(&action));
    let news = news || happening.outcome().is_some();
    let written = || first(happening.object, DESCRIPTIONS).filter(|_| news);
    let text = text(happening.payload, "/answer/body").or_else(written);
    let text = text.and_then(|text| prose::opening(&text)).filter(|text| Some(text) != summary(happening).as_ref());
    text.or_else(|| listed.map(|names| names.join("\n")))
}

/// `6113728 Fix the build (octocat)` for the first commits; whoever pushed needs no name.
fn commits(happening: &Happening<'_>) -> Option<String> {
    let pushed = happening.payload.pointer("/commits").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let only = happening.payload.pointer("/head_commit").filter(|commit| commit.is_object());
    let pushed: Vec<_> = if pushed.is_empty() { only.into_iter().collect() } else { pushed.iter().collect() };
    let mut lines: Vec<_> = pushed.iter().take(COMMITS).map(|commit| line(commit, happening)).collect();
    if pushed.len() > COMMITS {
        // Understood in every language: this text is the same for all receivers.
        lines.push(format!("… +{}", pushed.len() - COMMITS));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn line(commit: &Value, happening: &Happening<'_>) -> String {
    let id = text(commit, "/id").unwrap_or_default();
    let message = text(commit, "/message").and_then(|message| prose::first_line(&message)).unwrap_or_default();
    let author = first(commit, &["/author/username", "/author/name"]);
    let author = author.filter(|author| Some(author) != happening.sender().as_ref());
    let author = author.map_or_else(String::new, |author| format!(" ({author})"));
    format!("{} {message}{author}", short_commit(&id)).trim().to_owned()
}

/// A few words about it, which the title does not say: `branch: changes → main`, `environment: production`.
pub(super) fn labels(happening: &Happening<'_>) -> Labels {
    let facts = facts::of(happening);
    let mut labels: Vec<(&str, Option<String>)> =
        SHOWN_FACTS.iter().map(|name| (*name, facts.get(*name).cloned())).collect();
    let own = |name| facts.get(name).filter(|_| happening.parent.is_none()).cloned();
    labels.push(("branch", branches(happening).filter(|_| happening.parent.is_none())));
    labels.push(("labels", own("labels").filter(|_| !facts.contains_key("label"))));
    labels.push(("category", own("category")));
    // Who set off what now went well or not.
    labels.push(("by", happening.outcome().and(happening.sender())));
    labels.push(("severity", severity::of_alert(happening)));
    let (diff, files) = diff(happening).unzip();
    labels.extend([("diff", diff), ("files", files)]);
    labels.extend(SHOWN.iter().map(|(name, places)| (*name, first(happening.payload, places))));
    let title = happening.title();
    let said = |value: &str| title.split([' ', ':']).any(|word| word == value) || title.contains(&format!(" {value} "));
    // That somebody took it on himself is not said by his name alone.
    let wanted = |name: &str, value: &str| ["assignee", "reviewer"].contains(&name) || !said(value);
    let labels = labels.into_iter().filter_map(|(name, value)| Some((name, value.filter(|v| wanted(name, v))?)));
    labels.map(|(name, value)| (name.to_owned(), one_line(&value, LONGEST_LABEL))).collect()
}

/// `changes → main`, or the only one there is.
fn branches(happening: &Happening<'_>) -> Option<String> {
    match (facts::head_branch(happening), facts::branch(happening)) {
        (Some(head), Some(base)) if head != base => Some(format!("{head} → {base}")),
        (head, base) => base.or(head),
    }
}

/// `+1 −1`, and the number of files, for a pull request that comes or has new commits.
fn diff(happening: &Happening<'_>) -> Option<(String, String)> {
    let news = ["opened", "reopened", "ready_for_review", "synchronize"].contains(&happening.action.as_deref()?);
    let count = |at| happening.object.pointer(at).and_then(Value::as_u64).filter(|_| news);
    let (added, removed, files) = (count("/additions")?, count("/deletions")?, count("/changed_files")?);
    Some((format!("+{added} −{removed}"), files.to_string()))
}

/// The page that tells most about it.
pub(super) fn url(happening: &Happening<'_>) -> Option<String> {
    let address = |value: &Value, at: &&str| text(value, at).as_deref().and_then(web_address);
    let object = IN_OBJECT.iter().find_map(|at| address(happening.object, at));
    let parent = || happening.parent.and_then(|(_, parent)| address(parent, &"/html_url"));
    // A comparison with what is gone shows nothing.
    let gone = text(happening.payload, "/deleted").is_some_and(|deleted| deleted == "true");
    object.or_else(parent).or_else(|| {
        IN_PAYLOAD.iter().filter(|at| !gone || **at != "/compare").find_map(|at| address(happening.payload, at))
    })
}
