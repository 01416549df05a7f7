//! Handing a delivery over: a new delivery of the same event takes its place in another lane.
//!
//! It works inside the writer's transaction, so whoever ends an attempt may hand over what dies with it, and a process
//! that is killed anywhere has handed a delivery over once or not at all. The new one says the same (content, severity,
//! order key) and names the old one; all of it is new to its readers, so it is as urgent as its severity; the old one names the new one, and stays dead or cancelled if it was, or becomes
//! handed over. In its new lane it is the latest of its order key. A fallback never hands on what was handed over
//! before: there is no loop, whatever the configuration says. Why it is done is decided elsewhere.
//!
//! That the old one may have arrived in its group stays written on the old one. The new one does not say so of itself: it
//! goes to another receiver, whose readers have not seen it.

use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use crate::model::delivery::State;
use crate::model::name::DeliveryId;
use crate::store::Ownership;
use crate::store::action::Entered;
use crate::store::handing::{HandOver, Heir};
use crate::store::sqlite::columns::millis;
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::moves::{self, Standing};
use crate::store::sqlite::work::Work;
use crate::store::sqlite::{notices, own};

/// Hands what waits longest in a lane over to its fallback, due or not, in the order it was accepted; says how many.
pub(super) fn hand_over_some(
    work: &mut Work,
    ownership: &Ownership,
    wanted: &HandOver,
    now: Timestamp,
) -> Result<u64, Failure> {
    own::check(&work.conn, ownership)?;
    let mut handed = 0;
    for seq in waiting(&work.conn, wanted)? {
        let delivery = moves::standing(&work.conn, seq)?;
        hand_over(work, &delivery, &wanted.to, Some(&wanted.reason), now)?;
        notices::toll(&work.conn, seq, State::HandedOver, &wanted.reason)?;
        handed += 1;
    }
    Ok(handed)
}

fn waiting(conn: &Connection, wanted: &HandOver) -> rusqlite::Result<Vec<i64>> {
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
    let sql = if wanted.keeps_critical { MILD_TO_HAND_OVER } else { TO_HAND_OVER };
    conn.prepare_cached(sql)?.query_map((wanted.receiver.as_str(), limit), |row| row.get(0))?.collect()
}

pub(super) const TO_HAND_OVER: &str = "
    select seq from deliveries
    where receiver = ?1 and state = 'queued' and fallback_of is null and handed_to is null
    order by seq limit ?2";

/// The same, but for the order keys whose head may use the month's reserve and takes them along.
pub(super) const MILD_TO_HAND_OVER: &str = "
    select d.seq from deliveries d indexed by mild_to_hand_over
    where d.receiver = ?1 and d.state = 'queued' and d.fallback_of is null and d.handed_to is null and d.rank < 2
    and not exists (
        select 1 from deliveries h
        where h.receiver = d.receiver and h.order_key = d.order_key and h.head = 1 and h.rank = 2
    )
    order by d.seq limit ?2";

/// Hands what has just died over to its fallback, unless it was handed over before.
pub(super) fn bequeath(work: &mut Work, dead: i64, heir: &Heir, now: Timestamp) -> rusqlite::Result<()> {
    let dead = moves::standing(&work.conn, dead)?;
    if was_handed_over(&work.conn, &dead)? {
        return Ok(());
    }
    hand_over(work, &dead, heir, None, now).map(drop)
}

/// Hands `old` over to another receiver; says which delivery has taken its place, and what entered which state. Any
/// state but delivered will do: to refuse the others is the caller's. An open one is told the reason.
pub(super) fn hand_over(
    work: &mut Work,
    old: &Standing,
    heir: &Heir,
    reason: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<(DeliveryId, Vec<Entered>)> {
    let (new, to) = (DeliveryId::fresh(), &heir.receiver);
    insert(work, old, &new, heir, now)?;
    let mut entered = vec![(to.as_str().to_owned(), State::Queued)];
    name_successor(&work.conn, old, &new)?;
    if old.state.is_open() {
        moves::hand_over(work, old, reason)?;
        entered.push((old.receiver.clone(), State::HandedOver));
        work.rung.push(old.receiver.clone());
    }
    work.rung.push(to.as_str().to_owned());
    Ok((new, entered))
}

/// Whether it has come here by being handed over, or has gone from here: a fallback does not hand such a one on.
pub(super) fn was_handed_over(conn: &Connection, delivery: &Standing) -> rusqlite::Result<bool> {
    let sql = "select fallback_of is not null or handed_to is not null from deliveries where seq = ?1";
    conn.prepare_cached(sql)?.query_row([delivery.seq], |row| row.get(0))
}

fn insert(work: &mut Work, old: &Standing, new: &DeliveryId, heir: &Heir, now: Timestamp) -> rusqlite::Result<()> {
    let to = &heir.receiver;
    let head = moves::joins_as_head(&work.conn, to.as_str(), &old.order_key, old.severity, false)?;
    let sql = "insert into deliveries (id, event, source, receiver, order_key, state, severity, urgency, head, rank,
                   title, created_at, fallback_of, express)
               select :new, event, source, :to, order_key, 'queued', severity, severity, :head, severity, title, :now,
                   id, express
               from deliveries where seq = :old";
    let seq = work.conn.prepare_cached(sql)?.insert(named_params! {
        ":new": new.0, ":to": to.as_str(), ":head": head, ":now": millis(now), ":old": old.seq,
    })?;
    copy_content(&work.conn, old.seq, seq, &heir.note)?;
    work.open += 1;
    Ok(())
}

/// The note is the content's. A content that cannot be read goes along as it is: whoever claims it says so.
fn copy_content(conn: &Connection, from: i64, to: i64, note: &str) -> rusqlite::Result<()> {
    let sql = "insert into contents (delivery, content)
               select ?2, iif(?3 <> '' and json_valid(content), json_set(content, '$.note', ?3), content)
               from contents where delivery = ?1";
    conn.prepare_cached(sql)?.execute((from, to, note)).map(drop)
}

fn name_successor(conn: &Connection, old: &Standing, new: &DeliveryId) -> rusqlite::Result<()> {
    conn.prepare_cached("update deliveries set handed_to = ?2 where seq = ?1")?.execute((old.seq, &new.0)).map(drop)
}
