//! What a delivery says, rendered once and stored with it.
//!
//! `render` makes it before the 202, so a retry says the same as the first try, and `compose` turns one or several
//! into a DingTalk message. All texts are DingTalk markdown whose outside parts are already escaped. A row of an
//! older version must stay readable: add fields with `#[serde(default)]`, and raise [`Content::VERSION`] only when
//! an old row would be misread.

use std::collections::HashMap;

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

    /// The worst severity of what is new in it to whoever was told last what `told` says; `None` if nothing is. Of alerts
    /// that share a fingerprint the first counts, so that rather too much is new than too little.
    pub fn news(&self, told: &[Seen]) -> Option<Severity> {
        let mut by_fingerprint: HashMap<&str, &Seen> = HashMap::new();
        for seen in told {
            let first = by_fingerprint.entry(&seen.fingerprint).or_insert(seen);
            if seen.since < first.since {
                *first = seen;
            }
        }
        let is_new = |item: &&ContentItem| {
            by_fingerprint.get(item.fingerprint.as_str()).is_none_or(|seen| !seen.still_stands(item))
        };
        self.items.iter().filter(is_new).map(|item| item.severity).max()
    }
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

impl Seen {
    /// Whether the item, of this fingerprint, is as it was told. One that began after that has been over in between, told
    /// or not; and what happened is over, so that it never stands.
    pub fn still_stands(&self, item: &ContentItem) -> bool {
        item.status != Status::Notice && item.status == self.status && item.since <= self.since
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Severity::{Critical, Info, Warning};
    use crate::model::event::Status::{Firing, Notice, Resolved};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn item(fingerprint: &str, status: Status, severity: Severity, since: i64) -> ContentItem {
        let (name, since, short, body) = (String::new(), at(since), String::new(), String::new());
        let fingerprint = fingerprint.to_owned();
        ContentItem { fingerprint, name, status, severity, since, until: None, url: None, short, body, labels: vec![] }
    }

    fn content(items: Vec<ContentItem>) -> Content {
        let (title, header, footer, note) = (String::new(), String::new(), String::new(), String::new());
        Content { v: Content::VERSION, title, header, items, footer, buttons: vec![], truncated: 0, note }
    }

    #[test]
    fn new_is_what_does_not_stand_as_it_was_told_and_the_worst_of_it_counts() {
        let told: Vec<_> =
            [item("a", Firing, Critical, 5), item("b", Firing, Info, 5)].iter().map(Seen::from).collect();
        let news = |items: &[ContentItem]| content(items.to_vec()).news(&told);
        let (a, b) = (item("a", Firing, Critical, 5), item("b", Firing, Info, 5));

        assert_eq!(news(&[a.clone(), b.clone()]), None);
        assert_eq!(news(&[a.clone(), item("b", Resolved, Info, 5)]), Some(Info), "the critical one is known");
        assert_eq!(news(&[item("b", Firing, Info, 9), item("c", Firing, Warning, 1)]), Some(Warning));
        assert_eq!(news(&[item("a", Resolved, Critical, 5)]), Some(Critical), "that it is over is news");
        assert_eq!(news(&[item("a", Firing, Critical, 9)]), Some(Critical), "it was over in between");
        assert_eq!(news(&[item("a", Firing, Critical, 4)]), None, "it began even earlier");
        assert_eq!(news(&[item("c", Notice, Critical, 1), b]), Some(Critical));
        let happened = [Seen::from(&item("c", Notice, Critical, 1))];
        assert_eq!(content(vec![item("c", Notice, Critical, 1)]).news(&happened), Some(Critical), "it happened again");
    }

    #[test]
    fn of_alerts_that_share_a_fingerprint_rather_too_much_is_new() {
        let told: Vec<_> = [5, 1, 9].map(|since| Seen::from(&item("x", Firing, Critical, since))).into();
        for (since, news) in [(1, None), (5, Some(Critical)), (7, Some(Critical))] {
            assert_eq!(content(vec![item("x", Firing, Critical, since)]).news(&told), news, "{since}");
        }
    }
}
