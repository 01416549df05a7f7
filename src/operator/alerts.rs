//! Every alert that a message tells of: what "Show all" in a digest leads to.
//!
//! A digest says an alert once, whatever its deliveries said of it, shows the worst and counts the rest. Here all of them
//! stand by themselves, folded by the same rule, the worst first, each with the delivery that brought its latest word.
//! Pure; the page decides how many of them it can show.

use std::collections::HashMap;

use crate::compose::{self, Part};
use crate::model::content::ContentItem;
use crate::model::record::{Carried, MessageRecord};

/// One alert of a message.
#[derive(Debug, Clone, Copy)]
pub struct Alert<'r> {
    /// The latest that was said of it.
    pub item: &'r ContentItem,
    /// The delivery that said it.
    pub delivery: &'r Carried,
}

/// What a message tells of.
#[derive(Debug)]
pub struct Alerts<'r> {
    /// Every alert once, the worst first.
    pub all: Vec<Alert<'r>>,
    /// How many the senders left out by themselves.
    pub truncated: u64,
    /// How many deliveries say nothing that could be read any more.
    pub unreadable: usize,
}

/// Every alert that a message tells of.
pub fn of(record: &MessageRecord) -> Alerts<'_> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for carried in &record.carried {
        let part = carried.content.as_ref().map(|content| Part::of(content, record.called_at));
        parts.extend(part.map(|part| Part { order_key: &carried.order_key, ..part }));
    }
    // Which delivery an item is of, only its place can tell: two may say the same in the same words.
    let mut places: HashMap<*const ContentItem, &Carried> = HashMap::new();
    for carried in &record.carried {
        let items = carried.content.iter().flat_map(|content| &content.items);
        places.extend(items.map(|item| (std::ptr::from_ref(item), carried)));
    }
    let alert = |item| Some(Alert { item, delivery: places.get(&std::ptr::from_ref(item))? });
    Alerts {
        all: compose::every_alert(&parts).into_iter().filter_map(alert).collect(),
        truncated: parts.iter().map(|part| part.content.truncated).sum(),
        unreadable: record.carried.len() - parts.len(),
    }
}
