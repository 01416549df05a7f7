//! `route`: the tree of matchers as it is written, in Alertmanager's grammar.
//!
//! Who is named must exist, and what only the root or only a branch may say is told here. What a matcher means is the
//! business of `routing`, so a matcher is any text.

use crate::config::Route;
use crate::config::reference::References;
use crate::config::scalar::{flag, text};
use crate::config::section::Section;
use crate::model::name::Name;

/// `route`, if there is one; the outer `None` is a problem.
pub(crate) fn route(root: &Section<'_>, references: &References<'_>) -> Option<Option<Route>> {
    if !root.says("route") {
        return Some(None);
    }
    root.section("route", |section| node(section, references, true)).map(Some)
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
