//! Which labels tell an alert of a digest from the others, and which are said once for all.
//!
//! An alert of Kubernetes carries a dozen labels, and a line on a phone has room for two or three. What all share is
//! said above, what all of one name share tells nothing apart between them, and of the rest come first those that name
//! a thing a person knows. Those are shown by their value alone: `api-7f · shop`, but `code: 500`.

use std::collections::HashMap;

use crate::compose::told::Told;
use crate::model::content::ContentItem;
use crate::model::escape;

/// A label and its value.
pub(crate) type Label = (String, String);

/// Names whose values say what they are, the most telling first.
const KNOWN: &[&str] = &[
    "node",
    "host",
    "hostname",
    "nodename",
    "deployment",
    "statefulset",
    "daemonset",
    "job_name",
    "pod",
    "instance",
    "namespace",
    "cluster",
    "persistentvolumeclaim",
    "device",
    "mountpoint",
    "service",
    "app",
    "region",
    "zone",
    "env",
    "environment",
    "queue",
    "topic",
    "database",
];
/// Names that say how it is monitored, or again what another label says. They are shown where nothing else tells
/// alerts apart.
const NOISE: &[&str] = &[
    "alertgroup",
    "container",
    "endpoint",
    "id",
    "job",
    "monitor",
    "prometheus",
    "prometheus_replica",
    "replica",
    "uid",
];
/// The labels a line has room for.
const MOST: usize = 3;
/// With fewer labels than these on its line, an alert is told by some it shares with others of its name too.
const CONTEXT: usize = 2;
/// The characters a value has room for.
const LONGEST: usize = 40;
/// Of a longer one, the characters of its end that stay: Kubernetes tells pods apart by their last two words, `-7f9c6d5b8d-x2x4k`.
const TAIL: usize = 17;

/// The labels of all alerts of a digest.
pub(crate) struct Telling<'c> {
    /// What all have, if there are several.
    common: Vec<&'c Label>,
    /// What all of a name have, and how many those are.
    by_name: HashMap<&'c str, (usize, Vec<&'c Label>)>,
}

impl<'c> Telling<'c> {
    /// Looks at all of them.
    pub(crate) fn of(told: &[Told<'c>]) -> Self {
        let mut by_name: HashMap<&str, (usize, Vec<&Label>)> = HashMap::new();
        for told in told {
            match by_name.get_mut(told.item.name.as_str()) {
                None => drop(by_name.insert(&told.item.name, (1, told.item.labels.iter().collect()))),
                Some((count, common)) => {
                    *count += 1;
                    keep(common, &told.item.labels);
                }
            }
        }
        let mut lists = by_name.values();
        let mut common = lists.next().map(|(_, labels)| labels.clone()).unwrap_or_default();
        for (_, labels) in lists {
            common.retain(|label| labels.contains(label));
        }
        if told.len() < 2 {
            common.clear();
        }
        Self { common, by_name }
    }

    /// What all share, as markdown: `cluster: prod · namespace: shop`; may be empty.
    pub(crate) fn shared(&self) -> String {
        let labels = worthy(self.common.iter().copied());
        labels.into_iter().map(pair).collect::<Vec<_>>().join(" · ")
    }

    /// What tells this one from the others, as markdown, each label by itself; may be none.
    pub(crate) fn of_one(&self, told: &Told<'c>) -> Vec<String> {
        let (of_name, alike) = self.by_name.get(told.item.name.as_str()).map_or((1, &[][..]), |(n, all)| (*n, all));
        let own = told.item.labels.iter().filter(|label| !self.common.contains(label));
        // What differs between alerts of this name stands first; a name that is alone is told by all it has.
        let (alike, mut differing): (Vec<_>, Vec<_>) = own.partition(|label| of_name > 1 && alike.contains(label));
        if differing.iter().any(|label| !is_noise(label)) || of_name == 1 {
            differing.retain(|label| !is_noise(label));
        }
        differing.sort_by_key(|label| rank(label));
        differing.truncate(MOST);
        let context = worthy(alike.into_iter()).into_iter().take(CONTEXT.saturating_sub(differing.len()));
        differing.iter().copied().chain(context).map(value).collect()
    }

    /// What all of these, which have one name, share and others do not, as markdown: `cluster: prod`; may be empty.
    pub(crate) fn of_some(&self, some: &[&Told<'c>]) -> String {
        let mut labels: Vec<_> = some.first().map(|told| told.item.labels.iter().collect()).unwrap_or_default();
        some.iter().skip(1).for_each(|told| keep(&mut labels, &told.item.labels));
        labels.retain(|label| !self.common.contains(label));
        let labels = worthy(labels.into_iter());
        labels.into_iter().take(MOST - 1).map(pair).collect::<Vec<_>>().join(" · ")
    }
}

/// Keeps what stands in the others too; both are in name order.
fn keep<'c>(common: &mut Vec<&'c Label>, others: &'c [Label]) {
    common.retain(|label| others.iter().any(|other| other == *label));
}

/// The most telling first, without those that tell nothing.
fn worthy<'c>(labels: impl Iterator<Item = &'c Label>) -> Vec<&'c Label> {
    let mut labels: Vec<_> = labels.filter(|label| !is_noise(label)).collect();
    labels.sort_by_key(|label| rank(label));
    labels.truncate(MOST);
    labels
}

fn is_noise((key, value): &Label) -> bool {
    NOISE.contains(&key.as_str()) || value.is_empty()
}

fn rank((key, _): &Label) -> usize {
    KNOWN.iter().position(|known| known == key).unwrap_or(KNOWN.len())
}

fn value(label @ (key, value): &Label) -> String {
    if KNOWN.contains(&key.as_str()) { ends(value) } else { pair(label) }
}

fn pair((key, value): &Label) -> String {
    format!("{}: {}", markdown(key, LONGEST), ends(value))
}

/// A value as markdown; of a long one its beginning and its end, because one of them tells it from the others.
fn ends(value: &str) -> String {
    let letters: Vec<char> = value.trim().chars().collect();
    if letters.len() <= LONGEST {
        return markdown(value, LONGEST);
    }
    let (head, tail) = (&letters[..LONGEST - TAIL - 1], &letters[letters.len() - TAIL..]);
    let cut: String = head.iter().chain(&['…']).chain(tail).collect();
    markdown(&cut, LONGEST)
}

/// A name as markdown, at most so many characters of it; never empty.
pub(crate) fn name(item: &ContentItem, most: usize) -> String {
    let name = markdown(&item.name, most);
    if name.is_empty() { "…".to_owned() } else { name }
}

/// Plain text from outside as markdown on one line, at most so many characters of it.
pub(crate) fn markdown(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * most) + 8);
    escape::line(&clipped(text, most), &mut shown);
    shown
}

/// Plain text on one line, at most so many characters of it; what is longer ends with `…`.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    if most == 0 {
        return String::new();
    }
    let mut kept = String::with_capacity(text.len().min(4 * most));
    let mut letters = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        for c in (letters > 0).then_some(' ').into_iter().chain(word.chars()) {
            if letters == most {
                let cut = kept.char_indices().next_back().map_or(0, |(at, _)| at);
                kept.truncate(cut);
                return format!("{}…", kept.trim_end());
            }
            kept.push(c);
            letters += 1;
        }
    }
    kept
}
