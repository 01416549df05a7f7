//! Bytes of one kind of sender → [`Event`]. One file per kind, and [`auth`].
//!
//! Second stop of an alert, right behind the public port: first the credentials ([`Source::authenticate`], by the
//! headers alone), then the body ([`Source::decode`]). The kinds are a closed enum and one `match`; a new kind is a
//! new file and a new arm. Law 2 lives here: [`BadBody`] is said only where sending again cannot help, and a secret
//! of ours that cannot be read is told apart from wrong credentials. Nothing here knows routes, receivers or DingTalk.

pub mod alertmanager;
pub mod auth;
pub mod severity;

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

use crate::config;
use crate::config::SourceKind;
use crate::config::problem::Problem;
use crate::model::event::Event;
use crate::model::name::Name;
use crate::sources::auth::{Guard, Unauthorised};
use crate::sources::severity::Severities;

/// Every configured source, ready to decode.
#[derive(Debug)]
pub struct Sources(BTreeMap<Name, Source>);

/// One configured source.
#[derive(Debug)]
pub struct Source {
    name: Name,
    kind: SourceKind,
    dedup_window: Duration,
    guard: Guard,
    severities: Severities,
}

/// The body is not what this kind of source sends.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{at}: {message}")]
pub struct BadBody {
    /// Where: a JSON path such as `alerts[3].startsAt`, or `.` for the whole.
    pub at: String,
    /// What is wrong; never echoes the body.
    pub message: String,
}

impl Sources {
    /// Makes the configured sources ready, or says everything that is wrong with them.
    pub fn compile(sources: &BTreeMap<Name, config::Source>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut ready = BTreeMap::new();
        for (name, settings) in sources {
            let path = format!("sources.{name}");
            match (Guard::compile(&settings.auth, &path), Severities::compile(&settings.severity, &path)) {
                (Ok(guard), Ok(severities)) => {
                    let (kind, dedup_window) = (settings.kind, settings.dedup_window);
                    ready.insert(name.clone(), Source { name: name.clone(), kind, dedup_window, guard, severities });
                }
                (guard, severities) => {
                    problems.extend(guard.err());
                    problems.extend(severities.err().unwrap_or_default());
                }
            }
        }
        if problems.is_empty() { Ok(Self(ready)) } else { Err(problems) }
    }

    /// The source of that name.
    pub fn named(&self, name: &str) -> Option<&Source> {
        self.0.get(name)
    }
}

impl Source {
    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// How long a twin of an event is a duplicate.
    pub fn dedup_window(&self) -> Duration {
        self.dedup_window
    }

    /// Whether the sender may post here, by its headers alone; constant time. Reads the source's secret file when it
    /// has changed.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<(), Unauthorised> {
        self.guard.admit(headers, &self.name)
    }

    /// What the body says. The event's id is fresh; all else follows from the body, the source and `received_at`.
    pub fn decode(&self, body: &[u8], received_at: Timestamp) -> Result<Event, BadBody> {
        match self.kind {
            SourceKind::Alertmanager => alertmanager::decode(&self.name, &self.severities, body, received_at),
        }
    }
}
