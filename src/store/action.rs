//! What is done to deliveries beside the journey: redriven, cancelled, handed over to another receiver; and to lanes:
//! paused, resumed. Plain data between those who ask and the store.
//!
//! The store decides by the state a delivery has at that moment, in the writer's transaction, so what a lane claims
//! and what a human does meet one after the other and never both. Who may ask for what is not known here.

use jiff::Timestamp;

use crate::model::delivery::State;
use crate::model::name::{DeliveryId, Name};

/// What is to be done to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Dead or cancelled → queued, in its own lane and at its old place: at once, its failures forgotten.
    Redrive,
    /// Queued → cancelled.
    Cancel,
    /// Queued, dead or cancelled → a new delivery of the same event, content, severity and order key in another lane.
    /// A queued one becomes handed over, the others stay what they are. To its own lane it is a redrive.
    HandOver {
        /// The receiver of the other lane.
        to: Name,
    },
}

/// What an action came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acted {
    /// It was done.
    Done {
        /// The delivery as it goes on: the new one where it was handed over.
        delivery: DeliveryId,
        /// The states that deliveries entered by it, each with its receiver.
        entered: Vec<Entered>,
    },
    /// Nothing: no delivery has this id.
    NoSuch,
    /// Nothing: it is in a state in which this cannot be done.
    WrongState(State),
    /// Nothing: this other delivery took it over and waits or has arrived; to hand it over again would tell it twice.
    TakenOver(DeliveryId),
}

/// A delivery of this receiver entered this state.
pub type Entered = (String, State);

/// Which deliveries an action is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Only in this state, when the store looks and when it acts.
    pub state: State,
    /// Only of these receivers; `None`: of any.
    pub receivers: Option<Vec<String>>,
    /// Only accepted before then.
    pub before: Option<Timestamp>,
}

/// How far an action on many has come. What was accepted after its beginning is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The `seq` of the last delivery that was met.
    pub(in crate::store) after: i64,
    /// The highest `seq` there was at the beginning.
    pub(in crate::store) until: i64,
}

/// What an action on some of many came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// How many it was done to.
    pub done: u64,
    /// The states that deliveries entered by it.
    pub entered: Vec<Entered>,
    /// Where to go on; `None`: all were met.
    pub next: Option<Place>,
}

/// A lane that takes nothing until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRow {
    /// The receiver.
    pub receiver: String,
    /// The end of the pause; it may be over.
    pub until: Timestamp,
}
