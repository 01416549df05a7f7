//! How the words of the contract are said to people: severities, counts, instants, durations, in their language.
//!
//! The rooms that speak (`render`, `compose`, `operator`) say these alike, so they stand here once. A word for
//! machines ([`Severity::as_str`]) is the same in every language; these are for readers of a group. Times are said in
//! the reader's zone, with its offset (`UTC+8`) and not its abbreviation: `CST` is China's time to some and Chicago's
//! to others. Knows no markdown.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::model::event::{Severity, Status};
use crate::model::language::Language;

/// `critical`, `严重`.
pub fn severity(severity: Severity, language: Language) -> &'static str {
    match severity {
        Severity::Critical => language.of("critical", "严重"),
        Severity::Warning => language.of("warning", "警告"),
        Severity::Info => language.of("info", "提示"),
    }
}

/// `firing`, `告警`. A notice is neither on nor over, and is called what it is: `notice`, `通知`.
pub fn status(status: Status, language: Language) -> &'static str {
    match status {
        Status::Firing => language.of("firing", "告警"),
        Status::Resolved => language.of("resolved", "已恢复"),
        Status::Notice => language.of("notice", "通知"),
    }
}

/// What parts the members of a list on one line.
pub fn comma(language: Language) -> &'static str {
    language.of(", ", "、")
}

/// What stands between a word and what it is about.
pub fn colon(language: Language) -> &'static str {
    language.of(": ", "：")
}

/// An instant to the minute: `2026-11-22 03:28 UTC+8`, in every language.
pub fn at(instant: Timestamp, zone: &TimeZone) -> String {
    let local = instant.to_zoned(zone.clone());
    format!("{} {}", local.strftime("%Y-%m-%d %H:%M"), offset(local.offset().seconds()))
}

