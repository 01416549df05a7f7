//! The items of some parts, each alert once: what was said of it again and again is folded to the latest.
//!
//! Only what shares the order key, the fingerprint and its place among equals can be the same alert; a notice just
//! happened and is never another one. What a receiver was told last of a key says which of its alerts stand as they
//! stood. Work grows with the items. Knows no words and no markdown.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::compose::Part;
use crate::model::content::{ContentItem, Seen, Unchanged};
use crate::model::event::{Severity, Status};

/// One alert or notice with all that the parts say of it.
#[derive(Debug, Clone)]
pub(crate) struct Told<'c> {
    /// The latest word.
    pub(crate) item: &'c ContentItem,
    /// How many items say it.
    pub(crate) items: usize,
    /// How often it began.
    pub(crate) times: usize,
    /// Whether the receiver was told last that it stands as it does.
    pub(crate) unchanged: bool,
    /// When it began last.
    began: Timestamp,
}

impl<'c> Told<'c> {
    fn first(item: &'c ContentItem, unchanged: bool) -> Self {
        Self { item, items: 1, times: 1, unchanged, began: item.since }
    }

    /// A later word of the same alert.
    fn again(&mut self, item: &'c ContentItem, unchanged: bool) {
        // A sender that does not know when it was over does not know when it began either.
        let is_dated = item.status != Status::Resolved || item.until.is_some();
        if is_dated && item.since != self.began {
            self.times += 1;
            self.began = item.since;
        }
        self.item = item;
        self.items += 1;
        self.unchanged &= unchanged;
    }

    /// The worst first: what fires, then what happened, then what is over; by severity; the newest.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        let over = match self.item.status {
            Status::Firing => 0,
            Status::Notice => 1,
            Status::Resolved => 2,
        };
        let latest = match self.item.status {
            Status::Resolved => self.item.until.unwrap_or(self.item.since),
            Status::Firing | Status::Notice => self.item.since,
        };
        (over, std::cmp::Reverse(self.item.severity), std::cmp::Reverse(latest))
    }

    /// What it is counted as.
    pub(crate) fn kind(&self) -> (Status, Severity) {
        (self.item.status, self.item.severity)
    }
}

/// What tells an alert from all others: the order key, the fingerprint, and the how manieth of that fingerprint it is
/// in its part. A sender that gives all of its alerts one fingerprint does not get them folded into one.
type Identity<'c> = (&'c str, &'c str, usize);

/// Every alert once, in the order of its first word; with [`Unchanged::Show`] none counts as unchanged.
pub(crate) fn of<'c>(parts: &[Part<'c>], unchanged: Unchanged) -> Vec<Told<'c>> {
    let known = if unchanged == Unchanged::Show { HashMap::new() } else { known(parts) };
    let mut told: Vec<Told<'c>> = Vec::new();
    let mut places: HashMap<Identity<'c>, usize> = HashMap::new();
    for part in parts {
        let mut equals: HashMap<&str, usize> = HashMap::new();
        for item in &part.content.items {
            let stands = known.get(&(part.order_key, item.fingerprint.as_str())).is_some_and(|seen| stands(item, seen));
            if item.status == Status::Notice || item.fingerprint.is_empty() {
                told.push(Told::first(item, stands));
                continue;
            }
            let nth = equals.entry(&item.fingerprint).and_modify(|nth| *nth += 1).or_default();
            let place = *places.entry((part.order_key, &item.fingerprint, *nth)).or_insert(told.len());
            match told.get_mut(place) {
                Some(before) => before.again(item, stands),
                None => told.push(Told::first(item, stands)),
            }
        }
    }
    told
}

/// What was told last of each key, by the key's first part.
fn known<'c>(parts: &[Part<'c>]) -> HashMap<(&'c str, &'c str), &'c Seen> {
    let (mut keys, mut known) = (HashMap::new(), HashMap::new());
    for (place, part) in parts.iter().enumerate() {
        if *keys.entry(part.order_key).or_insert(place) == place {
            let seen = part.known.unwrap_or_default();
            known.extend(seen.iter().map(|seen| ((part.order_key, seen.fingerprint.as_str()), seen)));
        }
    }
    known
}

/// Whether the item is as it was told. One that began after that has been over in between, told or not.
fn stands(item: &ContentItem, seen: &Seen) -> bool {
    item.status != Status::Notice && item.status == seen.status && item.since <= seen.since
}
