//! Who takes over for whom, as far as it can be wrong: a receiver that stands in for itself, and a circle.
//!
//! Judged on the tree, through every layer a receiver takes its settings from, so that a circle is found also where
//! its receivers have problems of their own. A receiver that *inherits* itself has no fallback: whoever writes
//! `night: { extends: oncall }` for the fallback of `oncall`, or one fallback for all into the defaults, means
//! everybody but the one who stands in.

use crate::config::problem::inside;
use crate::config::receivers::extended;
use crate::config::reference::References;
use crate::config::section::Reading;
use crate::config::tree::Node;

/// A fallback as it is written.
struct Said<'a> {
    /// Where: `receivers.oncall.fallback`.
    path: String,
    /// Whom it names.
    name: &'a str,
}

/// Notes every receiver that would stand in for itself, by itself or around a circle.
pub(crate) fn check(references: &References<'_>, reading: &Reading) {
    for name in references.receivers.all() {
        let Some(first) = said(name, references, reading) else { continue };
        if first.name == name {
            reading.note(first.path, "must name another receiver: nobody takes over for themselves");
            continue;
        }
        let mut chain = vec![name, first.name];
        while let Some(next) = chain.last().and_then(|last| said(last, references, reading)) {
            let seen = chain.contains(&next.name);
            chain.push(next.name);
            if next.name == name {
                reading.note(&first.path, format!("goes in a circle: {}", chain.join(" → ")));
            }
            if seen {
                break;
            }
        }
    }
}

/// What the first layer says that says anything; nothing if it is inherited and names the heir.
fn said<'a>(name: &str, references: &References<'a>, reading: &Reading) -> Option<Said<'a>> {
    let own = inside("receivers", name);
    let map = references.receivers.map(name)?;
    let inherited = extended(name, references, reading).into_iter().chain(references.defaults("receiver"));
    let layers = std::iter::once((own.clone(), map)).chain(inherited.map(|layer| (layer.path, layer.map)));
    let (path, node) = layers
        .filter_map(|(path, map)| Some((path, map.get("fallback")?)))
        .find(|(_, node)| !matches!(node, Node::Empty))?;
    let Node::Text(text) = node else { return None };
    let is_heir = path != own && text.value == name;
    (!is_heir).then(|| Said { path: inside(&path, "fallback"), name: &text.value })
}
