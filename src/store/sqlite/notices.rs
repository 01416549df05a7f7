//! What the operator has been told, and the tolls.
//!
//! A toll is counted in the transaction in which a delivery dies or is handed over, so a process that is killed has
//! counted it or it has not happened. The deliveries of notices are not counted: nobody is told that a notice died.

use rusqlite::{Connection, named_params};

use crate::model::delivery::State;
use crate::model::name::{DeliveryId, Name};
use crate::store::notices::{Book, Entry, Told, Toll};
use crate::store::sqlite::columns::{count, millis, time, word};
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::work::Work;

/// Counts a delivery that has just entered a state.
pub(super) fn toll(conn: &Connection, delivery: i64, state: State, reason: &str) -> rusqlite::Result<()> {
    let sql = "insert into tolls (receiver, state, count, last, reason)
               select receiver, :state, 1, id, :reason from deliveries where seq = :delivery and source <> :notices
               on conflict do update set count = count + 1, last = excluded.last, reason = excluded.reason";
    conn.prepare_cached(sql)?
        .execute(named_params! {
            ":state": state.as_str(), ":reason": reason, ":delivery": delivery,
            ":notices": Name::of_notices().as_str(),
        })
        .map(drop)
}

/// Everything there is.
pub(super) fn book(conn: &Connection) -> rusqlite::Result<Book> {
    let told = conn
        .prepare_cached("select subject, since, told_at, is_over from notices order by subject")?
        .query_map([], |row| {
            Ok(Told { subject: row.get(0)?, since: time(row, 1)?, told_at: time(row, 2)?, is_over: row.get(3)? })
        })?
        .collect::<Result<_, _>>()?;
    let tolls = conn
        .prepare_cached("select receiver, state, count, told, last, reason from tolls order by receiver, state")?
        .query_map([], |row| {
            Ok(Toll {
                receiver: row.get(0)?,
                state: word(row, 1, State::named)?,
                count: count(row, 2)?,
                told: count(row, 3)?,
                last: DeliveryId(row.get(4)?),
                reason: row.get(5)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(Book { told, tolls })
}

/// Writes down what was told.
pub(super) fn enter(work: &mut Work, entries: &[Entry]) -> Result<(), Failure> {
    for entry in entries {
        match entry {
            Entry::Told(told) => tell(&work.conn, told)?,
            Entry::Forgotten(subject) => {
                work.conn.prepare_cached("delete from notices where subject = ?1")?.execute([subject])?;
            }
            Entry::Tolled { receiver, state, told } => {
                let told = i64::try_from(*told).unwrap_or(i64::MAX);
                let sql = "update tolls set told = ?3 where receiver = ?1 and state = ?2";
                work.conn.prepare_cached(sql)?.execute((receiver, state.as_str(), told))?;
            }
        }
    }
    Ok(())
}

fn tell(conn: &Connection, told: &Told) -> rusqlite::Result<()> {
    let sql = "insert into notices (subject, since, told_at, is_over) values (?1, ?2, ?3, ?4)
               on conflict do update set since = excluded.since, told_at = excluded.told_at, is_over = excluded.is_over";
    let (since, told_at) = (millis(told.since), millis(told.told_at));
    conn.prepare_cached(sql)?.execute((&told.subject, since, told_at, told.is_over)).map(drop)
}
