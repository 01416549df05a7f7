//! What the commands work with: the connection, and what the writer counts beside it.
//!
//! It belongs to the thread that writes and is lent to one command at a time. A command that fails is undone by the
//! writer, here as in the database.

use rusqlite::Connection;

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
