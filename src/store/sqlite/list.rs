//! The list of deliveries, newest first, and one delivery with everything known of it.
//!
//! Pages are cut by `seq` and not by number, so a page is right while new deliveries arrive. Every filter has an
//! index that ends in `seq`.

use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use crate::model::content::Content;
use crate::model::delivery::{Delivery, DeliveryRecord, State};
use crate::model::message::{Attempt, Message};
use crate::model::name::{DeliveryId, EventId, MessageId};
use crate::model::outcome::Outcome;
use crate::store::sqlite::columns::{count, maybe_count, maybe_time, severity, time, word};
use crate::store::{Cursor, Filter, Page};

/// `cross join`: SQLite then keeps this order of the tables, and with it the order of `seq`.
const DELIVERY: &str = "
    select d.seq, d.id, e.id, d.source, d.receiver, d.state, d.title, d.severity, d.created_at, d.delivered_at,
        d.next_attempt_at, d.attempts, d.reason, d.possibly_duplicate, d.fallback_of, d.handed_to
    from deliveries d cross join events e on e.seq = d.event";

/// One page.
pub(super) fn deliveries(conn: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    let limit = filter.limit.max(1);
    let (sql, values) = page(filter, limit.saturating_add(1));
    let values: Vec<&dyn ToSql> = values.iter().map(|value| value.as_ref() as &dyn ToSql).collect();
    let mut rows: Vec<(i64, Delivery)> =
        conn.prepare_cached(&sql)?.query_map(values.as_slice(), delivery_of)?.collect::<Result<_, _>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(seq, _)| Cursor(*seq));
    let deliveries =
        rows.into_iter().map(|(seq, delivery)| with_message(conn, seq, delivery)).collect::<Result<_, _>>()?;
    Ok(Page { deliveries, next })
}

/// The statement of a page and its values. Only conditions that are asked for stand in it: one that is always true
/// would keep SQLite from its indexes.
pub(super) fn page(filter: &Filter, limit: usize) -> (String, Vec<Box<dyn ToSql>>) {
    let mut conditions = String::new();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(i64::try_from(limit).unwrap_or(i64::MAX))];
    let mut and = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        let word = if conditions.is_empty() { "where" } else { "and" };
        conditions.push_str(&format!(" {word} {condition} ?{}", values.len()));
    };
    if let Some(Cursor(seq)) = filter.cursor {
        and("d.seq <", Box::new(seq));
    }
    if let Some(receiver) = &filter.receiver {
        and("d.receiver =", Box::new(receiver.clone()));
    }
    if let Some(source) = &filter.source {
        and("d.source =", Box::new(source.clone()));
    }
    if let Some(event) = &filter.event {
        and("d.event = (select seq from events where id =", Box::new(event.clone()));
        conditions.push(')');
    }
    if let Some(state) = filter.state {
        let word = if conditions.is_empty() { "where" } else { "and" };
        conditions.push_str(&format!(" {word} {}", is_in(state)));
    }
    (format!("{DELIVERY}{conditions} order by d.seq desc limit ?1"), values)
}

/// Written out, not bound: the partial index is used only where its own condition stands in the statement.
fn is_in(state: State) -> &'static str {
    match state {
        State::Queued => "d.state = 'queued' and d.state <> 'delivered'",
        State::Sending => "d.state = 'sending' and d.state <> 'delivered'",
        State::Delivered => "d.state = 'delivered'",
        State::Dead => "d.state = 'dead' and d.state <> 'delivered'",
        State::Cancelled => "d.state = 'cancelled' and d.state <> 'delivered'",
        State::HandedOver => "d.state = 'handed_over' and d.state <> 'delivered'",
    }
}

/// One delivery with its event, message and attempts.
pub(super) fn delivery(conn: &Connection, id: &str) -> rusqlite::Result<Option<DeliveryRecord>> {
    let sql = format!("{DELIVERY} where d.id = ?1");
    let Some((seq, delivery)) = conn.prepare_cached(&sql)?.query_row([id], delivery_of).optional()? else {
        return Ok(None);
    };
    let delivery = with_message(conn, seq, delivery)?;
    let attempt_log = attempts_of(conn, seq)?;
    let content = content_of(conn, seq)?;
    let sql = "select received_at, kind, title, url from events where id = ?1";
    let record = conn.prepare_cached(sql)?.query_row([&delivery.event.0.clone()], |row| {
        Ok(DeliveryRecord {
            delivery,
            received_at: time(row, 0)?,
            kind: row.get(1)?,
            event_title: row.get(2)?,
            event_url: row.get(3)?,
            content,
            attempt_log,
        })
    })?;
    Ok(Some(record))
}

