//! What the operator has been told, and what has happened that no state shows: plain data between those who tell and
//! the store.
//!
//! A trouble that lasts is a [`Told`]: it stands in the store while it lasts and a while longer, so a restart tells
//! nothing twice and an end is told even if it came over a restart. What happens and is over at once, a delivery that
//! dies or is handed over, is counted by the store where it happens, in the same transaction: a [`Toll`].

use jiff::Timestamp;

use crate::model::delivery::State;
use crate::model::name::DeliveryId;

/// Everything there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// What was told of what lasts.
    pub told: Vec<Told>,
    /// What was counted.
    pub tolls: Vec<Toll>,
}

/// What was told last of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which one, by a key of the teller's.
    pub subject: String,
    /// Since when the trouble has lasted.
    pub since: Timestamp,
    /// When it, or its end, was told.
    pub told_at: Timestamp,
    /// Whether its end was told.
    pub is_over: bool,
}

/// How many deliveries of a receiver have ever entered a state which nobody asked for. Notices do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toll {
    /// The receiver.
    pub receiver: String,
    /// Dead, or handed over to a fallback.
    pub state: State,
    /// How many.
    pub count: u64,
    /// Of how many the operator knows.
    pub told: u64,
    /// The latest of them.
    pub last: DeliveryId,
    /// Why that one did.
    pub reason: String,
}

/// What is to be written down, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// This was told, or needs no telling.
    Told(Told),
    /// Nothing of this subject is worth knowing any more.
    Forgotten(String),
    /// So many of a toll are known to the operator.
    Tolled {
        /// The receiver.
        receiver: String,
        /// Dead, or handed over.
        state: State,
        /// Of how many the operator knows.
        told: u64,
    },
}
