//! One receiver's queue, and one unit of its work at a time.
//!
//! ```text
//! what waits? ─▶ owned? ─▶ admitted? ─▶ alone, together or later? ─▶ token ─▶ permit ─▶ claim
//!                                                                                         │
//!                                              finish ◀─ observe ◀─ send ◀─ compose ◀─────┘
//! ```
//!
//! Everything that may wait comes before the claim, and nothing of the store is held open while DingTalk is called
//! (law 3). What follows the claim is `sending`. A lane remembers four things only, and each may be forgotten: when it
//! flowed, whose turn it is to begin a message, whether its last one was express, and an end that the store would not
//! take yet. It reads no clock: [`Lane::step`] is told the time.

mod sending;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;

use crate::config::{Config, OnUnknownOutcome, Retry};
use crate::dispatch::broken::Held;
use crate::dispatch::fallback::{Course, Fallback};
use crate::dispatch::flow::Flow;
use crate::dispatch::gather::{Decision, decide, gathered_at};
use crate::dispatch::lane::sending::Unfinished;
use crate::dispatch::manner::{Manner, in_its_form};
use crate::gate::channel::{Channel, Turn};
use crate::gate::month::{Left, Paced};
use crate::gate::{Gate, Pass};
use crate::model::content::Unchanged;
use crate::model::event::Severity;
use crate::model::health::{Block, earlier, later};
use crate::model::message::Target;
use crate::model::month::Month;
use crate::model::name::Name;
use crate::model::outcome::Outcome;
use crate::store::queue::{Beginner, Take, Waiting};
use crate::store::{Claim, Claimed, Ownership, Store, StoreError, Want};
use crate::telemetry::metrics as names;

/// How long a lane waits for an app that another process owns before it looks again.
const NOT_OURS: Duration = Duration::from_secs(1);
/// How many deliveries one transaction hands over: some milliseconds of the writer's time.
const HANDED_OVER_AT_ONCE: usize = 100;

