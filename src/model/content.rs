//! What a delivery says, rendered once and stored with it.
//!
//! `render` makes it before the 202, so a retry says the same as the first try, and `compose` turns one or several
//! into a DingTalk message. All texts are DingTalk markdown whose outside parts are already escaped. A row of an
//! older version must stay readable: add fields with `#[serde(default)]`, and raise [`Content::VERSION`] only when
//! an old row would be misread.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::event::{Severity, Status};

/// One event as one receiver is to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The version of this shape.
    pub v: u32,
    /// Plain text, no markdown: what the conversation list and the push banner show.
    pub title: String,
    /// Markdown above the items: the headline and what all items share.
    pub header: String,
    /// The items, worst first.
    pub items: Vec<ContentItem>,
    /// Markdown below the items; may be empty.
    #[serde(default)]
    pub footer: String,
    /// Links for the whole of it.
    #[serde(default)]
    pub buttons: Vec<Button>,
    /// How many items the sender left out by itself; the header says it too.
    #[serde(default, skip_serializing_if = "is_none")]
    pub truncated: u64,
    /// Markdown, one line: whom it was meant for, where another receiver has taken it over. The store writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Content {
    /// The version this program writes.
    pub const VERSION: u32 = 1;
}

/// One item of a [`Content`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentItem {
    /// The sender's identity of the item over time.
    pub fingerprint: String,
    /// What a person calls it; plain text.
    pub name: String,
    /// Whether it is on or over.
    pub status: Status,
    /// How bad it is.
    pub severity: Severity,
    /// When it began.
    pub since: Timestamp,
    /// When it was over.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Where the sender shows it.
    #[serde(default)]
    pub url: Option<String>,
    /// Markdown, one line: for a digest.
    pub short: String,
    /// Markdown, a block of lines: for a message of its own.
    pub body: String,
    /// What tells it from others and what it shares with them, in name order: plain text on one line, few and short.
    /// Names and severity are said elsewhere. Empty in rows that were written before digests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
}

/// What a receiver was told last of an item: how it stood then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The item's fingerprint.
    pub fingerprint: String,
    /// How it stood.
    pub status: Status,
    /// When it had begun: one that begins later is another occurrence, whatever was told in between.
    pub since: Timestamp,
}

impl From<&ContentItem> for Seen {
    fn from(item: &ContentItem) -> Self {
        Self { fingerprint: item.fingerprint.clone(), status: item.status, since: item.since }
    }
}

/// What becomes of the alerts of a repeated group that stand as they were told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unchanged {
    /// They are folded by name into one line, and what changed is said in full.
    #[default]
    Fold,
    /// They are shown like any other.
    Show,
    /// They are left out; of a group in which nothing changed nothing is said.
    Drop,
}

/// A link with a caption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// Plain text, at most 20 characters.
    pub title: String,
    /// An `http(s)` address.
    pub url: String,
}
