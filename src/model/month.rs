//! The calendar month DingTalk bills by: Asia/Shanghai, which has kept UTC+8 all year since 1991.

use std::fmt;

use jiff::{Timestamp, civil::Date, tz::Offset};

const SHANGHAI: Offset = Offset::constant(8);

/// One calendar month in Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month an instant falls into.
    pub fn of(at: Timestamp) -> Self {
        Self(SHANGHAI.to_datetime(at).date().first_of_month())
    }

    /// When it begins.
    pub fn start(self) -> Timestamp {
        SHANGHAI.to_timestamp(self.0.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN)
    }

    /// When the next month begins.
    pub fn end(self) -> Timestamp {
        let next = self.0.last_of_month().tomorrow().unwrap_or(Date::MAX).at(0, 0, 0, 0);
        SHANGHAI.to_timestamp(next).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_turns_at_midnight_in_shanghai() {
        let before: Timestamp = "2026-11-30T15:59:59.999Z".parse().unwrap();
        let after: Timestamp = "2026-11-30T16:00:00Z".parse().unwrap();
        assert_eq!(Month::of(before).to_string(), "2026-11");
        assert_eq!(Month::of(before).end(), after);
        assert_eq!(Month::of(after).to_string(), "2026-12");
        assert_eq!(Month::of(after).start(), after);
        assert_eq!(Month::of(after).end(), "2026-12-31T16:00:00Z".parse().unwrap());
    }
}
