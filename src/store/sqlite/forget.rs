//! Retention: forgetting events that are old and have nothing open, with everything that belongs to them.
//!
//! Foreign keys take deliveries, contents and the dedup row along; a message goes with the last of its deliveries.
//! One call forgets a small chunk, so that the writer is soon free again. A twin of a forgotten event is a new event.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::store::sqlite::columns::millis;
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::work::Work;

/// How many free pages one call gives back to the file system.
const PAGES: &str = "pragma incremental_vacuum(256)";

/// Forgets these events, unless something of them is open (again); says how many.
pub(super) fn forget(work: &mut Work, events: &[i64]) -> Result<u64, Failure> {
    let mut forgotten = 0;
    for &event in events {
        let messages = messages_of(&work.conn, event)?;
        if !delete_event(&work.conn, event)? {
            continue;
        }
        messages.into_iter().try_for_each(|message| delete_if_empty(&work.conn, message))?;
        forgotten += 1;
    }
    shrink(&work.conn)?;
    Ok(forgotten)
}

/// At most `limit` events that were received before `before` and have nothing open. A view: a long row of old events
/// that still wait is walked here, and not by the writer.
pub(super) fn old(conn: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    conn.prepare_cached(OLD)?.query_map((millis(before), limit), |row| row.get(0))?.collect()
}

pub(super) const OLD: &str = "
    select seq from events e where received_at < ?1
    and not exists (select 1 from deliveries where event = e.seq and state in ('queued', 'sending'))
    order by received_at limit ?2";

fn messages_of(conn: &Connection, event: i64) -> rusqlite::Result<Vec<i64>> {
    let sql = "select distinct m.message from deliveries d join message_deliveries m on m.delivery = d.seq
               where d.event = ?1";
    conn.prepare_cached(sql)?.query_map([event], |row| row.get(0))?.collect()
}

fn delete_event(conn: &Connection, event: i64) -> rusqlite::Result<bool> {
    let sql = "delete from events where seq = ?1
               and not exists (select 1 from deliveries where event = ?1 and state in ('queued', 'sending'))";
    Ok(conn.prepare_cached(sql)?.execute([event])? > 0)
}

fn delete_if_empty(conn: &Connection, message: i64) -> rusqlite::Result<()> {
    let sql = "delete from messages where seq = ?1
               and not exists (select 1 from message_deliveries where message = ?1)";
    conn.prepare_cached(sql)?.execute([message]).map(drop)
}

fn shrink(conn: &Connection) -> rusqlite::Result<()> {
    // It frees one page for every row that is asked for.
    let mut statement = conn.prepare_cached(PAGES)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
