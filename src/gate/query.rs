//! The way of calls that send nothing: asking who has read a message.
//!
//! Such a call goes through no channel and probes nothing: it is made while the app flows, and only while half of the
//! app's calls a second is free, so that sends come first. [`Gate::observe_query`] draws less from its answer than a
//! send's: what sends share (credentials, address, month) moves the app's state. Everything else that is not about
//! one message (a missing permission, a limit of this API, no answer) pauses the queries of this app and nothing
//! more. A failed query does not count towards *down*, and an answered one does not speak for the sends.
//!
//! The pause is kept in memory only: a restart asks once more.

use std::time::Duration;

use jiff::Timestamp;

use crate::gate::{Gate, app_throttled, blocked};
use crate::model::health::{Backoff, Cause, Go, later};
use crate::model::message::{Readers, Target};
use crate::model::outcome::{Outcome, Scope, Verdict};
use crate::store::AppRow;

/// How soon to look again while a send is to find out whether the app works; every change of its state wakes too.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// The pauses while somebody has to mend a setting: seldom, since each try costs a call of the month.
const TO_BE_MENDED: Backoff = Backoff { first: Duration::from_secs(10 * 60), last: Duration::from_secs(6 * 60 * 60) };
/// The pauses after a limit or a failure on the way.
const PASSING: Backoff = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(60 * 60) };

/// Whether the queries of an app rest.
#[derive(Debug, Default)]
pub(in crate::gate) struct Pause {
    until: Option<Timestamp>,
    /// How many pauses there were in a row.
    times: u32,
}

impl Gate {
    /// Whether a query may be made at `now`, or when to ask again.
    pub fn admit_query(&self, now: Timestamp) -> Result<(), Timestamp> {
        let inner = self.inner();
        match inner.health.go(now) {
            Go::Freely => {}
            Go::Wait(until) => return Err(until),
            Go::Probe => return Err(later(now, LOOK_AGAIN)),
        }
        inner.queries.until.filter(|until| now < *until).map_or(Ok(()), Err)
    }

    /// One query at `now` within the app's limit, or when to ask again.
    pub fn permit_query(&self, now: Timestamp) -> Result<(), Timestamp> {
        self.inner().limiter.take_if_half_is_free(now)
    }

    /// Asks for one page of those who have read a message that went `to` a group.
    ///
    /// # Errors
    /// The verdict; it never concerns a channel.
    pub async fn query(&self, to: &Target, key: &str, place: Option<&str>, now: Timestamp) -> Result<Readers, Verdict> {
        self.client.query(to, key, place, now).await
    }

    /// Learns from what a query came to, or the token call before it (`None`: it was answered). Says what to store if
    /// the app's state changed. `jitter` is a random number from 0 to 1.
    pub fn observe_query(&self, verdict: Option<&Verdict>, jitter: f64, now: Timestamp) -> Option<AppRow> {
        let Some(verdict) = verdict else {
            self.inner().queries = Pause::default();
            return None;
        };
        match (verdict.outcome, verdict.scope) {
            (Outcome::Blocked, Scope::App) => self.app_after(blocked(verdict, Cause::App), now),
            (Outcome::Blocked, Scope::Month) => self.app_after(blocked(verdict, Cause::Month), now),
            (Outcome::Throttled, Scope::App) => self.app_after(app_throttled(jitter, verdict), now),
            (_, Scope::Message | Scope::Channel) => None,
            (_, Scope::Api | Scope::App | Scope::Month) => {
                self.pause_queries(verdict, now);
                None
            }
        }
    }

    fn pause_queries(&self, verdict: &Verdict, now: Timestamp) {
        let pauses = if verdict.outcome == Outcome::Blocked { TO_BE_MENDED } else { PASSING };
        let mut inner = self.inner();
        let times = inner.queries.times;
        let wait = pauses.wait(times).max(verdict.retry_after.unwrap_or_default());
        inner.queries = Pause { until: Some(later(now, wait)), times: times.saturating_add(1) };
        drop(inner);
        if times == 0 {
            let (code, hint) = (&verdict.code, &verdict.hint);
            tracing::warn!(app = %self.app, code, hint, "who has read what is not asked for a while; sends go on");
        }
    }
}
