//! What a lane holds between a claim and its finish, kept where a panic cannot take it away.
//!
//! A panic in a step is a mistake of ours, and must neither lose a delivery nor stop the lane. So the attempt it broke
//! off is ended like one that failed: it is tried again by the retry schedule, marked possibly duplicated if the call
//! had begun (or held, where the receiver wants that), and it counts, so that a delivery which panics each time dies with
//! a reason instead of going round for ever; others pass it meanwhile. DingTalk has said nothing, so neither app nor
//! channel learns from it. It knows neither store nor clock.

use std::sync::Arc;

use jiff::Timestamp;

use crate::gate::observe::Changes;
use crate::model::message::Composed;
use crate::model::name::DeliveryId;
use crate::model::outcome::Verdict;
use crate::store::{Claimed, Finish, Next, Ownership};

/// What a lane holds.
#[derive(Default)]
pub(in crate::dispatch) enum Held {
    /// Nothing.
    #[default]
    Nothing,
    /// The store was asked for a claim, and has not said what it took.
    Unknown,
    /// A claim, from there until its end is ready to be stored.
    Claim(Trying),
}

/// A claim that is being tried.
pub(in crate::dispatch) struct Trying {
    own: Ownership,
    claimed: Arc<Claimed>,
    since: Timestamp,
    /// The message, once the call has begun: from then on it may arrive.
    called_with: Option<Composed>,
}

impl Held {
    /// Holds a claim, which no call was made for yet.
    pub(in crate::dispatch) fn claim(own: Ownership, claimed: &Arc<Claimed>, since: Timestamp) -> Self {
        Self::Claim(Trying { own, claimed: Arc::clone(claimed), since, called_with: None })
    }

    /// The call begins.
    pub(in crate::dispatch) fn called(&mut self, with: &Composed) {
        if let Self::Claim(trying) = self {
            trying.called_with = Some(with.clone());
        }
    }
}

impl Trying {
    /// What was claimed.
    pub(in crate::dispatch) fn claimed(&self) -> Arc<Claimed> {
        Arc::clone(&self.claimed)
    }

    /// Whether the message may have arrived.
    pub(in crate::dispatch) fn was_called(&self) -> bool {
        self.called_with.is_some()
    }

    /// The end of an attempt that was broken off, and the right to store it; `states` are as they were left.
    pub(in crate::dispatch) fn end(
        self,
        verdict: Verdict,
        next: Vec<(DeliveryId, Next)>,
        states: Changes,
        now: Timestamp,
    ) -> (Ownership, Finish, Timestamp) {
        let finish = Finish {
            message: self.claimed.message.clone(),
            attempt: self.claimed.attempt.clone(),
            composed: self.called_with,
            outcome: verdict.outcome,
            http_status: None,
            took: now.duration_since(self.since).try_into().unwrap_or_default(),
            may_have_arrived: verdict.may_have_arrived,
            uncounted: verdict.uncounted,
            hint: Some(verdict.hint),
            code: Some(verdict.code),
            process_query_key: None,
            ask_receipts_at: None,
            next,
            app: states.app,
            channel: states.channel,
        };
        (self.own, finish, now)
    }
}
