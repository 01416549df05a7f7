//! Where in the pages of a message's readers the next question begins. Pure.
//!
//! DingTalk's token for it is opaque, so nothing is known of it but whether it is the same one again. A list that leads
//! back into itself would cost the whole month: it is followed for [`MOST_PAGES`] and no further.

use crate::model::message::Readers;
use crate::model::name::MessageId;

/// How many pages are asked for in a row: 20,000 readers, more than a group has members.
const MOST_PAGES: u32 = 100;

/// The place of the page to ask for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::receipts) struct Place {
    /// The message whose readers they are.
    pub(in crate::receipts) message: MessageId,
    /// What DingTalk gave for it.
    pub(in crate::receipts) token: String,
    /// How many pages came before.
    before: u32,
}

impl Place {
    /// The place behind a page that was asked for at `asked`; `None`: it was the last one.
    pub(in crate::receipts) fn behind(asked: Option<&Self>, message: &MessageId, page: &Readers) -> Option<Self> {
        let token = page.next.clone().filter(|next| asked.is_none_or(|asked| asked.token != *next))?;
        let before = asked.map_or(0, |asked| asked.before) + 1;
        if before >= MOST_PAGES {
            tracing::warn!(%message, "the list of those who have read a message does not end; the rest is left out");
            return None;
        }
        Some(Self { message: message.clone(), token, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(next: Option<&str>) -> Readers {
        Readers { send_status: "SUCCESS".into(), user_ids: vec![], next: next.map(str::to_owned) }
    }

    #[test]
    fn the_last_page_and_one_that_leads_to_itself_have_nothing_behind_them() {
        let message = MessageId("m".into());
        let second = Place::behind(None, &message, &page(Some("a"))).unwrap();
        assert_eq!((second.token.as_str(), second.before), ("a", 1));
        assert_eq!(Place::behind(Some(&second), &message, &page(Some("a"))), None);
        assert_eq!(Place::behind(Some(&second), &message, &page(None)), None);
    }

    #[test]
    fn pages_that_lead_round_in_a_circle_are_left() {
        let message = MessageId("m".into());
        let mut place = None;
        let mut pages = 0;
        loop {
            pages += 1;
            let next = if pages % 2 == 0 { "a" } else { "b" };
            place = Place::behind(place.as_ref(), &message, &page(Some(next)));
            if place.is_none() {
                break;
            }
        }
        assert_eq!(pages, MOST_PAGES);
    }
}
