//! The nodes of the routing tree, and how the configuration becomes them.
//!
//! `drop` means "nobody gets it", as Alertmanager users write it with a receiver that does nothing: a node that drops
//! has matched, so its parent's receivers do not get the item either; its children are asked first, and a child that
//! names no receiver inherits the drop. `drop` with `continue` lets later siblings have the item all the same.
//! Everything that is wrong is gathered, each with its path. A node knows how to say which one it is, so that a person
//! can be told why a receiver got an item.

use crate::config::Route;
use crate::config::problem::Problem;
use crate::model::name::Name;
use crate::routing::matcher::{self, Matcher};
use crate::routing::seen::Seen;

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    matchers: Vec<Matcher>,
    /// Who gets what no child takes; places in the list of all receivers. Nobody, if it drops.
    receivers: Vec<usize>,
    goes_on: bool,
    children: Vec<Node>,
    /// Which node it is, for a person: its path, and what an item must match to come here.
    said: String,
}

impl Node {
    /// Adds the item's receivers, each once and with the node that named it, if this node matches the item. Returns
    /// whether it does.
    pub(crate) fn route<'n>(&'n self, seen: Seen<'_>, into: &mut Vec<(usize, &'n str)>) -> bool {
        if !self.matchers.iter().all(|matcher| matcher.matches(seen.word(matcher.name()))) {
            return false;
        }
        let mut taken = false;
        for child in &self.children {
            if child.route(seen, into) {
                taken = true;
                if !child.goes_on {
                    break;
                }
            }
        }
        if !taken {
            for place in &self.receivers {
                if !into.iter().any(|(known, _)| known == place) {
                    into.push((*place, &self.said));
                }
            }
        }
        true
    }
}

/// Turns routes into nodes and gathers what is wrong with them.
pub(crate) struct Compiler<'n> {
    /// Every configured receiver, in name order.
    known: &'n [Name],
    problems: Vec<Problem>,
}

impl<'n> Compiler<'n> {
    pub(crate) fn new(known: &'n [Name]) -> Self {
        Self { known, problems: Vec::new() }
    }

    /// What was wrong.
    pub(crate) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// The root, which takes every item and so cannot choose among them.
    pub(crate) fn root(&mut self, route: &Route) -> Node {
        if route.receivers.is_empty() && !route.drop {
            self.problem("route.receiver", "the root must name a receiver: it gets what no route takes");
        }
        if route.drop {
            self.problem("route.drop", "the root cannot drop: it must name a receiver, which gets what no route takes");
        }
        if !route.matchers.is_empty() {
            self.problem("route.matchers", "the root takes every item, so it cannot have matchers");
        }
        if route.goes_on {
            self.problem("route.continue", "the root has no siblings to go on to");
        }
        self.node(route, "route", "", &[])
    }

    fn child(&mut self, route: &Route, path: &str, above: &str, inherited: &[usize]) -> Node {
        if route.receiver_label.is_some() {
            self.problem(&format!("{path}.receiver_label"), "only the root can have a receiver_label");
        }
        if route.drop && !route.receivers.is_empty() {
            self.problem(&format!("{path}.drop"), "a route cannot both drop and name a receiver");
        }
        self.node(route, path, above, inherited)
    }

    /// `above` is what an item must match to come as far as the parent.
    fn node(&mut self, route: &Route, path: &str, above: &str, inherited: &[usize]) -> Node {
        let matchers = self.matchers(route, path);
        let above = Some(above.to_owned()).filter(|above| !above.is_empty());
        let wanted: Vec<_> = above.into_iter().chain(matchers.iter().map(Matcher::to_string)).collect();
        let wanted = wanted.join(", ");
        let receivers = match (route.drop, route.receivers.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => inherited.to_vec(),
            (false, false) => self.receivers(route, path),
        };
        let children = route.routes.iter().enumerate();
        let children =
            children.map(|(i, child)| self.child(child, &format!("{path}.routes[{i}]"), &wanted, &receivers)).collect();
        let said = match (wanted.is_empty(), route.routes.is_empty()) {
            (false, _) => format!("{path}: {wanted}"),
            (true, true) => format!("{path}: everything"),
            (true, false) => format!("{path}: what no route below it takes"),
        };
        Node { matchers, receivers, goes_on: route.goes_on, children, said }
    }

    fn matchers(&mut self, route: &Route, path: &str) -> Vec<Matcher> {
        let mut all = Vec::new();
        for (i, text) in route.matchers.iter().enumerate() {
            match matcher::read(text) {
                Ok(matchers) => all.extend(matchers),
                Err(error) => self.problem(&format!("{path}.matchers[{i}]"), &error.to_string()),
            }
        }
        all
    }

    fn receivers(&mut self, route: &Route, path: &str) -> Vec<usize> {
        let mut places = Vec::new();
        for (i, name) in route.receivers.iter().enumerate() {
            match self.known.binary_search(name) {
                Ok(place) => places.push(place),
                Err(_) => {
                    let key =
                        if route.receivers.len() == 1 { "receiver".to_owned() } else { format!("receivers[{i}]") };
                    let message = format!("there is no receiver `{name}`; {}", self.those_there_are());
                    self.problem(&format!("{path}.{key}"), &message);
                }
            }
        }
        places
    }

    fn those_there_are(&self) -> String {
        let names: Vec<_> = self.known.iter().map(Name::as_str).collect();
        if names.is_empty() { "there are none at all".to_owned() } else { format!("there are: {}", names.join(", ")) }
    }

    fn problem(&mut self, path: &str, message: &str) {
        self.problems.push(Problem::at(path, message));
    }
}
