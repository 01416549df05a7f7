//! What the commands work with: the connection, and what the writer counts beside it.
//!
//! It belongs to the thread that writes and is lent to one command at a time. A command that fails is undone by the
//! writer, here as in the database.

use metrics::counter;
use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::action::Entered;
use crate::store::sqlite::place::Room;
use crate::telemetry::metrics::DELIVERIES;

/// What the commands work with.
pub(super) struct Work {
    /// The only connection that writes.
    pub(super) conn: Connection,
    /// How much room is left.
    pub(super) room: Room,
    /// How many deliveries may be open.
    pub(super) max_queued: u64,
    /// How many are open. Counted once at the start and kept by every command.
    pub(super) open: u64,
    /// The receivers to ring after the commit.
    pub(super) rung: Vec<String>,
    /// What entered which state without anybody who asked for it being told, to be counted after the commit.
    pub(super) entered: Vec<Entered>,
}

impl Work {
    /// Counts what entered a state unasked: it is committed.
    pub(super) fn count_entered(&mut self) {
        for (receiver, state) in self.entered.drain(..) {
            counter!(DELIVERIES, "receiver" => receiver, "state" => state.as_str()).increment(1);
        }
    }

    /// Refuses so many more open deliveries if there is no place for them, and anything if there is no room.
    pub(super) fn refuse_if_full(&self, coming: u64) -> Result<(), StoreError> {
        if !self.room.is_enough() {
            return Err(StoreError::NoRoom);
        }
        // What adds nothing to the queue needs no place in it.
        let full = coming > 0 && self.open.saturating_add(coming) > self.max_queued;
        if full { Err(StoreError::QueueFull) } else { Ok(()) }
    }
}
