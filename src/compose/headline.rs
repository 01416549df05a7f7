//! What is said first: the title of the push banner and the heading of the text.
//!
//! Counts come first, the worst first among them, then the worst name: that is what a person reads on a locked screen
//! and decides by. The icon is that of the worst there is: no green tick while anything fires. The banner has 40
//! characters; what does not fit there stands in the heading. Knows no bytes.

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
    /// The same in fewer letters, in ever fewer, for a title in which they do not all have room.
    pub(crate) shorter: Vec<Vec<String>>,
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
    let [on, over] = [false, true]
        .map(|over| Tally::of(news().filter(|told| told.is_over() == over).map(Told::kind)).parts(language));
    let standing = Standing::of(told);
    let with = |still: &[String]| [&on, still, &over, &standing.over(language)].concat();
    let zone = &setting.style.timezone;
    let clock = |time| spoken::clock(time, setting.now, zone);
    let late = late.map(|(from, to)| (clock(from), clock(to)));
    let (span, when) = match &late {
        Some((from, to)) if from == to => (from.clone(), words::between(from, to, language)),
        Some((from, to)) => (format!("{from}–{to}"), words::between(from, to, language)),
        None if news().next().is_none() => (String::new(), since(told, &clock, language)),
        None => <(String, String)>::default(),
    };
    let late = if late.is_some() { words::late(language) } else { "" };
    let (icon, name) = (icon(worst(told)), name(told));
    let [counts, shorter @ ..] = standing.firing_in_ways(language).map(|still| with(&still));
    Headline { icon, late, counts, shorter: shorter.into(), firm: 2, comma: comma(language), span, when, name }
}

/// What a group of which the receiver knows a part says first: `1 new · 2 resolved · 47 still firing`.
pub(crate) fn of_changes<'h>(told: &[Told<'h>], language: Language) -> Headline<'h> {
    let news = || told.iter().filter(|told| !told.unchanged);
    let (new, critical) = firing(news());
    let others = Tally::of(news().filter(|told| told.item.status != Status::Firing).map(Told::kind)).parts(language);
    let new: Vec<_> = (new > 0).then(|| words::new(new, critical, language)).into_iter().collect();
    let standing = Standing::of(told);
    let with = |still: &[String]| [&new, &others, still, &standing.over(language)].concat();
    let [counts, shorter @ ..] = standing.firing_in_ways(language).map(|still| with(&still));
    let (icon, name, firm) = (icon(worst(told)), name(told), counts.len());
    Headline { icon, counts, shorter: shorter.into(), firm, comma: " · ", name, ..Headline::default() }
}

/// What stands as it was told last.
pub(crate) struct Standing {
    firing: usize,
    /// How many of those that fire are critical.
    critical: usize,
    over: usize,
}

impl Standing {
    /// Counts.
    pub(crate) fn of(told: &[Told<'_>]) -> Self {
        let unchanged = || told.iter().filter(|told| told.unchanged);
        let (firing, critical) = firing(unchanged());
        Self { firing, critical, over: unchanged().filter(|told| told.is_over()).count() }
    }

    /// `47 still firing (3 critical)`; none if none fires.
    pub(crate) fn firing(&self, language: Language) -> Vec<String> {
        some(self.firing, words::still_firing(self.firing, self.critical, language))
    }

    /// The same, shorter and shorter, how bad it is being left out last: `47 firing (3 critical)`, `47 still firing`.
    fn firing_in_ways(&self, language: Language) -> [Vec<String>; 3] {
        let how_bad = words::firing(self.firing, self.critical, language);
        let briefly = words::still_firing(self.firing, 0, language);
        [self.firing(language), some(self.firing, how_bad), some(self.firing, briefly)]
    }

    /// `2 resolved before`; none if none was.
    pub(crate) fn over(&self, language: Language) -> Vec<String> {
        some(self.over, words::resolved_before(self.over, language))
    }
}

/// What is said of so many, if there are any.
fn some(count: usize, said: String) -> Vec<String> {
    if count > 0 { vec![said] } else { Vec::new() }
}

/// How many of these fire, and how many of those are critical.
fn firing<'t, 'c: 't>(told: impl Iterator<Item = &'t Told<'c>>) -> (usize, usize) {
    let firing = told.filter(|told| told.item.status == Status::Firing);
    firing.fold((0, 0), |(all, critical), told| {
        (all + 1, critical + usize::from(told.item.severity == Severity::Critical))
    })
}

/// The worst of all, whatever the receiver knows.
fn worst<'t, 'c>(told: &'t [Told<'c>]) -> Option<&'t Told<'c>> {
    told.iter().min_by_key(|told| told.rank())
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

/// The name of the worst news; where all news is over, that of the worst which is not.
fn name<'h>(told: &[Told<'h>]) -> &'h str {
    let worst = told.iter().min_by_key(|told| (told.is_over(), told.unchanged, told.rank()));
    worst.map_or("", |told| told.item.name.as_str())
}

/// A template's title that says that it is late, behind its icon like a digest's; at most 40 characters.
pub(crate) fn late(title: &str, language: Language) -> String {
    let late = words::late(language);
    let parted = title.split_once(' ').filter(|(icon, _)| !icon.chars().any(char::is_alphanumeric));
    let said = parted.map_or_else(|| format!("{late}{title}"), |(icon, rest)| format!("{icon} {late}{rest}"));
    clipped(&said, LONGEST_TITLE)
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
        let (mut counts, mut most) = (&self.counts, self.fitting(&self.counts, room));
        for shorter in &self.shorter {
            let fitting = self.fitting(shorter, room);
            if fitting > most {
                (counts, most) = (shorter, fitting);
            }
        }
        if most == 0 {
            return clipped(counts.first().map_or("", String::as_str), room);
        }
        counts[..most].join(self.comma)
    }

    /// How many of the counts stand in a title.
    fn fitting(&self, counts: &[String], room: usize) -> usize {
        let with_name = room.saturating_sub(letters(BEFORE_NAME) + self.least_name());
        let fits =
            |room: usize| (1..=counts.len()).rev().find(|most| letters(&counts[..*most].join(self.comma)) <= room);
        match (fits(with_name), fits(room)) {
            (Some(most), _) if most >= counts.len().min(self.firm) => most,
            (_, most) => most.unwrap_or(0),
        }
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
        Headline { icon, late, shorter: vec![], counts, firm: 2, comma: ", ", span: span.to_owned(), when, name }
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
