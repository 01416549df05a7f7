//! What may be named: apps, organisations, receivers, sources, and the layers of defaults below them.
//!
//! Taken from the tree before anything is read, so that a name counts as known even where the thing it names has
//! problems of its own: a reference to it is not a second problem. Knows names only, not what is behind them.

use crate::config::problem::hint;
use crate::config::scalar::Scalar;
use crate::config::section::{Layer, Reading, Section};
use crate::config::tree::{Map, Node};
use crate::model::name::Name;

/// Everything that may be named.
pub(crate) struct References<'a> {
    /// `apps`.
    pub(crate) apps: Names<'a>,
    /// `organisations`.
    pub(crate) organisations: Names<'a>,
    /// `receivers`.
    pub(crate) receivers: Names<'a>,
    /// `sources`.
    pub(crate) sources: Names<'a>,
    defaults: Option<&'a Map>,
}

/// The things of one kind.
pub(crate) struct Names<'a> {
    kind: &'static str,
    things: Option<&'a Map>,
}

impl<'a> References<'a> {
    /// What a whole configuration names.
    pub(crate) fn of(root: &'a Map) -> Self {
        let names = |key, kind| Names { kind, things: inner(root, key) };
        Self {
            apps: names("apps", "app"),
            organisations: names("organisations", "organisation"),
            receivers: names("receivers", "receiver"),
            sources: names("sources", "source"),
            defaults: inner(root, "defaults"),
        }
    }

    /// The layer `defaults.<kind>`, if there is one.
    pub(crate) fn defaults(&self, kind: &str) -> Option<Layer<'a>> {
        Some(Layer { path: format!("defaults.{kind}"), map: inner(self.defaults?, kind)? })
    }

    /// Reads `defaults.<kind>` by itself: what is wrong there is told even if nothing uses it.
    pub(crate) fn check_defaults<T>(&self, kind: &str, reading: &Reading, read: impl FnOnce(&Section<'_>) -> T) {
        if let Some(layer) = self.defaults(kind) {
            Section::read_defaults(layer, reading, read);
        }
    }

    /// Asks `root` for the kinds that have defaults, so that any other is unknown; [`Self::check_defaults`] reads them.
    pub(crate) fn leave_defaults(&self, root: &Section<'_>) {
        root.section("defaults", |defaults| {
            for kind in ["organisation", "app", "receiver", "source", "github"] {
                defaults.leave(kind);
            }
        });
    }
}

impl<'a> Names<'a> {
    /// The thing's own map, if there is such a thing.
    pub(crate) fn map(&self, name: &str) -> Option<&'a Map> {
        inner(self.things?, name)
    }

    /// Every name there is.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.things.into_iter().flat_map(Map::keys).map(String::as_str)
    }

    /// The name of a thing there is, or the names there are.
    pub(crate) fn named(&self, text: &str) -> Scalar<Name> {
        let mut all = self.all();
        let hint = hint(text, all.clone());
        if !all.any(|name| name == text) {
            return Err(format!("there is no {} named `{}`; {hint}", self.kind, text.escape_debug()));
        }
        text.parse::<Name>().map_err(|error| error.to_string())
    }
}

fn inner<'a>(map: &'a Map, key: &str) -> Option<&'a Map> {
    match map.get(key) {
        Some(Node::Map(map)) => Some(map),
        _ => None,
    }
}
