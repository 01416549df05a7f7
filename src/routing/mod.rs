//! The tree of matchers: which receivers get which items. Pure but for one warning, in [`Routes::regroup`].
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
    receiver_label: Option<String>,
    root: Node,
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
        Ok(Self { receivers, receiver_label: route.receiver_label.clone(), root })
    }

    /// The receivers of one item, each once, in the order the tree names them. Empty: it is dropped.
    pub fn matching(&self, event: &Event, item: &Item) -> Vec<Name> {
        let (places, _unknown) = self.places(event, item);
        places.into_iter().map(|place| self.receivers[place].clone()).collect()
    }

    /// Every item routed by itself, and those that go to the same receiver put together again. Items stay in the
    /// event's order; receivers come in the order in which items ask for them. Names of receivers that do not exist
    /// are logged, in one line for the event.
    pub fn regroup<'e>(&self, event: &'e Event) -> Vec<(Name, Vec<&'e Item>)> {
        let mut groups: Vec<(usize, Vec<&Item>)> = Vec::new();
        let mut unknown = BTreeSet::new();
        for item in &event.items {
            let (places, name) = self.places(event, item);
            unknown.extend(name);
            for place in places {
                match groups.iter_mut().find(|(known, _)| *known == place) {
                    Some((_, items)) => items.push(item),
                    None => groups.push((place, vec![item])),
                }
            }
        }
        warn_of(event, &unknown);
        groups.into_iter().map(|(place, items)| (self.receivers[place].clone(), items)).collect()
    }

    /// Where one item goes, and the name it gave if no receiver is called so.
    fn places<'e>(&self, event: &'e Event, item: &'e Item) -> (Vec<usize>, Option<&'e str>) {
        let named = self.named_by(item);
        if let Some(place) = named.and_then(|name| self.place_of(name)) {
            return (vec![place], None);
        }
        let mut places = Vec::new();
        self.root.route(Seen::of(event, item), &mut places);
        (places, named)
    }

    /// The receiver an item names itself: by the label, or else by the annotation.
    fn named_by<'e>(&self, item: &'e Item) -> Option<&'e str> {
        let label = self.receiver_label.as_deref()?;
        let words = [item.labels.get(label), item.annotations.get(label)];
        words.into_iter().flatten().map(String::as_str).find(|name| !name.is_empty())
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.receivers.binary_search_by(|known| known.as_str().cmp(name)).ok()
    }
}

fn warn_of(event: &Event, unknown: &BTreeSet<&str>) {
    let Some(first) = unknown.first() else { return };
    let receiver: String = first.chars().take(LONGEST_UNKNOWN).collect();
    tracing::warn!(
        source = %event.source,
        event = %event.id,
        ?receiver,
        "{} of the receivers that items name do not exist: the route tree decides about these items",
        unknown.len(),
    );
}
