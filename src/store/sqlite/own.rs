//! Who may send for an app, and what becomes of the calls of one who may not any more.
//!
//! The lock file makes this process the only one, so an ownership is always granted; the epoch still rises with
//! every new owner, and a stale one can finish nothing (law 4). Calls that were under way when their owner went are
//! *interrupted*: nobody knows what came of them. Their deliveries go back into the queue at once, possibly
//! duplicated, or are held for a human.
//!
//! Opening the database interrupts every call on record, of any app: the lock says that nobody makes one. So a
//! restart waits for no lease, and what an app left `sending` that is no longer configured does not hang. The
//! `apps` rows stay as they are; the epoch rises when the new process asks for it.

use rusqlite::{Connection, OptionalExtension};

use crate::model::delivery::State;
use crate::model::health::Health;
use crate::model::name::Name;
use crate::store::sqlite::columns::json;
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::moves;
use crate::store::sqlite::work::Work;
use crate::store::{Ownership, StoreError};

/// Why a delivery is dead that was under way and must not be sent twice.
const HELD: &str = "nobody knows whether it arrived: the relay was interrupted during the call. Look into the group, \
                    and redrive it if it is not there";

/// What an interrupted attempt says of itself: the hint of `interrupted` in the table of codes, which this room does
/// not see; a test compares them.
const INTERRUPTED: &str = "The relay was stopped or taken over before the answer was there, so the message may have \
                           arrived. It is sent again and may be seen twice, unless on_unknown_outcome is hold.";

/// Grants or renews the right to send for an app.
pub(super) fn own(work: &mut Work, app: &Name, owner: &str) -> Result<Ownership, Failure> {
    let held = holder(&work.conn, app)?;
    let epoch = match held {
        Some((holder, epoch)) if holder == owner => return Ok(Ownership { app: app.clone(), epoch }),
        Some((_, epoch)) => epoch + 1,
        None => 1,
    };
    let sql = "insert into apps (app, owner, epoch, health) values (?1, ?2, ?3, ?4)
               on conflict do update set owner = excluded.owner, epoch = excluded.epoch";
    work.conn.prepare_cached(sql)?.execute((app.as_str(), owner, epoch, json(&Health::Flowing)?))?;
    interrupt(work, Some((app.as_str(), epoch)))?;
    Ok(Ownership { app: app.clone(), epoch })
}

/// Refuses an ownership whose epoch is gone.
pub(super) fn check(conn: &Connection, ownership: &Ownership) -> Result<(), Failure> {
    let current: Option<i64> = conn
        .prepare_cached("select epoch from apps where app = ?1")?
        .query_row([ownership.app.as_str()], |row| row.get(0))
        .optional()?;
    if current == Some(ownership.epoch) { Ok(()) } else { Err(StoreError::StaleEpoch.into()) }
}

fn holder(conn: &Connection, app: &Name) -> rusqlite::Result<Option<(String, i64)>> {
    conn.prepare_cached("select owner, epoch from apps where app = ?1")?
        .query_row([app.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Ends the calls on record that nobody will finish: those of an app before an epoch, or all.
pub(super) fn interrupt(work: &mut Work, of: Option<(&str, i64)>) -> rusqlite::Result<()> {
    for call in under_way(&work.conn, of)? {
        end(&work.conn, call.attempt)?;
        for delivery in moves::sending_with(&work.conn, call.message)? {
            if call.hold {
                moves::give_up(work, delivery.seq, HELD, true)?;
                work.entered.push((delivery.receiver.clone(), State::Dead));
            } else {
                moves::put_back(&work.conn, &delivery, None, false, true)?;
            }
            work.rung.push(delivery.receiver);
        }
    }
    Ok(())
}

struct Call {
    attempt: i64,
    message: i64,
    hold: bool,
}

fn under_way(conn: &Connection, of: Option<(&str, i64)>) -> rusqlite::Result<Vec<Call>> {
    let (app, epoch) = of.unzip();
    let sql = "select a.seq, m.seq, m.hold from attempts a join messages m on m.seq = a.message
               where a.outcome is null and (?1 is null or (m.app = ?1 and m.epoch < ?2)) order by a.seq";
    conn.prepare_cached(sql)?
        .query_map((app, epoch), |row| Ok(Call { attempt: row.get(0)?, message: row.get(1)?, hold: row.get(2)? }))?
        .collect()
}

fn end(conn: &Connection, attempt: i64) -> rusqlite::Result<()> {
    let sql = "update attempts set outcome = 'unavailable', code = 'interrupted', may_have_arrived = 1, hint = ?2
               where seq = ?1";
    conn.prepare_cached(sql)?.execute((attempt, INTERRUPTED)).map(drop)
}
