//! Writing how an attempt ended and what follows, in one transaction: the attempt, its message, the next state of
//! every delivery it carried, the unit of the month if DingTalk did not count the call, and the state of the app and
//! the channel. A stale epoch can finish nothing (law 4): its deliveries went back into the queue when the epoch
//! rose. What an outcome means is decided elsewhere; here it is written down.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::model::message::Composed;
use crate::model::name::{AttemptId, DeliveryId, MessageId};
use crate::store::queue::Unsaid;
use crate::store::sqlite::columns::{json, millis};
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::moves;
use crate::store::sqlite::work::Work;
use crate::store::sqlite::{handing, own, quota};
use crate::store::{AppRow, ChannelRow, Finish, Next, Ownership, StoreError};

/// Writes how an attempt ended. Finishing it again changes nothing: a caller that did not hear the answer may repeat.
pub(super) fn finish(work: &mut Work, ownership: &Ownership, end: &Finish, now: Timestamp) -> Result<(), Failure> {
    own::check(&work.conn, ownership)?;
    let call = call(&work.conn, ownership, &end.message, &end.attempt)?.ok_or(StoreError::StaleEpoch)?;
    if call.is_over {
        return Ok(());
    }
    end_attempt(&work.conn, call.attempt, end)?;
    keep_message(&work.conn, call.message, end)?;
    if end.uncounted {
        quota::give_back(&work.conn, call.attempt)?;
    }
    move_deliveries(work, call.message, end, now)?;
    end.app.iter().try_for_each(|row| update_app(&work.conn, row))?;
    end.channel.iter().try_for_each(|row| upsert_channel(&work.conn, row))?;
    Ok(())
}

/// Writes the state of an app that changed without an attempt.
pub(super) fn save_app(work: &mut Work, ownership: &Ownership, row: &AppRow) -> Result<(), Failure> {
    own::check(&work.conn, ownership)?;
    update_app(&work.conn, row)?;
    Ok(())
}

/// Ends a claim for which no call was made. What it wrote in advance is taken back.
pub(super) fn finish_unsaid(
    work: &mut Work,
    ownership: &Ownership,
    unsaid: &Unsaid,
    now: Timestamp,
) -> Result<(), Failure> {
    own::check(&work.conn, ownership)?;
    let Some(call) = call(&work.conn, ownership, &unsaid.message, &unsaid.attempt)? else {
        // Taken back before: the caller did not hear the answer.
        return Ok(());
    };
    if call.is_over {
        return Ok(());
    }
    quota::give_back(&work.conn, call.attempt)?;
    let deliveries = moves::sending_with(&work.conn, call.message)?;
    moves::deliver_unsaid(work, &deliveries, &unsaid.reason, millis(now))?;
    work.conn.prepare_cached("delete from messages where seq = ?1")?.execute([call.message])?;
    Ok(())
}

struct Call {
    attempt: i64,
    message: i64,
    is_over: bool,
}

/// The attempt on record, if this ownership made it.
fn call(
    conn: &Connection,
    ownership: &Ownership,
    message: &MessageId,
    attempt: &AttemptId,
) -> rusqlite::Result<Option<Call>> {
    let sql = "select a.seq, m.seq, a.outcome is not null from attempts a join messages m on m.seq = a.message
               where a.id = ?1 and m.id = ?2 and m.app = ?3 and m.epoch = ?4";
    conn.prepare_cached(sql)?
        .query_row((&attempt.0, &message.0, ownership.app.as_str(), ownership.epoch), |row| {
            Ok(Call { attempt: row.get(0)?, message: row.get(1)?, is_over: row.get(2)? })
        })
        .optional()
}

fn end_attempt(conn: &Connection, attempt: i64, end: &Finish) -> rusqlite::Result<()> {
    let sql = "update attempts set outcome = :outcome, code = :code, http_status = :http_status, msg_key = :msg_key,
                   duration_ms = :duration_ms, may_have_arrived = :may_have_arrived, hint = :hint
               where seq = :seq";
    conn.prepare_cached(sql)?
        .execute(named_params! {
            ":seq": attempt, ":outcome": end.outcome.as_str(), ":code": end.code, ":http_status": end.http_status,
            ":msg_key": end.composed.as_ref().map(|composed| composed.msg_key.as_str()),
            ":duration_ms": i64::try_from(end.took.as_millis()).unwrap_or(i64::MAX),
            ":may_have_arrived": end.may_have_arrived, ":hint": end.hint,
        })
        .map(drop)
}

fn keep_message(conn: &Connection, message: i64, end: &Finish) -> rusqlite::Result<()> {
    let sql = "update messages set msg_key = ?2, msg_param = ?3, process_query_key = ?4, ask_receipts_at = ?5
               where seq = ?1";
    let composed = end.composed.as_ref().map(|Composed { msg_key, msg_param }| (msg_key.as_str(), msg_param));
    let (msg_key, msg_param) = composed.unzip();
    let ask_at = end.ask_receipts_at.filter(|_| end.process_query_key.is_some()).map(millis);
    conn.prepare_cached(sql)?.execute((message, msg_key, msg_param, &end.process_query_key, ask_at)).map(drop)
}

fn move_deliveries(work: &mut Work, message: i64, end: &Finish, now: Timestamp) -> rusqlite::Result<()> {
    let next: HashMap<&DeliveryId, &Next> = end.next.iter().map(|(id, next)| (id, next)).collect();
    let mut delivered = Vec::new();
    for delivery in moves::sending_with(&work.conn, message)? {
        match next.get(&delivery.id) {
            Some(Next::Delivered) => delivered.push(delivery),
            Some(Next::Queued { at, counted, possibly_duplicate }) => {
                let until = (*at > now).then(|| millis(*at));
                moves::put_back(&work.conn, &delivery, until, *counted, *possibly_duplicate)?;
            }
            Some(Next::Plainer(form)) => moves::put_back_plainer(&work.conn, &delivery, form)?,
            Some(Next::Alone) => moves::put_back_alone(&work.conn, &delivery, end.may_have_arrived)?,
            Some(Next::Dead { reason, possibly_duplicate, heir }) => {
                moves::give_up(work, delivery.seq, reason, *possibly_duplicate)?;
                heir.iter().try_for_each(|heir| handing::bequeath(work, delivery.seq, heir, now))?;
            }
            // Nothing is lost because nobody spoke for it.
            None => moves::put_back(&work.conn, &delivery, None, false, end.may_have_arrived)?,
        }
    }
    moves::deliver(work, &delivered, millis(now))
}

/// The row is there: whoever owns the app has written it.
fn update_app(conn: &Connection, row: &AppRow) -> rusqlite::Result<()> {
    conn.prepare_cached("update apps set health = ?2, rate = ?3 where app = ?1")?
        .execute((row.app.as_str(), json(&row.health)?, row.rate))
        .map(drop)
}

fn upsert_channel(conn: &Connection, row: &ChannelRow) -> rusqlite::Result<()> {
    let sql = "insert into channels (channel, health, rate) values (?1, ?2, ?3)
               on conflict do update set health = excluded.health, rate = excluded.rate";
    conn.prepare_cached(sql)?.execute((row.channel.as_str(), json(&row.health)?, row.rate)).map(drop)
}
