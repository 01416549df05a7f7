//! What matchers see of an item (contract §3): its labels, and the words that are ours.
//!
//! `source`, `kind`, `status` and `severity` (the mapped one) are there for every item, the event's facts (for
//! Alertmanager `receiver`) where the sender gave them. Our words win over labels of the same name; a label that is
//! hidden so stays reachable as `label_<name>`. A look-up borrows and copies nothing: a big event asks for it a
//! hundred thousand times.

use crate::model::event::{Event, Item};

/// One item, as matchers see it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'e> {
    event: &'e Event,
    item: &'e Item,
}

impl<'e> Seen<'e> {
    /// The item of that event.
    pub fn of(event: &'e Event, item: &'e Item) -> Self {
        Self { event, item }
    }

    /// What stands under a name; empty where nothing does, for a missing label equals an empty one.
    pub fn word(&self, name: &str) -> &'e str {
        self.own(name).or_else(|| self.hidden(name)).or_else(|| self.label(name)).unwrap_or_default()
    }

    /// A word of ours.
    fn own(&self, name: &str) -> Option<&'e str> {
        match name {
            "source" => Some(self.event.source.as_str()),
            "kind" => Some(self.event.kind),
            "status" => Some(self.item.status.as_str()),
            "severity" => Some(self.item.severity.as_str()),
            fact => self.event.facts.get(fact).map(String::as_str),
        }
    }

    /// A label hidden by a word of ours. Only those have a second name: `label_app` is a label of its own in what
    /// kube-state-metrics sends, and must not turn into `app`.
    fn hidden(&self, name: &str) -> Option<&'e str> {
        let hidden = name.strip_prefix("label_").filter(|hidden| self.own(hidden).is_some())?;
        self.label(hidden)
    }

    fn label(&self, name: &str) -> Option<&'e str> {
        self.item.labels.get(name).map(String::as_str)
    }
}
