//! How bad a delivery is.
//!
//! GitHub says it of security alerts alone, in the words of several tools; of the rest we only know what failed.
//!
//! | | |
//! |---|---|
//! | an open security alert, or an advisory, that is `critical`; a leaked secret | critical |
//! | any other open security alert or advisory, unless its severity is `low` or `note` | warning |
//! | a run, check, deployment or build that failed | warning |
//! | everything else, and an alert that is over | info |
//!
//! `high` is no more than a warning, for critical means that somebody gets up at night, and half of all advisories are
//! high. The alert's own word is a label, so that a matcher finds it under `label_severity`.

use crate::model::event::Severity;
use crate::sources::github::happening::Happening;
use crate::sources::github::wire::first;

/// What an alert's own severity is to us; any other word: a warning.
const ALERTS: &[(&str, Severity)] =
    &[("critical", Severity::Critical), ("low", Severity::Info), ("note", Severity::Info), ("none", Severity::Info)];

/// How something that failed went.
const FAILED: &[&str] = &["error", "errored", "failure", "startup_failure", "timed_out"];

/// The parts of an action's name that end an alert: `fixed`, `auto_dismissed`, `closed_by_user`, …
const OVER: &[&str] = &["fixed", "dismiss", "resolve", "closed", "withdrawn"];

/// The severity of what happened.
pub(super) fn of(happening: &Happening<'_>) -> Severity {
    let failed = happening.outcome().is_some_and(|outcome| FAILED.contains(&outcome.as_str()));
    if is_alert(happening.event) {
        alert(happening)
    } else if failed {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// What the alert itself says of how bad it is.
pub(super) fn of_alert(happening: &Happening<'_>) -> Option<String> {
    let places = [
        "/rule/security_severity_level",
        "/security_vulnerability/severity",
        "/security_advisory/severity",
        "/severity",
        "/rule/severity",
    ];
    is_alert(happening.event).then(|| first(happening.object, &places)).flatten()
}

fn is_alert(event: &str) -> bool {
    event.contains("_alert") || event.ends_with("_advisory")
}

fn alert(happening: &Happening<'_>) -> Severity {
    let action = happening.action.as_deref().unwrap_or_default();
    let goes_on = ["unresolved", "reopened", "reintroduced"].iter().any(|word| action.contains(word));
    if !goes_on && OVER.iter().any(|word| action.contains(word)) {
        return Severity::Info;
    }
    match of_alert(happening) {
        Some(word) => {
            let known = ALERTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&word));
            known.map_or(Severity::Warning, |(_, severity)| *severity)
        }
        None if happening.event.starts_with("secret_scanning") => Severity::Critical,
        None => Severity::Warning,
    }
}
