//! Which deliveries an action on many is for, as a request says it.
//!
//! A parameter that is not understood is refused, as in the list: what was meant to be a filter and was dropped would
//! let the action run on everything. For the same reason an action on many wants at least one filter, which is asked
//! for where it begins. The texts echo nothing of the query.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::model::delivery::State;
use crate::operator::deliveries::{BadQuery, state};

const PARAMETERS: [&str; 4] = ["receiver", "state", "before", "dry_run"];

/// Which deliveries an action on many is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only of this receiver.
    pub receiver: Option<String>,
    /// Only in this state; `None`: in the one the action is usually for.
    pub state: Option<State>,
    /// Only accepted before then.
    pub before: Option<Timestamp>,
}

impl Selection {
    /// What the parameters of a request select, and whether it is only to be counted. An empty value is as good as none.
    pub fn asked<'q>(
        parameters: impl IntoIterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
    ) -> Result<(Self, bool), BadQuery> {
        let (mut selection, mut dry_run) = (Self::default(), false);
        let mut left = PARAMETERS.to_vec();
        for (name, value) in parameters {
            let Some(place) = left.iter().position(|known| **known == name) else {
                let parameters = PARAMETERS.join(", ");
                return Err(BadQuery::new(format!("the parameters are {parameters}, each at most once")));
            };
            match left.swap_remove(place) {
                _ if value.is_empty() => {}
                "receiver" => selection.receiver = Some(value.into_owned()),
                "state" => selection.state = Some(state(&value)?),
                "before" => selection.before = Some(time(&value)?),
                _ => dry_run = flag(&value)?,
            }
        }
        Ok((selection, dry_run))
    }

    /// Whether nothing narrows it.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

fn time(text: &str) -> Result<Timestamp, BadQuery> {
    // A `+` in a query is a space, and `+08:00` is what people paste.
    let right = "before must be an RFC 3339 time such as 2026-11-21T12:00:00Z";
    text.replace(' ', "+").parse().map_err(|_| BadQuery::new(right))
}

fn flag(text: &str) -> Result<bool, BadQuery> {
    text.parse().map_err(|_| BadQuery::new("dry_run must be true or false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<(Selection, bool), String> {
        Selection::asked(url::form_urlencoded::parse(query.as_bytes())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_query_says_which_deliveries_and_whether_they_are_only_counted() {
        let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let all = Selection { receiver: Some("oncall".into()), state: Some(State::Dead), before: Some(noon) };
        assert_eq!(asked("receiver=oncall&state=dead&before=2026-11-21T12:00:00Z&dry_run=true"), Ok((all, true)));
        let (later, _) = asked("before=2026-11-21T20:00:00+08:00&dry_run=false").unwrap();
        assert_eq!(later.before, Some(noon), "a plus that was not escaped");
        let (nothing, dry_run) = asked("receiver=&state=&before=&dry_run=").unwrap();
        assert!(nothing.is_everything() && !dry_run);
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_what_would_be_right() {
        let all = "the parameters are receiver, state, before, dry_run, each at most once";
        let times = "before must be an RFC 3339 time such as 2026-11-21T12:00:00Z";
        for (query, says) in [
            ("reciever=oncall", all),
            ("state=dead&state=queued", all),
            ("limit=1", all),
            ("state=Dead", "state must be one of queued, sending, delivered, dead, cancelled, handed_over"),
            ("before=yesterday", times),
            ("before=2026-11-21", times),
            ("before=2026-11-21T12:00:00", times),
            ("dry_run=yes", "dry_run must be true or false"),
        ] {
            assert_eq!(asked(query).unwrap_err(), says, "{query}");
        }
    }
}
