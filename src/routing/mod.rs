//! The tree of matchers: which receivers get which items, and by which route. Pure.
//!
//! Third stop of an alert, between `sources` and `render`. The tree is Alertmanager's
//! (<https://prometheus.io/docs/alerting/latest/configuration/#route>): an item enters at the root and goes down into
//! the first child whose matchers all match, and on to later siblings while `continue` says so; where no child takes
//! it, the node's own receivers get it. Ours are: several `receivers` at a node, `drop`, and `receiver_label`. Items
//! are routed one by one, and those of an event that go to the same receiver are put together again. Nothing here
//! knows a kind of sender or DingTalk.

pub mod doubts;
pub mod grammar;
pub mod matcher;
pub mod pattern;
pub mod seen;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use crate::config;
use crate::config::problem::Problem;
use crate::model::event::{Event, Item};
use crate::model::name::Name;
use crate::routing::seen::Seen;
use crate::routing::tree::{Compiler, Node};

/// The longest name of an unknown receiver that a log line shows, in characters: it comes from outside.
const LONGEST_UNKNOWN: usize = 100;

/// The compiled routing tree.
#[derive(Debug)]
pub struct Routes {
    /// Every configured receiver, in name order. Inside the tree a receiver is its place in this list.
    receivers: Vec<Name>,
    receiver_label: Option<NamedBy>,
    root: Node,
}

/// A label or annotation by which items name their receiver.
#[derive(Debug)]
struct NamedBy {
    label: String,
    /// How that way is called, beside the nodes of the tree.
    said: String,
}

/// An event's items, each routed by itself, and those that go to the same receiver put together again.
#[derive(Debug)]
pub struct Regrouped<'e> {
    /// One for each receiver, in the order in which items ask for them.
    pub groups: Vec<Group<'e>>,
    /// The names items gave that no receiver has.
    pub unknown: BTreeSet<&'e str>,
}

/// The items of an event that go to one receiver.
#[derive(Debug)]
pub struct Group<'e> {
    /// Who gets them.
    pub receiver: &'e Name,
    /// In the event's order.
    pub items: Vec<&'e Item>,
    /// What came here too, and the receiver does not want to hear of; nothing as far as the routes know.
    pub unheard: Vec<&'e Item>,
    /// Which routes brought them, and how many each; for a person: `route.routes[0]: severity="critical"`.
    pub routes: Vec<(&'e str, usize)>,
}

impl Routes {
    /// Compiles the tree, or says everything that is wrong with it (paths like `route.routes[2].matchers[0]`).
    pub fn compile(route: &config::Route, receivers: &BTreeMap<Name, config::Receiver>) -> Result<Self, Vec<Problem>> {
        let receivers: Vec<Name> = receivers.keys().cloned().collect();
        let mut compiler = Compiler::new(&receivers);
        let root = compiler.root(route);
        let problems = compiler.finish();
        if !problems.is_empty() {
            return Err(problems);
        }
        let named_by = |label: &String| NamedBy {
            label: label.clone(),
            said: format!("route.receiver_label: `{label}` names the receiver"),
        };
        Ok(Self { receivers, receiver_label: route.receiver_label.as_ref().map(named_by), root })
    }

    /// The receivers of one item, each once, in the order the tree names them. Empty: it is dropped.
    pub fn matching(&self, event: &Event, item: &Item) -> Vec<Name> {
        let (places, _unknown) = self.places(event, item);
        places.into_iter().map(|(place, _)| self.receivers[place].clone()).collect()
    }

    /// Who gets which items of an event.
    pub fn regroup<'e>(&'e self, event: &'e Event) -> Regrouped<'e> {
        let mut groups: Vec<Group<'e>> = Vec::new();
        let mut unknown = BTreeSet::new();
        for item in &event.items {
            let (places, name) = self.places(event, item);
            unknown.extend(name);
            for (place, route) in places {
                let receiver = &self.receivers[place];
                match groups.iter_mut().find(|group| group.receiver == receiver) {
                    Some(group) => group.take(item, route),
                    None => groups.push(Group {
                        receiver,
                        items: vec![item],
                        unheard: Vec::new(),
                        routes: vec![(route, 1)],
                    }),
                }
            }
        }
        Regrouped { groups, unknown }
    }

    /// The name an item gives, if no receiver is called so: then the tree decides about it.
    pub fn unknown_receiver<'e>(&self, item: &'e Item) -> Option<&'e str> {
        self.named_by(item).filter(|name| self.place_of(name).is_none())
    }

    /// Where one item goes and by which route, and the name it gave if no receiver is called so.
    fn places<'e>(&'e self, event: &'e Event, item: &'e Item) -> (Vec<(usize, &'e str)>, Option<&'e str>) {
        let named = self.named_by(item);
        if let (Some(place), Some(by)) = (named.and_then(|name| self.place_of(name)), &self.receiver_label) {
            return (vec![(place, &by.said)], None);
        }
        let mut places = Vec::new();
        self.root.route(Seen::of(event, item), &mut places);
        (places, named)
    }

    /// The receiver an item names itself: by the label, or else by the annotation.
    fn named_by<'e>(&self, item: &'e Item) -> Option<&'e str> {
        let label = &self.receiver_label.as_ref()?.label;
        let words = [item.labels.get(label), item.annotations.get(label)];
        words.into_iter().flatten().map(String::as_str).find(|name| !name.is_empty())
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.receivers.binary_search_by(|known| known.as_str().cmp(name)).ok()
    }
}

impl<'e> Group<'e> {
    fn take(&mut self, item: &'e Item, route: &'e str) {
        self.items.push(item);
        match self.routes.iter_mut().find(|(known, _)| *known == route) {
            Some((_, items)) => *items += 1,
            None => self.routes.push((route, 1)),
        }
    }
}

impl Regrouped<'_> {
    /// Logs the names of receivers that do not exist, in one line for the event.
    pub fn tell(&self, event: &Event) {
        let Some(first) = self.unknown.first() else { return };
        let receiver: String = first.chars().take(LONGEST_UNKNOWN).collect();
        tracing::warn!(
            source = %event.source,
            event = %event.id,
            ?receiver,
            "{} of the receivers that items name do not exist: the route tree decides about these items",
            self.unknown.len(),
        );
    }
}
