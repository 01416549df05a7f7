//! What a person should know who tries a payload: it was understood, and something of it is not as it was meant.
//!
//! No webhook is refused for any of this, and nothing is logged: most senders could not help it. Only a preview asks.
//! Each kind of source knows its own doubts; this file holds what they have in common, and those of Alertmanager.

use serde_json::Value;

use crate::model::event::Event;
use crate::model::name::Name;
use crate::sources::outside::{one_line, web_address};
use crate::sources::severity::Severities;

/// How much of a sender's word is repeated, in characters.
const LONGEST_WORD: usize = 40;

/// Something that is not as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The place of the item it is about, among the event's; `None`: about the event as a whole.
    pub item: Option<usize>,
    /// What it is, for a person.
    pub what: String,
}

impl Doubt {
    /// About the event as a whole.
    pub(crate) fn of_all(what: String) -> Self {
        Self { item: None, what }
    }
}

/// Severities nobody knows, and addresses that are none.
pub(crate) fn of_alertmanager(source: &Name, severities: &Severities, body: &[u8], event: &Event) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for (i, item) in event.items.iter().enumerate() {
        let unknown = severities.unknown(|name| item.labels.get(name));
        let what = unknown.map(|(label, word)| unknown_word(source, label, word, severities));
        doubts.extend(what.map(|what| Doubt { item: Some(i), what }));
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let lost = |at: &Value| at.as_str().is_some_and(|text| !text.trim().is_empty() && web_address(text).is_none());
    if lost(&body["externalURL"]) {
        doubts
            .push(Doubt::of_all("externalURL is no http(s) address: there is no link to the Alertmanager".to_owned()));
    }
    for i in 0..event.items.len() {
        if lost(&body["alerts"][i]["generatorURL"]) {
            let what = "generatorURL is no http(s) address: there is no link to the graph".to_owned();
            doubts.push(Doubt { item: Some(i), what });
        }
    }
    doubts
}

/// A word that stands where a severity is expected and means nothing.
pub(crate) fn unknown_word(source: &Name, place: &str, word: &str, severities: &Severities) -> String {
    format!(
        "{place} {:?} is neither critical, warning or info nor in sources.{source}.severity.map: it counts as {}",
        one_line(word, LONGEST_WORD),
        severities.default(),
    )
}
