//! What the commands work with: the connection, and what the writer counts beside it.
//!
//! It belongs to the thread that writes and is lent to one command at a time. A command that fails is undone by the
//! writer, here as in the database.

use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::sqlite::place::Room;

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
}

impl Work {
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
