//! A hand on deliveries and lanes: redrive, cancel, pause, resume; one at a time or many.
//!
//! The store decides by the state a delivery has at that moment; here stands what else a human must know: whether a
//! receiver exists, whether a lane flows, and, if it was refused, what would be right. Many are done in small pieces,
//! so that webhooks are answered in between; what was done stays when the rest fails. What was done is counted and
//! logged. HTTP is not known here.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::problem::hint;
use crate::config::scalar;
use crate::model::delivery::{Delivery, State};
use crate::model::name::Name;
use crate::model::view::{LaneView, Standing};
use crate::operator::Operator;
use crate::operator::selection::Selection;
use crate::store::action::{self, Acted, Action, Entered};
use crate::store::{Filter, StoreError};
use crate::telemetry::metrics;

/// How long a lane is paused when nobody says. A lane that was forgotten flows again by itself.
pub const DEFAULT_PAUSE: Duration = Duration::from_secs(60 * 60);
/// How long a lane may be paused.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why an action was not done, for whoever asked. The texts echo nothing of the request.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// What was named does not exist.
    #[error("{0}")]
    NoSuch(String),
    /// It cannot be done in the state things are in; says which, and what would be right.
    #[error("{0}")]
    Conflict(String),
    /// The request makes no sense, whatever the state.
    #[error("{0}")]
    NotUnderstood(String),
    /// It may be done later, and was not now.
    #[error("{why}")]
    NotNow {
        /// Why not now.
        why: String,
        /// When to come again, if that is known.
        until: Option<Timestamp>,
    },
    /// The store would not.
    #[error("{}", .0.in_words())]
    Store(#[from] StoreError),
    /// Of many, the store did some and would not go on. What was done stays; to ask again does the rest.
    #[error("{done} are done and stay so, but then {}; ask again for the rest", source.in_words())]
    Stopped {
        /// How many it was done to.
        done: u64,
        /// Why not to the rest.
        source: StoreError,
    },
}

impl Operator {
    /// Brings a dead or cancelled delivery back into its lane, or with `to` hands it over to another receiver; so can
    /// be handed over what waits in a lane that does not flow. Gives the delivery that goes on: with `to`, the new one.
    pub async fn redrive(&self, id: &str, to: Option<&str>, now: Timestamp) -> Result<Delivery, ActionError> {
        let delivery = self.known(id).await?;
        let action = self.redriving(to)?;
        self.check_redrive(&delivery, to, now).await?;
        self.act(delivery, action, now).await
    }

    /// Calls a queued delivery off.
    pub async fn cancel(&self, id: &str, now: Timestamp) -> Result<Delivery, ActionError> {
        let delivery = self.known(id).await?;
        self.act(delivery, Action::Cancel, now).await
    }

