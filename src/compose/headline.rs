//! What is said first: the title of the push banner and the heading of the text.
//!
//! Counts come first, the worst first among them, then the worst name: that is what a person reads on a locked screen
//! and decides by. The banner has 40 characters; what does not fit there stands in the heading. Knows no
//! bytes.

use jiff::Timestamp;

use crate::compose::labels::{clipped, markdown};
use crate::compose::told::Told;
use crate::compose::{Setting, words};
use crate::model::event::{Severity, Status};
use crate::model::language::Language;
use crate::model::spoken::{self, Tally, comma};

/// The characters a banner shows of a title.
pub(crate) const LONGEST_TITLE: usize = 40;
/// A name of fewer characters says nothing.
const SHORTEST_NAME: usize = 8;
/// What stands before the name in a title.
const BEFORE_NAME: &str = " · ";

/// What is to be said first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headline<'h> {
    /// Of the worst.
    pub(crate) icon: &'static str,
    /// `late: ` where it is late, else empty.
    pub(crate) late: &'static str,
    /// `3 critical`, `41 warning`, …: the worst first.
    pub(crate) counts: Vec<String>,
    /// How many of them do not give way to the name in a title.
    pub(crate) firm: usize,
    /// What stands between the counts.
    pub(crate) comma: &'static str,
    /// When, as short as can be: `02:10–03:40`; may be empty.
    pub(crate) span: String,
    /// When, in words: `from 02:10 to 03:40`; may be empty.
    pub(crate) when: String,
    /// The name of the worst.
    pub(crate) name: &'h str,
}

/// What a digest of these, the worst first, says first: what is news, then what is not.
pub(crate) fn of_digest<'h>(
    told: &[Told<'h>],
    setting: &Setting<'_>,
    late: Option<(Timestamp, Timestamp)>,
) -> Headline<'h> {
    let language = setting.style.language;
    let news = || told.iter().filter(|told| !told.unchanged);
    let mut counts = Tally::of(news().map(Told::kind)).parts(language);
    counts.extend(words::unchanged(told, language));
    let zone = &setting.style.timezone;
    let clock = |time| spoken::clock(time, setting.now, zone);
    let late = late.map(|(from, to)| (clock(from), clock(to)));
    let (span, when) = match &late {
        Some((from, to)) if from == to => (from.clone(), words::between(from, to, language)),
        Some((from, to)) => (format!("{from}–{to}"), words::between(from, to, language)),
        None if news().next().is_none() => (String::new(), since(told, &clock, language)),
        None => <(String, String)>::default(),
    };
    let worst = news().next().or(told.first());
    let late = if late.is_some() { words::late(language) } else { "" };
    let (icon, name) = (icon(worst), name(worst));
    Headline { icon, late, counts, firm: 2, comma: comma(language), span, when, name }
}

/// What a group of which the receiver knows a part says first: `1 new · 2 resolved · 47 still firing`.
pub(crate) fn of_changes<'h>(told: &[Told<'h>], language: Language) -> Headline<'h> {
    let news = || told.iter().filter(|told| !told.unchanged);
    let new = news().filter(|told| told.item.status == Status::Firing).count();
    let others = Tally::of(news().filter(|told| told.item.status != Status::Firing).map(Told::kind));
    let mut counts: Vec<_> = (new > 0).then(|| words::new(new, language)).into_iter().collect();
    counts.extend(others.parts(language));
    counts.extend(words::unchanged(told, language));
    let worst = news().min_by_key(|told| told.rank());
    Headline { icon: icon(worst), firm: counts.len(), counts, comma: " · ", name: name(worst), ..Headline::default() }
}

/// Since when the longest fires.
fn since(told: &[Told<'_>], clock: &impl Fn(Timestamp) -> String, language: Language) -> String {
    let firing = told.iter().filter(|told| told.item.status == Status::Firing);
    firing.map(|told| told.item.since).min().map_or(String::new(), |first| words::since(&clock(first), language))
}

/// `🔴`, `🟠`, `🔵` or, when it is over or there is nothing, `✅`: as the templates have it. Here it stands before notices
/// too: a line that fills two on a phone begins where the icon is.
pub(crate) fn icon(told: Option<&Told<'_>>) -> &'static str {
    match told.map(Told::kind) {
        None | Some((Status::Resolved, _)) => "✅",
        Some((_, Severity::Critical)) => "🔴",
        Some((_, Severity::Warning)) => "🟠",
        Some((_, Severity::Info)) => "🔵",
    }
}

fn name<'h>(told: Option<&Told<'h>>) -> &'h str {
    told.map_or("", |told| told.item.name.as_str())
}

