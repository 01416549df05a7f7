//! In which order the heads of a lane go: who begins the next message, and in which order it takes others along.
//!
//! Two kinds of heads begin messages, in turn where both are there, and the lane says whose turn it is:
//! - *the worst*: what is critical and not late; else what is critical and late; else what is not late, by rank and age;
//!   else what is late;
//! - *the overdue*: the oldest of all that have waited for `max_wait`, late or not.
//!
//! So what is critical waits for one message at most, and nothing is overtaken for longer than `max_wait` as long as every
//! other message is its. Whoever always let one kind go first would let the other wait for ever: a flood of criticals, or
//! a backlog of what must go one by one. A digest takes along what is late, or what is not, as it began: by rank and age,
//! or, begun by the overdue, all that are overdue by age and then the others. What is express stands in this order too,
//! and is looked for beside it when it is its turn. Where the month pays for the worst only, one of those begins.
//!
//! `created_at` grows with `seq`, so the first that is not late cuts the lane in two, and everything else is a range of an
//! index: nothing is read that is not taken.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension};

use crate::store::Want;
use crate::store::queue::Beginner;
use crate::store::sqlite::columns::millis;

/// The ranks of a head, the worst first.
pub(super) const RANKS: [i64; 3] = [2, 1, 0];

/// Only what is not express, and whatever there is.
const NOT_EXPRESS: i64 = 0;
const ANY: i64 = 1;

/// Whether a head is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Fresh,
    Late,
}

/// Who begins a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning {
    pub(super) head: i64,
    pub(super) class: Class,
    pub(super) is_critical: bool,
    pub(super) by: Beginner,
}

/// What is ready in a lane, in order.
pub(super) struct Order<'w> {
    conn: &'w Connection,
    receiver: &'w str,
    begins: Beginner,
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
        Ok(Self { conn, receiver, begins: want.begins, fresh_from, stale_before, overdue_before, least_rank })
    }

    /// Who begins now; `None` if nothing is ready that may.
    pub(super) fn beginning(&self) -> rusqlite::Result<Option<Beginning>> {
        let overdue = match self.begins {
            Beginner::Overdue => self.overdue()?,
            Beginner::Worst => None,
        };
        match overdue {
            Some(overdue) => Ok(Some(overdue)),
            None => self.worst(),
        }
    }

    fn worst(&self) -> rusqlite::Result<Option<Beginning>> {
        let (critical, others) = RANKS.split_at(1);
        // What is express goes by itself and has its own turns: here it begins only where nothing else can.
        for express in [NOT_EXPRESS, ANY] {
            for (class, ranks) in
                [(Class::Fresh, critical), (Class::Late, critical), (Class::Fresh, others), (Class::Late, others)]
            {
                for rank in ranks.iter().filter(|rank| **rank >= self.least_rank) {
                    if let [head] = self.of_rank(class, *rank, express, 1)?[..] {
                        let is_critical = *rank == RANKS[0];
                        return Ok(Some(Beginning { head, class, is_critical, by: Beginner::Worst }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The oldest of each rank tells which is the oldest of all that may begin.
    fn overdue(&self) -> rusqlite::Result<Option<Beginning>> {
        let mut oldest: Option<(i64, i64, i64)> = None;
        for rank in RANKS.into_iter().filter(|rank| *rank >= self.least_rank) {
            let values = (self.receiver, rank, i64::MIN, i64::MAX, 1, ANY);
            let first =
                self.conn.prepare_cached(OF_RANK)?.query_row(values, |row| Ok((row.get(1)?, row.get(0)?, rank)));
            oldest = oldest.into_iter().chain(first.optional()?).min();
        }
        Ok(oldest.filter(|(created_at, ..)| *created_at < self.overdue_before).map(|(_, head, rank)| {
            let class = if head < self.fresh_from { Class::Late } else { Class::Fresh };
            Beginning { head, class, is_critical: rank == RANKS[0], by: Beginner::Overdue }
        }))
    }

    /// The heads that one message takes, if there is room, at most `limit`.
    pub(super) fn heads(&self, beginning: Beginning, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let mut heads = vec![beginning.head];
        if beginning.by == Beginner::Overdue {
            add(&mut heads, self.all_overdue(beginning.class, limit)?);
        }
        for rank in RANKS {
            if heads.len() < limit {
                add(&mut heads, self.of_rank(beginning.class, rank, ANY, limit)?);
            }
        }
        heads.truncate(limit);
        Ok(heads)
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

    fn all_overdue(&self, class: Class, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let (from, until) = match class {
            Class::Fresh => (self.stale_before, self.overdue_before),
            Class::Late => (i64::MIN, self.overdue_before.min(self.stale_before)),
        };
        let values = (self.receiver, from, until, count(limit));
        self.conn.prepare_cached(OVERDUE)?.query_map(values, |row| row.get(0))?.collect()
    }

    fn of_rank(&self, class: Class, rank: i64, express: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let (from, until) = match class {
            Class::Fresh => (self.fresh_from, i64::MAX),
            Class::Late => (i64::MIN, self.fresh_from),
        };
        let values = (self.receiver, rank, from, until, count(limit), express);
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
    select seq, created_at from deliveries
    where receiver = ?1 and head = 1 and state = 'queued' and next_attempt_at is null
    and rank = ?2 and seq >= ?3 and seq < ?4 and express <= ?6
    order by seq limit ?5";

pub(in crate::store::sqlite) const GATHERING: &str = "
    select seq from deliveries
    where receiver = ?1 and gathers = 1 and head = 1 and state = 'queued'
    order by next_attempt_at limit ?2";

pub(in crate::store::sqlite) const EXPRESS: &str = "
    select seq from deliveries
    where receiver = ?1 and express = 1 and head = 1 and state = 'queued' and rank = ?2 and next_attempt_at is null
    order by seq limit 1";
