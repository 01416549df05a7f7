//! Taking what goes next in a lane: one delivery, or a digest of what is ready.
//!
//! `order` says which heads of order keys go first, so nothing is overtaken inside its key; `load` takes of each key
//! what goes along. The deliveries become `sending`, their message and attempt are written and one unit of the month is
//! taken, in one transaction *before* the call: whatever happens to the process then, the call is on record. A claim
//! needs a living ownership (law 4).

pub(super) mod load;
pub(super) mod order;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::model::delivery::State;
use crate::model::event::Severity;
use crate::model::name::{AttemptId, MessageId};
use crate::store::queue::{Beginner, MOST_DELIVERIES, Take};
use crate::store::sqlite::claim::load::Load;
use crate::store::sqlite::claim::order::{Class, Order};
use crate::store::sqlite::columns::{millis, rank};
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::work::Work;
use crate::store::sqlite::{moves, own, pauses, quota};
use crate::store::{Claim, Claimed, ClaimedDelivery, Ownership, Want};

/// The most order keys one digest looks at: some may have to be left for another message.
const LOOKED_AT: usize = 2 * MOST_DELIVERIES;

/// Takes what goes next.
pub(super) fn claim(work: &mut Work, ownership: &Ownership, want: &Want, now: Timestamp) -> Result<Claim, Failure> {
    own::check(&work.conn, ownership)?;
    if pauses::paused_until(&work.conn, want.receiver.as_str(), now)?.is_some() {
        return Ok(Claim::Nothing);
    }
    wake(&work.conn, want, now)?;
    let least_rank = quota::least_rank(&work.conn, want)?;
    let (taken, begun_by) = take_readable(work, want, least_rank)?;
    let Some((head, first)) = taken.first() else {
        let waits = !next(&work.conn, want, 0)?.heads.is_empty();
        return Ok(if waits { Claim::MonthUsedUp } else { Claim::Nothing });
    };
    let late = first.created_at < want.stale_before;
    let (row, message) = insert_message(&work.conn, ownership, want)?;
    for (seq, _) in &taken {
        moves::send(&work.conn, *seq, millis(now))?;
        attach(&work.conn, row, *seq)?;
    }
    let critical = is_critical(&work.conn, row)?;
    let express = is_express(&work.conn, *head)?;
    quota::take(&work.conn, want, critical, now)?;
    let attempt = insert_attempt(&work.conn, row, want, critical, now)?;
    let deliveries = taken.into_iter().map(|(_, delivery)| delivery).collect();
    Ok(Claim::Taken(Claimed { message, attempt, deliveries, begun_by, late, critical, express }))
}

/// What has waited long enough may go, and does not gather any more. Each wait ends once, so a claim never looks at
/// those that still wait; and where many end at once, each claim ends as many as it could take, the worst first.
fn wake(conn: &Connection, want: &Want, now: Timestamp) -> rusqlite::Result<()> {
    let (receiver, at, mut room) = (want.receiver.as_str(), millis(now), MOST_DELIVERIES);
    // However many others wake with it, what is express is among them.
    for sql in [WAKE_EXPRESS, WAKE] {
        for rank in order::RANKS {
            room -= conn.prepare_cached(sql)?.execute((receiver, rank, at, room as i64))?;
        }
    }
    Ok(())
}

pub(super) const WAKE: &str = "
    update deliveries set next_attempt_at = null, gathers = 0
    where seq in (
        select seq from deliveries
        where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is not null
        and rank = ?2 and next_attempt_at <= ?3 order by next_attempt_at limit ?4
    )";

/// Its index by name, because that of all that waits looks as cheap.
pub(super) const WAKE_EXPRESS: &str = "
    update deliveries set next_attempt_at = null, gathers = 0
    where seq in (
        select seq from deliveries indexed by express
        where receiver = ?1 and express = 1 and head = 1 and state = 'queued'
        and rank = ?2 and next_attempt_at <= ?3 order by next_attempt_at limit ?4
    )";

/// What one message takes, and by whom it is begun.
type Taken = (Vec<(i64, ClaimedDelivery)>, Option<Beginner>);

/// What goes next, begun by a head of at least this rank, as far as this version can read it. The rest dies here with
/// the reason: left where it is, it would stop its lane for ever; a human can redrive it once a version runs that
/// reads it.
fn take_readable(work: &mut Work, want: &Want, least_rank: i64) -> rusqlite::Result<Taken> {
    loop {
        let next = next(&work.conn, want, least_rank)?;
        let Load { taken, spoilt, .. } = load(&work.conn, want, &next)?;
        if spoilt.is_empty() {
            return Ok((taken, next.begun_by));
        }
        for (seq, reason) in &spoilt {
            let delivery = moves::give_up(work, *seq, reason, false)?;
            tracing::warn!(receiver = %want.receiver, delivery = %delivery.id, error = reason, "given up unsent");
            work.entered.push((delivery.receiver, State::Dead));
        }
    }
}

