//! The list's own query: its filters as the form shows them again, and the links to the pages before and after.
//!
//! What the words mean, and which are wrong, `operator` says; this file only carries them from one page to the next.

use std::borrow::Cow;

use minijinja::{Value, context};
use url::form_urlencoded;

use crate::http::admin::page::notice::Notice;
use crate::http::problem::ProblemAnswer;
use crate::operator::deliveries::{Listed, Listing};

/// The query of the list, and the word for a notice beside it.
pub(super) struct Query<'q> {
    parameters: Vec<(Cow<'q, str>, Cow<'q, str>)>,
    done: Option<Cow<'q, str>>,
}

impl<'q> Query<'q> {
    /// Takes a query apart.
    pub(super) fn read(query: &'q str) -> Self {
        let (done, parameters): (Vec<_>, Vec<_>) =
            form_urlencoded::parse(query.as_bytes()).partition(|(name, _)| name == "done");
        Self { parameters, done: done.into_iter().next().map(|(_, word)| word) }
    }

    /// What is told of an action that led here.
    pub(super) fn notice(&self) -> Option<&'static str> {
        self.done.as_deref().and_then(Notice::named).map(Notice::words)
    }

    /// What it asks for.
    pub(super) fn listing(&self) -> Result<Listing, ProblemAnswer> {
        let listing = Listing::asked(self.parameters.iter().cloned());
        listing.map_err(|bad| ProblemAnswer::bad_request(bad.to_string()))
    }

    /// What the list's template is given beside the rows.
    pub(super) fn shown(&self, listed: &Listed) -> Value {
        context! {
            state => self.said("state"),
            receiver => self.said("receiver"),
            source => self.said("source"),
            event => self.said("event"),
            is_narrowed => ["state", "receiver", "source", "event"].iter().any(|name| !self.said(name).is_empty()),
            newest => (!self.said("cursor").is_empty()).then(|| self.with_cursor(None)),
            older => listed.next.as_deref().map(|next| self.with_cursor(Some(next))),
        }
    }

    fn said(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The same list from another place on.
    fn with_cursor(&self, cursor: Option<&str>) -> String {
        let kept = self.parameters.iter().filter(|(name, value)| name != "cursor" && !value.is_empty());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
        format!("/?{}#deliveries", query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_narrowed_as_this_one_is() {
        let query = Query::read("state=dead&receiver=&source=a%26b&cursor=z&done=cancelled");
        let shown = query.shown(&Listed { deliveries: vec![], next: Some("y".into()) });
        let older = shown.get_attr("older").unwrap();
        assert_eq!(older.as_str(), Some("/?state=dead&source=a%26b&cursor=y#deliveries"));
        let newest = shown.get_attr("newest").unwrap();
        assert_eq!(newest.as_str(), Some("/?state=dead&source=a%26b#deliveries"));
        assert_eq!(query.notice(), Some("The delivery was cancelled."));
        assert!(query.listing().is_ok());
    }
}
