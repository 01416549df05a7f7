//! What is done to deliveries beside the journey, one of them or many.
//!
//! The state a delivery has inside the transaction decides, so a claim and a human's cancel meet one after the other.
//! Many are done in small commands: the readers find the next few, the writer does them together with whatever else
//! waits, and webhooks are answered in between. A walk goes up by `seq` to the highest there was at its beginning, so
//! it meets nothing twice and nothing that came later.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql};

use crate::model::delivery::State;
use crate::model::name::DeliveryId;
use crate::store::action::{Acted, Action, Entered, Place, Selection};
use crate::store::handing::Heir;
use crate::store::sqlite::columns::millis;
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::handing;
use crate::store::sqlite::moves::{self, Standing};
use crate::store::sqlite::work::Work;

/// How many deliveries one command of a walk does: some milliseconds of the writer's time.
pub(super) const SOME: usize = 100;

/// How many are counted at a time: a reader that takes long keeps the log from being used again.
pub(super) const COUNTED: usize = 10_000;

/// Does it to one delivery.
pub(super) fn act(work: &mut Work, id: &str, action: &Action, now: Timestamp) -> Result<Acted, Failure> {
    match moves::standing_of(&work.conn, id)? {
        Some(delivery) => apply(work, &delivery, action, now),
        None => Ok(Acted::NoSuch),
    }
}

/// Does it to those of these deliveries that are still in this state; says what entered which state, and how many it
/// was done to.
pub(super) fn act_on_some(
    work: &mut Work,
    rows: &[i64],
    state: State,
    action: &Action,
    now: Timestamp,
) -> Result<(u64, Vec<Entered>), Failure> {
    let (mut done, mut all) = (0, Vec::new());
    for &seq in rows {
        // Forgotten since it was found, or claimed, or done by somebody else.
        let Some(delivery) = moves::standing_if_there(&work.conn, seq)?.filter(|d| d.state == state) else { continue };
        if let Acted::Done { entered, .. } = apply(work, &delivery, action, now)? {
            done += 1;
            all.extend(entered);
        }
    }
    Ok((done, all))
}

fn apply(work: &mut Work, delivery: &Standing, action: &Action, now: Timestamp) -> Result<Acted, Failure> {
    match action {
        Action::Redrive => redrive(work, delivery),
        Action::Cancel => cancel(work, delivery),
        Action::HandOver { to } if to.as_str() == delivery.receiver => redrive(work, delivery),
        Action::HandOver { to } => {
            if !matches!(delivery.state, State::Queued | State::Dead | State::Cancelled) {
                return Ok(Acted::WrongState(delivery.state));
            }
            if let Some(successor) = living_successor(&work.conn, delivery.seq)? {
                return Ok(Acted::TakenOver(successor));
            }
            work.refuse_if_full(u64::from(!delivery.state.is_open()))?;
            let (delivery, entered) = handing::hand_over(work, delivery, &Heir::told_nothing(to), None, now)?;
            Ok(Acted::Done { delivery, entered })
        }
    }
}

/// The delivery that took this one over, unless nothing came of that one either.
fn living_successor(conn: &Connection, seq: i64) -> rusqlite::Result<Option<DeliveryId>> {
    let sql = "select s.id from deliveries d join deliveries s on s.id = d.handed_to
               where d.seq = ?1 and s.state not in ('dead', 'cancelled')";
    conn.prepare_cached(sql)?.query_row([seq], |row| row.get(0).map(DeliveryId)).optional()
}

fn redrive(work: &mut Work, delivery: &Standing) -> Result<Acted, Failure> {
    if !matches!(delivery.state, State::Dead | State::Cancelled) {
        return Ok(Acted::WrongState(delivery.state));
    }
    work.refuse_if_full(1)?;
    moves::redrive(work, delivery)?;
    Ok(done(work, delivery, State::Queued))
}

fn cancel(work: &mut Work, delivery: &Standing) -> Result<Acted, Failure> {
    if delivery.state != State::Queued {
        return Ok(Acted::WrongState(delivery.state));
    }
    moves::cancel(work, delivery)?;
    Ok(done(work, delivery, State::Cancelled))
}

/// The lane is rung for a cancel too: what comes next may be due earlier.
fn done(work: &mut Work, delivery: &Standing, state: State) -> Acted {
    work.rung.push(delivery.receiver.clone());
    Acted::Done { delivery: delivery.id.clone(), entered: vec![(delivery.receiver.clone(), state)] }
}

/// The rows a walk meets next, at most `limit`, and its place behind them; `None`: there are no more.
pub(super) fn find(
    conn: &Connection,
    which: &Selection,
    from: Option<Place>,
    limit: usize,
) -> rusqlite::Result<(Vec<i64>, Option<Place>)> {
    let place = from.map_or_else(|| beginning(conn), Ok)?;
    let (sql, values) = statement(which, place, limit);
    let values: Vec<&dyn ToSql> = values.iter().map(|value| value.as_ref() as &dyn ToSql).collect();
    let rows: Vec<i64> =
        conn.prepare_cached(&sql)?.query_map(values.as_slice(), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|&after| Place { after, ..place });
    Ok((rows, next))
}

fn beginning(conn: &Connection) -> rusqlite::Result<Place> {
    let highest = "select coalesce(max(seq), 0) from deliveries";
    Ok(Place { after: 0, until: conn.prepare_cached(highest)?.query_row([], |row| row.get(0))? })
}

/// The statement of a walk and its values. The `+` keeps SQLite from the index by receiver, which holds all that was
/// ever delivered; the one it uses holds little else than what is looked for.
pub(super) fn statement(which: &Selection, place: Place, limit: usize) -> (String, Vec<Box<dyn ToSql>>) {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut values: Vec<Box<dyn ToSql>> =
        vec![Box::new(which.state.as_str()), Box::new(place.after), Box::new(place.until), Box::new(limit)];
    let mut sql = "select seq from deliveries
                   where state = ?1 and state <> 'delivered' and seq > ?2 and seq <= ?3"
        .to_owned();
    if let Some(receivers) = &which.receivers {
        values.push(Box::new(serde_json::json!(receivers).to_string()));
        sql.push_str(&format!(" and +receiver in (select value from json_each(?{}))", values.len()));
    }
    if let Some(before) = which.before {
        values.push(Box::new(millis(before)));
        sql.push_str(&format!(" and created_at < ?{}", values.len()));
    }
    if matches!(which.state, State::Dead | State::Cancelled) {
        // What another delivery took over, and still brings or has brought, is not told a second time.
        sql.push_str(
            " and not exists (select 1 from deliveries s
                              where s.id = deliveries.handed_to and s.state not in ('dead', 'cancelled'))",
        );
    }
    sql.push_str(" order by seq limit ?4");
    (sql, values)
}
