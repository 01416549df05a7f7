//! In which order the heads of a lane go.
//!
//! What is late goes after what is not, unless it is overdue and nothing critical is ready that is not late. Among
//! either, what is overdue goes first and by age, then the worst, and of equals the oldest. `created_at` grows with
//! `seq`, so the first that is not late cuts the lane in two, and everything else is a range of an index: nothing is
//! read that is not taken. Where the month pays for the worst only, one of those goes first and takes the others along.
//! What is express stands in this order too, and is looked for beside it when it is its turn.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension};

use crate::store::Want;
use crate::store::sqlite::columns::millis;

/// The ranks of a head, the worst first.
pub(super) const RANKS: [i64; 3] = [2, 1, 0];

/// Whether a head is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Fresh,
    Late,
}

/// What is ready in a lane, in order.
pub(super) struct Order<'w> {
    conn: &'w Connection,
    receiver: &'w str,
    fresh_from: i64,
    stale_before: i64,
    overdue_before: i64,
    least_rank: i64,
}

impl<'w> Order<'w> {
    /// The order of a lane, as a claim wants it, begun by a head of at least this rank.
    pub(super) fn of(conn: &'w Connection, want: &'w Want, least_rank: i64) -> rusqlite::Result<Self> {
        let (receiver, stale_before) = (want.receiver.as_str(), millis(want.stale_before));
        let overdue_before = want.overdue_before.map_or(i64::MIN, millis);
        let fresh_from: Option<i64> =
            conn.prepare_cached(FRESH_FROM)?.query_row((receiver, stale_before), |row| row.get(0)).optional()?;
        let fresh_from = fresh_from.unwrap_or(i64::MAX);
        Ok(Self { conn, receiver, fresh_from, stale_before, overdue_before, least_rank })
    }

    /// Which of the two goes now; `None` if nothing is ready that may begin.
    pub(super) fn next_class(&self) -> rusqlite::Result<Option<Class>> {
        let fresh_critical = self.of_rank(Class::Fresh, RANKS[0], 1)?;
        if self.least_rank == 0 && fresh_critical.is_empty() && !self.overdue(Class::Late, 1)?.is_empty() {
            return Ok(Some(Class::Late));
        }
        for class in [Class::Fresh, Class::Late] {
            if !self.heads(class, 1)?.is_empty() {
                return Ok(Some(class));
            }
        }
        Ok(None)
    }

    /// The first heads of a class, at most `limit`; none if none of them may begin.
    pub(super) fn heads(&self, class: Class, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let (begin, follow): (Vec<i64>, Vec<i64>) = RANKS.into_iter().partition(|rank| *rank >= self.least_rank);
        let mut heads = Vec::new();
        if self.least_rank == 0 {
            heads = self.overdue(class, limit)?;
        }
        self.add_ranks(&mut heads, class, &begin, limit)?;
        if self.least_rank > 0 && !heads.is_empty() {
            add(&mut heads, self.overdue(class, limit)?);
            self.add_ranks(&mut heads, class, &follow, limit)?;
        }
        heads.truncate(limit);
        Ok(heads)
    }

    fn add_ranks(&self, heads: &mut Vec<i64>, class: Class, ranks: &[i64], limit: usize) -> rusqlite::Result<()> {
        for rank in ranks {
            if heads.len() < limit {
                add(heads, self.of_rank(class, *rank, limit)?);
            }
        }
        Ok(())
    }

    /// Whether what goes first of a class is critical.
    pub(super) fn begins_critical(&self, class: Class) -> rusqlite::Result<bool> {
        let critical = self.of_rank(class, RANKS[0], 1)?;
        Ok(!critical.is_empty() && critical == self.heads(class, 1)?)
    }

    /// What is express and goes first, if it may begin: the worst, of equals the oldest.
    pub(super) fn express(&self) -> rusqlite::Result<Option<i64>> {
        for rank in RANKS.into_iter().filter(|rank| *rank >= self.least_rank) {
            let values = (self.receiver, rank);
            let head = self.conn.prepare_cached(EXPRESS)?.query_row(values, |row| row.get(0)).optional()?;
            if head.is_some() {
                return Ok(head);
            }
        }
        Ok(None)
    }

    /// What gathers, the one whose time comes first first.
    pub(super) fn gathering(&self, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let values = (self.receiver, count(limit));
        self.conn.prepare_cached(GATHERING)?.query_map(values, |row| row.get(0))?.collect()
    }

    fn overdue(&self, class: Class, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let (from, until) = match class {
            Class::Fresh => (self.stale_before, self.overdue_before),
            Class::Late => (i64::MIN, self.overdue_before.min(self.stale_before)),
        };
        let values = (self.receiver, from, until, count(limit));
        self.conn.prepare_cached(OVERDUE)?.query_map(values, |row| row.get(0))?.collect()
    }

    fn of_rank(&self, class: Class, rank: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let (from, until) = match class {
            Class::Fresh => (self.fresh_from, i64::MAX),
            Class::Late => (i64::MIN, self.fresh_from),
        };
        let values = (self.receiver, rank, from, until, count(limit));
        self.conn.prepare_cached(OF_RANK)?.query_map(values, |row| row.get(0))?.collect()
    }
}

/// Adds those that are not there yet.
fn add(heads: &mut Vec<i64>, more: Vec<i64>) {
    let there: HashSet<i64> = heads.iter().copied().collect();
    heads.extend(more.into_iter().filter(|head| !there.contains(head)));
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(in crate::store::sqlite) const FRESH_FROM: &str = "
    select seq from deliveries
    where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is null and created_at >= ?2
    order by created_at, seq limit 1";

pub(in crate::store::sqlite) const OVERDUE: &str = "
    select seq from deliveries
    where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is null
    and created_at >= ?2 and created_at < ?3
    order by created_at, seq limit ?4";

pub(in crate::store::sqlite) const OF_RANK: &str = "
    select seq from deliveries
    where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is null
    and rank = ?2 and seq >= ?3 and seq < ?4
    order by seq limit ?5";

pub(in crate::store::sqlite) const GATHERING: &str = "
    select seq from deliveries
    where receiver = ?1 and gathers = 1 and head = 1 and state = 'queued'
    order by next_attempt_at limit ?2";

pub(in crate::store::sqlite) const EXPRESS: &str = "
    select seq from deliveries
    where receiver = ?1 and express = 1 and head = 1 and state = 'queued' and rank = ?2 and next_attempt_at is null
    order by seq limit 1";
