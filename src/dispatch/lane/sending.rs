//! What a lane does with what it has claimed: compose, send, observe, finish.
//!
//! The call is the one thing here that cannot be undone, so everything behind it is kept until the store has taken it: an
//! end that the store would not take is tried again before anything else, and a panic ends the attempt like one that
//! failed. What several deliveries have in common in one message (its form, its fate) is found out once and written to
//! each of them. What came of it is counted and told here, once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::{counter, histogram};

use crate::dispatch::broken::Held;
use crate::dispatch::lane::{Lane, Step};
use crate::dispatch::next::{Circumstances, next};
use crate::gate::Pass;
use crate::gate::observe::Changes;
use crate::model::form::Form;
use crate::model::health::later;
use crate::model::message::{Answer, Composed};
use crate::model::name::DeliveryId;
use crate::model::outcome::{Outcome, Verdict};
use crate::store::queue::Unsaid;
use crate::store::{AppRow, Claimed, ClaimedDelivery, Finish, Next, Ownership, StoreError};
use crate::telemetry::metrics as names;

/// Why a delivery was delivered without a message.
const NOTHING_TO_SAY: &str = "nothing has changed since the message before";

/// A claim that has come to its end, which is not stored yet.
pub(super) struct Unfinished {
    ownership: Ownership,
    end: End,
    at: Timestamp,
}

enum End {
    /// A call was made.
    Called(Box<Finish>),
    /// There was nothing to say.
    Unsaid(Unsaid),
}

impl Lane {
    /// Sends what was claimed, in one message.
    pub(super) async fn send(
        &mut self,
        ownership: Ownership,
        claimed: Arc<Claimed>,
        pass: &Pass<'_>,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        self.held = Held::claim(ownership.clone(), &claimed, now);
        let late_before = self.late_before(claimed.express, now);
        let Some(message) = self.manner.message(&claimed, late_before, now) else {
            return self.say_nothing(ownership, &claimed, now).await;
        };
        // Not before there is something to say: a turn that is wasted makes everybody wait for one more.
        self.goes(&claimed, pass.probe, now);
        self.held.called(&message.composed);
        let answer = self.gate.send(&self.target, &message.composed, now).await;
        let now = later(now, answer.took);
        let verdict = answer.result.as_ref().err();
        let changes = self.gate.observe(pass, &self.channel, verdict, fastrand::f64(), now);
        let outcome = verdict.map_or(Outcome::Sent, |verdict| verdict.outcome);
        let plainer = verdict.and_then(|verdict| self.manner.plainer(&message, verdict));
        if plainer.is_some() || verdict.is_some_and(|verdict| verdict.uncounted) {
            // DingTalk took nothing, and it goes again.
            self.gate.goes_again(&self.receiver, now);
        }
        let next = self.next(&claimed, verdict, plainer.as_ref(), pass.probe || changes.was_down, now);
        self.tell(&claimed, verdict, outcome, &next, now);
        let ask_receipts_at = self.ask_receipts_after.map(|wait| later(now, wait));
        let finish = Finish { ask_receipts_at, ..end(&claimed, message.composed, answer, outcome, next, changes) };
        self.unfinished = Some(Unfinished { ownership, end: End::Called(Box::new(finish)), at: now });
        self.held = Held::Nothing;
        if let Some(row) = self.finish().await? {
            self.gate.note_stored(row);
        }
        Ok(Step::Tried(outcome))
    }

    /// What was claimed has nothing to say that its receiver wants to hear: it is delivered, and no call is made. The
    /// group's permit is kept for the next; the app's, of many a second, is back by itself sooner than anybody needs it.
    async fn say_nothing(&mut self, own: Ownership, claimed: &Claimed, now: Timestamp) -> Result<Step, StoreError> {
        self.channel.keep();
        let delivered = u64::try_from(claimed.deliveries.len()).unwrap_or(u64::MAX);
        let labels = [("receiver", self.receiver.to_string()), ("state", "delivered".to_owned())];
        counter!(names::DELIVERIES, &labels).increment(delivered);
        let (message, attempt) = (claimed.message.clone(), claimed.attempt.clone());
        let end = End::Unsaid(Unsaid { message, attempt, reason: NOTHING_TO_SAY.to_owned() });
        self.unfinished = Some(Unfinished { ownership: own, end, at: now });
        self.held = Held::Nothing;
        self.finish().await?;
        Ok(Step::Finished)
    }

    /// A step panicked: what it had claimed goes the way of an attempt that failed, which the next step stores. Says
    /// whether the lane can go on. It cannot if the store may have claimed what nobody knows of: only a start puts that
    /// back.
    pub fn broke_off(&mut self, now: Timestamp) -> bool {
        let trying = match std::mem::take(&mut self.held) {
            Held::Nothing => return true,
            Held::Unknown => return false,
            Held::Claim(trying) => trying,
        };
        let (was_called, claimed) = (trying.was_called(), trying.claimed());
        let verdict = self.gate.broke_off(was_called);
        let next = if claimed.deliveries.len() > 1 && !was_called {
            // One of them is too much for us, and nobody knows which: the others are not to die with it.
            claimed.deliveries.iter().map(|delivery| (delivery.id.clone(), Next::Alone)).collect()
        } else {
            // It counts even where it was a probe: it was about the delivery, not about the app or the channel.
            self.next(&claimed, Some(&verdict), None, false, now)
        };
        self.tell(&claimed, Some(&verdict), verdict.outcome, &next, now);
        let states = Changes { app: Some(self.gate.row()), channel: Some(self.channel.row()), was_down: false };
        let (ownership, finish, at) = trying.end(verdict, next, states, now);
        self.unfinished = Some(Unfinished { ownership, end: End::Called(Box::new(finish)), at });
        true
    }

