//! What a lane asks of its queue before it claims: what waits, and how much of it one message is to take.
//!
//! A delivery is *ready* if it may go now, *waits* if it may go later, and *gathers* if it waits for company rather
//! than for a retry: whatever goes in its lane may take it along. It is *express* if a person or the relay itself wrote it:
//! no message takes it along, and it goes before what gathers. Whether to go now, alone or together, is decided in
//! `dispatch`; the store counts and keeps the order.
//!
//! It is as *urgent* as the worst of what is new in it to its receiver, by what that one was told last under its order
//! key when it was accepted. What says nothing new is information; what is handed over or redriven is all new. By that,
//! and not by its severity, it is ranked and paid for.

use jiff::Timestamp;

use crate::model::event::Severity;
use crate::model::name::{AttemptId, MessageId};

/// The most deliveries one message carries, and the most bytes it is made of, stored contents and what was told before:
/// a transaction must not keep webhooks waiting, and memory must stay flat whatever waits.
pub const MOST_DELIVERIES: usize = 1_000;
/// See [`MOST_DELIVERIES`]. One delivery goes whatever its size.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How much a claim takes. What is express goes by itself, whatever is said here. A probe takes one delivery whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// One delivery, late or not.
    One,
    /// One delivery; but where a late one begins, the late ones together, as a digest does.
    OneUnlessLate,
    /// What comes first if it is critical; else what is express, the worst first and of equals the oldest, overdue, late
    /// or neither. If nothing express is ready any more, as [`Take::One`].
    Express,
    /// A digest: of every ready order key all that is queued (also what waits behind its head), then what gathers; not
    /// late and late ones never together. At most [`MOST_DELIVERIES`] and [`MOST_BYTES`].
    Digest,
}

/// What begins a message where both are ready. A lane lets them take turns: so what is critical waits for one message at
/// most, and nothing is overtaken by worse for longer than `max_wait` as long as every other message is its.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginner {
    /// What is critical and not late; else what is critical and late; else what is not late, the worst first and of equals
    /// the oldest; else what is late.
    Worst,
    /// The oldest of all that have waited long enough, late or not.
    Overdue,
}

impl Beginner {
    /// Whose turn it is after this one.
    pub fn other(self) -> Self {
        match self {
            Self::Worst => Self::Overdue,
            Self::Overdue => Self::Worst,
        }
    }
}

/// How much waits in a lane, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRow {
    /// The receiver.
    pub receiver: String,
    /// How many deliveries are open.
    pub queued: u64,
    /// When the oldest of them was accepted.
    pub oldest_at: Option<Timestamp>,
}

/// What waits in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The earliest time anything may go: in the past if something may go now. What gathers may go when its time has
    /// come.
    pub due_at: Timestamp,
    /// How many deliveries may go now: what is ready and what is queued behind it, counted up to what was asked for.
    pub ready: usize,
    /// Whether something gathers that a message would take along.
    pub gathering: bool,
    /// Whether something is ready that is as urgent as critical, or takes what is ready before it along. What is express
    /// takes nothing along, and is not meant.
    pub critical: bool,
    /// When the next one may go that is critical or express and waits for its retry: a lane that waits for company, for its turn or for the
    /// month looks again then.
    pub next_urgent_at: Option<Timestamp>,
    /// The worst that is express and ready; `None` if nothing is.
    pub express: Option<Severity>,
    /// When the oldest that is ready was accepted; `None` if nothing is.
    pub oldest_ready_at: Option<Timestamp>,
}

/// A claim that came to no call: its message had nothing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaid {
    /// The message that was not made.
    pub message: MessageId,
    /// The attempt that was not.
    pub attempt: AttemptId,
    /// What its deliveries say of themselves, for a person.
    pub reason: String,
}
