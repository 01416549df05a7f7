//! What a person expects to see or to tap on, and cannot.
//!
//! Rendering shows an address that is none as text, or not at all, and cuts a text nobody could see whole; it says
//! nothing of it, for that would be noise for every webhook. A preview asks here, so that whoever tries a payload
//! learns why a link is missing.

use crate::model::event::{Event, Item};
use crate::render::overview::link_name;
use crate::render::{link, outside};

/// What is wrong with the addresses and texts of an item, in words that name the place and repeat no value.
pub fn of_item(item: &Item) -> Vec<String> {
    let own = item.url.as_deref().filter(|url| link::address(url).is_none());
    let mut doubts: Vec<_> = own.map(|_| format!("there is no link to it: {TOO_LONG}")).into_iter().collect();
    let expected = item.annotations.iter().filter(|(key, value)| link_name(key).is_some() && !value.trim().is_empty());
    let lost = expected.filter(|(_, value)| link::address(value).is_none());
    doubts.extend(lost.map(|(key, value)| {
        let why = if value.starts_with("http://") || value.starts_with("https://") { TOO_LONG } else { NOT_OF_THE_WEB };
        format!("annotation `{}` is shown as text and not as a link: {why}", key.escape_debug())
    }));
    let long = item.annotations.iter().filter(|(_, value)| value.chars().nth(outside::LONGEST).is_some());
    doubts.extend(
        long.map(|(key, _)| {
            format!("annotation `{}` is cut after {} characters", key.escape_debug(), outside::LONGEST)
        }),
    );
    doubts
}

/// What is wrong with the address of the event as a whole.
pub fn of_event(event: &Event) -> Option<String> {
    let lost = event.url.as_deref().filter(|url| link::address(url).is_none());
    lost.map(|_| format!("there is no link to the whole of it: {TOO_LONG}"))
}

const NOT_OF_THE_WEB: &str = "it is no http(s) address";
const TOO_LONG: &str = "the address is too long or its host is none";
