//! Bytes of one kind of sender → [`Event`]. One file per kind, and [`auth`].
//!
//! Second stop of an alert, right behind the public port: first the credentials ([`Source::authenticate`], by the
//! headers alone, and [`Source::verify`] where the body is signed), then the body ([`Source::decode`]). The kinds are a closed enum and one `match`; a new kind is a
//! new file and a new arm. Law 2 lives here: [`BadBody`] is said only where sending again cannot help, and a secret
//! of ours that cannot be read is told apart from wrong credentials. Nothing here knows routes, receivers or DingTalk.

pub mod alertmanager;
pub mod auth;
pub mod doubts;
pub mod generic;
pub mod github;
mod outside;
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
use crate::sources::doubts::Doubt;
use crate::sources::generic::fields::Fields;
use crate::sources::severity::Severities;

/// Every configured source, ready to decode.
#[derive(Debug)]
pub struct Sources(BTreeMap<Name, Source>);

/// One configured source.
#[derive(Debug)]
pub struct Source {
    name: Name,
    speaks: Speaks,
    dedup_window: Duration,
    gather: Duration,
    guard: Guard,
    severities: Severities,
}

/// What the senders of a source speak.
#[derive(Debug)]
enum Speaks {
    Alertmanager,
    Github,
    Generic(Box<Fields>),
}

/// What a webhook came to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "taken apart where it is made; a box would only be one more thing")]
pub enum Decoded {
    /// It told of something.
    Event(Event),
    /// It only asked whether somebody is there: GitHub's `ping`. Answered 202, and nothing is kept.
    Ping,
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
            match Source::compile(name, settings) {
                Ok(source) => drop(ready.insert(name.clone(), source)),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() { Ok(Self(ready)) } else { Err(problems) }
    }

    /// The names of all sources.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(Name::as_str)
    }

    /// The source of that name.
    pub fn named(&self, name: &str) -> Option<&Source> {
        self.0.get(name)
    }
}

impl Source {
    fn compile(name: &Name, settings: &config::Source) -> Result<Self, Vec<Problem>> {
        let path = format!("sources.{name}");
        let guard = Guard::compile(&settings.auth, &path).map_err(|problem| vec![problem]);
        let severities = Severities::compile(&settings.severity, &path);
        let speaks = match settings.kind {
            SourceKind::Alertmanager => Ok(Speaks::Alertmanager),
            SourceKind::Github => Ok(Speaks::Github),
            SourceKind::Generic => {
                Fields::compile(&settings.fields, &path).map(|fields| Speaks::Generic(Box::new(fields)))
            }
        };
        match (guard, severities, speaks) {
            (Ok(guard), Ok(severities), Ok(speaks)) => {
                let (dedup_window, gather) = (settings.dedup_window, settings.gather);
                Ok(Self { name: name.clone(), speaks, dedup_window, gather, guard, severities })
            }
            (guard, severities, speaks) => {
                let problems = [guard.err(), severities.err(), speaks.err()];
                Err(problems.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The headers of a webhook that says this by hand, beside its body: which event it is, where a header says so.
    /// `None` if it would have to, and nothing was said.
    pub fn headers(&self, event: Option<&str>, body: &[u8]) -> Option<HeaderMap> {
        match &self.speaks {
            Speaks::Github => github::headers(event?, body),
            Speaks::Alertmanager | Speaks::Generic(_) => Some(HeaderMap::new()),
        }
    }

    /// Whether a header says which event a body is.
    pub fn names_events(&self) -> bool {
        matches!(self.speaks, Speaks::Github)
    }

    /// What a person who tries a body should know of what became of it: it was understood, and something of it was
    /// not as the sender or the configuration meant it.
    pub fn doubts(&self, body: &[u8], event: &Event) -> Vec<Doubt> {
        match &self.speaks {
            Speaks::Alertmanager => doubts::of_alertmanager(&self.name, &self.severities, body, event),
            Speaks::Github => Vec::new(),
            Speaks::Generic(fields) => generic::doubts_of(&self.name, fields, &self.severities, body),
        }
    }

    /// How long a twin of an event is a duplicate.
    pub fn dedup_window(&self) -> Duration {
        self.dedup_window
    }

    /// How long what is not critical waits for company.
    pub fn gather(&self) -> Duration {
        self.gather
    }

    /// Whether the sender may post here, by its headers alone; constant time. Reads the source's secret file when it
    /// has changed.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<(), Unauthorised> {
        self.guard.admit(headers, &self.name)
    }

    /// Whether the body itself shows who sends it, by a signature: then nothing is known of the sender before
    /// [`Self::verify`].
    pub fn is_signed(&self) -> bool {
        self.guard.wants_a_signature()
    }

    /// Whether the body is signed as the source asks; constant time. For a source that asks for no signature it is.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Unauthorised> {
        self.guard.verify(headers, body, &self.name)
    }

    /// Whether its senders may send a form (`application/x-www-form-urlencoded`) beside JSON.
    pub fn takes_forms(&self) -> bool {
        matches!(self.speaks, Speaks::Github)
    }

    /// What the body says. The event's id is fresh; all else follows from the headers, the body, the source and
    /// `received_at`.
    pub fn decode(&self, headers: &HeaderMap, body: &[u8], received_at: Timestamp) -> Result<Decoded, BadBody> {
        match &self.speaks {
            Speaks::Alertmanager => {
                alertmanager::decode(&self.name, &self.severities, body, received_at).map(Decoded::Event)
            }
            Speaks::Github => {
                github::decode(&self.name, headers, body, received_at).map(|decoded| self.with_severities(decoded))
            }
            Speaks::Generic(fields) => {
                generic::decode(&self.name, fields, &self.severities, body, received_at).map(Decoded::Event)
            }
        }
    }

    /// GitHub's own judgement, unless the source's map knows a word of the delivery, such as its `conclusion`. The
    /// default lifts what GitHub thinks nothing of: it says nothing of how bad most things are.
    fn with_severities(&self, mut decoded: Decoded) -> Decoded {
        if let Decoded::Event(event) = &mut decoded {
            let facts = &event.facts;
            for item in &mut event.items {
                let mapped = self.severities.mapped(|name| facts.get(name).or_else(|| item.labels.get(name)));
                item.severity = mapped.unwrap_or(item.severity.max(self.severities.default()));
            }
        }
        decoded
    }
}