/// The same instant for a reader who knows what day it is: `03:28`, of another day `11-21 03:28`, of another year
/// `2025-11-21 03:28`. [`zone`] says once where clocks show that.
pub fn clock(instant: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (local, now) = (instant.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let format = match (local.year() == now.year(), local.date() == now.date()) {
        (_, true) => "%H:%M",
        (true, _) => "%m-%d %H:%M",
        _ => "%Y-%m-%d %H:%M",
    };
    local.strftime(format).to_string()
}

/// What clocks in that zone show at that time: `UTC+8`.
pub fn zone(now: Timestamp, zone: &TimeZone) -> String {
    offset(now.to_zoned(zone.clone()).offset().seconds())
}

fn offset(seconds: i32) -> String {
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    match (minutes / 60, minutes % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// The two greatest units of a duration: `30s`, `12m 5s`, `2h`, `3d 4h`; `12 分钟 5 秒`.
pub fn duration(lasted: SignedDuration, language: Language) -> String {
    let seconds = lasted.as_secs();
    let numbers = [seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60];
    let units = numbers.into_iter().zip(language.of(["d", "h", "m", "s"], ["天", "小时", "分钟", "秒"]));
    let units: Vec<_> = units.collect();
    let greatest = units.iter().position(|(n, _)| *n > 0).unwrap_or(units.len() - 1);
    let shown = units[greatest..].iter().take(2).enumerate().filter(|(i, (n, _))| *i == 0 || *n > 0);
    let shown = shown.map(|(_, (n, unit))| language.of(format!("{n}{unit}"), format!("{n} {unit}")));
    shown.collect::<Vec<_>>().join(" ")
}

/// How many items there are of each sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Those that fire, by severity, the mildest first.
    firing: [usize; Severity::ALL.len()],
    /// Those that just happened, but for the critical ones.
    notices: usize,
    /// Those that just happened and are critical: they are counted with what is critical.
    critical_notices: usize,
    /// Those that are over.
    resolved: usize,
}

impl Tally {
    /// Counts.
    pub fn of(items: impl IntoIterator<Item = (Status, Severity)>) -> Self {
        let mut tally = Self::default();
        for (status, severity) in items {
            match status {
                Status::Firing => tally.firing[severity as usize] += 1,
                Status::Notice if severity == Severity::Critical => tally.critical_notices += 1,
                Status::Notice => tally.notices += 1,
                Status::Resolved => tally.resolved += 1,
            }
        }
        tally
    }

    /// How many there are.
    pub fn all(&self) -> usize {
        self.firing() + self.notices + self.critical_notices + self.resolved
    }

    fn firing(&self) -> usize {
        self.firing.iter().sum()
    }

    /// The worst severity of what fires, and how many have it.
    fn worst(&self) -> Option<(Severity, usize)> {
        Severity::ALL.into_iter().zip(self.firing).rev().find(|(_, count)| *count > 0)
    }

    /// For a headline: `2 critical firing`, `1 notice`, `16 firing (3 critical), 2 resolved`;
    /// `16 条告警（3 条严重），2 条已恢复`. With critical notices among other things it counts by severity:
    /// `4 critical, 13 warning, 2 resolved`.
    pub fn headline(&self, language: Language) -> String {
        match self.critical_notices {
            0 => {}
            count if count == self.all() => return critical_notices(count, language),
            _ => return self.parts(language).join(language.of(", ", "，")),
        }
        let firing = self.worst().map(|(severity, count)| {
            let (all, worst) = (self.firing(), self::severity(severity, language));
            if count == all {
                language.of(format!("{all} {worst} firing"), format!("{all} 条{}", level(severity, worst)))
            } else {
                language.of(format!("{all} firing ({count} {worst})"), format!("{all} 条告警（{count} 条{worst}）"))
            }
        });
        let notices = (self.notices > 0).then(|| notices(self.notices, language));
        let alone = firing.is_none() && notices.is_none();
        let resolved = self.resolved;
        let resolved = (resolved > 0 || alone).then(|| {
            let chinese =
                if alone { format!("{resolved} 条告警已恢复") } else { format!("{resolved} 条已恢复") };
            language.of(format!("{resolved} resolved"), chinese)
        });
        let parts: Vec<_> = [firing, notices, resolved].into_iter().flatten().collect();
        parts.join(language.of(", ", "，"))
    }

    /// One by one, the worst first, without those there are none of: `2 critical`, `5 resolved`; `2 条严重`,
    /// `5 条已恢复`. Critical notices are among the critical ones: who must get up has to read it.
    pub fn parts(&self, language: Language) -> Vec<String> {
        let counted = |count: usize, word: &str| language.of(format!("{count} {word}"), format!("{count} 条{word}"));
        let mut firing = self.firing;
        firing[Severity::Critical as usize] += self.critical_notices;
        let firing = Severity::ALL.into_iter().zip(firing).rev();
        let firing = firing.map(|(severity, count)| (count, counted(count, self::severity(severity, language))));
        let notices = (self.notices, notices(self.notices, language));
        let resolved = (self.resolved, counted(self.resolved, status(Status::Resolved, language)));
        let all = firing.chain([notices, resolved]);
        all.filter(|(count, _)| *count > 0).map(|(_, said)| said).collect()
    }
}

/// `严重告警`, but `警告` and not `警告告警`: the words for what is milder say it already.
fn level(severity: Severity, word: &str) -> String {
    if severity == Severity::Critical { format!("{word}告警") } else { word.to_owned() }
}

/// `1 notice`, `2 notices`, `2 条通知`.
fn notices(count: usize, language: Language) -> String {
    let english = if count == 1 { "notice" } else { "notices" };
    language.of(format!("{count} {english}"), format!("{count} 条通知"))
}

/// `1 critical notice`, `2 critical notices`, `2 条严重通知`.
fn critical_notices(count: usize, language: Language) -> String {
    let english = if count == 1 { "notice" } else { "notices" };
    language.of(format!("{count} critical {english}"), format!("{count} 条严重通知"))
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
        for (seconds, english, chinese) in [
            (0, "0s", "0 秒"),
            (30, "30s", "30 秒"),
            (725, "12m 5s", "12 分钟 5 秒"),
            (720, "12m", "12 分钟"),
            (7_200, "2h", "2 小时"),
            (7_205, "2h", "2 小时"),
            (3_900, "1h 5m", "1 小时 5 分钟"),
            (90_000, "1d 1h", "1 天 1 小时"),
            (8_640_000, "100d", "100 天"),
        ] {
            let lasted = SignedDuration::from_secs(seconds);
            assert_eq!(duration(lasted, Language::En), english);
            assert_eq!(duration(lasted, Language::Zh), chinese);
        }
    }

    #[test]
    fn a_headline_counts_what_is_critical_then_what_fires_then_notices_then_what_is_over() {
        use Severity::{Critical, Info, Warning};
        use Status::{Firing, Notice, Resolved};
        for (items, english, chinese) in [
            (vec![], "0 resolved", "0 条告警已恢复"),
            (vec![(Firing, Critical); 2], "2 critical firing", "2 条严重告警"),
            (vec![(Firing, Info), (Firing, Warning)], "2 firing (1 warning)", "2 条告警（1 条警告）"),
            (vec![(Resolved, Critical)], "1 resolved", "1 条告警已恢复"),
            (vec![(Notice, Warning)], "1 notice", "1 条通知"),
            (vec![(Notice, Critical)], "1 critical notice", "1 条严重通知"),
            (vec![(Notice, Critical), (Firing, Critical), (Firing, Critical)], "3 critical", "3 条严重"),
            (
                vec![(Notice, Critical), (Notice, Info), (Firing, Info), (Resolved, Critical)],
                "1 critical, 1 info, 1 notice, 1 resolved",
                "1 条严重，1 条提示，1 条通知，1 条已恢复",
            ),
            (
                vec![(Resolved, Critical), (Notice, Info), (Notice, Info), (Firing, Info)],
                "1 info firing, 2 notices, 1 resolved",
                "1 条提示，2 条通知，1 条已恢复",
            ),
        ] {
            let tally = Tally::of(items.iter().copied());
            assert_eq!(tally.headline(Language::En), english);
            assert_eq!(tally.headline(Language::Zh), chinese);
            assert_eq!(tally.all(), items.len());
        }
    }
}
