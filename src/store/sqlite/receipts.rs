//! Receipts and recalls: which message is to be asked about next, what was learned, which were taken back.
//!
//! The time of the next asking stands in the message's row, and a partial index holds those that have one: where
//! receipts are off, it is empty. Like everything an owner writes, this needs a living ownership (law 4).

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::model::message::RECALLED;
use crate::model::name::{ChannelKey, MessageId};
use crate::store::receipts::{Learned, Purse, Question, TakenBack, Then};
use crate::store::sqlite::columns::{millis, time};
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::work::Work;
use crate::store::sqlite::{own, quota};
use crate::store::{Ownership, StoreError};

/// The message of an app that is to be asked about next.
pub(super) fn due(conn: &Connection, app: &str) -> rusqlite::Result<Option<Question>> {
    conn.prepare_cached(DUE)?
        .query_row([app], |row| {
            Ok(Question {
                message: MessageId(row.get(0)?),
                process_query_key: row.get(1)?,
                due_at: time(row, 2)?,
                channel: ChannelKey::stored(row.get(3)?),
                sent_at: time(row, 4)?,
                receiver: row.get(5)?,
                answered: row.get(6)?,
            })
        })
        .optional()
}

/// The last attempt of a message is the one that sent it; all of its deliveries are of one lane.
pub(super) const DUE: &str = "
    select m.id, m.process_query_key, m.ask_receipts_at, a.channel, a.started_at, d.receiver,
        m.receipts_asked_at is not null
    from messages m
    cross join attempts a on a.seq = (select max(seq) from attempts where message = m.seq)
    cross join deliveries d on d.seq = (select min(delivery) from message_deliveries where message = m.seq)
    where m.app = ?1 and m.ask_receipts_at is not null
    order by m.ask_receipts_at, m.seq limit 1";

/// Takes one unit of the month for a query or a recall.
pub(super) fn take_call(
    work: &mut Work,
    ownership: &Ownership,
    purse: &Purse,
    now: Timestamp,
) -> Result<bool, Failure> {
    own::check(&work.conn, ownership)?;
    Ok(quota::take_call(&work.conn, purse, now)?)
}

/// Writes what was learned. A message that was forgotten meanwhile needs nothing.
pub(super) fn save(work: &mut Work, ownership: &Ownership, learned: &Learned, now: Timestamp) -> Result<(), Failure> {
    own::check(&work.conn, ownership)?;
    if let Some(purse) = &learned.give_back {
        quota::give_back_call(&work.conn, purse)?;
    }
    let Some(message) = message_of(&work.conn, ownership, &learned.message)? else { return Ok(()) };
    keep_standing(&work.conn, message, learned, now)?;
    learned.readers.iter().try_for_each(|reader| keep_reader(&work.conn, message, reader, now))?;
    Ok(())
}

/// Writes which messages were taken back.
pub(super) fn save_recall(work: &mut Work, ownership: &Ownership, taken_back: &TakenBack) -> Result<(), Failure> {
    own::check(&work.conn, ownership)?;
    if let Some(purse) = &taken_back.give_back {
        quota::give_back_call(&work.conn, purse)?;
    }
    for id in &taken_back.messages {
        let Some(message) = message_of(&work.conn, ownership, id)? else { continue };
        let sql = "update messages set send_status = ?2 where seq = ?1";
        work.conn.prepare_cached(sql)?.execute((message, RECALLED))?;
    }
    Ok(())
}

fn message_of(conn: &Connection, ownership: &Ownership, id: &MessageId) -> Result<Option<i64>, Failure> {
    let found: Option<(i64, String)> = conn
        .prepare_cached("select seq, app from messages where id = ?1")?
        .query_row([&id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((_, app)) if app != ownership.app.as_str() => Err(StoreError::StaleEpoch.into()),
        found => Ok(found.map(|(seq, _)| seq)),
    }
}

fn keep_standing(conn: &Connection, message: i64, learned: &Learned, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "update messages set
                   send_status = iif(send_status = :recalled, send_status, coalesce(:send_status, send_status)),
                   receipts_asked_at = iif(:send_status is null, receipts_asked_at, :now),
                   ask_receipts_at = iif(:as_planned, ask_receipts_at, :ask_at),
                   receipts_complete = iif(:as_planned, receipts_complete, :ask_at is null)
               where seq = :seq";
    let ask_at = if let Then::At(at) = learned.then { Some(millis(at)) } else { None };
    conn.prepare_cached(sql)?
        .execute(named_params! {
            ":seq": message, ":send_status": learned.send_status, ":recalled": RECALLED, ":now": millis(now),
            ":as_planned": learned.then == Then::AsPlanned, ":ask_at": ask_at,
        })
        .map(drop)
}

fn keep_reader(conn: &Connection, message: i64, user_id: &str, now: Timestamp) -> rusqlite::Result<()> {
    conn.prepare_cached("insert into receipts (message, user_id, seen_at) values (?1, ?2, ?3) on conflict do nothing")?
        .execute((message, user_id, millis(now)))
        .map(drop)
}
