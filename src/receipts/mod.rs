//! Receipts: who has read a message.
//!
//! ```text
//! due? ─▶ owned? ─▶ forgotten? ─▶ admitted? ─▶ token ─▶ permit ─▶ a unit of the month ─▶ query ─▶ observe ─▶ save
//! ```
//!
//! One [`Receipts`] per app. [`Receipts::step`] makes one query, which brings one page; the loop around it is
//! [`run::run`]. Sends come first: the gate lets a query through only where there is room (see `gate::query`), and no
//! lane waits for one. Nothing of the store is held open while DingTalk is called (law 3), and the time is an argument
//! (law 10). What a killed process was asking is asked again, from the first page. This room knows nothing of lanes or
//! of deliveries; that a message went out it learns from the store.

pub mod next;
pub mod run;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{Config, Receiver};
use crate::gate::Gate;
use crate::model::health::later;
use crate::model::message::{Readers, Target};
use crate::model::month::Month;
use crate::model::name::{ChannelKey, MessageId, Name};
use crate::model::outcome::{Outcome, Verdict};
use crate::receipts::next::Asked;
use crate::store::receipts::{Learned, Purse, Question};
use crate::store::{Ownership, Store, StoreError};

/// How long receipts wait for an app that another process owns before they look again.
const NOT_OURS: Duration = Duration::from_secs(30);

/// The receipts of one app.
pub struct Receipts {
    gate: Arc<Gate>,
    store: Arc<dyn Store>,
    /// The receivers of the app that want receipts.
    wanted: BTreeMap<Name, Arc<Wanted>>,
    receipt_calls_per_month: u64,
    /// The place of the page to ask for next, of a message that has more than one.
    place: Option<(MessageId, String)>,
    /// The month of which was said that it has no call left for receipts.
    used_up: Option<Month>,
}

/// What is asked for the messages of one receiver.
struct Wanted {
    channel: ChannelKey,
    target: Target,
    ask_after: Vec<Duration>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// No message is to be asked about.
    Idle,
    /// One is, and nothing can be done before then.
    Wait(Timestamp),
    /// An access token was asked for; step again.
    Authorised,
    /// A page was asked for, or a message given up; step again.
    Done,
}

impl Receipts {
    /// The receipts of the gate's app.
    pub fn new(config: &Config, gate: Arc<Gate>, store: Arc<dyn Store>) -> Self {
        let of_app = config.receivers.iter().filter(|(_, receiver)| receiver.app == *gate.app());
        let wanted = of_app.filter(|(_, receiver)| receiver.receipts.enabled);
        let wanted = wanted.map(|(name, receiver)| (name.clone(), Arc::new(Wanted::of(receiver)))).collect();
        let receipt_calls_per_month = config.organisations[gate.organisation()].receipt_calls_per_month;
        Self { gate, store, wanted, receipt_calls_per_month, place: None, used_up: None }
    }

    /// The gate they pass.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// One unit of work at `now`.
    pub async fn step(&mut self, now: Timestamp) -> Result<Step, StoreError> {
        let gate = Arc::clone(&self.gate);
        let Some(question) = self.store.receipts_due(gate.app()).await? else { return Ok(Step::Idle) };
        if question.due_at > now {
            return Ok(Step::Wait(question.due_at));
        }
        let Some(ownership) = gate.ownership(now).await? else { return Ok(Step::Wait(later(now, NOT_OURS))) };
        let Some(wanted) = self.wanted(&question, now) else {
            return self.give_up(&ownership, question.message, now).await;
        };
        if let Err(until) = gate.admit_query(now) {
            return Ok(Step::Wait(until));
        }
        if !gate.is_authorised(now) {
            return self.authorise(&ownership, now).await;
        }
        if let Err(until) = gate.permit_query(now) {
            return Ok(Step::Wait(until));
        }
        let purse = self.purse(now);
        if !self.store.take_query(&ownership, purse.clone()).await.map_err(|error| self.lost(error))? {
            return Ok(Step::Wait(self.rest_of(purse.month).min(wanted.asked(&question, now).forgotten_at())));
        }
        let learned = self.ask(&ownership, &question, &wanted, purse, now).await?;
        self.save(&ownership, learned, now).await
    }

    /// What is asked for a message's receiver. `None`: it wants no receipts any more, it has moved to another group,
    /// or DingTalk has forgotten the message.
    fn wanted(&self, question: &Question, now: Timestamp) -> Option<Arc<Wanted>> {
        let wanted = self.wanted.get(question.receiver.as_str())?;
        let has_answer = wanted.channel == question.channel && now < wanted.asked(question, now).forgotten_at();
        has_answer.then(|| Arc::clone(wanted))
    }

