//! The way of calls that send nothing: asking who has read a message, and taking messages back.
//!
//! ```text
//! owned? ─▶ state and pause ─▶ token ─▶ permit ─▶ a unit of the month ─▶ query or recall ─▶ observe
//! ```
//!
//! Such a call goes through no channel. One that the relay makes [`By::Itself`] is made while the app flows, and only
//! while half of the app's calls a second is free and the month does not run ahead of the calendar, so that sends come
//! first. One that a human waits for, [`By::Hand`], takes its turn like a send, waits a moment for it, and may also be
//! the call that finds out whether an app works again: where nothing is to be sent, nobody else does.
//!
//! Less is drawn from its answer than from a send's. What sends share (credentials, address, month) moves the app's
//! state. Everything else that is not about one message (a missing permission, a limit of this API, no answer) pauses
//! the calls of this kind of this app and nothing more. A failed one does not count towards *down*, and an answered
//! one does not speak for the sends. Pauses are kept in memory only: a restart asks once more.

use std::time::Duration;

use jiff::Timestamp;

use crate::gate::observe::blocked;
use crate::gate::{Gate, Spell, UNDER_WAY};
use crate::model::budget::Calls;
use crate::model::call::{Call, Undone};
use crate::model::health::{Backoff, Block, Go, Health, later};
use crate::model::message::{Readers, Target};
use crate::model::month::Month;
use crate::model::outcome::{Outcome, Scope, Verdict};
use crate::store::receipts::Purse;
use crate::store::{Ownership, StoreError};

/// How soon to look again while a send is to find out whether the app works; every change of its state wakes too.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// The pauses while somebody has to mend a setting: seldom, since each try costs a call of the month.
const TO_BE_MENDED: Backoff = Backoff { first: Duration::from_secs(10 * 60), last: Duration::from_secs(6 * 60 * 60) };
/// The pauses after a limit or a failure on the way.
const PASSING: Backoff = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(60 * 60) };
/// The pause for a human, who may have mended it; a script that never stops trying costs a call a minute.
const BY_HAND: Duration = Duration::from_secs(60);
/// How long a human's call waits for its turn before it is put off.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a human's call begins anew, for an access token or for its turn, before it is put off.
const BEGINNINGS: u32 = 8;

/// Who wants a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The relay itself: it can wait.
    Itself,
    /// A human who waits for the answer.
    Hand,
}

/// Whether a call may be made.
#[derive(Debug)]
pub enum Ready {
    /// It may, now, and is paid for.
    Go(Paid),
    /// An access token was asked for, which took its time; ask again.
    Authorised,
    /// Not before then.
    NotNow(NotNow),
    /// The calls of the month, or its share for such calls, are used up.
    UsedUp(Month),
}

/// Leave to make one call: the app is ours, and the unit of the month is taken.
#[derive(Debug)]
pub struct Paid {
    /// The right under which what came of it is to be stored.
    pub ownership: Ownership,
    purse: Purse,
    spell: Spell,
}

/// A call that cannot be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotNow {
    /// When to ask again.
    pub until: Timestamp,
    /// Why, for a person.
    pub why: String,
}

/// Why a human's call was not made.
#[derive(Debug, thiserror::Error)]
pub enum PutOff {
    /// It may be made later.
    #[error("{}", .0.why)]
    NotNow(NotNow),
    /// The store failed us.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a call that was made came to.
#[derive(Debug)]
pub struct Failed {
    /// What DingTalk said, or what happened on the way.
    pub verdict: Verdict,
    /// What is to be given back to the month.
    pub give_back: Option<Purse>,
}

/// Whether the calls of one kind rest.
#[derive(Debug, Default)]
pub(in crate::gate) struct Pause {
    until: Option<Timestamp>,
    by_hand: Option<Timestamp>,
    /// How many pauses there were in a row.
    times: u32,
    why: String,
}

/// The pauses of both kinds.
#[derive(Debug, Default)]
pub(in crate::gate) struct Pauses {
    queries: Pause,
    recalls: Pause,
}

impl Pauses {
    fn of(&mut self, call: Call) -> &mut Pause {
        match call {
            Call::Query => &mut self.queries,
            Call::Recall => &mut self.recalls,
        }
    }
}

impl Gate {
    /// Everything that comes before a call which the relay makes [`By::Itself`] or a human [`By::Hand`].
    pub async fn ready(&self, call: Call, by: By, now: Timestamp) -> Result<Ready, StoreError> {
        if self.inner().succeeded {
            let why = "the configuration was read again meanwhile; ask again".to_owned();
            return Ok(Ready::NotNow(NotNow { until: later(now, LOOK_AGAIN), why }));
        }
        let Some(ownership) = self.ownership(now).await? else {
            let why = "another process sends for this app".to_owned();
            return Ok(Ready::NotNow(NotNow { until: later(now, LOOK_AGAIN), why }));
        };
        let spell = match self.admit_call(call, by, now) {
            Ok(spell) => spell,
            Err(not_now) => return Ok(Ready::NotNow(not_now)),
        };
        if by == By::Itself
            && let Some(until) = self.receipts_rest_until(now).await?
        {
            let why = "the month runs ahead of the calendar".to_owned();
            return Ok(Ready::NotNow(NotNow { until, why }));
        }
        if !self.is_authorised(now) {
            if let Err(verdict) = self.authorise(now).await {
                tracing::warn!(app = %self.app, code = verdict.code, hint = verdict.hint, "no access token");
                self.learn(call, &ownership, Some(&verdict), spell, now).await?;
            }
            return Ok(Ready::Authorised);
        }
        if let Err(until) = self.permit_call(by, now) {
            let why = "the app makes as many calls a second as it may".to_owned();
            return Ok(Ready::NotNow(NotNow { until, why }));
        }
        let purse = self.purse(call, by, now);
        let (month, taken) = (purse.month, self.store.take_call(&ownership, purse.clone(), now).await);
        let paid = taken.map_err(|error| self.noticed(error))?;
        Ok(if paid { Ready::Go(Paid { ownership, purse, spell }) } else { Ready::UsedUp(month) })
    }

