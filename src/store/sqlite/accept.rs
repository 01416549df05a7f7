//! Keeping an event and its deliveries, or finding its twin.
//!
//! One command of the writer, so twins that arrive together still meet one after the other. The caller is answered
//! after the commit has been synced (law 1), and the lanes are rung then, whether the caller waits or not.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, named_params};
use sha2::{Digest, Sha256};

use crate::model::delivery::{NewDelivery, State};
use crate::model::event::{Event, Severity};
use crate::model::health::later;
use crate::model::name::{DeliveryId, EventId};
use crate::store::sqlite::columns::{json, millis, rank, word};
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::work::Work;
use crate::store::sqlite::{moves, told};
use crate::store::{Accepted, NewEvent};

/// Keeps an event, unless a twin of it is kept already. A twin costs no room, so it is looked for first.
pub(super) fn accept(work: &mut Work, new: &NewEvent, now: Timestamp) -> Result<Accepted, Failure> {
    let key_hash = Sha256::digest(new.event.dedup_key.as_bytes());
    if let Some(first) = twin(&work.conn, new, &key_hash, now)? {
        return Ok(first);
    }
    work.refuse_if_full(u64::try_from(new.deliveries.len()).unwrap_or(u64::MAX))?;

    let event = insert_event(&work.conn, new)?;
    remember(&work.conn, new, &key_hash, event, now)?;
    for delivery in &new.deliveries {
        insert_delivery(work, event, &new.event, delivery, now)?;
    }
    let deliveries =
        new.deliveries.iter().map(|d| (d.id.clone(), d.receiver.as_str().to_owned(), State::Queued)).collect();
    Ok(Accepted { event: new.event.id.clone(), duplicate: false, deliveries })
}

/// The first event of these twins, unless its window is over or all its deliveries have come to nothing.
fn twin(conn: &Connection, new: &NewEvent, key_hash: &[u8], now: Timestamp) -> rusqlite::Result<Option<Accepted>> {
    let sql = "select e.seq, e.id from dedup d join events e on e.seq = d.event
               where d.source = ?1 and d.path = ?2 and d.key_hash = ?3 and d.expires_at > ?4 and d.state = ?5";
    let found: Option<(i64, String)> = conn
        .prepare_cached(sql)?
        .query_row((new.event.source.as_str(), &new.path, key_hash, millis(now), &new.event.dedup_state), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((seq, id)) = found else { return Ok(None) };
    let deliveries = deliveries_of(conn, seq)?;
    // What was handed over has its successor among them, which tells what came of it.
    let came_to_nothing = !deliveries.is_empty()
        && deliveries.iter().all(|(_, _, s)| matches!(s, State::Dead | State::Cancelled | State::HandedOver));
    Ok((!came_to_nothing).then_some(Accepted { event: EventId(id), duplicate: true, deliveries }))
}

fn deliveries_of(conn: &Connection, event: i64) -> rusqlite::Result<Vec<(DeliveryId, String, State)>> {
    conn.prepare_cached("select id, receiver, state from deliveries where event = ?1 order by seq")?
        .query_map([event], |row| Ok((DeliveryId(row.get(0)?), row.get(1)?, word(row, 2, State::named)?)))?
        .collect()
}

fn insert_event(conn: &Connection, new: &NewEvent) -> rusqlite::Result<i64> {
    let event = &new.event;
    let sql = "insert into events (id, source, kind, title, url, received_at, payload)
               values (:id, :source, :kind, :title, :url, :received_at, :payload)";
    conn.prepare_cached(sql)?.insert(named_params! {
        ":id": event.id.0, ":source": event.source.as_str(), ":kind": event.kind, ":title": event.title,
        ":url": event.url, ":received_at": millis(event.received_at), ":payload": new.payload.as_ref(),
    })
}

fn remember(conn: &Connection, new: &NewEvent, key_hash: &[u8], event: i64, now: Timestamp) -> rusqlite::Result<()> {
    let window = SignedDuration::try_from(new.dedup_window).unwrap_or(SignedDuration::MAX);
    let expires_at = now.checked_add(window).unwrap_or(Timestamp::MAX);
    let sql = "insert into dedup (source, path, key_hash, state, event, expires_at) values (?1, ?2, ?3, ?4, ?5, ?6)
               on conflict do update
               set state = excluded.state, event = excluded.event, expires_at = excluded.expires_at";
    conn.prepare_cached(sql)?
        .execute((new.event.source.as_str(), &new.path, key_hash, &new.event.dedup_state, event, millis(expires_at)))
        .map(drop)
}

fn insert_delivery(work: &mut Work, event: i64, of: &Event, new: &NewDelivery, now: Timestamp) -> rusqlite::Result<()> {
    let order_key = format!("{}/{}", of.source, of.order_key);
    let urgency = rank(urgency(&work.conn, new, &order_key)?);
    let gathers = !new.gather.is_zero();
    let until = gathers.then(|| millis(later(now, new.gather)));
    let head = moves::joins_as_head(&work.conn, new.receiver.as_str(), &order_key, urgency, gathers)?;
    let sql = "insert into deliveries
                   (id, event, source, receiver, order_key, state, severity, urgency, head, rank, title, created_at,
                    next_attempt_at, gathers, express)
               values (:id, :event, :source, :receiver, :order_key, 'queued', :severity, :urgency, :head, :urgency,
                    :title, :now, :until, :gathers, :express)";
    let seq = work.conn.prepare_cached(sql)?.insert(named_params! {
        ":id": new.id.0, ":event": event, ":source": of.source.as_str(), ":receiver": new.receiver.as_str(),
        ":order_key": order_key, ":severity": rank(new.severity), ":urgency": urgency, ":head": head,
        ":title": new.content.title, ":now": millis(now), ":until": until, ":gathers": gathers,
        ":express": new.express,
    })?;
    work.conn
        .prepare_cached("insert into contents (delivery, content) values (?1, ?2)")?
        .execute((seq, json(&new.content)?))?;
    work.open += 1;
    work.rung.push(new.receiver.as_str().to_owned());
    Ok(())
}

/// How urgent a new delivery is: as the worst of what is new in it to its receiver, who knows what was told last under its
/// order key. Where nothing is new it reminds of what is known, and that is information. So an alert that everybody
/// knows of does not make each change of its group as urgent as it was itself.
fn urgency(conn: &Connection, new: &NewDelivery, order_key: &str) -> rusqlite::Result<Severity> {
    if new.severity == Severity::Info {
        return Ok(Severity::Info);
    }
    let known = told::known(conn, new.receiver.as_str(), order_key)?;
    Ok(known.map_or(new.severity, |told| new.content.news(&told).unwrap_or(Severity::Info)))
}
