//! What `compose` says by itself, in the reader's language.
//!
//! Everything else in a message was rendered before the queue. Severities, counts, times and durations are said as
//! everywhere: see [`crate::model::spoken`].

use crate::model::language::Language;
use crate::model::spoken::{Tally, comma};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::measure::encoded_len;
    use crate::model::event::{Severity, Status};

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
