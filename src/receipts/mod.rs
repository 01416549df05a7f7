//! Receipts: who has read a message.
//!
//! ```text
//! due? ─▶ forgotten? ─▶ ready (gate::aside) ─▶ query ─▶ save
//! ```
//!
//! One [`Receipts`] per app. [`Receipts::step`] makes one query, which brings one page; the loop around it is
//! [`run::run`]. Sends come first: the gate lets a query through only where there is room, and no lane waits for one.
//! Nothing of the store is held open while DingTalk is called (law 3), and the time is an argument (law 10). What a
//! killed process was asking is asked again, from the first page. Asking because a human wants to know is [`refresh`],
//! which disturbs nothing of this. This room knows nothing of lanes or of deliveries; that a message went out it learns
//! from the store.

pub mod next;
mod place;
pub mod refresh;
pub mod run;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{Config, Receiver};
use crate::gate::Gate;
use crate::gate::aside::{By, Failed, Paid, Ready};
use crate::model::call::Call;
use crate::model::health::later;
use crate::model::message::{Readers, Target};
use crate::model::month::Month;
use crate::model::name::{ChannelKey, MessageId, Name};
use crate::model::outcome::Outcome;
use crate::receipts::next::Asked;
use crate::receipts::place::Place;
use crate::store::receipts::{Learned, Question, Then};
use crate::store::{Ownership, Store, StoreError};

/// How long receipts wait for an app that another process owns before they look again.
const NOT_OURS: Duration = Duration::from_secs(30);

/// The receipts of one app.
pub struct Receipts {
    gate: Arc<Gate>,
    store: Arc<dyn Store>,
    /// The receivers of the app that want receipts.
    wanted: BTreeMap<Name, Arc<Wanted>>,
    /// The page to ask for next, of a message that has more than one.
    place: Option<Place>,
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
        Self { gate, store, wanted, place: None, used_up: None }
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
        let Some(wanted) = self.wanted(&question, now) else { return self.give_up(question.message, now).await };
        let forgotten_at = wanted.asked(&question, now).forgotten_at();
        match gate.ready(Call::Query, By::Itself, now).await? {
            Ready::Go(paid) => self.ask(&paid, &question, &wanted, now).await,
            Ready::Authorised => Ok(Step::Authorised),
            Ready::NotNow(not_now) => Ok(Step::Wait(not_now.until)),
            Ready::UsedUp(month) => Ok(Step::Wait(self.rest_of(month).min(forgotten_at))),
        }
    }

    /// What is asked for a message's receiver. `None`: it wants no receipts any more, it has moved to another group,
    /// or DingTalk has forgotten the message.
    fn wanted(&self, question: &Question, now: Timestamp) -> Option<Arc<Wanted>> {
        let wanted = self.wanted.get(question.receiver.as_str())?;
        let has_answer = wanted.channel == question.channel && now < wanted.asked(question, now).forgotten_at();
        has_answer.then(|| Arc::clone(wanted))
    }

    async fn ask(
        &mut self,
        paid: &Paid,
        question: &Question,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let place = self.place.take().filter(|place| place.message == question.message);
        let token = place.as_ref().map(|place| place.token.as_str());
        let answer = self.gate.query(paid, &wanted.target, &question.process_query_key, token, now).await?;
        let asked = wanted.asked(question, now);
        let learned = match answer {
            Ok(readers) => self.learn(question, asked, place, readers),
            Err(failed) => unknown(question, asked, place.is_none(), failed),
        };
        self.save(&paid.ownership, learned, now).await
    }

    /// A page was answered; if there is another one, the message stays due and that page is next.
    fn learn(&mut self, question: &Question, asked: Asked<'_>, place: Option<Place>, page: Readers) -> Learned {
        self.place = Place::behind(place.as_ref(), &question.message, &page);
        let ask_at = if self.place.is_some() { Some(question.due_at) } else { asked.after_answer(&page) };
        Learned {
            message: question.message.clone(),
            send_status: Some(page.send_status),
            readers: page.user_ids,
            then: ask_at.map_or(Then::Never, Then::At),
            give_back: None,
        }
    }

    /// Stops asking about a message. What is known of it stays.
    async fn give_up(&self, message: MessageId, now: Timestamp) -> Result<Step, StoreError> {
        let Some(ownership) = self.gate.ownership(now).await? else { return Ok(Step::Wait(later(now, NOT_OURS))) };
        let nothing = Learned { message, send_status: None, readers: vec![], then: Then::Never, give_back: None };
        self.save(&ownership, nothing, now).await
    }

    async fn save(&self, ownership: &Ownership, learned: Learned, now: Timestamp) -> Result<Step, StoreError> {
        self.store.save_receipts(ownership, learned, now).await.map_err(|error| self.gate.noticed(error))?;
        Ok(Step::Done)
    }

    /// When there are calls again. Says once a month that there are none.
    fn rest_of(&mut self, month: Month) -> Timestamp {
        if self.used_up.replace(month) != Some(month) {
            let (app, organisation) = (self.gate.app(), self.gate.organisation());
            tracing::warn!(%app, %organisation, "no call of the month is left for receipts; sends go on as they may");
        }
        month.end()
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
        Asked { sent_at: question.sent_at, ask_after: &self.ask_after, answered: question.answered, now }
    }
}

/// No answer. Wherever in the pages that was, the next asking begins at the first one.
fn unknown(question: &Question, asked: Asked<'_>, first_page: bool, failed: Failed) -> Learned {
    let Failed { verdict, give_back } = failed;
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
        then: asked.after_failure(&verdict, first_page).map_or(Then::Never, Then::At),
        give_back,
    }
}
