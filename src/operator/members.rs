//! The JSON object of a request, member by member.
//!
//! Every member is taken as it was written, so that a payload inside one reaches its source byte by byte: a tree of
//! values would sort its members and round its numbers. What is wrong is told with the member's name, and repeats
//! nothing of what it holds.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::config::problem::{hint, listed};

/// The members of a request.
pub(in crate::operator) struct Members(BTreeMap<String, Box<RawValue>>);

/// Why a request cannot be understood, for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAsk(pub(in crate::operator) String);

impl Members {
    /// The members of a body, which may be these and no others.
    pub(in crate::operator) fn read(body: &[u8], known: &[&str]) -> Result<Self, BadAsk> {
        let wanted = || listed(known.iter().copied());
        let broken = |error: serde_json::Error| {
            let place = || format!("it breaks at line {}, column {}", error.line(), error.column());
            let why = if body.is_empty() { "it is empty".to_owned() } else { place() };
            BadAsk(format!("the body must be a JSON object with {}; {why}", wanted()))
        };
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).map_err(broken)?;
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(BadAsk(format!("there is a member that means nothing here; {}", hint(name, known.iter().copied()))))
            }
            None => Ok(Self(members)),
        }
    }

    /// The text of a member; `None` if it is missing, null, or empty.
    pub(in crate::operator) fn text(&self, name: &str) -> Result<Option<String>, BadAsk> {
        let Some(raw) = self.0.get(name) else { return Ok(None) };
        let text: Option<String> =
            serde_json::from_str(raw.get()).map_err(|_| BadAsk(format!("`{name}` must be a text")))?;
        Ok(text.filter(|text| !text.trim().is_empty()))
    }

    /// The text of a member that has to be there.
    pub(in crate::operator) fn required(&self, name: &str) -> Result<String, BadAsk> {
        self.text(name)?.ok_or_else(|| BadAsk(format!("`{name}` is missing or empty")))
    }

    /// A member as it was written; `None` if it is missing or null.
    pub(in crate::operator) fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }
}
