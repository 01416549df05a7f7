//! How a delivery moves from one state to the next, and who is the head of an order key.
//!
//! Every state change of a delivery is in this file, each along `State::may_become` and each together with the
//! head: the earliest open delivery of its receiver and order key. Only a head is ever claimed, so what came later
//! cannot pass it; a head's `rank` is the worst urgency that waits behind it, so a critical alert takes its elders
//! along. `tried_at` goes from head to head: it belongs to the order key.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::model::delivery::State;
use crate::model::form::Form;
use crate::model::name::DeliveryId;
use crate::store::sqlite::columns::{json, word};
use crate::store::sqlite::work::Work;
use crate::store::sqlite::{notices, told};

/// What is known of a delivery that is to move.
#[derive(Debug)]
pub(super) struct Standing {
    /// Its row.
    pub(super) seq: i64,
    /// What the outside calls it.
    pub(super) id: DeliveryId,
    /// Its lane.
    pub(super) receiver: String,
    /// What must stay in order inside the lane.
    pub(super) order_key: String,
    /// Where it stands.
    pub(super) state: State,
    /// Its severity, as the column holds it.
    pub(super) severity: i64,
    /// Whether it came here from another lane, whose delivery it took over.
    pub(super) took_over: bool,
    head: bool,
    tried_at: Option<i64>,
}

impl Standing {
    /// The columns [`Standing::of`] reads, in order; of the table `d`.
    const COLUMNS: &str = "d.seq, d.id, d.receiver, d.order_key, d.state, d.severity, d.fallback_of is not null,
                           d.head, d.tried_at";

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: DeliveryId(row.get(1)?),
            receiver: row.get(2)?,
            order_key: row.get(3)?,
            state: word(row, 4, State::named)?,
            severity: row.get(5)?,
            took_over: row.get(6)?,
            head: row.get(7)?,
            tried_at: row.get(8)?,
        })
    }
}

/// One delivery.
pub(super) fn standing(conn: &Connection, seq: i64) -> rusqlite::Result<Standing> {
    let sql = format!("select {} from deliveries d where d.seq = ?1", Standing::COLUMNS);
    conn.prepare_cached(&sql)?.query_row([seq], Standing::of)
}

/// One delivery, unless it has been forgotten.
pub(super) fn standing_if_there(conn: &Connection, seq: i64) -> rusqlite::Result<Option<Standing>> {
    standing(conn, seq).optional()
}

/// The delivery of that id.
pub(super) fn standing_of(conn: &Connection, id: &str) -> rusqlite::Result<Option<Standing>> {
    let sql = format!("select {} from deliveries d where d.id = ?1", Standing::COLUMNS);
    conn.prepare_cached(&sql)?.query_row([id], Standing::of).optional()
}

/// The deliveries a message carries that are still on their way with it.
pub(super) fn sending_with(conn: &Connection, message: i64) -> rusqlite::Result<Vec<Standing>> {
    let sql = format!(
        "select {} from message_deliveries m join deliveries d on d.seq = m.delivery
         where m.message = ?1 and d.state = 'sending' order by d.seq",
        Standing::COLUMNS
    );
    conn.prepare_cached(&sql)?.query_map([message], Standing::of)?.collect()
}

/// A new delivery of this urgency joins its order key: true if it is the head. Else the head takes its urgency
/// on, if that is worse; and unless the new one gathers, nothing of its key waits any longer, so that it need not wait
/// behind.
pub(super) fn joins_as_head(
    conn: &Connection,
    receiver: &str,
    order_key: &str,
    urgency: i64,
    gathers: bool,
) -> rusqlite::Result<bool> {
    let sql = "update deliveries set rank = max(rank, ?3) where receiver = ?1 and order_key = ?2 and head = 1";
    let heads = conn.prepare_cached(sql)?.execute((receiver, order_key, urgency))?;
    if heads > 0 && !gathers {
        free(conn, receiver, order_key)?;
    }
    Ok(heads == 0)
}

fn free(conn: &Connection, receiver: &str, order_key: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(FREE)?.execute((receiver, order_key)).map(drop)
}