fn load(conn: &Connection, want: &Want, next: &Next) -> rusqlite::Result<Load> {
    let mut load = Load::of(if next.together { MOST_DELIVERIES } else { 1 }, want.known);
    for head in &next.heads {
        if load.is_full() {
            break;
        }
        load.take_key(conn, *head)?;
    }
    Ok(load)
}

/// The heads that go next.
struct Next {
    heads: Vec<i64>,
    together: bool,
    /// `None`: it is no turn of either.
    begun_by: Option<Beginner>,
}

impl Next {
    fn beside_the_order(head: Option<i64>) -> Self {
        Self { heads: head.into_iter().collect(), together: false, begun_by: None }
    }
}

fn next(conn: &Connection, want: &Want, least_rank: i64) -> rusqlite::Result<Next> {
    // Where the month pays for some only, a probe goes by rank too: by its turn it would look at all that waits.
    if want.probe && least_rank == 0 {
        return Ok(Next::beside_the_order(probed(conn, want.receiver.as_str())?));
    }
    let order = Order::of(conn, want, least_rank)?;
    let Some(beginning) = order.beginning()? else { return Ok(Next::beside_the_order(None)) };
    if want.take == Take::Express
        && !beginning.is_critical
        && let Some(head) = order.express()?
    {
        return Ok(Next::beside_the_order(Some(head)));
    }
    let together = match want.take {
        _ if want.probe => false,
        Take::One | Take::Express => false,
        Take::OneUnlessLate => beginning.class == Class::Late,
        Take::Digest => true,
    };
    let begun_by = (!want.probe).then_some(beginning.by);
    let mut heads = order.heads(beginning, if together { LOOKED_AT } else { 1 })?;
    if together && beginning.class == Class::Fresh {
        // What gathers is not late, however long it is told to wait.
        heads.extend(order.gathering(MOST_DELIVERIES)?);
    }
    Ok(Next { heads, together, begun_by })
}

/// A probe takes what waits for its retry too: it is not about the delivery. Never tried comes first, and of that the
/// worst, and of equals the newest: the call that finds DingTalk well again is the first that anybody sees of it.
fn probed(conn: &Connection, receiver: &str) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached(NEXT_PROBE)?.query_row([receiver], |row| row.get(0)).optional()
}

pub(super) const NEXT_PROBE: &str = "
    select seq from deliveries
    where receiver = ?1 and head = 1 and state = 'queued'
    order by tried_at, rank desc, seq desc limit 1";

fn insert_message(conn: &Connection, ownership: &Ownership, want: &Want) -> rusqlite::Result<(i64, MessageId)> {
    let id = MessageId::fresh();
    let row = conn.prepare_cached("insert into messages (id, app, epoch, hold) values (?1, ?2, ?3, ?4)")?.insert((
        &id.0,
        ownership.app.as_str(),
        ownership.epoch,
        want.hold,
    ))?;
    Ok((row, id))
}

fn attach(conn: &Connection, message: i64, delivery: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("insert into message_deliveries (message, delivery) values (?1, ?2)")?
        .execute((message, delivery))
        .map(drop)
}

/// Whether a message is as urgent as critical, or carries what such a delivery of its key waits behind.
fn is_critical(conn: &Connection, message: i64) -> rusqlite::Result<bool> {
    let sql = "select exists (
                   select 1 from message_deliveries m join deliveries d on d.seq = m.delivery
                   where m.message = ?1 and d.rank = ?2
               )";
    conn.prepare_cached(sql)?.query_row((message, rank(Severity::Critical)), |row| row.get(0))
}

fn is_express(conn: &Connection, delivery: i64) -> rusqlite::Result<bool> {
    conn.prepare_cached("select express from deliveries where seq = ?1")?.query_row([delivery], |row| row.get(0))
}

fn insert_attempt(
    conn: &Connection,
    message: i64,
    want: &Want,
    critical: bool,
    now: Timestamp,
) -> rusqlite::Result<AttemptId> {
    let id = AttemptId::fresh();
    let sql = "insert into attempts (id, message, channel, organisation, month, critical, started_at)
               values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (channel, organisation, month) = (want.channel.as_str(), want.organisation.as_str(), want.month.to_string());
    let started_at = millis(now);
    conn.prepare_cached(sql)?.execute((&id.0, message, channel, organisation, month, critical, started_at))?;
    Ok(id)
}
