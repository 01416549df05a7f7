//! The calls of an organisation's month: who may make how many, and how far apart. Pure arithmetic; time is an argument.
//!
//! Three have a claim on them: other programs of the organisation (`kept_for_others`: DingTalk counts their calls too,
//! and we do not see them), messages that are critical, and the rest. The rest stops first: it leaves the reserve of
//! the critical ones alone, whatever those have used, so that however a month went, its next critical alert has a call.
//!
//! What is not critical must last until the month's end as well, however much comes. So its messages are spaced out as
//! the month's use runs ahead of the calendar: not at all within a head start, which quiet days and weeks add to, then
//! more and more, at last so far that what is left lasts exactly. Nothing is saved beyond that: what was not used by the
//! last day may go on the last day. It stands in `model` because the gate, the operator's view and `check` all ask it.
//! How calls are counted is the store's affair, and whose turn is next is the gate's.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::event::Severity;
use crate::model::health::later;
use crate::model::month::Month;

/// How far the use may run ahead of the calendar before anything is spaced out, as a part of what the rest of the month
/// was meant to have: at its beginning three days' worth.
const HEAD_START: f64 = 0.10;
/// From here on the spacing is as wide as it has to be for what is left to last.
const FULL: f64 = 0.25;
/// Receipts rest from here on, before anything else has to wait.
const RECEIPTS_REST: f64 = 0.05;
/// What is critical is expected to come as it came so far in the month, and at least in this part of it: an hour of
/// alarm on the first day foretells no month of alarm.
const SHORTEST_SAMPLE: f64 = 0.10;
/// However much is expected to be critical, this part of what is left is the others'.
const NEVER_LESS: f64 = 0.25;
/// A month is projected from a day of it at least: the first calls after midnight say nothing.
const SHORTEST_SAMPLE_SECONDS: i64 = 24 * 60 * 60;

/// A part of a whole, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// So many percent; `None` above 100.
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// That part of a whole, rounded down: of a handful of calls nothing is set aside.
    pub fn of(self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.0) / 100;
        u64::try_from(part).unwrap_or(whole)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// What an organisation's month is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// All calls that DingTalk allows the organisation.
    pub calls_per_month: u64,
    /// How many of them belong to other programs.
    pub kept_for_others: u64,
    /// Which part of all is kept for what is critical.
    pub critical_reserve: Percent,
}

/// The calls that were made in a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// All of them, whatever they were for.
    pub calls: u64,
    /// Those of them that told of something critical.
    pub critical: u64,
}

/// How far apart the calls for what is not critical are, over all lanes of an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// As close as they come.
    Free,
    /// At least so far.
    Every(Duration),
    /// None is left for it in this month.
    UsedUp,
}

impl Budget {
    /// How far apart calls for what is not critical are at `now`. Never less with more of them made, and in the same
    /// month never more at a later time.
    pub fn spacing(&self, used: Used, now: Timestamp) -> Spacing {
        if used.calls >= self.calls().others {
            return Spacing::UsedUp;
        }
        let calendar = Calendar::at(now);
        let growth = ((self.ahead(used, &calendar) - HEAD_START) / (FULL - HEAD_START)).clamp(0.0, 1.0);
        if growth == 0.0 {
            return Spacing::Free;
        }
        // Squared, so that it grows out of nothing instead of beginning with minutes.
        let seconds = calendar.rest / self.left(used, &calendar) * growth * growth;
        Spacing::Every(Duration::from_secs_f64(seconds.min(calendar.rest)))
    }

    /// Until when the relay asks nobody who has read what, if that must rest at `now` because the use runs ahead of the
    /// calendar. It rests before messages are spaced out.
    pub fn receipts_rest_until(&self, used: Used, now: Timestamp) -> Option<Timestamp> {
        let calendar = Calendar::at(now);
        let ahead = self.ahead(used, &calendar);
        // While nothing is used, what is left grows against the calendar as its rest shrinks.
        let wait = calendar.rest * (ahead - RECEIPTS_REST) / (1.0 - RECEIPTS_REST);
        (ahead > RECEIPTS_REST).then(|| later(now, Duration::from_secs_f64(wait.clamp(0.0, calendar.rest))))
    }

    /// How many calls the rest of the month has for what is not critical, less those that the critical ones will most
    /// likely take from it.
    fn left(&self, used: Used, calendar: &Calendar) -> f64 {
        let left = self.calls().others.saturating_sub(used.calls) as f64;
        let sample = calendar.gone.max(SHORTEST_SAMPLE * calendar.whole());
        let critical_to_come = used.critical as f64 * calendar.rest / sample;
        (left - critical_to_come).max(NEVER_LESS * left)
    }

    /// How far the use of what is not critical runs ahead of the calendar: 0 where as much is left for it as the rest of
    /// the month was meant to have, below where more is, 1 where nothing is.
    fn ahead(&self, used: Used, calendar: &Calendar) -> f64 {
        let left = self.left(used, calendar);
        let all = used.calls.saturating_sub(used.critical) as f64 + left;
        // Nothing at all is all used up.
        if all > 0.0 { 1.0 - left / all * calendar.whole() / calendar.rest } else { 1.0 }
    }

    /// How many messages that are not critical each of so many groups can have a day, by itself and all month long.
    pub fn a_group_and_day(&self, groups: usize) -> f64 {
        self.calls().others as f64 / 30.0 / groups.max(1) as f64
    }

    /// How far the month's count may go.
    pub fn calls(&self) -> Calls {
        let critical = self.calls_per_month.saturating_sub(self.kept_for_others);
        Calls { critical, others: critical.saturating_sub(self.critical_reserve.of(self.calls_per_month)) }
    }
}

/// How far the count of a month's calls, whatever they were for, may go: whoever stands at its limit makes no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// For a message that tells of something critical.
    pub critical: u64,
    /// For every other call. Never above `critical`.
    pub others: u64,
}

impl Calls {
    /// How far the count may go for a message of this severity.
    pub fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::Info | Severity::Warning => self.others,
        }
    }
}

/// The calls at the end of the month that `now` falls into, if the rest of it is like what is gone of it.
pub fn projected(calls: u64, now: Timestamp) -> u64 {
    let month = Month::of(now);
    let seconds = |from: Timestamp, to: Timestamp| to.as_second().saturating_sub(from.as_second());
    let gone = seconds(month.start(), now).max(SHORTEST_SAMPLE_SECONDS);
    let whole = seconds(month.start(), month.end()).max(gone);
    let calls = u128::from(calls) * u128::from(whole.unsigned_abs()) / u128::from(gone.unsigned_abs());
    u64::try_from(calls).unwrap_or(u64::MAX)
}

/// A month in seconds.
struct Calendar {
    gone: f64,
    /// Above zero: at its end it is the next month.
    rest: f64,
}

impl Calendar {
    fn at(now: Timestamp) -> Self {
        let month = Month::of(now);
        let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
        Self { gone: seconds(month.start(), now).max(0.0), rest: seconds(now, month.end()).max(f64::MIN_POSITIVE) }
    }

    fn whole(&self) -> f64 {
        self.gone + self.rest
    }
}

#[cfg(test)]
mod tests;