fn content_of(conn: &Connection, delivery: i64) -> rusqlite::Result<Option<Content>> {
    let sql = "select content from contents where delivery = ?1";
    let json: Option<String> = conn.prepare_cached(sql)?.query_row([delivery], |row| row.get(0)).optional()?;
    Ok(json.as_deref().and_then(readable))
}

/// A stored content, unless it is broken or of a newer relay: whoever looks is shown the rest.
pub(super) fn readable(json: &str) -> Option<Content> {
    serde_json::from_str(json).ok().filter(|content: &Content| content.v <= Content::VERSION)
}

fn delivery_of(row: &Row<'_>) -> rusqlite::Result<(i64, Delivery)> {
    let delivery = Delivery {
        id: DeliveryId(row.get(1)?),
        event: EventId(row.get(2)?),
        source: row.get(3)?,
        receiver: row.get(4)?,
        state: word(row, 5, State::named)?,
        title: row.get(6)?,
        severity: severity(row, 7)?,
        created_at: time(row, 8)?,
        delivered_at: maybe_time(row, 9)?,
        next_attempt_at: maybe_time(row, 10)?,
        attempts: count(row, 11)?,
        reason: row.get(12)?,
        possibly_duplicate: row.get(13)?,
        fallback_of: row.get::<_, Option<_>>(14)?.map(DeliveryId),
        handed_to: row.get::<_, Option<_>>(15)?.map(DeliveryId),
        message: None,
    };
    Ok((row.get(0)?, delivery))
}

fn with_message(conn: &Connection, seq: i64, delivery: Delivery) -> rusqlite::Result<Delivery> {
    Ok(Delivery { message: latest_message(conn, seq)?, ..delivery })
}

fn latest_message(conn: &Connection, delivery: i64) -> rusqlite::Result<Option<Message>> {
    let sql = format!("{MESSAGE} where m.seq = (select max(message) from message_deliveries where delivery = ?1)");
    conn.prepare_cached(&sql)?.query_row([delivery], message_of).optional()
}

/// What [`message_of`] reads, to be narrowed.
pub(super) const MESSAGE: &str = "
    select m.id, m.msg_key, m.msg_param, (select count(*) from message_deliveries where message = m.seq),
        m.process_query_key, m.send_status,
        iif(m.receipts_asked_at is null, null, (select count(*) from receipts where message = m.seq))
    from messages m";

pub(super) fn message_of(row: &Row<'_>) -> rusqlite::Result<Message> {
    let msg_param: Option<String> = row.get(2)?;
    Ok(Message {
        id: MessageId(row.get(0)?),
        msg_key: row.get(1)?,
        bytes: msg_param.as_ref().map(|text| text.len() as u64),
        msg_param,
        deliveries: count(row, 3)?,
        process_query_key: row.get(4)?,
        send_status: row.get(5)?,
        readers: maybe_count(row, 6)?,
    })
}

fn attempts_of(conn: &Connection, delivery: i64) -> rusqlite::Result<Vec<Attempt>> {
    let sql = format!(
        "{ATTEMPT} from message_deliveries m join attempts a on a.message = m.message
         where m.delivery = ?1 order by a.seq"
    );
    conn.prepare_cached(&sql)?.query_map([delivery], attempt_of)?.collect()
}

/// What [`attempt_of`] reads, of an attempt `a`.
pub(super) const ATTEMPT: &str =
    "select a.started_at, a.outcome, a.code, a.http_status, a.msg_key, a.duration_ms, a.may_have_arrived, a.hint";

pub(super) fn attempt_of(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let is_over = row.get::<_, Option<String>>(1)?.is_some();
    Ok(Attempt {
        at: time(row, 0)?,
        outcome: if is_over { Some(word(row, 1, outcome_named)?) } else { None },
        code: row.get(2)?,
        http_status: row.get(3)?,
        msg_key: row.get(4)?,
        duration_ms: maybe_count(row, 5)?,
        may_have_arrived: row.get(6)?,
        hint: row.get(7)?,
    })
}

fn outcome_named(word: &str) -> Option<Outcome> {
    let word: StrDeserializer<'_, Error> = word.into_deserializer();
    Outcome::deserialize(word).ok()
}
