//! The calls of an organisation's month, and who may make how many of them. Pure arithmetic.
//!
//! Three have a claim on them: other programs of the organisation (`kept_for_others`: DingTalk counts their calls too,
//! and we do not see them), messages that are critical, and the rest. The rest stops first: it leaves the reserve of
//! the critical ones alone, whatever those have used, so that however a month went, its next critical alert has a call.
//! How calls are counted is the store's affair, and who waits for whom is the gate's.

use std::fmt;

use crate::model::event::Severity;

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

impl Budget {
    /// How far the month's count may go.
    pub fn calls(&self) -> Calls {
        let critical = self.calls_per_month.saturating_sub(self.kept_for_others);
        Calls { critical, others: critical.saturating_sub(self.critical_reserve.of(self.calls_per_month)) }
    }
}

/// How far the count of a month's calls, whatever they were for, may go: whoever stands at its limit makes no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_taken_off_first_and_the_reserve_is_a_part_of_the_whole() {
        let budget =
            Budget { calls_per_month: 5_000, kept_for_others: 1_000, critical_reserve: Percent::new(20).unwrap() };
        assert_eq!(budget.calls(), Calls { critical: 4_000, others: 3_000 });
        assert_eq!(budget.calls().of(Severity::Critical), 4_000);
        assert_eq!(budget.calls().of(Severity::Warning), 3_000);
    }

    #[test]
    fn of_a_handful_of_calls_nothing_is_set_aside() {
        let fifth = Percent::new(20).unwrap();
        assert_eq!([1, 4, 5, 9, 10].map(|whole| fifth.of(whole)), [0, 0, 1, 1, 2]);
        assert_eq!((fifth.of(u64::MAX), Percent::new(101)), (u64::MAX / 5, None));
    }
}
