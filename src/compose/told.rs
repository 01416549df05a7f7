//! The items of some parts, each alert once: what was said of it again and again is folded to the latest.
//!
//! Only what shares the order key, the fingerprint and its place among equals can be the same alert; a notice just
//! happened and is never another one. What a receiver was told last of a key says which of its alerts stand as they
//! stood. Work grows with the items. Knows no words and no markdown.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::compose::Part;
use crate::model::content::{ContentItem, Seen, Unchanged};
use crate::model::event::{Severity, Status, precedence};

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

    /// The worst first: by [`precedence`], then the newest.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        let latest = match self.item.status {
            Status::Resolved => self.item.until.unwrap_or(self.item.since),
            Status::Firing | Status::Notice => self.item.since,
        };
        (precedence(self.item.status, self.item.severity), std::cmp::Reverse(latest))
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.item.status == Status::Resolved
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
            let stands =
                known.get(&(part.order_key, item.fingerprint.as_str())).is_some_and(|seen| seen.still_stands(item));
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
    let (mut keys, mut known): (_, HashMap<_, &Seen>) = (HashMap::new(), HashMap::new());
    for (place, part) in parts.iter().enumerate() {
        if *keys.entry(part.order_key).or_insert(place) == place {
            let seen = part.known.unwrap_or_default();
            // Of alerts that share a fingerprint the first counts, as in [`crate::model::content::Content::news`].
            for seen in seen {
                let first = known.entry((part.order_key, seen.fingerprint.as_str())).or_insert(seen);
                if seen.since < first.since {
                    *first = seen;
                }
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::says_nothing;
    use crate::compose::tests::content;
    use crate::compose::tests::digest::{alert, at, resolved};
    use crate::model::content::Content;

    fn disk(since: &str) -> ContentItem {
        ContentItem { fingerprint: "f".into(), ..alert("DiskFull", Severity::Warning, since, &[("instance", "db-1")]) }
    }

    #[test]
    fn of_alerts_that_share_a_fingerprint_the_first_one_told_counts_as_it_does_for_what_is_new() {
        let told: Vec<Seen> = ["03:05", "03:01", "03:09"].map(|since| Seen::from(&disk(since))).into();
        let now = content(vec![disk("03:07")]);
        let told_of = of(&[part(&now, "a", Some(&told))], Unchanged::Fold);
        assert_eq!((told_of[0].unchanged, now.news(&told)), (false, Some(Severity::Warning)));
    }

    fn part<'c>(content: &'c Content, order_key: &'c str, known: Option<&'c [Seen]>) -> Part<'c> {
        Part { content, order_key, received_at: at("03:10"), known }
    }

    #[test]
    fn only_what_can_be_the_same_alert_is_folded() {
        let one = content(vec![disk("03:00")]);
        let over = content(vec![resolved(&disk("03:00"), "03:12")]);
        let twice = content(vec![disk("03:00"), disk("03:00")]);
        let notice = content(vec![ContentItem { status: Status::Notice, ..disk("03:00") }]);
        let nameless = content(vec![ContentItem { fingerprint: String::new(), ..disk("03:00") }]);
        for (contents, keys, told) in [
            ([&one, &over], ["a", "a"], 1),
            ([&one, &over], ["a", "b"], 2),
            ([&twice, &one], ["a", "a"], 2),
            ([&twice, &twice], ["a", "a"], 2),
            ([&notice, &notice], ["a", "a"], 2),
            ([&nameless, &nameless], ["a", "a"], 2),
        ] {
            let parts = [part(contents[0], keys[0], None), part(contents[1], keys[1], None)];
            let found = of(&parts, Unchanged::Fold);
            assert_eq!(found.len(), told, "{parts:?}");
            let items: usize = contents.iter().map(|content| content.items.len()).sum();
            assert_eq!(found.iter().map(|told| told.items).sum::<usize>(), items);
        }
    }

    #[test]
    fn it_is_told_how_often_an_alert_began_and_how_it_stands_now() {
        let over = |since, until| resolved(&disk(since), until);
        let undated = ContentItem { until: None, ..over("03:09", "03:09") };
        for (words, times, status) in [
            (vec![disk("03:00"), disk("03:00")], 1, Status::Firing),
            (vec![disk("03:00"), over("03:00", "03:05"), disk("03:06")], 2, Status::Firing),
            (vec![disk("03:00"), over("03:06", "03:07")], 2, Status::Resolved),
            (vec![disk("03:00"), undated], 1, Status::Resolved),
        ] {
            let contents: Vec<_> = words.into_iter().map(|item| content(vec![item])).collect();
            let parts: Vec<_> = contents.iter().map(|content| part(content, "a", None)).collect();
            let told = of(&parts, Unchanged::Fold);
            assert_eq!((told.len(), told[0].times, told[0].item.status), (1, times, status), "{parts:?}");
        }
    }

    #[test]
    fn an_alert_is_unchanged_only_if_it_stands_as_it_was_told() {
        let (firing, over) = (disk("03:00"), resolved(&disk("03:00"), "03:05"));
        let notice = ContentItem { status: Status::Notice, ..disk("03:00") };
        for (known, words, unchanged) in [
            (&firing, vec![firing.clone()], true),
            (&firing, vec![disk("02:59")], true),
            (&firing, vec![disk("03:01")], false),
            (&firing, vec![over.clone()], false),
            (&over, vec![firing.clone()], false),
            (&over, vec![over.clone()], true),
            (&firing, vec![over.clone(), disk("03:06")], false),
            (&firing, vec![over.clone(), firing.clone()], false),
            (&notice, vec![notice.clone()], false),
        ] {
            let contents: Vec<_> = words.into_iter().map(|item| content(vec![item])).collect();
            let known = [Seen::from(known)];
            let parts: Vec<_> = contents.iter().map(|content| part(content, "a", Some(&known))).collect();
            let all = |setting| of(&parts, setting).iter().all(|told| told.unchanged);
            assert_eq!(all(Unchanged::Fold), unchanged, "{parts:?}");
            assert!(!all(Unchanged::Show));
            if let [only] = parts.as_slice() {
                assert_eq!(says_nothing(only, Unchanged::Drop), unchanged);
                assert!(!says_nothing(only, Unchanged::Fold));
            }
        }
    }

    #[test]
    fn what_was_told_of_a_key_is_what_its_first_part_knows() {
        let (one, two) = (content(vec![disk("03:00")]), content(vec![disk("03:00")]));
        let known = [Seen::from(&disk("03:00"))];
        let unchanged = |parts: &[Part<'_>]| of(parts, Unchanged::Fold)[0].unchanged;
        assert!(unchanged(&[part(&one, "a", Some(&known)), part(&two, "a", None)]));
        assert!(!unchanged(&[part(&one, "a", None), part(&two, "a", Some(&known))]));
        assert!(!unchanged(&[part(&one, "a", None)]), "nothing is known: everything is new");
        assert!(!says_nothing(&part(&content(vec![]), "a", Some(&[])), Unchanged::Drop), "it has no alerts to repeat");
    }
}