pub(super) const FREE: &str = "
    update deliveries set next_attempt_at = null, gathers = 0
    where receiver = ?1 and order_key = ?2 and state = 'queued' and next_attempt_at is not null";

/// Queued → sending: a call is about to be made for it.
pub(super) fn send(conn: &Connection, seq: i64, now: i64) -> rusqlite::Result<()> {
    let sql = "update deliveries set state = 'sending', attempts = attempts + 1, tried_at = ?2, next_attempt_at = null,
                   gathers = 0
               where seq = ?1";
    conn.prepare_cached(sql)?.execute((seq, now)).map(drop)
}

/// Sending → queued, until then; `None`: it may go at once.
pub(super) fn put_back(
    conn: &Connection,
    delivery: &Standing,
    until: Option<i64>,
    counted: bool,
    possibly_duplicate: bool,
) -> rusqlite::Result<()> {
    let sql = "update deliveries set state = 'queued', next_attempt_at = :until, failures = failures + :counted,
                   possibly_duplicate = max(possibly_duplicate, :possibly_duplicate)
               where seq = :seq";
    conn.prepare_cached(sql)?
        .execute(named_params! {
            ":seq": delivery.seq, ":until": until, ":counted": counted, ":possibly_duplicate": possibly_duplicate,
        })
        .map(drop)
}

/// Sending → queued: it goes at once, in this form from now on.
pub(super) fn put_back_plainer(conn: &Connection, delivery: &Standing, form: &Form) -> rusqlite::Result<()> {
    conn.prepare_cached("update deliveries set form = ?2 where seq = ?1")?.execute((delivery.seq, json(form)?))?;
    put_back(conn, delivery, None, false, false)
}

/// Sending → queued: it goes at once, in its full form and by itself, with all its tries before it: those were
/// the digest's. What it was in may have been shown all the same.
pub(super) fn put_back_alone(conn: &Connection, delivery: &Standing, possibly_duplicate: bool) -> rusqlite::Result<()> {
    conn.prepare_cached("update deliveries set alone = 1, form = null, failures = 0 where seq = ?1")?
        .execute([delivery.seq])?;
    put_back(conn, delivery, None, false, possibly_duplicate)
}

/// Sending → delivered, all that went together. Their receiver knows then what the last of each order key says
/// that is its own.
pub(super) fn deliver(work: &mut Work, deliveries: &[Standing], now: i64) -> rusqlite::Result<()> {
    let sql = "update deliveries set state = 'delivered', delivered_at = ?2, head = 0 where seq = ?1";
    deliveries.iter().try_for_each(|d| work.conn.prepare_cached(sql)?.execute((d.seq, now)).map(drop))?;
    leave_together(work, deliveries)
}

/// Sending → delivered without a call: there was nothing to say.
pub(super) fn deliver_unsaid(work: &mut Work, deliveries: &[Standing], reason: &str, now: i64) -> rusqlite::Result<()> {
    let sql = "update deliveries set state = 'delivered', delivered_at = ?2, head = 0, reason = ?3,
                   attempts = attempts - 1
               where seq = ?1";
    deliveries.iter().try_for_each(|d| work.conn.prepare_cached(sql)?.execute((d.seq, now, reason)).map(drop))?;
    leave_together(work, deliveries)
}

/// Sending → dead; says what it was. What is unreadable when it is claimed goes this way too, without a call having been
/// made. It takes no [`Standing`]: where several of a key die together each leaves its seat to the next, and a standing
/// that was read before would not know.
pub(super) fn give_up(work: &mut Work, seq: i64, reason: &str, possibly_duplicate: bool) -> rusqlite::Result<Standing> {
    let delivery = standing(&work.conn, seq)?;
    let sql = "update deliveries set state = 'dead', reason = ?2, head = 0, next_attempt_at = null,
                   possibly_duplicate = max(possibly_duplicate, ?3)
               where seq = ?1";
    work.conn.prepare_cached(sql)?.execute((seq, reason, possibly_duplicate))?;
    notices::toll(&work.conn, seq, State::Dead, reason)?;
    leave(work, &delivery)?;
    Ok(delivery)
}

