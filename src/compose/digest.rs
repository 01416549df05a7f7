//! Several contents as one message: the counts, the worst one by one, the rest folded by name and counted.
//!
//! Made for a thumb on a phone at night, not to fill bytes: a heading with the counts, a line for each of the worst,
//! a line for each name of the rest, and a link to all of it. Its lines are not the templates' own, which leave out
//! what their group shares: in a digest every line names its alert. Work grows with the items.

mod line;
pub(crate) mod names;

use std::collections::HashMap;

use jiff::Timestamp;

use crate::compose::digest::names::Folded;
use crate::compose::dress::{Draft, made};
use crate::compose::fitting::Fitted;
use crate::compose::headline;
use crate::compose::labels::Telling;
use crate::compose::measure::encoded_len;
use crate::compose::shorten::shorten;
use crate::compose::told::{self, Told};
use crate::compose::{Made, Part, Setting, alone, strip, words};
use crate::model::content::{Button, Unchanged};
use crate::model::event::Status;
use crate::model::form::Style;
use crate::model::spoken;

/// How many of what did not change are said one by one, where nothing else is.
const FEW: usize = 5;
/// How many of the notes are said word by word: more differ in nothing that helps at night.
const MOST_NOTES: usize = 5;
/// What ends a line so that DingTalk shows it.
pub(crate) const BREAK: &str = "  \n";
/// A blank line, encoded.
const BLANK: usize = 4;

