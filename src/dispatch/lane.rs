//! One receiver's queue, and one unit of its work at a time.
//!
//! ```text
//! due? ─▶ owned? ─▶ admitted? ─▶ token ─▶ permit ─▶ claim ─▶ compose ─▶ send ─▶ observe ─▶ finish
//! ```
//!
//! Everything that may wait comes before the claim, and nothing of the store is held open while DingTalk is called
//! (law 3). A finish that the store would not take is kept and tried again before anything else, because the call has
//! been made. The lane reads no clock: [`Lane::step`] is told the time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::{counter, histogram};

use crate::compose::{self, Part, Setting};
use crate::config::{OnUnknownOutcome, Receiver, Retry};
use crate::dispatch::broken::Held;
use crate::dispatch::fallback::{Course, Fallback};
use crate::dispatch::next::{Circumstances, next};
use crate::gate::channel::{Channel, Turn};
use crate::gate::month::Left;
use crate::gate::observe::Changes;
use crate::gate::{Gate, Pass};
use crate::model::form::{Form, Style};
use crate::model::health::later;
use crate::model::message::{Answer, Composed, Target};
use crate::model::month::Month;
use crate::model::name::{DeliveryId, Name};
use crate::model::outcome::{Outcome, Verdict};
use crate::store::queue::Take;
use crate::store::{AppRow, Claim, Claimed, ClaimedDelivery, Finish, Next, Ownership, Store, StoreError, Want};
use crate::telemetry::metrics as names;

/// How long a lane waits for an app that another process owns before it looks again.
const NOT_OURS: Duration = Duration::from_secs(1);
/// How many deliveries one transaction hands over: some milliseconds of the writer's time.
const HANDED_OVER_AT_ONCE: usize = 100;

/// One receiver's queue.
pub struct Lane {
    receiver: Name,
    target: Target,
    style: Style,
    hold: bool,
    /// How long after a send DingTalk is asked first who has read it.
    ask_receipts_after: Option<Duration>,
    fallback: Option<Fallback>,
    /// Since when the block has lasted because of which the fallback took over last: that is told once.
    taken_over: Option<Timestamp>,
    retry: Retry,
    gate: Arc<Gate>,
    channel: Arc<Channel>,
    store: Arc<dyn Store>,
    /// What a panic must not take away.
    held: Held,
    /// A call was made and its end is not stored yet.
    unfinished: Option<(Ownership, Finish, Timestamp)>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing waits in this lane.
    Idle,
    /// Something waits, and nothing can be done before then.
    Wait(Timestamp),
    /// An access token was asked for; step again.
    Authorised,
    /// One message was sent, or tried; step again.
    Tried(Outcome),
    /// So many deliveries were handed over to the fallback; step again.
    HandedOver(u64),
    /// What an earlier step could not store is stored; step again.
    Finished,
}

impl Lane {
    /// The lane of a receiver; `channel` is one of the gate's, and `fallback` who takes over from it, if anybody does.
    pub fn new(
        receiver: Name,
        settings: &Receiver,
        fallback: Option<Fallback>,
        retry: Retry,
        gate: Arc<Gate>,
        channel: Arc<Channel>,
        store: Arc<dyn Store>,
    ) -> Self {
        let target = Target {
            robot_code: settings.robot_code.clone(),
            open_conversation_id: settings.open_conversation_id.clone(),
            cool_app_code: settings.cool_app_code.clone(),
        };
        let hold = settings.on_unknown_outcome == OnUnknownOutcome::Hold;
        let ask_receipts_after =
            settings.receipts.enabled.then(|| settings.receipts.ask_after.first().copied()).flatten();
        Self {
            receiver,
            target,
            style: settings.style.clone(),
            hold,
            ask_receipts_after,
            fallback,
            taken_over: None,
            retry,
            gate,
            channel,
            store,
            held: Held::Nothing,
            unfinished: None,
        }
    }

    /// The receiver it serves.
    pub fn receiver(&self) -> &Name {
        &self.receiver
    }

