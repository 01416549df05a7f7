//! The unit of "nothing lost", and its states.
//!
//! ```text
//!             claim                 sent
//!   queued ──────────▶ sending ────────────▶ delivered
//!     ▲                   │
//!     │ throttled,        │ refused in every form,
//!     │ unavailable,      │ or tried too often
//!     │ blocked           ▼
//!     └────────────────  dead
//! ```
//!
//! `cancelled` (by a human) and `handed_over` (to a fallback, or by a human to another receiver) are ends of a delivery
//! that waits. A human may redrive what is dead or cancelled: it is queued again. Only the store moves a delivery from
//! one state to the next, and only along [`State::may_become`].

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::content::Content;
use crate::model::event::Severity;
use crate::model::message::{Attempt, Message};
use crate::model::name::{DeliveryId, EventId, Name};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It was claimed: a call that carries it is under way.
    Sending,
    /// DingTalk admitted the message that carried it, or it had nothing to say that its receiver did not know.
    Delivered,
    /// It was given up, with a reason. A human may redrive it.
    Dead,
    /// A human called it off.
    Cancelled,
    /// Another receiver has taken it over: a fallback, or the one a human named.
    HandedOver,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Sending, Self::Delivered, Self::Dead, Self::Cancelled, Self::HandedOver];

    /// The word the API, the metrics and the store use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::HandedOver => "handed_over",
        }
    }

    /// The state of that name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether something may still come of it without a human.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sending)
    }

    /// Whether the way from this state to that one exists.
    pub fn may_become(self, next: Self) -> bool {
        use State::{Cancelled, Dead, Delivered, HandedOver, Queued, Sending};
        matches!(
            (self, next),
            (Queued, Sending | Cancelled | HandedOver)
                | (Sending, Queued | Delivered | Dead | HandedOver)
                | (Dead | Cancelled, Queued)
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A delivery as people and scripts see it. Field names are the API's; absent values are `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event it brings.
    pub event: EventId,
    /// The source the event came through.
    pub source: String,
    /// The receiver it is brought to.
    pub receiver: String,
    /// Where it stands.
    pub state: State,
    /// What the push banner shows.
    pub title: String,
    /// The worst severity of its items.
    pub severity: Severity,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When DingTalk admitted it.
    pub delivered_at: Option<Timestamp>,
    /// When it may be tried next, while it waits for a retry or for company.
    pub next_attempt_at: Option<Timestamp>,
    /// The calls made for it.
    pub attempts: u64,
    /// Why it is dead, was handed over, or was delivered without a call.
    pub reason: Option<String>,
    /// Whether an attempt of its own whose outcome is unknown may have shown it already, to its receiver. One that took over
    /// another begins without: nobody has called its group for it. The other keeps its mark, and names it.
    pub possibly_duplicate: bool,
    /// The delivery this one took over.
    pub fallback_of: Option<DeliveryId>,
    /// The delivery that took this one over.
    pub handed_to: Option<DeliveryId>,
    /// The latest message it was part of.
    pub message: Option<Message>,
}

/// One delivery with everything the store knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRecord {
    /// The delivery.
    pub delivery: Delivery,
    /// When the event was received.
    pub received_at: Timestamp,
    /// The kind of the event's source.
    pub kind: String,
    /// What the event as a whole is about.
    pub event_title: String,
    /// Where the sender shows it.
    pub event_url: Option<String>,
    /// What it says, whatever form of it was sent; `None` if a newer version wrote it.
    pub content: Option<Content>,
    /// The tries, the first one first.
    pub attempt_log: Vec<Attempt>,
}

/// What `render` made and `store.accept` is to keep: one delivery to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The receiver it is to be brought to.
    pub receiver: Name,
    /// The worst severity of its items.
    pub severity: Severity,
    /// What it says.
    pub content: Content,
    /// How long it waits for company; zero: it does not.
    pub gather: Duration,
    /// Whether it goes by itself and before what gathers: a person wrote it and may be waiting, or the relay has to tell
    /// its operator something. As a line of a digest it would lose all but its title.
    pub express: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_delivered_or_handed_over_stays_so() {
        for end in [State::Delivered, State::HandedOver] {
            assert!(State::ALL.into_iter().all(|next| !end.may_become(next)));
        }
    }

    #[test]
    fn only_a_human_brings_back_what_is_dead_or_cancelled_and_only_into_the_queue() {
        for end in [State::Dead, State::Cancelled] {
            let ways: Vec<_> = State::ALL.into_iter().filter(|next| end.may_become(*next)).collect();
            assert_eq!(ways, [State::Queued]);
        }
    }
}
