//! What one accepted webhook said, in our terms.
//!
//! A source turns bytes into an [`Event`]; routing and rendering read it. Nothing here knows a wire format.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::language::Language;
use crate::model::name::{EventId, Name};

/// Labels or annotations: what the sender said of an item, in name order.
pub type Labels = BTreeMap<String, String>;

/// One accepted webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The id the sender is told in the 202.
    pub id: EventId,
    /// The configured source it came through.
    pub source: Name,
    /// The kind of that source, as matchers see it: `alertmanager`, …
    pub kind: &'static str,
    /// What the webhook as a whole is about; never shown where only some of its items go. In English, where it is a
    /// sentence of the relay's own.
    pub title: String,
    /// The same in Chinese, where it is a sentence of the relay's own; `None` where the sender has said it.
    pub title_in_chinese: Option<String>,
    /// Where the sender shows the whole of it (an `http(s)` address), if it says so.
    pub url: Option<String>,
    /// When it was received.
    pub received_at: Timestamp,
    /// What must stay in order inside a lane, without the source (the store's key is source + this).
    pub order_key: String,
    /// Two posts with the same source, path and dedup key are twins.
    pub dedup_key: String,
    /// What the sender says of that which the dedup key names, if the key does not say it already: a twin says the
    /// same, and another word ends the window. Usually empty.
    pub dedup_state: String,
    /// What is true of the whole webhook and matchers may ask for: `receiver` for Alertmanager; `event`, `repo`, …
    /// for GitHub. These win over an item's labels of the same name.
    pub facts: Labels,
    /// What the sender grouped by (Alertmanager's `groupLabels`).
    pub group: Labels,
    /// The items, in the sender's order.
    pub items: Vec<Item>,
    /// How many items the sender left out by itself (Alertmanager's `truncatedAlerts`).
    pub truncated: u64,
}

impl Event {
    /// The title for somebody who reads that language.
    pub fn title_in(&self, language: Language) -> &str {
        language.of(&self.title, self.title_in_chinese.as_ref().unwrap_or(&self.title))
    }
}

/// One thing an event tells of: one alert of an Alertmanager group.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The sender's identity of this item over time.
    pub fingerprint: String,
    /// What a person calls it: the `alertname`.
    pub name: String,
    /// Whether it is on or over.
    pub status: Status,
    /// How bad it is, mapped by the source's `severity` rules.
    pub severity: Severity,
    /// The sender's labels, untouched.
    pub labels: Labels,
    /// The sender's annotations, untouched.
    pub annotations: Labels,
    /// When it began.
    pub since: Timestamp,
    /// When it was over; `None` while it lasts.
    pub until: Option<Timestamp>,
    /// Where the sender shows it (an `http(s)` address): Alertmanager's `generatorURL`.
    pub url: Option<String>,
}

/// Whether an item is on, or over, or just happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It lasts.
    Firing,
    /// It is over.
    Resolved,
    /// It happened: neither on nor over, like a push.
    Notice,
}

impl Status {
    /// The word matchers and templates see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Notice => "notice",
        }
    }
}

/// What a reader is told first, the least first: what is not over; of that the worst; of equals what lasts before what
/// just happened. Somebody must get up for a critical notice as for a critical alert.
pub fn precedence(status: Status, severity: Severity) -> impl Ord + use<> {
    (status == Status::Resolved, Reverse(severity), status == Status::Notice)
}

/// How bad something is. Ordered: the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it in working hours.
    Warning,
    /// Somebody must get up.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word matchers, the API and the configuration use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name, in any case.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
