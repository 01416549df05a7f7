//! The list of deliveries, and one of them shown whole: what may be asked, and the JSON that answers.
//!
//! The query's words and the shapes are the contract's (§5). What cannot be understood is refused with a text that
//! says what would be right; a filter that was silently dropped would show the wrong deliveries. The text echoes
//! nothing of the query. The cursor is opaque outside.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::delivery::{Delivery, DeliveryRecord, State};
use crate::store::{Cursor, Filter, Page};

/// How many deliveries a page holds when nobody says.
pub const DEFAULT_LIMIT: usize = 50;
/// How many it may hold.
pub const GREATEST_LIMIT: usize = 500;

const PARAMETERS: [&str; 6] = ["state", "receiver", "source", "event", "limit", "cursor"];

/// Which deliveries to list.
#[derive(Debug, Clone)]
pub struct Listing(Filter);

/// Why a query cannot be understood, for whoever asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadQuery(String);

impl BadQuery {
    pub(in crate::operator) fn new(what_would_be_right: impl Into<String>) -> Self {
        Self(what_would_be_right.into())
    }
}

/// One page of the list, as the API answers it.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The deliveries, newest first.
    pub deliveries: Vec<Delivery>,
    /// What `cursor` must be for the next page; `None` at the end.
    pub next: Option<String>,
}

impl Listing {
    /// The latest ones, as many as a page holds.
    pub fn latest() -> Self {
        Self(Filter { limit: DEFAULT_LIMIT, ..Filter::default() })
    }

    /// What the parameters of a request ask for. An empty value is as good as none.
    pub fn asked<'q>(parameters: impl IntoIterator<Item = (Cow<'q, str>, Cow<'q, str>)>) -> Result<Self, BadQuery> {
        let mut listing = Self::latest();
        let mut left = PARAMETERS.to_vec();
        for (name, value) in parameters {
            let Some(place) = left.iter().position(|known| **known == name) else {
                return Err(BadQuery(format!("the parameters are {}, each at most once", PARAMETERS.join(", "))));
            };
            let name = left.swap_remove(place);
            if !value.is_empty() {
                listing.narrow(name, value.into_owned())?;
            }
        }
        Ok(listing)
    }

    fn narrow(&mut self, name: &str, value: String) -> Result<(), BadQuery> {
        match name {
            "state" => self.0.state = Some(state(&value)?),
            "receiver" => self.0.receiver = Some(value),
            "source" => self.0.source = Some(value),
            "event" => self.0.event = Some(value),
            "limit" => self.0.limit = limit(&value)?,
            _ => self.0.cursor = Some(cursor(&value)?),
        }
        Ok(())
    }

    pub(in crate::operator) fn into_filter(self) -> Filter {
        self.0
    }
}

/// The state of that name.
pub(in crate::operator) fn state(word: &str) -> Result<State, BadQuery> {
    let words = || State::ALL.map(State::as_str).join(", ");
    State::named(word).ok_or_else(|| BadQuery(format!("state must be one of {}", words())))
}

fn limit(number: &str) -> Result<usize, BadQuery> {
    let wanted = number.parse().ok().filter(|limit| (1..=GREATEST_LIMIT).contains(limit));
    wanted.ok_or_else(|| BadQuery(format!("limit must be a number from 1 to {GREATEST_LIMIT}")))
}

fn cursor(text: &str) -> Result<Cursor, BadQuery> {
    let seq = i64::from_str_radix(text, 36).ok();
    seq.map(Cursor).ok_or_else(|| BadQuery("cursor must be the next of an earlier answer".to_owned()))
}

/// The text that [`cursor`] reads: the place in base 36, so that nobody takes it for a number to count with.
fn opaque(Cursor(seq): Cursor) -> String {
    let mut rest = seq.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(rest % 36).unwrap_or_default();
        digits.extend(char::from_digit(digit, 36));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    digits.into_iter().rev().collect()
}

impl From<Page> for Listed {
    fn from(page: Page) -> Self {
        Self { deliveries: page.deliveries, next: page.next.map(opaque) }
    }
}

/// One delivery as the API shows it: as in the list, with `event` as an object, and its `attempt_log`.
pub fn shown(record: &DeliveryRecord) -> Value {
    let mut shown = json!(record.delivery);
    shown["event"] = json!({
        "id": record.delivery.event,
        "source": record.delivery.source,
        "kind": record.kind,
        "title": record.event_title,
        "url": record.event_url,
        "received_at": record.received_at,
    });
    shown["attempt_log"] = json!(record.attempt_log);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Filter, String> {
        let parameters = url::form_urlencoded::parse(query.as_bytes());
        Listing::asked(parameters).map(Listing::into_filter).map_err(|error| error.to_string())
    }

    #[test]
    fn a_query_narrows_the_list() {
        let filter = asked("state=dead&receiver=oncall&source=am&event=e1&limit=500&cursor=zz").unwrap();
        assert_eq!(filter.state, Some(State::Dead));
        assert_eq!(filter.receiver.as_deref(), Some("oncall"));
        assert_eq!(filter.source.as_deref(), Some("am"));
        assert_eq!(filter.event.as_deref(), Some("e1"));
        assert_eq!((filter.limit, filter.cursor), (500, Some(Cursor(36 * 36 - 1))));
    }

    #[test]
    fn an_empty_parameter_is_as_good_as_none() {
        let filter = asked("state=&receiver=&source=&event=&limit=&cursor=").unwrap();
        assert_eq!((filter.state, filter.receiver, filter.limit), (None, None, DEFAULT_LIMIT));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_what_would_be_right() {
        let all = "the parameters are state, receiver, source, event, limit, cursor, each at most once";
        let states = "state must be one of queued, sending, delivered, dead, cancelled, handed_over";
        let numbers = "limit must be a number from 1 to 500";
        for (query, says) in [
            ("status=dead", all),
            ("status=", all),
            ("state=dead&state=queued", all),
            ("state=Dead", states),
            ("limit=0", numbers),
            ("limit=501", numbers),
            ("limit=-1", numbers),
            ("limit=many", numbers),
            ("cursor=!", "cursor must be the next of an earlier answer"),
        ] {
            assert_eq!(asked(query).unwrap_err(), says, "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(seq in 0..=i64::MAX) {
            assert_eq!(cursor(&opaque(Cursor(seq))), Ok(Cursor(seq)));
        }
    }
}
