//! A configuration as far as it could be read, and what is wrong with it.
//!
//! Other rooms find problems of their own in their parts: `routing` in matchers, `render` in templates. A mistake in
//! one part must not hide theirs in another, so a draft keeps every part that could be read, and `app::check` asks
//! those rooms about it. What could not be read is left out and never filled up: a room must not judge what nobody
//! wrote. Only a draft without problems becomes a [`Config`], by [`Draft::finish`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config::problem::Problem;
use crate::config::section::Reading;
use crate::config::{Admin, App, Config, Http, Organisation, Receiver, Retry, Route, Source, Store};
use crate::model::name::Name;

/// A configuration as far as it could be read. `None`, and a name that is missing, is what could not be; the problems
/// say why.
#[derive(Debug, Default)]
pub struct Draft {
    /// Everything that is wrong with its shape and its references.
    pub problems: Vec<Problem>,
    /// Every file and folder that was looked at, or looked for: where a change may be one of the configuration.
    pub places: BTreeSet<PathBuf>,
    /// `http`.
    pub http: Option<Http>,
    /// `admin`.
    pub admin: Option<Admin>,
    /// `store`.
    pub store: Option<Store>,
    /// Those that could be read.
    pub organisations: BTreeMap<Name, Organisation>,
    /// Those that could be read.
    pub apps: BTreeMap<Name, App>,
    /// Those that could be read.
    pub receivers: BTreeMap<Name, Receiver>,
    /// Those that could be read.
    pub sources: BTreeMap<Name, Source>,
    /// The tree, if there is one and all of it could be read.
    pub route: Option<Route>,
    /// Every matcher, also of a tree that could not be read.
    pub matchers: Vec<WrittenMatcher>,
    /// `retry`.
    pub retry: Option<Retry>,
    /// `templates`.
    pub templates: Option<Vec<PathBuf>>,
    /// `operator.receiver`, if there is one that could be read.
    pub operator: Option<Name>,
}

/// A matcher as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenMatcher {
    /// Where it is: `route.routes[2].matchers[0]`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Draft {
    /// Nothing could be read.
    pub(crate) fn unreadable(reading: Reading) -> Self {
        let (problems, places) = reading.ended();
        Self { problems, places, ..Self::default() }
    }

    /// The configuration, if nothing is wrong with it.
    pub fn finish(self) -> Result<Config, Vec<Problem>> {
        let Self { problems, organisations, apps, receivers, sources, route, operator, .. } = self;
        match (self.http, self.admin, self.store, self.retry, self.templates) {
            (Some(http), Some(admin), Some(store), Some(retry), Some(templates)) if problems.is_empty() => Ok(Config {
                http,
                admin,
                store,
                organisations,
                apps,
                receivers,
                sources,
                route,
                retry,
                templates,
                operator,
            }),
            _ => Err(problems),
        }
    }
}
