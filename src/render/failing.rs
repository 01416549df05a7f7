//! Which templates have failed lately, for whoever is to mend them.
//!
//! Kept in memory only: a restart knows nothing of a template until it is used. Times are the events'.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::health::later;

/// A template that fails for some events and works for others is failing until it has worked for so long.
const STEADY: Duration = Duration::from_secs(30 * 60);

/// A template that has failed since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingTemplate {
    /// Its name.
    pub name: String,
    /// When it began to fail.
    pub since: Timestamp,
    /// When it failed last.
    pub failed_at: Timestamp,
    /// What went wrong last, and in which line; may hold texts from outside.
    pub error: String,
    /// Whether it has worked since.
    pub works: bool,
}

impl FailingTemplate {
    /// Whether it is not to be trusted yet.
    pub fn is_failing(&self, now: Timestamp) -> bool {
        !self.works || now < later(self.failed_at, STEADY)
    }
}

/// The templates that have failed since the start.
#[derive(Debug, Default)]
pub(super) struct Failing(Mutex<BTreeMap<String, FailingTemplate>>);

impl Failing {
    /// It failed.
    pub(super) fn failed(&self, template: &str, error: &str, at: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = all.get(template).filter(|before| before.is_failing(at)).map_or(at, |before| before.since);
        let (name, error) = (template.to_owned(), error.to_owned());
        all.insert(template.to_owned(), FailingTemplate { name, since, failed_at: at, error, works: false });
    }

    /// It worked.
    pub(super) fn worked(&self, template: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failing) = all.get_mut(template) {
            failing.works = true;
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<FailingTemplate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
