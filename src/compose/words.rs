//! What `compose` says by itself, in the reader's language.
//!
//! Everything else in a message was rendered before the queue. Severities, counts, times and durations are said as
//! everywhere: see [`crate::model::spoken`].

use crate::model::event::Status;
use crate::model::language::Language;
use crate::model::spoken::{Tally, comma, status};

/// Room, in encoded bytes, for [`more`] of a million items of each kind: more than any webhook holds.
pub(crate) const LONGEST_MORE: usize = 160;

/// What stands behind a title that came alone.
pub(crate) fn rest(language: Language) -> &'static str {
    language.of(
        "(DingTalk refused the rest of this message. The whole of it is on the page of the relay.)",
        "（钉钉拒收了其余内容，全文见中继的管理页面。）",
    )
}

/// What is only counted: `**+37 more** (2 critical, 30 warning, 5 resolved)`, `**+10 more**, all notices`;
/// `**还有 37 条**（2 条严重、30 条警告、5 条已恢复）`, `**还有 10 条通知**`. Empty if nothing is left out.
pub(crate) fn more(rest: &Tally, language: Language) -> String {
    let all = rest.all();
    match rest.parts(language).as_slice() {
        [] => String::new(),
        [_] if language == Language::Zh => format!("**还有 {}**", rest.headline(language)),
        [only] if all > 1 => format!("**+{all} more**, all {}", only.split_once(' ').map_or("", |(_, kind)| kind)),
        parts => {
            let parts = parts.join(comma(language));
            language.of(format!("**+{all} more** ({parts})"), format!("**还有 {all} 条**（{parts}）"))
        }
    }
}

/// `2 new`, and what of it is critical: `5 new (2 critical)`, `2 new critical`; `2 条新增`, `5 条新增（2 条严重）`,
/// `2 条新增严重告警`.
pub(crate) fn new(count: usize, critical: usize, language: Language) -> String {
    match critical {
        0 => language.of(format!("{count} new"), format!("{count} 条新增")),
        all if all == count => language.of(format!("{count} new critical"), format!("{count} 条新增严重告警")),
        some => language.of(format!("{count} new ({some} critical)"), format!("{count} 条新增（{some} 条严重）")),
    }
}

/// What fires as it was told last, and what of it is critical: `47 still firing`, `47 still firing (3 critical)`,
/// `3 critical still firing`; `47 条仍在告警`, `47 条仍在告警（3 条严重）`, `3 条严重仍在告警`.
pub(crate) fn still_firing(count: usize, critical: usize, language: Language) -> String {
    match critical {
        0 => language.of(format!("{count} still firing"), format!("{count} 条仍在告警")),
        all if all == count => language.of(format!("{count} critical still firing"), format!("{count} 条严重仍在告警")),
        some => language
            .of(format!("{count} still firing ({some} critical)"), format!("{count} 条仍在告警（{some} 条严重）")),
    }
}

/// The same in fewer letters, where something of it is critical: `47 firing (3 critical)`, `3 critical firing`;
/// `47 条告警（3 条严重）`, `3 条严重告警`.
pub(crate) fn firing(count: usize, critical: usize, language: Language) -> String {
    match critical {
        all if all == count => language.of(format!("{count} critical firing"), format!("{count} 条严重告警")),
        some => language.of(format!("{count} firing ({some} critical)"), format!("{count} 条告警（{some} 条严重）")),
    }
}

/// What is over as it was told last: `2 resolved before`, `2 条此前已恢复`.
pub(crate) fn resolved_before(count: usize, language: Language) -> String {
    language.of(format!("{count} resolved before"), format!("{count} 条此前已恢复"))
}

/// Of alerts that were taken over from more groups than are named.
pub(crate) fn meant_for_others(language: Language) -> &'static str {
    language.of("Meant for other groups too", "本应发给其他群")
}

/// Before a headline that comes late.
pub(crate) fn late(language: Language) -> &'static str {
    language.of("late: ", "迟到：")
}

/// Of one that comes late: `late: from 02:10 UTC+8`, `迟到：02:10 UTC+8 的消息`.
pub(crate) fn late_from(clock: &str, language: Language) -> String {
    language.of(format!("late: from {clock}"), format!("迟到：{clock} 的消息"))
}