/// Several parts as one message of at most `budget` bytes.
pub(crate) fn message(parts: &[Part<'_>], setting: &Setting<'_>, budget: usize) -> Made {
    let told = told::of(parts, setting.unchanged);
    if let ([first, ..], true) = (parts, told.is_empty()) {
        // Nothing to list: their headers are all there is, and they will not differ.
        return alone::message(first, setting, budget);
    }
    let page = page(told.len(), setting);
    let footer = [notes(parts, setting), page.as_ref().map(link).unwrap_or_default()];
    let footer = footer.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
    let (came, truncated) = (span(parts), truncated(parts));
    let late = came.filter(|_| setting.late);
    let old = came.map(|(first, _)| first).filter(|first| !setting.late && *first < setting.stale_before);
    Digest { truncated, ..Digest::of(told, *setting, late, old) }.message(&footer, page.as_slice(), budget)
}

/// One part of which the receiver knows everything.
pub(crate) fn repeated(part: &Part<'_>, told: Vec<Told<'_>>, setting: &Setting<'_>, budget: usize) -> Made {
    let page = page(told.len(), setting);
    let footer = [part.content.footer.trim(), &page.as_ref().map(link).unwrap_or_default()].join(BREAK);
    let buttons: Vec<_> = part.content.buttons.iter().cloned().chain(page).collect();
    let setting = Setting { max_items: setting.max_items.min(FEW), ..*setting };
    let late = setting.late.then_some((part.received_at, part.received_at));
    let truncated = part.content.truncated;
    Digest { truncated, ..Digest::of(told, setting, late, None) }.message(footer.trim(), &buttons, budget)
}

/// Whom the parts were meant for, as far as they were taken over: each note once, with the share of the items that it is
/// about where that is not all of them. Beyond [`MOST_NOTES`] it is said of how many more.
fn notes(parts: &[Part<'_>], setting: &Setting<'_>) -> String {
    let mut notes: Vec<(&str, usize)> = Vec::new();
    let items = |part: &Part<'_>| part.content.items.len().max(1);
    for part in parts.iter().filter(|part| !part.content.note.is_empty()) {
        match notes.iter_mut().find(|(note, _)| *note == part.content.note) {
            Some((_, count)) => *count += items(part),
            None => notes.push((&part.content.note, items(part))),
        }
    }
    let all: usize = parts.iter().map(items).sum();
    let said = |(note, count): &(&str, usize)| {
        let share = if *count == all { String::new() } else { format!("{count}/{all} · ") };
        format!("{share}{}", strip::without(note, setting.form))
    };
    let (first, others) = notes.split_at(notes.len().min(MOST_NOTES));
    let of_others = others.iter().map(|(_, count)| count).sum();
    let others = (of_others > 0).then_some((words::meant_for_others(setting.style.language), of_others));
    first.iter().chain(&others).map(said).collect::<Vec<_>>().join(BREAK)
}

/// A link to all of it, where there is a place for that.
pub(crate) fn page(alerts: usize, setting: &Setting<'_>) -> Option<Button> {
    let button = |url: &str| Button { title: words::all(alerts, setting.style.language), url: url.to_owned() };
    setting.page.map(button)
}

/// A link to it, as markdown.
pub(crate) fn link(button: &Button) -> String {
    format!("[{}]({})", button.title, button.url)
}

/// When the first and the last of the parts came.
fn span(parts: &[Part<'_>]) -> Option<(Timestamp, Timestamp)> {
    let times = || parts.iter().map(|part| part.received_at);
    times().min().zip(times().max())
}

/// How many items the senders left out by themselves: of each key the last word holds.
fn truncated(parts: &[Part<'_>]) -> u64 {
    let last: HashMap<&str, u64> = parts.iter().map(|part| (part.order_key, part.content.truncated)).collect();
    last.values().fold(0, |sum, count| sum.saturating_add(*count))
}

/// A digest before it is known how much of it fits.
struct Digest<'c, 's> {
    setting: Setting<'s>,
    /// What is news, the worst first; all, if nothing is.
    list: Vec<Told<'c>>,
    /// What did not change, the worst first, beside the news.
    aside: Vec<Told<'c>>,
    telling: Telling<'c>,
    title: String,
    /// The heading, and what is true of all.
    head: String,
    /// How many items the senders left out.
    truncated: u64,
}

impl<'c, 's> Digest<'c, 's> {
    /// `late`: from when to when its parts came, if it is late; `old`: when the first came, if that is late and the
    /// rest is not.
    fn of(
        mut told: Vec<Told<'c>>,
        setting: Setting<'s>,
        late: Option<(Timestamp, Timestamp)>,
        old: Option<Timestamp>,
    ) -> Self {
        let telling = Telling::of(&told);
        told.sort_by_cached_key(Told::rank);
        let headline = headline::of_digest(&told, &setting, late);
        let (mut list, mut aside): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| !told.unchanged);
        if list.is_empty() {
            std::mem::swap(&mut list, &mut aside);
        }
        let lasts = list.iter().any(|told| told.item.status == Status::Firing);
        let Style { language, timezone, .. } = setting.style;
        let zone = words::times_in(&spoken::zone(setting.now, timezone), lasts, *language);
        let old = old.map(|first| words::gathered(&spoken::clock(first, setting.now, timezone), *language));
        let shared = [old.unwrap_or_default(), telling.shared(), zone].into_iter().filter(|text| !text.is_empty());
        let head = format!("{}\n\n> {}", headline.heading(), shared.collect::<Vec<_>>().join(" · "));
        Self { title: headline.title(), head, setting, list, aside, telling, truncated: 0 }
    }

    fn message(&self, footer: &str, buttons: &[Button], budget: usize) -> Made {
        let Setting { style, form, .. } = self.setting;
        let fit = |footer: &str, room: usize| self.fit(footer, room);
        let buttons = if form.without_links { &[] } else { buttons };
        let draft = Draft { title: &self.title, footer, buttons, items: self.items(), fit: &fit };
        made(&draft, style, form, budget)
    }

    fn items(&self) -> usize {
        self.list.iter().chain(&self.aside).map(|told| told.items).sum()
    }

    /// The text with that footer, at most `room` encoded bytes.
    fn fit(&self, footer: &str, room: usize) -> Fitted {
        let mut page = Page { left: room, blocks: Vec::new(), shown: 0, folded: 0 };
        if !page.add(self.head.clone()) {
            let text = shorten(&self.head, room);
            return Fitted { text, shown: 0, folded: 0, left_out: self.items(), cut: true };
        }
        let footer = if page.reserve(footer) { footer } else { "" };
        let truncated = words::truncated(self.truncated, self.setting.style.language);
        let truncated = if page.reserve(&truncated) { truncated } else { String::new() };
        let aside = self.aside_line(page.left / 4);
        let aside = if page.reserve(&aside.text) { aside } else { Folded::default() };
        self.list_into(&mut page);
        page.folded += aside.items;
        page.blocks.extend([truncated, aside.text]);
        page.blocks.push(footer.to_owned());
        page.blocks.retain(|block| !block.is_empty());
        let Page { blocks, shown, folded, .. } = page;
        let left_out = self.items() - shown - folded;
        Fitted { text: blocks.join("\n\n"), shown, folded, left_out, cut: false }
    }

    /// The worst one by one, and the rest by name.
    fn list_into(&self, page: &mut Page) {
        let all = self.lines(self.list.len().min(self.setting.max_items), page.left);
        let lines = if all.len() == self.list.len() {
            all
        } else {
            self.lines(self.setting.max_items, page.left.saturating_sub(names::room(page.left)))
        };
        let (shown, rest) = self.list.split_at(lines.len());
        if page.add(lines.join(BREAK)) {
            page.shown += shown.len();
            page.folded += shown.iter().map(|told| told.items - 1).sum::<usize>();
        }
        let named = names::fold(rest, &self.telling, self.setting.style.language, page.left.saturating_sub(BLANK));
        if page.add(named.text) {
            page.folded += named.items;
        }
    }

    /// A line for each of the worst, as many as fit.
    fn lines(&self, most: usize, room: usize) -> Vec<String> {
        let mut left = room.saturating_sub(BLANK);
        let mut lines = Vec::with_capacity(most.min(self.list.len()));
        for told in self.list.iter().take(most) {
            let line = line::of(told, &self.telling, &self.setting);
            let Some(less) = left.checked_sub(encoded_len(&line) + encoded_len(BREAK)) else { break };
            left = less;
            lines.push(line);
        }
        lines
    }

    fn aside_line(&self, room: usize) -> Folded {
        match self.setting.unchanged {
            Unchanged::Fold => names::still(&self.aside, self.setting.style.language, room),
            Unchanged::Show | Unchanged::Drop => Folded::default(),
        }
    }
}

/// What is on the page already, and what is left of it.
struct Page {
    left: usize,
    blocks: Vec<String>,
    shown: usize,
    folded: usize,
}

impl Page {
    /// Adds a block if there is room for it.
    fn add(&mut self, block: String) -> bool {
        let fits = self.reserve(&block);
        if fits {
            self.blocks.push(block);
        }
        fits
    }

    /// Keeps room for a block.
    fn reserve(&mut self, block: &str) -> bool {
        let left = self.left.checked_sub(encoded_len(block) + BLANK);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::compose::BUDGET;
    use crate::compose::tests::content;
    use crate::compose::tests::digest::{alert, at, style};
    use crate::model::content::{ContentItem, Seen};
    use crate::model::event::Severity;
    use crate::model::form::{Form, Look};
    use crate::model::language::Language;

    #[test]
    fn a_thousand_deliveries_take_no_time() {
        let pad = "x".repeat(180);
        let item = |part: usize, n: usize| {
            let labels = [
                ("cluster", "prod"),
                ("instance", &format!("node-{part}-{n}")),
                ("job", "node"),
                ("namespace", "shop"),
            ];
            let item = alert(&format!("Rule{}", n % 50), Severity::ALL[n % 3], "03:10", &labels);
            ContentItem { body: pad.clone(), ..item }
        };
        let contents: Vec<_> = (0..1_000).map(|part| content((0..20).map(|n| item(part, n)).collect())).collect();
        let known: Vec<Vec<Seen>> =
            contents.iter().map(|content| content.items.iter().take(5).map(Seen::from).collect()).collect();
        let keys: Vec<_> = (0..1_000).map(|key| key.to_string()).collect();
        let part = |n: usize| Part {
            content: &contents[n],
            order_key: &keys[n],
            received_at: at("03:10"),
            known: Some(&known[n]),
        };
        let parts: Vec<_> = (0..1_000).map(part).collect();
        let (style, form) = (style(Language::En, Look::Markdown), Form::default());
        let setting = Setting { unchanged: Unchanged::Fold, ..Setting::of(&style, &form, at("03:13")) };

        let began = Instant::now();
        let made = message(&parts, &setting, BUDGET);
        let took = began.elapsed();

        assert_eq!((made.shown, made.shown + made.folded + made.left_out), (15, 20_000));
        // A release takes a twentieth of it; whoever makes it quadratic waits for minutes.
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
}