    /// The channel it sends through.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// The gate it passes.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Stores how the last attempt ended, if that is still to be done. A lane is settled before another takes its place.
    pub async fn settle(&mut self) -> Result<(), StoreError> {
        match self.finish().await {
            Err(StoreError::StaleEpoch) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// One unit of work at `now`. The turn shows that no other call of the channel is in flight.
    pub async fn step(&mut self, _turn: &Turn<'_>, now: Timestamp) -> Result<Step, StoreError> {
        if self.unfinished.is_some() {
            self.finish().await?;
            return Ok(Step::Finished);
        }
        let Some(waiting) = self.store.waiting(&self.receiver, 1, now).await? else { return Ok(Step::Idle) };
        let due = waiting.due_at;
        if let Some(until) = self.store.paused_until(&self.receiver, now).await? {
            return Ok(Step::Wait(until));
        }
        let gate = Arc::clone(&self.gate);
        let Some(ownership) = gate.ownership(now).await? else { return Ok(Step::Wait(later(now, NOT_OURS))) };
        let pass = match gate.admit(&self.receiver, &self.channel, now) {
            Ok(pass) => pass,
            Err(until) => return self.wait(&ownership, until, now).await,
        };
        if due > now && !pass.probe {
            return Ok(Step::Wait(due));
        }
        if !gate.is_authorised(now) {
            return self.authorise(&ownership, &pass, now).await;
        }
        if self.month_is_used_up(waiting.critical, now).await? {
            return self.wait(&ownership, Month::of(now).end(), now).await;
        }
        if let Err(until) = gate.permit(&self.channel, now) {
            return Ok(Step::Wait(until));
        }
        self.held = Held::Unknown;
        let claim = self.store.claim(&ownership, self.want(pass.probe, now), now).await;
        self.held = Held::Nothing;
        let claimed = match claim {
            Ok(Claim::Taken(claimed)) => Arc::new(claimed),
            Ok(Claim::Nothing) => return Ok(Step::Idle),
            Ok(Claim::MonthUsedUp) => {
                gate.left(now).await?;
                return self.wait(&ownership, Month::of(now).end(), now).await;
            }
            Err(error) => return Err(self.lost(error)),
        };
        gate.went(&self.receiver, claimed.critical, now);
        self.send(ownership, claimed, &pass, now).await
    }

    /// No call may be made before `until`: what waits is kept, or goes to the fallback if it is time.
    async fn wait(&mut self, own: &Ownership, until: Timestamp, now: Timestamp) -> Result<Step, StoreError> {
        let Some(fallback) = &self.fallback else { return Ok(Step::Wait(until)) };
        let states = [self.channel.health(), self.gate.health(), self.gate.month(now)];
        let block = match fallback.course(&states, now) {
            Course::Keep => return Ok(Step::Wait(until)),
            Course::KeepUntil(at) => return Ok(Step::Wait(until.min(at))),
            Course::HandOver(block) => block,
        };
        let wanted = fallback.hand_over(&block, HANDED_OVER_AT_ONCE);
        let handed = self.store.hand_over_queue(own, wanted, now).await.map_err(|error| self.lost(error))?;
        if handed == 0 {
            // What is left came here from another lane, and waits.
            return Ok(Step::Wait(until));
        }
        let (receiver, to) = (self.receiver.to_string(), fallback.to().to_string());
        if self.taken_over.replace(block.since) != Some(block.since) {
            tracing::warn!(receiver, fallback = to, code = block.code, since = %block.since, "the fallback takes over");
        }
        counter!(names::DELIVERIES, "receiver" => receiver, "state" => "handed_over").increment(handed);
        counter!(names::DELIVERIES, "receiver" => to, "state" => "queued").increment(handed);
        Ok(Step::HandedOver(handed))
    }

    /// Gets an access token before anything is claimed: no delivery waits for it in `sending`, and none is blamed.
    async fn authorise(&self, ownership: &Ownership, pass: &Pass<'_>, now: Timestamp) -> Result<Step, StoreError> {
        let _errand = match self.gate.errand(now) {
            Ok(errand) => errand,
            Err(until) => return Ok(Step::Wait(until)),
        };
        if let Err(verdict) = self.gate.authorise(now).await {
            tracing::warn!(app = %self.gate.app(), code = verdict.code, hint = verdict.hint, "no access token");
            self.gate.observe(pass, &self.channel, Some(&verdict), fastrand::f64(), now);
            self.gate.save(ownership, now).await?;
        }
        Ok(Step::Authorised)
    }

    /// Whether the month has no call for what is due. Asked before the permit, which would be wasted; the claim asks
    /// again and decides.
    async fn month_is_used_up(&self, critical: bool, now: Timestamp) -> Result<bool, StoreError> {
        Ok(match self.gate.left(now).await? {
            Left::Everything => false,
            Left::Critical => !critical,
            Left::Nothing => true,
        })
    }

    fn want(&self, probe: bool, now: Timestamp) -> Want {
        Want {
            receiver: self.receiver.clone(),
            channel: self.channel.key().clone(),
            organisation: self.gate.organisation().clone(),
            month: Month::of(now),
            calls: self.gate.calls(),
            hold: self.hold,
            probe,
            take: Take::One,
            overdue_before: None,
            stale_before: Timestamp::MIN,
        }
    }

    async fn send(
        &mut self,
        own: Ownership,
        claimed: Arc<Claimed>,
        pass: &Pass<'_>,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let Some(first) = claimed.deliveries.first() else { return Ok(Step::Idle) };
        self.held = Held::claim(own.clone(), &claimed, now);
        let part = Part::of(&first.content, first.created_at);
        let composed = compose::message(&[part], &self.setting(&first.form, now), compose::BUDGET).composed;
        self.held.called(&composed);
        let answer = self.gate.send(&self.target, &composed, now).await;
        let now = later(now, answer.took);
        let verdict = answer.result.as_ref().err();
        let changes = self.gate.observe(pass, &self.channel, verdict, fastrand::f64(), now);
        let outcome = verdict.map_or(Outcome::Sent, |verdict| verdict.outcome);
        let excused = pass.probe || changes.was_down;
        let given = Circumstances { retry: &self.retry, hold: self.hold, excused, fallback: None, now };
        let of = |delivery: &ClaimedDelivery| {
            let fallback = self.fallback.as_ref().filter(|_| delivery.may_be_handed_over);
            let plainer = self.plainer(delivery, &composed, verdict, now);
            next(verdict, delivery, plainer, Circumstances { fallback, ..given })
        };
        let next: Vec<_> = claimed.deliveries.iter().map(|delivery| (delivery.id.clone(), of(delivery))).collect();
        self.tell(&claimed, verdict, outcome, &next, now);
        let ask_receipts_at = self.ask_receipts_after.map(|wait| later(now, wait));
        let finish = Finish { ask_receipts_at, ..end(&claimed, composed, answer, outcome, next, changes) };
        self.unfinished = Some((own, finish, now));
        self.held = Held::Nothing;
        if let Some(row) = self.finish().await? {
            self.gate.note_stored(row);
        }
        Ok(Step::Tried(outcome))
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
        let (verdict, claimed) = (self.gate.broke_off(trying.was_called()), trying.claimed());
        // It counts even where it was a probe: it was about the delivery, not about the app or the channel.
        let given = Circumstances { retry: &self.retry, hold: self.hold, excused: false, fallback: None, now };
        let of = |delivery: &ClaimedDelivery| {
            let fallback = self.fallback.as_ref().filter(|_| delivery.may_be_handed_over);
            (delivery.id.clone(), next(Some(&verdict), delivery, None, Circumstances { fallback, ..given }))
        };
        let next: Vec<_> = claimed.deliveries.iter().map(of).collect();
        self.tell(&claimed, Some(&verdict), verdict.outcome, &next, now);
        let states = Changes { app: Some(self.gate.row()), channel: Some(self.channel.row()), was_down: false };
        self.unfinished = Some(trying.end(verdict, next, states, now));
        true
    }

    /// The form to try next, if DingTalk refused this one and a plainer one may do.
    fn plainer(
        &self,
        delivery: &ClaimedDelivery,
        refused: &Composed,
        verdict: Option<&Verdict>,
        now: Timestamp,
    ) -> Option<Form> {
        let verdict = verdict?;
        let complaint = verdict.complaint?;
        let part = Part::of(&delivery.content, delivery.created_at);
        compose::plainer(&[part], &self.setting(&delivery.form, now), refused, complaint, &verdict.code)
    }

    /// What a message of that form is made for.
    fn setting<'s>(&'s self, form: &'s Form, now: Timestamp) -> Setting<'s> {
        Setting::of(&self.style, form, now)
    }

    /// Stores how the last attempt ended. What the store does not take now is kept for the next step. Says which state
    /// of the app went with it; of a repetition that says nothing, for the first try may have been heard.
    async fn finish(&mut self) -> Result<Option<AppRow>, StoreError> {
        let Some((ownership, finish, at)) = &mut self.unfinished else { return Ok(None) };
        // The states as they are now: since the call ended, another lane may have moved and stored them.
        finish.app = finish.app.take().map(|_| self.gate.row());
        finish.channel = finish.channel.take().map(|_| self.channel.row());
        match self.store.finish(ownership, finish.clone(), *at).await {
            Ok(()) => {
                if finish.process_query_key.is_some() && finish.ask_receipts_at.is_some() {
                    self.gate.ring_for_receipts();
                }
                let row = finish.app.take();
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

    fn lost(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::StaleEpoch) {
            self.gate.lost_ownership();
        }
        error
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
            tracing::info!(receiver, message = %claimed.message, %outcome, code = verdict.code, hint = verdict.hint, "an attempt was not sent");
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
