//! `route`: the tree of matchers as it is written, in Alertmanager's grammar.
//!
//! Who is named must exist, and what only the root or only a branch may say is told here. What a matcher means is the
//! business of `routing`, so a matcher is any text.

use crate::config::Route;
use crate::config::draft::WrittenMatcher;
use crate::config::reference::References;
use crate::config::scalar::{flag, text};
use crate::config::section::Section;
use crate::config::tree::{Map, Node};
use crate::model::name::Name;

/// `route`, if there is one and all of it can be read.
pub(crate) fn route(root: &Section<'_>, references: &References<'_>) -> Option<Route> {
    if !root.says("route") {
        return None;
    }
    root.section("route", |section| node(section, references, true))
}

/// Every matcher of the tree with its path, whatever is wrong around it: a receiver that does not exist must not hide
/// a matcher that cannot be read.
pub(crate) fn matchers(root: &Map) -> Vec<WrittenMatcher> {
    let mut all = Vec::new();
    if let Some(route) = root.get("route") {
        gather(route, "route", &mut all);
    }
    all
}

fn gather(route: &Node, path: &str, into: &mut Vec<WrittenMatcher>) {
    let Node::Map(route) = route else { return };
    let list = |key: &str| match route.get(key) {
        Some(Node::List(nodes)) => nodes.as_slice(),
        _ => &[],
    };
    for (i, matcher) in list("matchers").iter().enumerate() {
        if let Node::Text(text) = matcher {
            into.push(WrittenMatcher { path: format!("{path}.matchers[{i}]"), text: text.value.clone() });
        }
    }
    for (i, child) in list("routes").iter().enumerate() {
        gather(child, &format!("{path}.routes[{i}]"), into);
    }
}

fn node(section: &Section<'_>, references: &References<'_>, is_root: bool) -> Option<Route> {
    let receivers = receivers(section, references);
    let receiver_label = section.optional("receiver_label", text);
    let matchers = if section.says("matchers") { section.list("matchers", text) } else { Some(Vec::new()) };
    let goes_on = section.optional("continue", flag).unwrap_or(false);
    let drop = section.optional("drop", flag).unwrap_or(false);
    let routes = section.each_of("routes", |child| node(child, references, false));
    if is_root {
        judge_root(section)
    } else {
        judge_branch(section, drop)
    }
    Some(Route { receivers: receivers?, receiver_label, matchers: matchers?, goes_on, drop, routes: routes? })
}

fn judge_branch(section: &Section<'_>, drop: bool) {
    if section.says("receiver_label") {
        section.note("receiver_label", "may stand in the root route only");
    }
    if drop && (section.says("receiver") || section.says("receivers")) {
        section.note("drop", "must not stand beside a receiver: what is dropped reaches nobody");
    }
}

/// What the root must say and must not say: it takes whatever no branch took, as in Alertmanager.
fn judge_root(section: &Section<'_>) {
    if !section.says("receiver") && !section.says("receivers") {
        section.note("receiver", "is missing: the root route must name who gets what no other route takes");
    }
    for key in ["matchers", "continue", "drop"] {
        if section.says(key) {
            section.note(key, "must not stand in the root route, which takes everything");
        }
    }
}

/// `receiver` or `receivers`; none is the parent's.
fn receivers(section: &Section<'_>, references: &References<'_>) -> Option<Vec<Name>> {
    let named = |name: &str| references.receivers.named(name);
    match section.one_of(&["receiver", "receivers"]) {
        None => Some(Vec::new()),
        Some("receiver") => section.optional("receiver", named).map(|name| vec![name]),
        Some(_) => {
            let names = section.list("receivers", named)?;
            if names.is_empty() {
                section.note("receivers", "must name at least one receiver");
            }
            Some(names)
        }
    }
}
