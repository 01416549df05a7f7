//! The calls of an organisation in a calendar month.
//!
//! A unit is taken in the transaction of the claim, before the call, so a process that is killed during the call has
//! counted it: counting too many is harmless, too few is a surprise at the month's end.

use rusqlite::Connection;

use crate::store::Want;
use crate::store::sqlite::columns::count;

/// The calls counted here; receipts and recalls will count as others of the same month.
const SEND: &str = "send";

/// Takes one unit for a send, unless the month is used up.
pub(super) fn take(conn: &Connection, want: &Want) -> rusqlite::Result<bool> {
    let (organisation, month) = (want.organisation.as_str(), want.month.to_string());
    if let Some(limit) = want.calls_per_month
        && calls(conn, organisation, &month)? >= limit
    {
        return Ok(false);
    }
    let sql = "insert into quota (organisation, month, api, calls) values (?1, ?2, ?3, 1)
               on conflict do update set calls = calls + 1";
    conn.prepare_cached(sql)?.execute((organisation, month, SEND))?;
    Ok(true)
}

/// Gives the unit of an attempt back to the month it was taken from.
pub(super) fn give_back(conn: &Connection, attempt: i64) -> rusqlite::Result<()> {
    let sql = "update quota set calls = max(calls - 1, 0)
               where api = ?2
               and (organisation, month) = (select organisation, month from attempts where seq = ?1)";
    conn.prepare_cached(sql)?.execute((attempt, SEND)).map(drop)
}

/// The calls of a month, whatever they were for.
pub(super) fn calls(conn: &Connection, organisation: &str, month: &str) -> rusqlite::Result<u64> {
    let sql = "select coalesce(sum(calls), 0) from quota where organisation = ?1 and month = ?2";
    conn.prepare_cached(sql)?.query_row((organisation, month), |row| count(row, 0))
}
