//! The calls of an organisation in a calendar month.
//!
//! A unit is taken before the call, for a send in the transaction of its claim, so a process that is killed during the call has
//! counted it: counting too many is harmless, too few is a surprise at the month's end. When the last one was taken stays
//! known, for a month that is used up is so since then.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::model::event::Severity;
use crate::store::Want;
use crate::store::receipts::Purse;
use crate::store::sqlite::columns::{count, maybe_time, millis, rank};

/// How sends are counted; other calls by their own word. A month holds them all.
const SEND: &str = "send";
/// How those are counted that are as urgent as critical.
const SEND_CRITICAL: &str = "send_critical";

/// The least rank for whose message the month still has a call: none has a rank above the last one.
pub(super) fn least_rank(conn: &Connection, want: &Want) -> rusqlite::Result<i64> {
    let Some(limits) = want.calls else { return Ok(rank(Severity::Info)) };
    let calls = calls(conn, want.organisation.as_str(), &want.month.to_string())?;
    let allowed = Severity::ALL.into_iter().find(|severity| calls < limits.of(*severity));
    Ok(allowed.map_or(rank(Severity::Critical) + 1, rank))
}

/// Takes one unit for a send whose rank [`least_rank`] has allowed in this transaction.
pub(super) fn take(conn: &Connection, want: &Want, critical: bool, now: Timestamp) -> rusqlite::Result<()> {
    count_one(conn, want.organisation.as_str(), &want.month.to_string(), send(critical), now)
}

fn send(critical: bool) -> &'static str {
    if critical { SEND_CRITICAL } else { SEND }
}

/// Takes one unit for a call that sends nothing, unless the month, or the share of it that such calls have, is used up.
pub(super) fn take_call(conn: &Connection, purse: &Purse, now: Timestamp) -> rusqlite::Result<bool> {
    let (organisation, month, api) = (purse.organisation.as_str(), purse.month.to_string(), purse.call.as_str());
    let in_share = match purse.share {
        Some(share) => calls_of(conn, organisation, &month, api)? < share,
        None => true,
    };
    let left = in_share && is_left(conn, organisation, &month, purse.calls_per_month)?;
    if left {
        count_one(conn, organisation, &month, api, now)?;
    }
    Ok(left)
}

fn is_left(conn: &Connection, organisation: &str, month: &str, limit: Option<u64>) -> rusqlite::Result<bool> {
    Ok(match limit {
        Some(limit) => calls(conn, organisation, month)? < limit,
        None => true,
    })
}

fn count_one(conn: &Connection, organisation: &str, month: &str, api: &str, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "insert into quota (organisation, month, api, calls, last_at) values (?1, ?2, ?3, 1, ?4)
               on conflict do update set calls = calls + 1, last_at = excluded.last_at";
    conn.prepare_cached(sql)?.execute((organisation, month, api, millis(now))).map(drop)
}

/// Gives the unit of an attempt back to the month it was taken from.
pub(super) fn give_back(conn: &Connection, attempt: i64) -> rusqlite::Result<()> {
    let sql = "update quota set calls = max(calls - 1, 0)
               where (organisation, month, api) = (
                   select organisation, month, iif(critical = 1, ?2, ?3) from attempts where seq = ?1
               )";
    conn.prepare_cached(sql)?.execute((attempt, SEND_CRITICAL, SEND)).map(drop)
}

/// Gives the unit of a call that sends nothing back.
pub(super) fn give_back_call(conn: &Connection, purse: &Purse) -> rusqlite::Result<()> {
    let sql = "update quota set calls = max(calls - 1, 0) where organisation = ?1 and month = ?2 and api = ?3";
    conn.prepare_cached(sql)?
        .execute((purse.organisation.as_str(), purse.month.to_string(), purse.call.as_str()))
        .map(drop)
}

fn calls_of(conn: &Connection, organisation: &str, month: &str, api: &str) -> rusqlite::Result<u64> {
    let sql = "select coalesce(sum(calls), 0) from quota where organisation = ?1 and month = ?2 and api = ?3";
    conn.prepare_cached(sql)?.query_row((organisation, month, api), |row| count(row, 0))
}

/// The calls of a month that were as urgent as critical.
pub(super) fn critical_calls(conn: &Connection, organisation: &str, month: &str) -> rusqlite::Result<u64> {
    calls_of(conn, organisation, month, SEND_CRITICAL)
}

/// The calls of a month, whatever they were for.
pub(super) fn calls(conn: &Connection, organisation: &str, month: &str) -> rusqlite::Result<u64> {
    let sql = "select coalesce(sum(calls), 0) from quota where organisation = ?1 and month = ?2";
    conn.prepare_cached(sql)?.query_row((organisation, month), |row| count(row, 0))
}

/// When the last of these calls was taken.
pub(super) fn last_call(conn: &Connection, organisation: &str, month: &str) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "select max(last_at) from quota where organisation = ?1 and month = ?2";
    conn.prepare_cached(sql)?.query_row((organisation, month), |row| maybe_time(row, 0))
}
