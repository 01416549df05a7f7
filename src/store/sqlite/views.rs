//! What can be seen of the store: lanes, apps, channels, counts. The list of deliveries has a file of its own.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::model::name::{ChannelKey, Name};
use crate::store::queue::LaneRow;
use crate::store::sqlite::columns::{count, health, maybe_time, millis, time, unreadable};
use crate::store::{AppRow, ChannelRow};

/// What waits in every lane.
pub(super) fn lanes(conn: &Connection) -> rusqlite::Result<Vec<LaneRow>> {
    // The oldest is the first: `seq` grows with the time of acceptance, and the index holds it.
    let sql = "select receiver, queued, (select created_at from deliveries where seq = oldest) from (
                   select receiver, count(*) as queued, min(seq) as oldest from deliveries
                   where state in ('queued', 'sending') group by receiver
               ) order by receiver";
    conn.prepare_cached(sql)?
        .query_map([], |row| {
            Ok(LaneRow { receiver: row.get(0)?, queued: count(row, 1)?, oldest_at: maybe_time(row, 2)? })
        })?
        .collect()
}

/// The states of all apps.
pub(super) fn apps(conn: &Connection) -> rusqlite::Result<Vec<AppRow>> {
    conn.prepare_cached("select app, health, rate from apps order by app")?
        .query_map([], |row| Ok(AppRow { app: name(row.get(0)?)?, health: health(row, 1)?, rate: row.get(2)? }))?
        .collect()
}

/// The states of all channels.
pub(super) fn channels(conn: &Connection) -> rusqlite::Result<Vec<ChannelRow>> {
    conn.prepare_cached("select channel, health, rate from channels order by channel")?
        .query_map([], |row| {
            Ok(ChannelRow { channel: ChannelKey::stored(row.get(0)?), health: health(row, 1)?, rate: row.get(2)? })
        })?
        .collect()
}

/// When a channel's attempts since an instant were started.
pub(super) fn attempts_since(conn: &Connection, channel: &str, since: Timestamp) -> rusqlite::Result<Vec<Timestamp>> {
    conn.prepare_cached(ATTEMPTS_SINCE)?.query_map((channel, millis(since)), |row| time(row, 0))?.collect()
}

pub(super) const ATTEMPTS_SINCE: &str =
    "select started_at from attempts where channel = ?1 and started_at >= ?2 order by started_at";

/// How many deliveries are open.
pub(super) fn open(conn: &Connection) -> rusqlite::Result<u64> {
    let sql = "select count(*) from deliveries where state in ('queued', 'sending')";
    conn.query_row(sql, [], |row| count(row, 0))
}

fn name(text: String) -> rusqlite::Result<Name> {
    Name::try_from(text).map_err(|error| unreadable(0, error))
}
