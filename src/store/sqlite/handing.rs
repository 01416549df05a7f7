//! Handing a delivery over: a new delivery of the same event takes its place in another lane.
//!
//! It works inside the writer's transaction, so whoever ends an attempt may hand over what dies with it. The new one
//! says the same (content, severity, order key) and names the old one; the old one names the new one, and stays dead
//! or cancelled if it was, or becomes handed over. In its new lane it is the latest of its order key. It knows nothing
//! of why a delivery is handed over.

use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use crate::model::delivery::State;
use crate::model::name::{DeliveryId, Name};
use crate::store::action::Entered;
use crate::store::sqlite::columns::millis;
use crate::store::sqlite::moves::{self, Standing};
use crate::store::sqlite::work::Work;

/// Hands `old` over to another receiver; says which delivery has taken its place, and what entered which state. Any
/// state but delivered will do: to refuse the others is the caller's.
pub(super) fn hand_over(
    work: &mut Work,
    old: &Standing,
    to: &Name,
    now: Timestamp,
) -> rusqlite::Result<(DeliveryId, Vec<Entered>)> {
    let new = DeliveryId::fresh();
    insert(work, old, &new, to, now)?;
    let mut entered = vec![(to.as_str().to_owned(), State::Queued)];
    name_successor(&work.conn, old, &new)?;
    if old.state.is_open() {
        moves::hand_over(work, old)?;
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

fn insert(work: &mut Work, old: &Standing, new: &DeliveryId, to: &Name, now: Timestamp) -> rusqlite::Result<()> {
    let head = moves::joins_as_head(&work.conn, to.as_str(), &old.order_key, old.severity)?;
    let sql = "insert into deliveries (id, event, source, receiver, order_key, state, severity, head, rank, title,
                   created_at, fallback_of)
               select :new, event, source, :to, order_key, 'queued', severity, :head, severity, title, :now, id
               from deliveries where seq = :old";
    let seq = work.conn.prepare_cached(sql)?.insert(named_params! {
        ":new": new.0, ":to": to.as_str(), ":head": head, ":now": millis(now), ":old": old.seq,
    })?;
    let sql = "insert into contents (delivery, content) select ?1, content from contents where delivery = ?2";
    work.conn.prepare_cached(sql)?.execute((seq, old.seq))?;
    work.open += 1;
    Ok(())
}

fn name_successor(conn: &Connection, old: &Standing, new: &DeliveryId) -> rusqlite::Result<()> {
    conn.prepare_cached("update deliveries set handed_to = ?2 where seq = ?1")?.execute((old.seq, &new.0)).map(drop)
}