    /// Gets an access token before a unit of the month is taken.
    async fn authorise(&self, ownership: &Ownership, now: Timestamp) -> Result<Step, StoreError> {
        if let Err(verdict) = self.gate.authorise(now).await {
            tracing::warn!(app = %self.gate.app(), code = verdict.code, hint = verdict.hint, "no access token");
            self.observe(ownership, Some(&verdict), now).await?;
        }
        Ok(Step::Authorised)
    }

    async fn ask(
        &mut self,
        ownership: &Ownership,
        question: &Question,
        wanted: &Wanted,
        purse: Purse,
        now: Timestamp,
    ) -> Result<Learned, StoreError> {
        let place = self.place.take().filter(|(message, _)| *message == question.message).map(|(_, place)| place);
        let key = &question.process_query_key;
        let answer = self.gate.query(&wanted.target, key, place.as_deref(), now).await;
        self.observe(ownership, answer.as_ref().err(), now).await?;
        let asked = wanted.asked(question, now);
        Ok(match answer {
            Ok(readers) => self.learn(question, asked, place.as_deref(), readers),
            Err(verdict) => failed(question, asked, place.as_deref(), &verdict, purse),
        })
    }

    async fn observe(&self, own: &Ownership, verdict: Option<&Verdict>, now: Timestamp) -> Result<(), StoreError> {
        match self.gate.observe_query(verdict, fastrand::f64(), now) {
            Some(row) => self.store.save_app(own, row, now).await.map_err(|error| self.lost(error)),
            None => Ok(()),
        }
    }

    /// A page was answered; if there is another one, the message stays due and that page is next.
    fn learn(&mut self, question: &Question, asked: Asked<'_>, place: Option<&str>, readers: Readers) -> Learned {
        let ask_at = match &readers.next {
            // A page that leads to itself would cost the whole month.
            Some(next) if place != Some(next) => {
                self.place = Some((question.message.clone(), next.clone()));
                Some(question.due_at)
            }
            _ => asked.after_answer(&readers),
        };
        Learned {
            message: question.message.clone(),
            send_status: Some(readers.send_status),
            readers: readers.user_ids,
            ask_at,
            give_back: None,
        }
    }

    /// Stops asking about a message. What is known of it stays.
    async fn give_up(&self, ownership: &Ownership, message: MessageId, now: Timestamp) -> Result<Step, StoreError> {
        let nothing = Learned { message, send_status: None, readers: vec![], ask_at: None, give_back: None };
        self.save(ownership, nothing, now).await
    }

    async fn save(&self, ownership: &Ownership, learned: Learned, now: Timestamp) -> Result<Step, StoreError> {
        self.store.save_receipts(ownership, learned, now).await.map_err(|error| self.lost(error))?;
        Ok(Step::Done)
    }

    fn purse(&self, now: Timestamp) -> Purse {
        Purse {
            organisation: self.gate.organisation().clone(),
            month: Month::of(now),
            calls_per_month: self.gate.calls_per_month(),
            receipt_calls_per_month: self.receipt_calls_per_month,
        }
    }

    /// When there are calls again. Says once a month that there are none.
    fn rest_of(&mut self, month: Month) -> Timestamp {
        if self.used_up.replace(month) != Some(month) {
            let (app, organisation) = (self.gate.app(), self.gate.organisation());
            tracing::warn!(%app, %organisation, "no call of the month is left for receipts; sends go on as they may");
        }
        month.end()
    }

    fn lost(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::StaleEpoch) {
            self.gate.lost_ownership();
        }
        error
    }
}

impl Wanted {
    fn of(receiver: &Receiver) -> Self {
        let (robot_code, conversation) = (receiver.robot_code.clone(), receiver.open_conversation_id.clone());
        Self {
            channel: ChannelKey::app_robot(&receiver.app, &robot_code, &conversation),
            target: Target {
                robot_code,
                open_conversation_id: conversation,
                cool_app_code: receiver.cool_app_code.clone(),
            },
            ask_after: receiver.receipts.ask_after.clone(),
        }
    }

    fn asked(&self, question: &Question, now: Timestamp) -> Asked<'_> {
        Asked { sent_at: question.sent_at, ask_after: &self.ask_after, now }
    }
}

/// No answer. Wherever in the pages that was, the next asking begins at the first one.
fn failed(question: &Question, asked: Asked<'_>, place: Option<&str>, verdict: &Verdict, purse: Purse) -> Learned {
    let (message, code, hint) = (&question.message, &verdict.code, &verdict.hint);
    if verdict.outcome == Outcome::Unavailable {
        tracing::debug!(%message, code, hint, "who has read a message is not known yet");
    } else {
        tracing::info!(%message, code, hint, "who has read a message could not be learned");
    }
    Learned {
        message: message.clone(),
        send_status: None,
        readers: vec![],
        ask_at: asked.after_failure(verdict, place.is_none()),
        give_back: verdict.uncounted.then_some(purse),
    }
}
