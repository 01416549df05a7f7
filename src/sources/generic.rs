//! Any JSON object → [`Event`].
//!
//! What the operator's `fields` say counts (`fields` has the expressions); for what they do not say there is a guess
//! that is never wrong enough to hide something: the title is the first member that is called like one, the text is
//! every member as `key: value` (`members`), the event is a notice. A field that fails is as if it were not there, so
//! nothing but a body that is no JSON object is refused. The one item carries title and text as the annotations
//! `summary` and `description`, which every template shows. Knows no sender by name.

pub(crate) mod fields;
mod members;
mod names;

use jiff::Timestamp;

use crate::model::event::{Event, Item, Labels, Severity, Status};
use crate::model::name::{EventId, Name};
use crate::sources::doubts::Doubt;
use crate::sources::generic::fields::Fields;
use crate::sources::generic::members::Members;
use crate::sources::outside::{LONGEST_TITLE, one_line, sha256, web_address};
use crate::sources::severity::Severities;
use crate::sources::{BadBody, doubts};

/// The kind, as matchers see it.
pub const KIND: &str = "generic";

/// A longer dedup key is stored as its digest, in bytes.
const LONGEST_KEY: usize = 200;

/// What a body says.
pub(crate) fn decode(
    source: &Name,
    fields: &Fields,
    severities: &Severities,
    body: &[u8],
    received_at: Timestamp,
) -> Result<Event, BadBody> {
    let members = Members::read(body)?;
    let said = Said::by(&members, fields, severities, source);
    let key = key(&said, body);
    Ok(Event {
        id: EventId::fresh(),
        source: source.clone(),
        kind: KIND,
        title: said.title.clone(),
        title_in_chinese: None,
        url: said.url.clone(),
        received_at,
        order_key: key.clone(),
        dedup_key: key.clone(),
        dedup_state: said.state.clone(),
        facts: Labels::new(),
        group: Labels::new(),
        items: vec![said.item(key, received_at)],
        truncated: 0,
    })
}

/// The fields that cost themselves on this body, and words that mean nothing.
pub(crate) fn doubts_of(source: &Name, fields: &Fields, severities: &Severities, body: &[u8]) -> Vec<Doubt> {
    let Ok(members) = Members::read(body) else { return Vec::new() };
    let payload = members.payload();
    let mut doubts: Vec<_> = fields.doubts(&payload).into_iter().map(Doubt::of_all).collect();
    let ask = |field: &Option<fields::Field>| field.as_ref().and_then(|field| field.text(&payload, source));
    if ask(&fields.url).is_some_and(|address| web_address(&address).is_none()) {
        doubts.push(Doubt::of_all("fields.url says no http(s) address: there is no link".to_owned()));
    }
    let word = ask(&fields.severity).filter(|word| !severities.knows(word)).map(|word| ("fields.severity", word));
    let labels = fields.labels(&payload, source);
    let member = |name: &str| labels.get(name).cloned().or_else(|| members.word(name));
    let word = if fields.severity.is_some() { word } else { severities.unknown(member) };
    doubts.extend(word.map(|(place, word)| Doubt::of_all(doubts::unknown_word(source, place, &word, severities))));
    doubts
}

/// What the fields and the members come to.
struct Said {
    title: String,
    text: String,
    severity: Severity,
    /// As configured; `None` where nothing is, or where it failed.
    dedup_key: Option<String>,
    status: Status,
    /// The sender's own word for it, where `fields.status` is configured and says one.
    state: String,
    url: Option<String>,
    labels: Labels,
}

impl Said {
    fn by(members: &Members, fields: &Fields, severities: &Severities, source: &Name) -> Self {
        let payload = members.payload();
        let ask = |field: &Option<fields::Field>| field.as_ref().and_then(|field| field.text(&payload, source));
        let labels = fields.labels(&payload, source);
        let guess = || members.title().unwrap_or_else(|| source.to_string());
        let title = ask(&fields.title).map(|title| one_line(&title, LONGEST_TITLE)).filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(guess);
        let member = |name: &str| labels.get(name).cloned().or_else(|| members.word(name));
        let state = ask(&fields.status);
        let severity = ask(&fields.severity).map(|word| severities.called(&word));
        Self {
            text: ask(&fields.text).unwrap_or_else(|| members.text(&title, &labels)),
            severity: severity.unwrap_or_else(|| severities.asking(member)),
            dedup_key: fields.dedup_key.as_ref().and_then(|field| field.key(&payload, source)),
            status: state.as_deref().map_or(Status::Notice, status),
            state: state.unwrap_or_default(),
            url: ask(&fields.url).and_then(|address| web_address(&address)),
            title,
            labels,
        }
    }

    fn item(self, fingerprint: String, received_at: Timestamp) -> Item {
        let said = [("summary", &self.title), ("description", &self.text)].into_iter();
        let said = said.filter(|(_, text)| !text.is_empty());
        Item {
            fingerprint,
            annotations: said.map(|(name, text)| (name.to_owned(), text.clone())).collect(),
            name: self.title,
            status: self.status,
            severity: self.severity,
            labels: self.labels,
            since: received_at,
            // When it began is not known, so neither is how long it lasted.
            until: None,
            url: self.url,
        }
    }
}

fn status(word: &str) -> Status {
    let states = [Status::Firing, Status::Resolved];
    states.into_iter().find(|status| word.eq_ignore_ascii_case(status.as_str())).unwrap_or(Status::Notice)
}

/// What tells twins, and what stays in order: the configured key, else the digest of the body.
fn key(said: &Said, body: &[u8]) -> String {
    match &said.dedup_key {
        None => sha256(body),
        Some(key) if key.len() > LONGEST_KEY => sha256(key.as_bytes()),
        Some(key) => key.clone(),
    }
}

#[cfg(test)]
mod tests;
