//! Lanes that a human has paused.
//!
//! A pause stands in the lane's row until it is over or taken back. The claim asks for it in its own transaction: when
//! a pause has been answered, nothing is claimed any more.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::store::action::PauseRow;
use crate::store::sqlite::columns::{millis, time};
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::work::Work;

/// Pauses a lane until then, or ends its pause. The lane is rung for both: it sleeps by what it saw last.
pub(super) fn pause(work: &mut Work, receiver: &str, until: Option<Timestamp>) -> Result<(), Failure> {
    let sql = "insert into lanes (receiver, paused_until) values (?1, ?2)
               on conflict do update set paused_until = excluded.paused_until";
    work.conn.prepare_cached(sql)?.execute((receiver, until.map(millis)))?;
    work.rung.push(receiver.to_owned());
    Ok(())
}

/// When the pause of a lane ends, if there is one at `now`.
pub(super) fn paused_until(conn: &Connection, receiver: &str, now: Timestamp) -> rusqlite::Result<Option<Timestamp>> {
    conn.prepare_cached(PAUSED_UNTIL)?.query_row((receiver, millis(now)), |row| time(row, 0)).optional()
}

pub(super) const PAUSED_UNTIL: &str = "select paused_until from lanes where receiver = ?1 and paused_until > ?2";

/// Every lane that was paused and not resumed.
pub(super) fn pauses(conn: &Connection) -> rusqlite::Result<Vec<PauseRow>> {
    conn.prepare_cached("select receiver, paused_until from lanes where paused_until is not null order by receiver")?
        .query_map([], |row| Ok(PauseRow { receiver: row.get(0)?, until: time(row, 1)? }))?
        .collect()
}