/// Of a message that is not late but holds what is: `gathered since 11-10 03:10`, `自 11-10 03:10 起汇总`.
pub(crate) fn gathered(clock: &str, language: Language) -> String {
    language.of(format!("gathered since {clock}"), format!("自 {clock} 起汇总"))
}

/// `since 03:12`, `03:12 起`.
pub(crate) fn since(clock: &str, language: Language) -> String {
    language.of(format!("since {clock}"), format!("{clock} 起"))
}

/// `from 02:10 to 03:40`, `at 02:10`; `02:10 至 03:40`, `02:10`.
pub(crate) fn between(from: &str, to: &str, language: Language) -> String {
    match from == to {
        true => language.of(format!("at {from}"), from.to_owned()),
        false => language.of(format!("from {from} to {to}"), format!("{from} 至 {to}")),
    }
}

/// `resolved 03:40 after 12m`, `03:40 已恢复，持续 12 分钟`; what is not known is not said.
pub(crate) fn resolved(clock: Option<&str>, after: Option<&str>, language: Language) -> String {
    let word = status(Status::Resolved, language);
    let at = match clock {
        Some(clock) => language.of(format!("{word} {clock}"), format!("{clock} {word}")),
        None => word.to_owned(),
    };
    match after {
        Some(after) => language.of(format!("{at} after {after}"), format!("{at}，持续 {after}")),
        None => at,
    }
}

/// What the times of a list are: `start times in UTC+8`, `开始时间（UTC+8）`; of what does not last `times in UTC+8`.
pub(crate) fn times_in(zone: &str, lasts: bool, language: Language) -> String {
    match lasts {
        true => language.of(format!("start times in {zone}"), format!("开始时间（{zone}）")),
        false => language.of(format!("times in {zone}"), format!("时间（{zone}）")),
    }
}

/// `and 120 more names (1240 alerts)`, `以及另外 120 种（1240 条）`.
pub(crate) fn more_names(names: usize, items: usize, language: Language) -> String {
    let (name, item) = (if names == 1 { "name" } else { "names" }, if items == 1 { "alert" } else { "alerts" });
    language.of(format!("and {names} more {name} ({items} {item})"), format!("以及另外 {names} 种（{items} 条）"))
}

/// What senders left out by themselves: `+37 that the sender left out`, `另有 37 条被发送方省略`; empty if none.
pub(crate) fn truncated(count: u64, language: Language) -> String {
    match count {
        0 => String::new(),
        _ => language.of(format!("+{count} that the sender left out"), format!("另有 {count} 条被发送方省略")),
    }
}

/// On the link to all of it: `Show all 213`, `查看全部 213 条`.
pub(crate) fn all(items: usize, language: Language) -> String {
    language.of(format!("Show all {items}"), format!("查看全部 {items} 条"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::measure::encoded_len;
    use crate::model::event::Severity;

    fn tally(counts: &[(usize, Status, Severity)]) -> Tally {
        Tally::of(counts.iter().flat_map(|(n, status, severity)| std::iter::repeat_n((*status, *severity), *n)))
    }

    #[test]
    fn what_is_not_shown_is_counted_by_what_it_is() {
        use Severity::{Critical, Info, Warning};
        use Status::{Firing, Notice, Resolved};
        for (counts, english, chinese) in [
            (&[][..], "", ""),
            (&[(1, Notice, Info)], "**+1 more** (1 notice)", "**还有 1 条通知**"),
            (&[(10, Firing, Critical)], "**+10 more**, all critical", "**还有 10 条严重告警**"),
            (
                &[(2, Firing, Critical), (30, Firing, Warning), (5, Resolved, Critical)],
                "**+37 more** (2 critical, 30 warning, 5 resolved)",
                "**还有 37 条**（2 条严重、30 条警告、5 条已恢复）",
            ),
        ] {
            assert_eq!(more(&tally(counts), Language::En), english);
            assert_eq!(more(&tally(counts), Language::Zh), chinese);
        }
    }

    #[test]
    fn the_longest_count_fits_its_room() {
        let many = Severity::ALL.map(|severity| (1_000_000, Status::Firing, severity));
        let others = [Status::Notice, Status::Resolved].map(|status| (1_000_000, status, Severity::Info));
        let tally = tally(&[&many[..], &others].concat());
        for language in Language::ALL {
            let said = more(&tally, language);
            assert!(encoded_len(&said) <= LONGEST_MORE, "{} bytes: {said}", encoded_len(&said));
        }
    }
}
