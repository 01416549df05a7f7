//! Taking what goes next in a lane.
//!
//! The worst severity first, then the oldest; among the heads of order keys only, so nothing is overtaken inside its
//! key. The delivery becomes `sending`, its message and attempt are written and one unit of the month is taken, in
//! one transaction *before* the call: whatever happens to the process then, the call is on record. A claim needs a
//! living ownership (law 4).

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::model::content::Content;
use crate::model::delivery::State;
use crate::model::name::{AttemptId, DeliveryId, MessageId};
use crate::store::sqlite::columns::{form, millis, time};
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::work::Work;
use crate::store::sqlite::{moves, own, pauses, quota};
use crate::store::{Claim, Claimed, ClaimedDelivery, Ownership, Want};

/// Takes what goes next.
pub(super) fn claim(work: &mut Work, ownership: &Ownership, want: &Want, now: Timestamp) -> Result<Claim, Failure> {
    own::check(&work.conn, ownership)?;
    if pauses::paused_until(&work.conn, want.receiver.as_str(), now)?.is_some() {
        return Ok(Claim::Nothing);
    }
    wake(&work.conn, want, now)?;
    let least_rank = quota::least_rank(&work.conn, want)?;
    let Some((seq, delivery)) = next_readable(work, want, least_rank)? else {
        let waits = next(&work.conn, want, 0)?.is_some();
        return Ok(if waits { Claim::MonthUsedUp } else { Claim::Nothing });
    };
    quota::take(&work.conn, want, now)?;
    moves::send(&work.conn, seq, millis(now))?;
    let (row, message) = insert_message(&work.conn, ownership, want)?;
    attach(&work.conn, row, seq)?;
    let attempt = insert_attempt(&work.conn, row, want, now)?;
    Ok(Claim::Taken(Claimed { message, attempt, deliveries: vec![delivery] }))
}

/// What has waited long enough may go. Each wait ends once, so a claim never looks at those that still wait.
fn wake(conn: &Connection, want: &Want, now: Timestamp) -> rusqlite::Result<()> {
    conn.prepare_cached(WAKE)?.execute((want.receiver.as_str(), millis(now))).map(drop)
}

pub(super) const WAKE: &str = "
    update deliveries set next_attempt_at = null
    where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is not null and next_attempt_at <= ?2";

/// The next delivery of at least this rank whose content this version can read. The others die here with the reason:
/// left where they are, they would stop their lane for ever; a human can redrive them once a version runs that reads
/// them.
fn next_readable(work: &mut Work, want: &Want, least_rank: i64) -> rusqlite::Result<Option<(i64, ClaimedDelivery)>> {
    while let Some(seq) = next(&work.conn, want, least_rank)? {
        match read(&work.conn, seq)? {
            Ok(delivery) => return Ok(Some((seq, delivery))),
            Err(reason) => {
                let delivery = moves::standing(&work.conn, seq)?;
                tracing::warn!(receiver = %want.receiver, delivery = %delivery.id, error = reason, "given up unsent");
                moves::give_up(work, &delivery, &reason, false)?;
                work.entered.push((delivery.receiver, State::Dead));
            }
        }
    }
    Ok(None)
}

fn next(conn: &Connection, want: &Want, least_rank: i64) -> rusqlite::Result<Option<i64>> {
    // Where the month pays for some only, a probe goes by rank too: by its turn it would look at all that waits.
    if want.probe && least_rank == 0 {
        return conn.prepare_cached(NEXT_PROBE)?.query_row([want.receiver.as_str()], |row| row.get(0)).optional();
    }
    conn.prepare_cached(NEXT)?.query_row((want.receiver.as_str(), least_rank), |row| row.get(0)).optional()
}

pub(super) const NEXT: &str = "
    select seq from deliveries
    where receiver = ?1 and rank >= ?2 and head = 1 and state = 'queued' and next_attempt_at is null
    order by rank desc, seq limit 1";

/// A probe takes what waits for its retry too: it is not about the delivery. Never tried comes first.
pub(super) const NEXT_PROBE: &str = "
    select seq from deliveries
    where receiver = ?1 and head = 1 and state = 'queued'
    order by tried_at, seq limit 1";

fn read(conn: &Connection, seq: i64) -> rusqlite::Result<Result<ClaimedDelivery, String>> {
    let sql = "select d.id, d.failures, d.created_at, c.content, d.fallback_of is null and d.handed_to is null, d.form
               from deliveries d left join contents c on c.delivery = d.seq where d.seq = ?1";
    conn.prepare_cached(sql)?.query_row([seq], |row| {
        let (id, failures, created_at) = (DeliveryId(row.get(0)?), row.get(1)?, time(row, 2)?);
        let text: Option<String> = row.get(3)?;
        let (may_be_handed_over, form) = (row.get(4)?, form(row, 5)?);
        Ok(parse(text.as_deref()).map(|content| ClaimedDelivery {
            id,
            content,
            form,
            failures,
            created_at,
            may_be_handed_over,
        }))
    })
}

fn parse(text: Option<&str>) -> Result<Content, String> {
    let text = text.ok_or("its stored content is missing")?;
    // A newer shape may parse and yet say something else, so its version is asked for first.
    let version: Version = serde_json::from_str(text).map_err(unreadable)?;
    if version.v > Content::VERSION {
        return Err(format!(
            "its stored content has version {}, this relay reads up to {}",
            version.v,
            Content::VERSION
        ));
    }
    serde_json::from_str(text).map_err(unreadable)
}

#[derive(serde::Deserialize)]
struct Version {
    v: u32,
}

fn unreadable(error: serde_json::Error) -> String {
    // Serde's own text may echo a value, and a reason is shown.
    format!("its stored content cannot be read (line {}, column {})", error.line(), error.column())
}

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

fn insert_attempt(conn: &Connection, message: i64, want: &Want, now: Timestamp) -> rusqlite::Result<AttemptId> {
    let id = AttemptId::fresh();
    let sql = "insert into attempts (id, message, channel, organisation, month, started_at)
               values (?1, ?2, ?3, ?4, ?5, ?6)";
    let (organisation, month) = (want.organisation.as_str(), want.month.to_string());
    conn.prepare_cached(sql)?.execute((&id.0, message, want.channel.as_str(), organisation, month, millis(now)))?;
    Ok(id)
}
