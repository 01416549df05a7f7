//! What waits in a lane, as its lane asks before every message.
//!
//! Every statement goes along an index of what waits and stops at what was asked for, so it costs the same with ten
//! rows or ten million. It is a view: the claim looks again and decides.

use jiff::Timestamp;
use rusqlite::{Connection, Params};

use crate::model::event::Severity;
use crate::store::queue::Waiting;
use crate::store::sqlite::columns::{maybe_time, millis, rank};

/// What waits in a lane at `now`, counted up to `up_to`.
pub(super) fn waiting(
    conn: &Connection,
    receiver: &str,
    up_to: usize,
    now: Timestamp,
) -> rusqlite::Result<Option<Waiting>> {
    let (at, most) = (millis(now), i64::try_from(up_to).unwrap_or(i64::MAX));
    let of_now = first(conn, OLDEST_READY, [receiver])?;
    let of_waits = first(conn, OLDEST_WAITED, (receiver, at, most.max(1)))?;
    let oldest_ready_at = of_now.into_iter().chain(of_waits).min();
    let next = match oldest_ready_at {
        Some(at) => Some(at),
        None => first(conn, SHORTEST_WAIT, [receiver])?,
    };
    let Some(due_at) = next else { return Ok(None) };
    let ready = number(conn, READY, (receiver, most))?;
    let waited = number(conn, WAITED, (receiver, at, most - ready))?;
    Ok(Some(Waiting {
        due_at,
        ready: usize::try_from(ready + waited).unwrap_or(up_to),
        gathering: number(conn, GATHERING, (receiver, at))? > 0,
        critical: number(conn, CRITICAL, (receiver, at))? > 0,
        next_urgent_at: first(conn, NEXT_URGENT, (receiver, at))?,
        express: express(conn, receiver, at)?,
        oldest_ready_at,
    }))
}

/// The worst that is express and may go.
fn express(conn: &Connection, receiver: &str, at: i64) -> rusqlite::Result<Option<Severity>> {
    for severity in Severity::ALL.into_iter().rev() {
        if number(conn, EXPRESS, (receiver, rank(severity), at))? > 0 {
            return Ok(Some(severity));
        }
    }
    Ok(None)
}

fn first(conn: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<Option<Timestamp>> {
    conn.prepare_cached(sql)?.query_row(values, |row| maybe_time(row, 0))
}

fn number(conn: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<i64> {
    conn.prepare_cached(sql)?.query_row(values, |row| row.get(0))
}

pub(super) const OLDEST_READY: &str = "
    select min(created_at) from deliveries
    where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is null";

/// Of those whose wait is over and that no claim has met since. Among more than were asked for it may miss the oldest.
pub(super) const OLDEST_WAITED: &str = "
    select min(created_at) from (
        select created_at from deliveries
        where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is not null
        and rank in (2, 1, 0) and next_attempt_at <= ?2 limit ?3
    )";

pub(super) const SHORTEST_WAIT: &str = "
    select min(at) from (
        select min(next_attempt_at) as at from deliveries
        where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is not null and rank = 2
        union all
        select min(next_attempt_at) from deliveries
        where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is not null and rank = 1
        union all
        select min(next_attempt_at) from deliveries
        where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is not null and rank = 0
    )";

/// The ready heads, and what is queued behind them. A cross join and a named index, because SQLite would begin with all
/// that the lane ever had, or with all that waits.
pub(super) const READY: &str = "
    select count(*) from (
        select 1 from deliveries h indexed by ready_by_age
        cross join deliveries d on d.receiver = h.receiver and d.order_key = h.order_key
        where h.receiver = ?1 and h.head = 1 and h.state = 'queued' and h.next_attempt_at is null
        and d.state in ('queued', 'sending') and d.state = 'queued' limit ?2
    )";

/// The heads whose wait is over, and what is queued behind them.
pub(super) const WAITED: &str = "
    select count(*) from (
        select 1 from deliveries h cross join deliveries d on d.receiver = h.receiver and d.order_key = h.order_key
        where h.receiver = ?1 and h.head = 1 and h.state = 'queued' and h.next_attempt_at is not null
        and h.rank in (2, 1, 0) and h.next_attempt_at <= ?2
        and d.state in ('queued', 'sending') and d.state = 'queued' limit ?3
    )";

pub(super) const GATHERING: &str = "
    select exists (
        select 1 from deliveries
        where receiver = ?1 and gathers = 1 and head = 1 and state = 'queued' and next_attempt_at > ?2
    )";

/// Its index by name, because those of all that is ready or waits look as cheap.
pub(super) const CRITICAL: &str = "
    select exists (
        select 1 from deliveries indexed by critical
        where receiver = ?1 and express = 0 and head = 1 and state = 'queued' and rank = 2 and next_attempt_at is null
    ) or exists (
        select 1 from deliveries indexed by critical
        where receiver = ?1 and express = 0 and head = 1 and state = 'queued' and rank = 2 and next_attempt_at <= ?2
    )";

pub(super) const NEXT_URGENT: &str = "
    select min(at) from (
        select min(next_attempt_at) as at from deliveries indexed by critical
        where receiver = ?1 and express = 0 and head = 1 and state = 'queued' and rank = 2 and next_attempt_at > ?2
        union all
        select min(next_attempt_at) from deliveries indexed by express
        where receiver = ?1 and express = 1 and head = 1 and state = 'queued' and rank in (2, 1, 0)
        and next_attempt_at > ?2
    )";

pub(super) const EXPRESS: &str = "
    select exists (
        select 1 from deliveries
        where receiver = ?1 and express = 1 and head = 1 and state = 'queued' and rank = ?2 and next_attempt_at is null
    ) or exists (
        select 1 from deliveries
        where receiver = ?1 and express = 1 and head = 1 and state = 'queued' and rank = ?2 and next_attempt_at <= ?3
    )";