impl Headline<'_> {
    /// Plain text of at most 40 characters: the counts, when, and the name, as far as there is room.
    pub(crate) fn title(&self) -> String {
        let mut title = format!("{} {}", self.icon, self.late);
        let left = |title: &str| LONGEST_TITLE.saturating_sub(letters(title));
        title.push_str(&self.fitting_counts(left(&title)));
        let span = format!("{}{}", self.pause(), self.span);
        if !self.span.is_empty() && letters(&span) <= left(&title) {
            title.push_str(&span);
        }
        let name = clipped(self.name, left(&title).saturating_sub(letters(BEFORE_NAME)));
        if letters(&name) >= self.least_name().max(1) {
            title.push_str(BEFORE_NAME);
            title.push_str(&name);
        }
        title
    }

    /// The counts that stand in a title. The mildest may give way to the name; the heading has them all.
    fn fitting_counts(&self, room: usize) -> String {
        let with_name = room.saturating_sub(letters(BEFORE_NAME) + self.least_name());
        let counts = |most: usize| self.counts[..most].join(self.comma);
        let fits = |room: usize| (1..=self.counts.len()).rev().find(|most| letters(&counts(*most)) <= room);
        let most = match (fits(with_name), fits(room)) {
            (Some(most), _) if most >= self.counts.len().min(self.firm) => most,
            (_, most) => most.unwrap_or(0),
        };
        if most == 0 { clipped(self.counts.first().map_or("", String::as_str), room) } else { counts(most) }
    }

    /// What stands between the counts and when.
    fn pause(&self) -> &'static str {
        if self.comma == comma(Language::Zh) { "，" } else { ", " }
    }

    /// The characters of the name without which it would say nothing.
    fn least_name(&self) -> usize {
        letters(self.name).min(SHORTEST_NAME)
    }

    /// Markdown: all of it.
    pub(crate) fn heading(&self) -> String {
        let when = if self.when.is_empty() { String::new() } else { format!("{}{}", self.pause(), self.when) };
        format!("### {} {}{}{when}", self.icon, self.late, self.counts.join(self.comma))
    }

    /// The same with the name behind it.
    pub(crate) fn named_heading(&self, colon: &str) -> String {
        format!("{}{colon}{}", self.heading(), markdown(self.name, 80))
    }
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headline<'h>(counts: &[&str], span: &str, name: &'h str) -> Headline<'h> {
        let counts = counts.iter().map(|count| (*count).to_owned()).collect();
        let late = if span.is_empty() { "" } else { "late: " };
        let (icon, when) = ("🔴", span.to_owned());
        Headline { icon, late, counts, firm: 2, comma: ", ", span: span.to_owned(), when, name }
    }

    #[test]
    fn a_title_counts_first_then_says_when_then_names_the_worst() {
        for (counts, span, name, title) in [
            (&["3 critical", "41 warning"][..], "", "HighCPU", "🔴 3 critical, 41 warning · HighCPU"),
            (&["3 critical", "5 resolved"], "", "PrometheusRuleFailures", "🔴 3 critical, 5 resolved · PrometheusRu…"),
            (&["3 critical", "41 warning", "5 resolved"], "", "HighCPU", "🔴 3 critical, 41 warning · HighCPU"),
            (&["3 critical", "41 warning", "5 resolved"], "", "", "🔴 3 critical, 41 warning, 5 resolved"),
            (&["1234 critical", "41567 warning"], "", "HighCPU", "🔴 1234 critical, 41567 warning · HighCPU"),
            (&["12345 critical", "415678 warning"], "", "HighCPU", "🔴 12345 critical, 415678 warning"),
            (&["3 critical"], "02:10–03:40", "HighCPU", "🔴 late: 3 critical, 02:10–03:40"),
            (&["3 critical"], "02:10", "HighCPU", "🔴 late: 3 critical, 02:10 · HighCPU"),
            (
                &["3 条严重", "41 条警告", "5 条已恢复"],
                "",
                "磁盘快满了",
                "🔴 3 条严重, 41 条警告, 5 条已恢复 · 磁盘快满了",
            ),
        ] {
            assert_eq!(headline(counts, span, name).title(), title);
        }
    }

    #[test]
    fn a_heading_has_it_all() {
        let late = headline(&["3 critical", "41 warning", "5 resolved"], "from 02:10 to 03:40", "A_b");
        assert_eq!(late.heading(), "### 🔴 late: 3 critical, 41 warning, 5 resolved, from 02:10 to 03:40");
        assert!(late.named_heading(": ").ends_with(r": A\_b"));
    }

    proptest! {
        #[test]
        fn a_title_fits_the_banner(counts in proptest::collection::vec("[0-9]{1,12} \\PC{1,20}", 0..6),
            firm in 0..6_usize, span in ".{0,30}", name in ".{0,90}") {
            let counts: Vec<_> = counts.iter().map(String::as_str).collect();
            let title = Headline { firm, ..headline(&counts, &span, &name) }.title();
            prop_assert!(title.chars().count() <= LONGEST_TITLE, "{title}");
        }
    }
}
