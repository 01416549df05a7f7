//! How the words of the model stand in columns: times, severities, states, JSON.
//!
//! Times are whole milliseconds since 1970 and always rounded down, when written and when compared, so a delivery
//! that is due at an instant is due in that instant's millisecond.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;

use crate::model::event::Severity;
use crate::model::form::Form;
use crate::model::health::Health;

/// A time as a column holds it.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The time of a column.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|e| unreadable(column, e))
}

/// The time of a column that may be null.
pub(super) fn maybe_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    millis.map(|ms| Timestamp::from_millisecond(ms).map_err(|e| unreadable(column, e))).transpose()
}

/// A severity as a column holds it: its place in [`Severity::ALL`], so that the worst is the greatest.
pub(super) fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }
}

/// The severity of a column.
pub(super) fn severity(row: &Row<'_>, column: usize) -> rusqlite::Result<Severity> {
    let rank: u8 = row.get(column)?;
    Severity::ALL
        .get(usize::from(rank))
        .copied()
        .ok_or_else(|| unreadable(column, format!("no severity has the rank {rank}")))
}

/// The number of a column that counts something.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|e| unreadable(column, e))
}

/// The number of a column that counts something, or is null.
pub(super) fn maybe_count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = row.get(column)?;
    number.map(|n| u64::try_from(n).map_err(|e| unreadable(column, e))).transpose()
}

/// The value of a column that holds a word of a closed set.
pub(super) fn word<T>(row: &Row<'_>, column: usize, named: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    named(&word).ok_or_else(|| unreadable(column, format!("{word:?} is no word of this version")))
}

/// A value as a column holds it in JSON.
pub(super) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// The health of a column. One that this version cannot read is taken as flowing: the next call finds out, and a
/// lane that waits for ever would be worse.
pub(super) fn health(row: &Row<'_>, column: usize) -> rusqlite::Result<Health> {
    let text: String = row.get(column)?;
    Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
        tracing::warn!(%error, "a stored state cannot be read and is taken as flowing");
        Health::Flowing
    }))
}

/// The form of a column: null is the full one. One that this version cannot read is taken for that too: DingTalk's
/// complaint brings it back.
pub(super) fn form(row: &Row<'_>, column: usize) -> rusqlite::Result<Form> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or_default()).unwrap_or_default())
}

/// The error for a column whose value this version does not understand.
pub(super) fn unreadable(
    column: usize,
    why: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, why.into())
}