    /// What becomes of each delivery. The form that may do instead of a refused one is the message's: all take it.
    /// `excused`: the call says nothing of what it carried.
    fn next(
        &self,
        claimed: &Claimed,
        verdict: Option<&Verdict>,
        plainer: Option<&Form>,
        excused: bool,
        now: Timestamp,
    ) -> Vec<(DeliveryId, Next)> {
        let in_digest = claimed.deliveries.len() > 1;
        let given = Circumstances { retry: &self.retry, hold: self.hold, excused, in_digest, fallback: None, now };
        let of = |delivery: &ClaimedDelivery| {
            let fallback = self.fallback.as_ref().filter(|_| delivery.may_be_handed_over);
            next(verdict, delivery, plainer.cloned(), Circumstances { fallback, ..given })
        };
        claimed.deliveries.iter().map(|delivery| (delivery.id.clone(), of(delivery))).collect()
    }

    /// Stores how the last claim ended. What the store does not take now is kept for the next step. Says which state
    /// of the app went with it; of a repetition that says nothing, for the first try may have been heard.
    pub(super) async fn finish(&mut self) -> Result<Option<AppRow>, StoreError> {
        let Some(Unfinished { ownership, end, at }) = &mut self.unfinished else { return Ok(None) };
        let stored = match end {
            End::Called(finish) => {
                // The states as they are now: since the call ended, another lane may have moved and stored them.
                finish.app = finish.app.take().map(|_| self.gate.row());
                finish.channel = finish.channel.take().map(|_| self.channel.row());
                let stored = self.store.finish(ownership, Finish::clone(finish), *at).await;
                if stored.is_ok() && finish.process_query_key.is_some() && finish.ask_receipts_at.is_some() {
                    self.gate.ring_for_receipts();
                }
                stored.map(|()| finish.app.take())
            }
            End::Unsaid(unsaid) => self.store.finish_unsaid(ownership, unsaid.clone(), *at).await.map(|()| None),
        };
        match stored {
            Ok(row) => {
                self.unfinished = None;
                Ok(row)
            }
            Err(error @ StoreError::StaleEpoch) => {
                // The new owner has put the deliveries back already, possibly duplicated.
                self.unfinished = None;
                Err(self.lost(error))
            }
            Err(error) => Err(error),
        }
    }

    fn tell(
        &self,
        claimed: &Claimed,
        verdict: Option<&Verdict>,
        outcome: Outcome,
        next: &[(DeliveryId, Next)],
        now: Timestamp,
    ) {
        let receiver = self.receiver.to_string();
        let code = verdict.map_or("", |verdict| verdict.label);
        counter!(names::ATTEMPTS, "receiver" => receiver.clone(), "outcome" => outcome.as_str(), "code" => code)
            .increment(1);
        if verdict.is_none() {
            histogram!(names::DIGEST_DELIVERIES).record(claimed.deliveries.len() as f64);
        }
        for (delivery, (id, next)) in claimed.deliveries.iter().zip(next) {
            let state = match next {
                Next::Delivered => "delivered",
                Next::Dead { .. } => "dead",
                Next::Queued { .. } | Next::Plainer(_) | Next::Alone => continue,
            };
            counter!(names::DELIVERIES, "receiver" => receiver.clone(), "state" => state).increment(1);
            if *next == Next::Delivered {
                let age = Duration::try_from(now.duration_since(delivery.created_at)).unwrap_or_default();
                histogram!(names::DELIVERY_SECONDS, "receiver" => receiver.clone()).record(age.as_secs_f64());
            }
            if let Next::Dead { heir: Some(heir), .. } = next {
                counter!(names::DELIVERIES, "receiver" => heir.receiver.to_string(), "state" => "queued").increment(1);
            }
            if let Next::Dead { reason, heir, .. } = next {
                let fallback = heir.as_ref().map(|heir| heir.receiver.as_str());
                tracing::error!(receiver, delivery = %id, reason, fallback, "a delivery is dead");
            }
        }
        if let Some(verdict) = verdict {
            tracing::info!(receiver, message_id = %claimed.message, %outcome, code = verdict.code, hint = verdict.hint, "an attempt was not sent");
        }
    }
}

fn end(
    claimed: &Claimed,
    composed: Composed,
    answer: Answer,
    outcome: Outcome,
    next: Vec<(DeliveryId, Next)>,
    changes: Changes,
) -> Finish {
    let (process_query_key, verdict) = match answer.result {
        Ok(key) => (Some(key), None),
        Err(verdict) => (None, Some(verdict)),
    };
    Finish {
        message: claimed.message.clone(),
        attempt: claimed.attempt.clone(),
        composed: Some(composed),
        outcome,
        http_status: verdict.as_ref().map_or(Some(200), |verdict| verdict.http_status),
        took: answer.took,
        may_have_arrived: verdict.as_ref().is_some_and(|verdict| verdict.may_have_arrived),
        uncounted: verdict.as_ref().is_some_and(|verdict| verdict.uncounted),
        hint: verdict.as_ref().map(|verdict| verdict.hint.clone()),
        code: verdict.map(|verdict| verdict.code),
        process_query_key,
        ask_receipts_at: None,
        next,
        app: changes.app,
        channel: changes.channel,
    }
}