/// Dead or cancelled → queued, at its old place: what came later and took its seat gives it up. Were that one under
/// way, this one may go before its answer: it was passed already. A human wants it now, so nothing of its key waits, and
/// all that it says counts as new.
pub(super) fn redrive(work: &mut Work, delivery: &Standing) -> rusqlite::Result<()> {
    let sql = "update deliveries set state = 'queued', next_attempt_at = null, failures = 0, reason = null,
                   tried_at = null, form = null, gathers = 0, alone = 0, urgency = severity, rank = severity
               where seq = ?1";
    work.conn.prepare_cached(sql)?.execute([delivery.seq])?;
    work.open += 1;
    let left = unseat_later(&work.conn, delivery)?;
    seat_first(&work.conn, delivery, left)?;
    free(&work.conn, &delivery.receiver, &delivery.order_key)
}

/// Queued → cancelled.
pub(super) fn cancel(work: &mut Work, delivery: &Standing) -> rusqlite::Result<()> {
    let sql = "update deliveries set state = 'cancelled', next_attempt_at = null, head = 0 where seq = ?1";
    work.conn.prepare_cached(sql)?.execute([delivery.seq])?;
    leave(work, delivery)
}

/// Queued or sending → handed over.
pub(super) fn hand_over(work: &mut Work, delivery: &Standing, reason: Option<&str>) -> rusqlite::Result<()> {
    let sql = "update deliveries set state = 'handed_over', reason = ?2, next_attempt_at = null, head = 0
               where seq = ?1";
    work.conn.prepare_cached(sql)?.execute((delivery.seq, reason))?;
    leave(work, delivery)
}

fn leave(work: &mut Work, delivery: &Standing) -> rusqlite::Result<()> {
    work.open = work.open.saturating_sub(1);
    seat_first(&work.conn, delivery, delivery.head.then_some(delivery.tried_at))
}

/// What went together leaves together, so each order key finds its next head once. All are of one lane, the first first.
fn leave_together(work: &mut Work, deliveries: &[Standing]) -> rusqlite::Result<()> {
    work.open = work.open.saturating_sub(deliveries.len() as u64);
    let own = deliveries.iter().filter(|d| !d.took_over);
    let last_of_key: BTreeMap<&str, &Standing> = own.map(|d| (d.order_key.as_str(), d)).collect();
    last_of_key.values().try_for_each(|last| told::remember(&work.conn, last))?;
    // The first of a key is its head, if its head is among them.
    let first_of_key: BTreeMap<&str, &Standing> = deliveries.iter().rev().map(|d| (d.order_key.as_str(), d)).collect();
    first_of_key.values().try_for_each(|d| seat_first(&work.conn, d, d.head.then_some(d.tried_at)))
}

/// The head of a delivery's order key gives up its seat if it came later; what is left is its `tried_at`.
fn unseat_later(conn: &Connection, delivery: &Standing) -> rusqlite::Result<Option<Option<i64>>> {
    let sql = "update deliveries set head = 0, rank = urgency where receiver = ?1 and order_key = ?2 and head = 1 and seq > ?3
               returning tried_at";
    conn.prepare_cached(sql)?
        .query_row((&delivery.receiver, &delivery.order_key, delivery.seq), |row| row.get(0))
        .optional()
}

/// The first of a delivery's order key is its head, if there is one, and ranks as the most urgent of all that
/// wait behind it. A seat that was left comes with a `tried_at`.
fn seat_first(conn: &Connection, of: &Standing, left: Option<Option<i64>>) -> rusqlite::Result<()> {
    let tried_at = left.flatten();
    conn.prepare_cached(SEAT_FIRST)?.execute((&of.receiver, &of.order_key, tried_at, left.is_some())).map(drop)
}

pub(super) const SEAT_FIRST: &str = "
    update deliveries set head = 1, tried_at = iif(?4, ?3, tried_at), rank = (
        select max(urgency) from deliveries
        where receiver = ?1 and order_key = ?2 and state in ('queued', 'sending')
    )
    where seq = (
        select min(seq) from deliveries
        where receiver = ?1 and order_key = ?2 and state in ('queued', 'sending')
    )";