    /// The same as [`Operator::redrive`] for many: the dead ones, if no state is said. Without `to`, those of receivers
    /// that are configured. Says how many; with `dry_run`, how many it would be.
    pub async fn redrive_many(
        &self,
        which: Selection,
        to: Option<&str>,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<u64, ActionError> {
        let state = which.state.unwrap_or(State::Dead);
        let action = self.redriving(to)?;
        self.check_selection(&which).await?;
        let receivers = match (&which.receiver, to) {
            (Some(receiver), None) if !self.is_configured(receiver) => return Err(self.wants_to()),
            (Some(receiver), _) => Some(vec![receiver.clone()]),
            (None, Some(_)) => None,
            (None, None) => Some((self.lanes)().into_iter().map(|lane| lane.receiver).collect()),
        };
        match (state, &which.receiver, to) {
            (State::Dead | State::Cancelled, ..) => {}
            (State::Queued, Some(receiver), Some(_)) if self.flows(receiver, now).await? => {
                return Err(ActionError::Conflict(GOES_BY_ITSELF.to_owned()));
            }
            (State::Queued, Some(_), Some(_)) => {}
            _ => {
                let right = "state must be dead or cancelled; queued only together with receiver and `to`, to hand over what waits there";
                return Err(ActionError::NotUnderstood(right.to_owned()));
            }
        }
        let selection = action::Selection { state, receivers, before: which.before };
        self.act_on_many(&selection, action, dry_run, now).await
    }

    /// Calls many queued deliveries off. Says how many; with `dry_run`, how many it would be.
    pub async fn cancel_many(&self, which: Selection, dry_run: bool, now: Timestamp) -> Result<u64, ActionError> {
        if which.state.is_some_and(|state| state != State::Queued) {
            return Err(ActionError::NotUnderstood("state must be queued: nothing else can be cancelled".to_owned()));
        }
        self.check_selection(&which).await?;
        let receivers = which.receiver.map(|receiver| vec![receiver]);
        let selection = action::Selection { state: State::Queued, receivers, before: which.before };
        self.act_on_many(&selection, Action::Cancel, dry_run, now).await
    }

    /// Lets a lane take nothing for so long; webhooks are still accepted for it. A pause takes an earlier one's place.
    pub async fn pause(&self, receiver: &str, how_long: Duration, now: Timestamp) -> Result<LaneView, ActionError> {
        let lane = self.receiver(receiver).map_err(ActionError::NoSuch)?;
        if how_long.is_zero() || how_long > LONGEST_PAUSE {
            return Err(ActionError::NotUnderstood("a pause is longer than zero and at most 7d".to_owned()));
        }
        let how_long = SignedDuration::try_from(how_long).unwrap_or(SignedDuration::MAX);
        let until = now.saturating_add(how_long).unwrap_or(Timestamp::MAX);
        self.store.pause(&lane, Some(until)).await?;
        tracing::warn!(receiver = %lane, %until, "an operator paused the lane");
        self.lane(&lane, now).await
    }

    /// Ends the pause of a lane, if there is one.
    pub async fn resume(&self, receiver: &str, now: Timestamp) -> Result<LaneView, ActionError> {
        let lane = self.receiver(receiver).map_err(ActionError::NoSuch)?;
        self.store.pause(&lane, None).await?;
        tracing::warn!(receiver = %lane, "an operator resumed the lane");
        self.lane(&lane, now).await
    }

    async fn act(&self, delivery: Delivery, action: Action, now: Timestamp) -> Result<Delivery, ActionError> {
        match self.store.act(&delivery.id, action.clone(), now).await? {
            Acted::Done { delivery: goes_on, entered } => {
                count(&entered);
                tracing::info!(delivery = %delivery.id, receiver = delivery.receiver, ?action, "an operator acted on a delivery");
                self.known(&goes_on.0).await
            }
            Acted::NoSuch => Err(no_such_delivery()),
            Acted::WrongState(state) => Err(wrong_state(&Delivery { state, ..delivery }, &action)),
            Acted::TakenOver(successor) => Err(ActionError::Conflict(format!(
                "the delivery {successor} has taken it over, and waits or has arrived; look at that one"
            ))),
        }
    }

    async fn act_on_many(
        &self,
        which: &action::Selection,
        action: Action,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<u64, ActionError> {
        if dry_run {
            return Ok(self.store.count(which).await?);
        }
        let (mut done, mut from) = (0, None);
        loop {
            let stretch = match self.store.act_on_some(which, from, action.clone(), now).await {
                Ok(stretch) => stretch,
                Err(source) => return Err(ActionError::Stopped { done, source }),
            };
            count(&stretch.entered);
            done += stretch.done;
            if stretch.next.is_none() {
                tracing::info!(?which, ?action, done, "an operator acted on many deliveries");
                return Ok(done);
            }
            from = stretch.next;
        }
    }

    /// What a redrive is: a way back, or over to a receiver that must exist.
    fn redriving(&self, to: Option<&str>) -> Result<Action, ActionError> {
        let Some(to) = to else { return Ok(Action::Redrive) };
        let to = self.receiver(to).map_err(|why| ActionError::NotUnderstood(format!("`to`: {why}")))?;
        Ok(Action::HandOver { to })
    }

    async fn check_redrive(&self, delivery: &Delivery, to: Option<&str>, now: Timestamp) -> Result<(), ActionError> {
        let goes_home = to.is_none_or(|to| to == delivery.receiver);
        match delivery.state {
            State::Dead | State::Cancelled if goes_home && !self.is_configured(&delivery.receiver) => {
                Err(self.wants_to())
            }
            State::Queued if !goes_home && self.flows(&delivery.receiver, now).await? => {
                Err(ActionError::Conflict(GOES_BY_ITSELF.to_owned()))
            }
            // The rest is the store's to say.
            _ => Ok(()),
        }
    }

    /// Refuses a selection of everything, and one whose receiver nobody ever heard of: it is a slip of the pen.
    async fn check_selection(&self, which: &Selection) -> Result<(), ActionError> {
        if which.is_everything() {
            let right = "say which: at least one of receiver, state and before";
            return Err(ActionError::NotUnderstood(right.to_owned()));
        }
        let Some(receiver) = which.receiver.as_ref().filter(|receiver| !self.is_configured(receiver)) else {
            return Ok(());
        };
        let any = Filter { receiver: Some(receiver.clone()), limit: 1, ..Filter::default() };
        if self.store.deliveries(any).await?.deliveries.is_empty() {
            return Err(ActionError::NoSuch(self.no_such_receiver(receiver)));
        }
        Ok(())
    }

    async fn known(&self, id: &str) -> Result<Delivery, ActionError> {
        let record = self.delivery(id).await?.ok_or_else(no_such_delivery)?;
        Ok(record.delivery)
    }

    async fn lane(&self, receiver: &Name, now: Timestamp) -> Result<LaneView, ActionError> {
        let lanes = self.lanes(now).await?;
        let lane = lanes.into_iter().find(|view| view.lane.receiver == receiver.as_str());
        lane.ok_or_else(|| ActionError::NoSuch(self.no_such_receiver(receiver.as_str())))
    }

    /// A configured receiver, or which ones there are.
    fn receiver(&self, name: &str) -> Result<Name, String> {
        let known = name.parse().ok().filter(|_| self.is_configured(name));
        known.ok_or_else(|| self.no_such_receiver(name))
    }

    fn no_such_receiver(&self, name: &str) -> String {
        let lanes = (self.lanes)();
        format!("no such receiver: {}", hint(name, lanes.iter().map(|lane| lane.receiver.as_str())))
    }

    fn is_configured(&self, receiver: &str) -> bool {
        (self.lanes)().iter().any(|lane| lane.receiver == receiver)
    }

    /// Whether what waits in a lane goes by itself before long.
    async fn flows(&self, receiver: &str, now: Timestamp) -> Result<bool, ActionError> {
        let flowing = (self.lanes)().iter().any(|lane| lane.receiver == receiver && lane.state == Standing::Flowing);
        let Ok(name) = receiver.parse() else { return Ok(false) };
        Ok(flowing && self.store.paused_until(&name, now).await?.is_none())
    }

    fn wants_to(&self) -> ActionError {
        let receivers = (self.lanes)();
        let names = hint("", receivers.iter().map(|lane| lane.receiver.as_str()));
        ActionError::Conflict(format!(
            "its receiver is configured no more: say with `to` which other one it is to go to; {names}"
        ))
    }
}

const GOES_BY_ITSELF: &str = "it is queued and its lane flows, so it goes by itself; to send it elsewhere, cancel it and \
                              redrive it with `to`, or pause the lane";

fn no_such_delivery() -> ActionError {
    ActionError::NoSuch("no delivery has this id".to_owned())
}

/// Which state it is in, and what would be right.
fn wrong_state(delivery: &Delivery, action: &Action) -> ActionError {
    let cancels = *action == Action::Cancel;
    ActionError::Conflict(match delivery.state {
        State::Queued => {
            "it is queued: it waits for its turn and needs no redrive; while its lane does not flow, it can \
                          be redriven to another receiver with `to`"
                .to_owned()
        }
        State::Sending => "it is sending: the call is under way; look again when it has its answer".to_owned(),
        State::Delivered => "it is delivered already; a recall of its message takes it back".to_owned(),
        State::Dead if cancels => "it is dead already: nothing is sent unless it is redriven".to_owned(),
        State::Cancelled if cancels => "it is cancelled already".to_owned(),
        State::Dead | State::Cancelled | State::HandedOver => match &delivery.handed_to {
            Some(successor) => format!("it is handed over: what goes on is the delivery {successor}"),
            None => format!("it is {}", delivery.state),
        },
    })
}

fn count(entered: &[Entered]) {
    for (receiver, state) in entered {
        let labels = [("receiver", receiver.clone()), ("state", state.as_str().to_owned())];
        ::metrics::counter!(metrics::DELIVERIES, &labels).increment(1);
    }
}

/// How long a pause is, as a request says it: a duration as in the configuration; without one, an hour.
pub fn how_long(text: Option<&str>) -> Result<Duration, ActionError> {
    let Some(text) = text else { return Ok(DEFAULT_PAUSE) };
    scalar::wait(text).map_err(|why| ActionError::NotUnderstood(format!("`for` {why}")))
}
