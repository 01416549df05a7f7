//! One message with everything known of it, and who has read it.
//!
//! Read for people and for those who ask DingTalk about a message. The list of deliveries, with the latest message of
//! each, is `list`.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::model::delivery::State;
use crate::model::message::{Attempt, Message};
use crate::model::name::{ChannelKey, DeliveryId, EventId};
use crate::model::record::{Asking, Carried, MessageRecord, Reader};
use crate::store::sqlite::columns::{maybe_time, time, word};
use crate::store::sqlite::list::{ATTEMPT, MESSAGE, attempt_of, message_of, readable};

/// One message with its deliveries and attempts.
pub(super) fn message(conn: &Connection, id: &str) -> rusqlite::Result<Option<MessageRecord>> {
    let sql = format!("{MESSAGE} where m.id = ?1");
    let Some(message) = conn.prepare_cached(&sql)?.query_row([id], message_of).optional()? else { return Ok(None) };
    whole(conn, id, message).map(Some)
}

/// The last attempt of a message is the one that sent it.
fn whole(conn: &Connection, id: &str, message: Message) -> rusqlite::Result<MessageRecord> {
    let sql = "select m.app, a.channel, a.started_at, m.receipts_asked_at, m.ask_receipts_at, m.receipts_complete
               from messages m join attempts a on a.message = m.seq where m.id = ?1 order by a.seq desc limit 1";
    let (carried, attempt_log) = (carried(conn, id)?, attempts(conn, id)?);
    conn.prepare_cached(sql)?.query_row([id], |row| {
        Ok(MessageRecord {
            message,
            app: row.get(0)?,
            channel: ChannelKey::stored(row.get(1)?),
            called_at: time(row, 2)?,
            carried,
            attempt_log,
            receipts: Asking { asked_at: maybe_time(row, 3)?, next_at: maybe_time(row, 4)?, complete: row.get(5)? },
        })
    })
}

fn carried(conn: &Connection, id: &str) -> rusqlite::Result<Vec<Carried>> {
    let sql = "select d.id, e.id, d.receiver, d.state, d.title, d.order_key, t.content
               from messages m
               join message_deliveries c on c.message = m.seq
               join deliveries d on d.seq = c.delivery
               join events e on e.seq = d.event
               left join contents t on t.delivery = d.seq
               where m.id = ?1 order by d.seq";
    conn.prepare_cached(sql)?.query_map([id], carried_of)?.collect()
}

fn carried_of(row: &Row<'_>) -> rusqlite::Result<Carried> {
    Ok(Carried {
        id: DeliveryId(row.get(0)?),
        event: EventId(row.get(1)?),
        receiver: row.get(2)?,
        state: word(row, 3, State::named)?,
        title: row.get(4)?,
        order_key: row.get(5)?,
        content: row.get::<_, Option<String>>(6)?.as_deref().and_then(readable),
    })
}

fn attempts(conn: &Connection, id: &str) -> rusqlite::Result<Vec<Attempt>> {
    let sql = format!("{ATTEMPT} from attempts a join messages m on m.seq = a.message where m.id = ?1 order by a.seq");
    conn.prepare_cached(&sql)?.query_map([id], attempt_of)?.collect()
}

/// Who has read a message.
pub(super) fn readers(conn: &Connection, id: &str) -> rusqlite::Result<Vec<Reader>> {
    let sql = "select r.user_id, r.seen_at from messages m join receipts r on r.message = m.seq
               where m.id = ?1 order by r.seen_at, r.user_id";
    conn.prepare_cached(sql)?
        .query_map([id], |row| Ok(Reader { user_id: row.get(0)?, seen_at: time(row, 1)? }))?
        .collect()
}
