//! What a receiver was told last under an order key: how the items of the last delivered delivery stood.
//!
//! One row for each receiver and order key, written with the delivery that becomes delivered. It holds its own short
//! list, so whoever asks need not read all that was delivered, and it names that delivery: what is known goes when the
//! delivery is forgotten, and then everything is new again. It never goes back: what was accepted before, and comes
//! after it by a human's hand, leaves it as it is. And it is the receiver's own: what another lane handed over tells of
//! that one's group.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use crate::model::content::{Content, Seen};
use crate::model::event::Status;
use crate::store::sqlite::columns::json;
use crate::store::sqlite::moves::Standing;

/// A delivery has told its receiver something.
pub(super) fn remember(conn: &Connection, delivered: &Standing) -> rusqlite::Result<()> {
    let sql = "insert into told (receiver, order_key, delivery, seen) values (?1, ?2, ?3, ?4)
               on conflict do update set delivery = excluded.delivery, seen = excluded.seen
               where excluded.delivery > told.delivery";
    let seen = said_by(conn, delivered.seq)?.map(|seen| json(&seen)).transpose()?;
    conn.prepare_cached(sql)?.execute((&delivered.receiver, &delivered.order_key, delivered.seq, seen)).map(drop)
}

/// The items of a delivery that fire or are resolved. What happened is over: it is never unchanged.
fn said_by(conn: &Connection, seq: i64) -> rusqlite::Result<Option<Vec<Seen>>> {
    let sql = "select content from contents where delivery = ?1";
    let text: Option<String> = conn.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()?;
    // What a newer version wrote is not known here.
    let said: Option<Said> = text.and_then(|text| serde_json::from_str(&text).ok());
    let said = said.filter(|said| said.v <= Content::VERSION);
    Ok(said.map(|said| said.items.into_iter().filter(|item| item.status != Status::Notice).collect()))
}

/// What there is to know of a content.
#[derive(serde::Deserialize)]
struct Said {
    v: u32,
    items: Vec<Seen>,
}

/// What a receiver was told last under an order key; `None` if that was nothing that lasts, or if nobody knows.
pub(super) fn known(conn: &Connection, receiver: &str, order_key: &str) -> rusqlite::Result<Option<Arc<[Seen]>>> {
    let text: Option<Option<String>> =
        conn.prepare_cached(KNOWN)?.query_row((receiver, order_key), |row| row.get(0)).optional()?;
    Ok(text.flatten().and_then(|text| parse(&text)))
}

pub(super) const KNOWN: &str = "select seen from told where receiver = ?1 and order_key = ?2";

/// The stored list of what was told last under the order key of this delivery, if there is one.
pub(super) fn list_for(conn: &Connection, delivery: i64) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached(KNOWN_FOR)?.query_row([delivery], |row| row.get(0)).optional().map(Option::flatten)
}

pub(super) const KNOWN_FOR: &str = "
    select t.seen from deliveries d join told t on t.receiver = d.receiver and t.order_key = d.order_key
    where d.seq = ?1";

/// A stored list. An empty one is nothing, and so is one that this version cannot read: then everything is new.
pub(super) fn parse(list: &str) -> Option<Arc<[Seen]>> {
    serde_json::from_str::<Vec<Seen>>(list).ok().filter(|seen| !seen.is_empty()).map(Arc::from)
}