    /// The same for a human, who waits for the token and a moment for the turn: `now` moves along with that.
    pub async fn by_hand(&self, call: Call, now: &mut Timestamp) -> Result<Paid, PutOff> {
        let patience = later(*now, PATIENCE);
        let mut why = "no access token".to_owned();
        for _ in 0..BEGINNINGS {
            match self.ready(call, By::Hand, *now).await? {
                Ready::Go(paid) => return Ok(paid),
                Ready::Authorised => {}
                Ready::NotNow(not_now) if not_now.until > patience => return Err(PutOff::NotNow(not_now)),
                Ready::NotNow(not_now) => {
                    tokio::time::sleep(Duration::try_from(not_now.until.duration_since(*now)).unwrap_or_default())
                        .await;
                    (*now, why) = (not_now.until, not_now.why);
                }
                Ready::UsedUp(month) => {
                    let but = self
                        .budget
                        .filter(|budget| call == Call::Query && budget.calls().others < budget.calls().critical);
                    let but = if but.is_some() { ", but for what is kept for critical messages" } else { "" };
                    let why = format!("the calls of organisation {} in {month} are used up{but}", self.organisation);
                    return Err(PutOff::NotNow(NotNow { until: month.end(), why }));
                }
            }
        }
        Err(PutOff::NotNow(NotNow { until: later(*now, PATIENCE), why }))
    }

    /// Asks for one page of those who have read a message that went `to` a group.
    pub async fn query(
        &self,
        paid: &Paid,
        to: &Target,
        key: &str,
        place: Option<&str>,
        now: Timestamp,
    ) -> Result<Result<Readers, Failed>, StoreError> {
        let answer = self.client.query(to, key, place, now).await;
        self.judged(paid, answer, now).await
    }

    /// Takes messages back that went `to` a group, at most [`Undone::MOST`], each named by its `processQueryKey`.
    pub async fn recall(
        &self,
        paid: &Paid,
        to: &Target,
        keys: &[String],
        now: Timestamp,
    ) -> Result<Result<Undone, Failed>, StoreError> {
        let answer = self.client.recall(to, keys, now).await;
        self.judged(paid, answer, now).await
    }

    /// When a human may try again after a call of this kind failed at `now`, if that is known.
    pub fn open_again(&self, call: Call, now: Timestamp) -> Option<Timestamp> {
        self.admit_call(call, By::Hand, now).err().map(|not_now| not_now.until)
    }

    /// What the store said to one who acts under our ownership. If the epoch is gone, so is the ownership.
    pub fn noticed(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::StaleEpoch) {
            self.lost_ownership();
        }
        error
    }

    /// A message was sent whose readers are to be asked for.
    pub fn ring_for_receipts(&self) {
        self.to_ask.notify_one();
    }

    /// Resolves when [`Gate::ring_for_receipts`] was called since it last did.
    pub async fn rung_for_receipts(&self) {
        self.to_ask.notified().await;
    }

    async fn judged<T>(
        &self,
        paid: &Paid,
        answer: Result<T, Verdict>,
        now: Timestamp,
    ) -> Result<Result<T, Failed>, StoreError> {
        self.learn(paid.purse.call, &paid.ownership, answer.as_ref().err(), paid.spell, now).await?;
        Ok(answer.map_err(|verdict| {
            let give_back = verdict.uncounted.then(|| paid.purse.clone());
            Failed { verdict, give_back }
        }))
    }

