//! Times and counts as people read them. Times are UTC and say so; ages are in the largest unit that says enough, and in two
//! from an hour on: of a pause that ends "in 1 h", nobody would expect another hour.

use jiff::Timestamp;
use minijinja::{Value, context};

/// A moment in UTC.
pub(super) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A moment as a template wants it: in UTC, for a machine, and seen from now.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> Value {
    context! { at => utc(at), iso => at.to_string(), age => length(at, now), seen => seen(at, now) }
}

/// Where a moment lies, seen from now: "3 min ago", "in 25 s".
fn seen(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", length(now, at)) } else { format!("{} ago", length(at, now)) }
}

fn length(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => and(format!("{} h", seconds / 3600), seconds % 3600 / 60, "min"),
        _ => and(counted(seconds.unsigned_abs() / 86_400, "day", "days"), seconds % 86_400 / 3600, "h"),
    }
}

/// A length, and how much of a smaller unit is over, if anything is.
fn and(length: String, over: i64, unit: &str) -> String {
    if over == 0 { length } else { format!("{length} {over} {unit}") }
}

/// A number with its noun.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number whose thousands can be told apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_seen_from_now() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for (seconds, words) in [
            (0, "0 s ago"),
            (-59, "59 s ago"),
            (-60, "1 min ago"),
            (-7200, "2 h ago"),
            (-86_400, "1 day ago"),
            (-200_000, "2 days 7 h ago"),
            (25, "in 25 s"),
            (7199, "in 1 h 59 min"),
            (86_399, "in 23 h 59 min"),
            (3600, "in 1 h"),
        ] {
            assert_eq!(seen(now + jiff::SignedDuration::from_secs(seconds), now), words);
        }
    }

    #[test]
    fn thousands_can_be_told_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
