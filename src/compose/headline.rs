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
const SHORTEST_NAME: usize = 6;

/// What is to be said first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headline<'h> {
    /// Of the worst.
    pub(crate) icon: &'static str,
    /// `late: ` where it is late, else empty.
    pub(crate) late: &'static str,
    /// `3 critical`, `41 warning`, …: the worst first.
    pub(crate) counts: Vec<String>,
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
    Headline { icon, late, counts, comma: comma(language), span, when, name }
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
    Headline { icon: icon(worst), counts, comma: " · ", name: name(worst), ..Headline::default() }
}

/// Since when the longest fires.
fn since(told: &[Told<'_>], clock: &impl Fn(Timestamp) -> String, language: Language) -> String {
    let firing = told.iter().filter(|told| told.item.status == Status::Firing);
    firing.map(|told| told.item.since).min().map_or(String::new(), |first| words::since(&clock(first), language))
}

/// `🔴`, `🟠`, `🔵` or, when it is over or there is nothing, `✅`: as the templates have it.
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
    /// Plain text of at most 40 characters.
    pub(crate) fn title(&self) -> String {
        let mut title = format!("{} {}{}", self.icon, self.late, self.fitting_counts());
        if !self.span.is_empty() {
            let span = format!("{}{}", self.comma, self.span);
            if letters(&title) + letters(&span) <= LONGEST_TITLE {
                title.push_str(&span);
            }
        }
        let left = LONGEST_TITLE.saturating_sub(letters(&title) + letters(" · "));
        let name = clipped(self.name, left);
        if letters(&name) >= SHORTEST_NAME.min(letters(self.name)) && !name.is_empty() {
            title.push_str(" · ");
            title.push_str(&name);
        }
        title
    }

    /// As many of the counts as fit; those that do not are summed up.
    fn fitting_counts(&self) -> String {
        let room = LONGEST_TITLE.saturating_sub(letters(self.icon) + 1 + letters(self.late));
        let mut counts = self.counts.clone();
        loop {
            let said = counts.join(self.comma);
            if letters(&said) <= room || counts.len() <= 1 {
                return clipped(&said, room);
            }
            // The mildest goes: the heading has it.
            counts.pop();
        }
    }

    /// Markdown: all of it.
    pub(crate) fn heading(&self) -> String {
        let when = if self.when.is_empty() { String::new() } else { format!("{}{}", self.comma, self.when) };
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