    async fn learn(
        &self,
        call: Call,
        ownership: &Ownership,
        verdict: Option<&Verdict>,
        began: Spell,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.observe_call(call, verdict, began, fastrand::f64(), now);
        self.save(ownership, now).await
    }

    fn purse(&self, call: Call, by: By, now: Timestamp) -> Purse {
        Purse {
            call,
            organisation: self.organisation.clone(),
            month: Month::of(now),
            calls_per_month: self.calls().map(|calls| limit(calls, call, by)),
            share: (by == By::Itself).then_some(self.receipt_calls_per_month),
        }
    }

    fn permit_call(&self, by: By, now: Timestamp) -> Result<(), Timestamp> {
        match by {
            By::Itself => self.inner().pace.limiter().take_if_half_is_free(now),
            By::Hand => self.inner().pace.limiter().take(now),
        }
    }

    /// Whether the app's state, and the pause of such calls, let one pass.
    fn admit_call(&self, call: Call, by: By, now: Timestamp) -> Result<Spell, NotNow> {
        let mut inner = self.inner();
        let until = match (inner.look(now).go(now), by) {
            (Go::Freely, _) => None,
            (Go::Wait(until), _) => Some(until),
            (Go::Probe, By::Itself) => Some(later(now, LOOK_AGAIN)),
            (Go::Probe, By::Hand) => inner.probing.then(|| later(now, UNDER_WAY)),
        };
        if let Some(until) = until {
            return Err(NotNow { until, why: closed(&inner.health) });
        }
        let spell = inner.spell;
        let pause = inner.pauses.of(call);
        let until = if by == By::Itself { pause.until } else { pause.by_hand };
        match until.filter(|until| now < *until) {
            Some(until) => Err(NotNow { until, why: pause.why.clone() }),
            None => Ok(spell),
        }
    }

    /// Learns from what a call came to, or the token call before it (`None`: it was answered). `jitter` is a random
    /// number from 0 to 1.
    fn observe_call(&self, call: Call, verdict: Option<&Verdict>, began: Spell, jitter: f64, now: Timestamp) {
        let Some(verdict) = verdict else {
            *self.inner().pauses.of(call) = Pause::default();
            return;
        };
        match (verdict.outcome, verdict.scope) {
            (Outcome::Blocked, Scope::App | Scope::Month) => self.app_after(blocked(verdict), began, now),
            (Outcome::Throttled, Scope::App) => self.throttle(jitter, verdict, began, now),
            (_, Scope::Message | Scope::Channel) => {}
            (_, Scope::Api | Scope::App | Scope::Month) => self.pause(call, verdict, now),
        }
    }

    fn pause(&self, call: Call, verdict: &Verdict, now: Timestamp) {
        let pauses = if verdict.outcome == Outcome::Blocked { TO_BE_MENDED } else { PASSING };
        let asked_for = verdict.retry_after.unwrap_or_default();
        let mut inner = self.inner();
        let pause = inner.pauses.of(call);
        let times = pause.times;
        *pause = Pause {
            until: Some(later(now, pauses.wait(times).max(asked_for))),
            by_hand: Some(later(now, BY_HAND.max(asked_for))),
            times: times.saturating_add(1),
            why: said(verdict),
        };
        drop(inner);
        if times == 0 {
            let (api, code, hint) = (call.as_str(), &verdict.code, &verdict.hint);
            tracing::warn!(app = %self.app, api, code, hint, "such calls rest for a while; sends go on");
        }
    }
}

/// How far the month's count may go for such a call. What is kept for critical messages is kept from all of them but
/// one: a human takes back what should not have been sent.
fn limit(calls: Calls, call: Call, by: By) -> u64 {
    match (call, by) {
        (Call::Recall, By::Hand) => calls.critical,
        (Call::Query, By::Itself | By::Hand) | (Call::Recall, By::Itself) => calls.others,
    }
}

/// What came of a call, for the person who wanted it. The hints of what may pass, and of a code nobody knows, tell how a
/// send goes on by itself; such a call does not.
pub fn said(verdict: &Verdict) -> String {
    match (verdict.outcome, verdict.label) {
        (Outcome::Unavailable, _) | (_, "other") => verdict.code.clone(),
        _ => format!("{} ({})", verdict.code, verdict.hint),
    }
}

/// What keeps the app from making calls, for a person.
fn closed(health: &Health) -> String {
    match health {
        Health::Cooling { .. } => "DingTalk said \"too fast\" to this app, which cools down".to_owned(),
        Health::Blocked(Block { code, reason, .. }) => format!("the app is blocked: {code} ({reason})"),
        Health::Down { code, reason, .. } => format!("the app cannot be reached: {code} ({reason})"),
        Health::Flowing | Health::Failing { .. } => "the app flows".to_owned(),
    }
}