/// One receiver's queue.
pub struct Lane {
    receiver: Name,
    target: Target,
    manner: Manner,
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
    /// When it might send whenever it had something to send.
    flow: Flow,
    /// Who begins the next message, where both are ready.
    begins: Beginner,
    /// Whether what waits here gathers for the month's sake, as it was told in this step.
    paced: Paced,
    /// Whether its last message was express.
    was_express: bool,
    /// A claim was made and its end is not stored yet.
    unfinished: Option<Unfinished>,
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
    /// The lane of a configured receiver; `channel` is one of the gate's, and `fallback` who takes over from it, if
    /// anybody does.
    pub fn new(
        receiver: Name,
        config: &Config,
        fallback: Option<Fallback>,
        gate: Arc<Gate>,
        channel: Arc<Channel>,
        store: Arc<dyn Store>,
    ) -> Self {
        let settings = &config.receivers[&receiver];
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
            manner: Manner::of(settings, config.admin.external_url.clone()),
            hold,
            ask_receipts_after,
            fallback,
            taken_over: None,
            retry: config.retry.clone(),
            gate,
            channel,
            store,
            held: Held::Nothing,
            flow: Flow::default(),
            begins: Beginner::Worst,
            paced: Paced::Free,
            was_express: false,
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

    /// It takes the place of a lane of the same receiver, which has ended: what that one remembers holds here.
    pub fn succeeds(&mut self, before: &Self) {
        self.flow.clone_from(&before.flow);
        (self.begins, self.was_express) = (before.begins, before.was_express);
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
        let permits = self.channel.permits(now);
        let Some(waiting) = self.store.waiting(&self.receiver, permits + 1, now).await? else {
            // Nobody was kept back.
            self.was_express = false;
            return Ok(Step::Idle);
        };
        if let Some(until) = self.store.paused_until(&self.receiver, now).await? {
            self.flow.stops(now);
            return Ok(Step::Wait(until));
        }
        let gate = Arc::clone(&self.gate);
        let Some(ownership) = gate.ownership(now).await? else {
            self.flow.stops(now);
            return Ok(Step::Wait(later(now, NOT_OURS)));
        };
        let pass = match gate.admit(&self.receiver, &self.channel, now) {
            Ok(pass) => pass,
            Err(until) => return self.wait(&ownership, until, now).await,
        };
        if !pass.probe && waiting.ready == 0 && waiting.due_at > now {
            return Ok(Step::Wait(waiting.due_at));
        }
        // Whatever the others wait for, what is critical or express waits for its retry only.
        let or_urgent = |until: Timestamp| waiting.next_urgent_at.map_or(until, |at| until.min(at));
        if self.month_is_used_up(&waiting, now).await? {
            return self.wait(&ownership, or_urgent(Month::of(now).end()), now).await;
        }
        let take = match self.decide(&waiting, permits, &pass, now).await? {
            Ok(take) => take,
            Err(until) => return Ok(Step::Wait(or_urgent(until))),
        };
        if !gate.is_authorised(now) {
            return self.authorise(&ownership, &pass, now).await;
        }
        if let Err(until) = gate.permit(&self.channel, now) {
            return Ok(Step::Wait(until));
        }
        self.held = Held::Unknown;
        let claim = self.store.claim(&ownership, self.want(take, pass.probe, now), now).await;
        self.held = Held::Nothing;
        let claimed = match claim {
            Ok(Claim::Taken(claimed)) => Arc::new(in_its_form(claimed)),
            Ok(Claim::Nothing) => return Ok(Step::Idle),
            Ok(Claim::MonthUsedUp) => {
                gate.left(now).await?;
                return self.wait(&ownership, Month::of(now).end(), now).await;
            }
            Err(error) => return Err(self.lost(error)),
        };
        self.send(ownership, claimed, &pass, now).await
    }

    /// How much of what waits goes now, or when to look again. A probe is not about what it carries: one is enough.
    async fn decide(
        &mut self,
        waiting: &Waiting,
        permits: usize,
        pass: &Pass<'_>,
        now: Timestamp,
    ) -> Result<Result<Take, Timestamp>, StoreError> {
        if pass.probe {
            self.flow.stops(now);
            self.paced = Paced::Free;
            return Ok(Ok(Take::One));
        }
        self.flow.flows(now);
        let digest = self.manner.digest();
        // Who asks stands in line, and must not where it needs no turn.
        self.paced = match gathered_at(waiting, digest, self.was_express, now) {
            Some(at) => self.gate.paced(&self.receiver, at, now).await?,
            None => Paced::Free,
        };
        Ok(match decide(waiting, digest, permits, self.paced.until(), self.was_express, now) {
            Decision::Go(take) => Ok(take),
            Decision::Wait(until) => Err(until),
        })
    }

    /// No call may be made before `until`: what waits is kept, or goes to the fallback if it is time. A month that is kept
    /// for what is critical blocks nothing else than the rest.
    async fn wait(&mut self, own: &Ownership, mut until: Timestamp, now: Timestamp) -> Result<Step, StoreError> {
        self.flow.stops(now);
        let Some(fallback) = &self.fallback else { return Ok(Step::Wait(until)) };
        let (channel, app) = (self.channel.health(), self.gate.health());
        for keeps_critical in [false, true] {
            let month = self.gate.month(!keeps_critical, now);
            match fallback.course([&channel, &app, &month], now) {
                Course::Keep => {}
                Course::KeepUntil(at) => until = until.min(at),
                Course::HandOver(block) => return self.hand_over(own, &block, keeps_critical, until, now).await,
            }
        }
        Ok(Step::Wait(until))
    }

    /// The fallback takes over what this blocks. What is left then waits `until`: it is critical, or came from another
    /// lane.
    async fn hand_over(
        &mut self,
        own: &Ownership,
        block: &Block,
        keeps_critical: bool,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let Some(fallback) = &self.fallback else { return Ok(Step::Wait(until)) };
        let wanted = fallback.hand_over(block, keeps_critical, HANDED_OVER_AT_ONCE);
        let handed = self.store.hand_over_queue(own, wanted, now).await.map_err(|error| self.lost(error))?;
        if handed == 0 {
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
    async fn month_is_used_up(&self, waiting: &Waiting, now: Timestamp) -> Result<bool, StoreError> {
        let critical = waiting.critical || waiting.express == Some(Severity::Critical);
        Ok(match self.gate.left(now).await? {
            Left::Everything => false,
            Left::Critical => !critical,
            Left::Nothing => true,
        })
    }

    /// What was claimed goes. A probe, and what is express, is nobody's turn: what gathers here has not gone with it, and
    /// keeps its place in the line.
    fn goes(&mut self, claimed: &Claimed, probe: bool, now: Timestamp) {
        self.begins = claimed.begun_by.map_or(self.begins, Beginner::other);
        self.was_express = claimed.express;
        if !probe && !claimed.express {
            self.gate.went(&self.receiver, self.paced.is_turn(now) && !claimed.critical, now);
        }
    }

    fn want(&self, take: Take, probe: bool, now: Timestamp) -> Want {
        let digest = self.manner.digest();
        Want {
            receiver: self.receiver.clone(),
            channel: self.channel.key().clone(),
            organisation: self.gate.organisation().clone(),
            month: Month::of(now),
            calls: self.gate.calls(),
            hold: self.hold,
            probe,
            take,
            known: digest.unchanged != Unchanged::Show,
            // Before its turn it goes because something is critical, and no other may begin.
            begins: if self.paced.is_early(now) { Beginner::Worst } else { self.begins },
            overdue_before: self.flow.overdue_before(digest.max_wait, now),
            stale_before: self.late_before(take == Take::Express, now),
        }
    }

    /// What came before this is late.
    fn late_before(&self, express: bool, now: Timestamp) -> Timestamp {
        let stale_after = self.manner.digest().stale_after;
        // What is express does not gather.
        if express { earlier(now, stale_after) } else { self.paced.late_before(stale_after, now) }
    }

    fn lost(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::StaleEpoch) {
            self.gate.lost_ownership();
        }
        error
    }
}
