//! GitHub's webhooks → [`Event`], every event of them, by one way.
//!
//! The headers and shapes are described at <https://docs.github.com/en/webhooks/webhook-events-and-payloads>. There
//! are some seventy events, new ones come every year, and most have the same shape: an `action`, done by a `sender`
//! to an object that is called like the event, in a `repository`. So nothing here demands a field: `happening`
//! finds the object and says in one line what happened to it, `text` what else is worth reading, `facts` what
//! matchers may ask for, `severity` how bad it is, and small tables hold what differs. An event GitHub invents
//! tomorrow is understood the same way.

mod chinese;
mod facts;
mod happening;
mod prose;
mod severity;
mod text;
mod wire;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use crate::model::event::{Event, Item, Labels, Status};
use crate::model::name::{EventId, Name};
use crate::sources::github::happening::Happening;
use crate::sources::outside::{LONGEST_TITLE, one_line, sha256};
use crate::sources::{BadBody, Decoded};

/// The kind, as matchers see it.
pub const KIND: &str = "github";

/// The header that names the event: `push`, `issues`, …
const EVENT: &str = "X-GitHub-Event";
/// The header with the id of the delivery; a redelivery keeps it.
const DELIVERY: &str = "X-GitHub-Delivery";

/// What a delivery says: the event's name and id are in the headers, all else in the body (JSON, or a form with the
/// JSON in its field `payload`).
pub fn decode(source: &Name, headers: &HeaderMap, body: &[u8], received_at: Timestamp) -> Result<Decoded, BadBody> {
    let event = wire::header(headers, EVENT)
        .ok_or_else(|| BadBody { at: EVENT.to_owned(), message: "this header is missing".to_owned() })?;
    let payload = wire::payload(headers, body)?;
    if event == "ping" {
        return Ok(Decoded::Ping);
    }
    let happening = Happening::of(event, &payload);
    let url = text::url(&happening);
    let order_key = happening.order_key();
    Ok(Decoded::Event(Event {
        id: EventId::fresh(),
        source: source.clone(),
        kind: KIND,
        title: one_line(&happening.title(), LONGEST_TITLE),
        title_in_chinese: Some(one_line(&chinese::title(&happening), LONGEST_TITLE)),
        url: url.clone(),
        received_at,
        dedup_key: wire::header(headers, DELIVERY).map_or_else(|| sha256(body), str::to_owned),
        dedup_state: String::new(),
        facts: facts::of(&happening),
        group: Labels::new(),
        items: vec![item(&happening, order_key.clone(), url, received_at)],
        order_key,
        truncated: 0,
    }))
}

/// The headers of a delivery of this event. `None` if that cannot be the name of one.
pub(crate) fn headers(event: &str, body: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(EVENT, event.trim().parse().ok()?);
    // GitHub sends JSON or, if its user has chosen so, this form.
    if body.starts_with(b"payload=") {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    }
    Some(headers)
}

/// The only item: a delivery tells of one thing.
fn item(happening: &Happening<'_>, object: String, url: Option<String>, at: Timestamp) -> Item {
    let said = [("summary", text::summary(happening)), ("description", text::description(happening))];
    Item {
        fingerprint: object,
        name: happening.event.to_owned(),
        status: Status::Notice,
        severity: severity::of(happening),
        labels: text::labels(happening),
        annotations: said.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?))).collect(),
        since: at,
        until: None,
        url,
    }
}

#[cfg(test)]
mod tests;
