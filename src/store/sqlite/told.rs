//! What a receiver was told last under an order key: the items of the last delivered delivery.
//!
//! One row for each receiver and order key, written with the delivery that becomes delivered. It names that delivery and
//! repeats nothing of it, so what is known goes when the delivery is forgotten: then everything is new again.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use crate::model::content::{Content, Seen};
use crate::model::event::Status;
use crate::store::sqlite::moves::Standing;

/// A delivery has told its receiver something.
pub(super) fn remember(conn: &Connection, delivered: &Standing) -> rusqlite::Result<()> {
    let sql = "insert into told (receiver, order_key, delivery) values (?1, ?2, ?3)
               on conflict do update set delivery = excluded.delivery";
    conn.prepare_cached(sql)?.execute((&delivered.receiver, &delivered.order_key, delivered.seq)).map(drop)
}

/// The items that fired or were resolved when the receiver was told last; `None` if there were none, or if nobody
/// knows.
pub(super) fn known(conn: &Connection, receiver: &str, order_key: &str) -> rusqlite::Result<Option<Arc<[Seen]>>> {
    let text: Option<String> =
        conn.prepare_cached(KNOWN)?.query_row((receiver, order_key), |row| row.get(0)).optional()?;
    // What a newer version wrote is not known here.
    let said: Option<Said> = text.and_then(|text| serde_json::from_str(&text).ok());
    let said = said.filter(|said| said.v <= Content::VERSION);
    // What happened is over: it is never unchanged.
    let lasting = said.into_iter().flat_map(|said| said.items).filter(|item| item.status != Status::Notice);
    let lasting: Arc<[Seen]> = lasting.collect();
    Ok((!lasting.is_empty()).then_some(lasting))
}

pub(super) const KNOWN: &str = "
    select c.content from told t join contents c on c.delivery = t.delivery
    where t.receiver = ?1 and t.order_key = ?2";

/// What there is to know of a content.
#[derive(serde::Deserialize)]
struct Said {
    v: u32,
    items: Vec<Seen>,
}
