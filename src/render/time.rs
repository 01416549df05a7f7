//! Times, said for people: in the receiver's time zone, with the zone said.
//!
//! An offset (`UTC+8`), not an abbreviation: `CST` is China's time to some readers and Chicago's to others.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::model::event::{Item, Status};

/// `since 2026-11-22 03:28 UTC+8`, or `resolved 2026-11-22 03:40 UTC+8 after 12m`.
pub(crate) fn when(item: &Item, zone: &TimeZone) -> String {
    match (item.status, item.until) {
        (Status::Firing, _) => format!("since {}", at(item.since, zone)),
        (Status::Notice, _) => format!("at {}", at(item.since, zone)),
        (Status::Resolved, None) => "resolved".to_owned(),
        (Status::Resolved, Some(until)) => {
            let lasted = until.duration_since(item.since);
            // A clock that was set back would make it last less than nothing.
            let lasted = if lasted.is_negative() { String::new() } else { format!(" after {}", duration(lasted)) };
            format!("resolved {}{lasted}", at(until, zone))
        }
    }
}

/// An instant to the minute.
pub(crate) fn at(instant: Timestamp, zone: &TimeZone) -> String {
    let local = instant.to_zoned(zone.clone());
    format!("{} {}", local.strftime("%Y-%m-%d %H:%M"), offset(local.offset().seconds()))
}

fn offset(seconds: i32) -> String {
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    match (minutes / 60, minutes % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// The two greatest units of a duration: `30s`, `12m 5s`, `2h`, `3d 4h`.
fn duration(lasted: SignedDuration) -> String {
    let seconds = lasted.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let greatest = units.iter().position(|(n, _)| *n > 0).unwrap_or(units.len() - 1);
    let shown = units[greatest..].iter().take(2).enumerate().filter(|(i, (n, _))| *i == 0 || *n > 0);
    shown.map(|(_, (n, unit))| format!("{n}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_says_its_zone() {
        let instant: Timestamp = "2026-11-21T19:28:47Z".parse().unwrap();
        for (zone, said) in [
            ("UTC", "2026-11-21 19:28 UTC"),
            ("Asia/Shanghai", "2026-11-22 03:28 UTC+8"),
            ("Asia/Kolkata", "2026-11-22 00:58 UTC+5:30"),
            ("America/New_York", "2026-11-21 14:28 UTC-5"),
        ] {
            assert_eq!(at(instant, &TimeZone::get(zone).unwrap()), said);
        }
        for edge in [Timestamp::MIN, Timestamp::MAX] {
            assert!(at(edge, &TimeZone::get("Asia/Shanghai").unwrap()).ends_with(|c: char| c.is_ascii_digit()));
        }
    }

    #[test]
    fn a_duration_shows_its_two_greatest_units() {
        for (seconds, said) in [
            (0, "0s"),
            (30, "30s"),
            (725, "12m 5s"),
            (7_200, "2h"),
            (7_205, "2h"),
            (3_900, "1h 5m"),
            (90_000, "1d 1h"),
            (8_640_000, "100d"),
        ] {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), said);
        }
    }
}
