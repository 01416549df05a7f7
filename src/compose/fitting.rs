//! Which items are shown, and how much of each, so that the text fits and a person can take it in.
//!
//! The order of what matters: the headline; the worst item in full; a line for each of the others; the worst of them
//! in full; the count of the rest. The work is bounded by what can be shown, not by how many items there are (those
//! beyond are only counted).

use crate::compose::measure::encoded_len;
use crate::compose::shorten::shorten;
use crate::compose::{Made, words};
use crate::model::content::{Content, ContentItem};
use crate::model::language::Language;
use crate::model::message::Composed;
use crate::model::spoken::Tally;

/// Nobody reads more items than this in full on a phone.
const IN_FULL: usize = 10;
/// Nobody scrolls through more items than this; the sender's own page is a tap away.
const SHOWN: usize = 60;
/// The encoded bytes a line of the list may have.
const LONGEST_LINE: usize = 1_000;
/// A blank line, encoded.
const BLANK: usize = 4;

/// What is shown of the items.
struct Shown {
    /// The worst items, in full.
    in_full: Vec<String>,
    /// The next ones, a line each.
    lines: Vec<String>,
}

/// The message text, and what became of the items.
pub(crate) struct Fitted {
    /// The text.
    pub(crate) text: String,
    /// How many items are shown.
    pub(crate) shown: usize,
    /// How many items are part of another line.
    pub(crate) folded: usize,
    /// How many items are only counted.
    pub(crate) left_out: usize,
    /// Whether the header, the footer or the worst item is shortened.
    pub(crate) cut: bool,
}

impl Fitted {
    /// What became of the items in this message.
    pub(crate) fn in_message(self, composed: Composed) -> Made {
        let Self { shown, folded, left_out, cut, .. } = self;
        Made { composed, shown, folded, left_out, cut }
    }
}

/// The message text, at most `room` encoded bytes; `aside` is markdown that stands behind the items.
pub(crate) fn fitted(content: &Content, aside: &str, footer: &str, language: Language, room: usize) -> Fitted {
    let alone = content.items.is_empty();
    let header = shorten(content.header.trim(), if alone { room - room / 4 } else { room / 2 });
    let footer_left = shorten(footer.trim(), room / 4);
    let left = room.saturating_sub(encoded_len(&header) + encoded_len(&footer_left) + 2 * BLANK);
    let aside = shorten(aside, left / 4);
    let left = left.saturating_sub(encoded_len(&aside) + BLANK);
    let chosen = choose(&content.items, left);
    let shown = chosen.in_full.len() + chosen.lines.len();
    let rest = &content.items[shown..];
    let worst = content.items.first().map(body).zip(chosen.in_full.first());
    let cut = header != content.header.trim()
        || footer_left != footer.trim()
        || worst.is_some_and(|(whole, shown)| whole != shown);
    let mut blocks = vec![header];
    blocks.extend(chosen.in_full);
    blocks.push(chosen.lines.join("\n"));
    let tally = Tally::of(rest.iter().map(|item| (item.status, item.severity)));
    blocks.extend([words::more(&tally, language), aside, footer_left]);
    blocks.retain(|block| !block.is_empty());
    // Fits already, unless the room is too small for even the count.
    let text = shorten(&blocks.join("\n\n"), room);
    Fitted { text, shown, folded: 0, left_out: rest.len(), cut }
}

fn choose(items: &[ContentItem], room: usize) -> Shown {
    let some = &items[..items.len().min(SHOWN)];
    let everything = (some.len() == items.len()).then(|| fit(some, room));
    match everything {
        Some(shown) if shown.in_full.len() + shown.lines.len() == items.len() => shown,
        _ => fit(some, room.saturating_sub(words::LONGEST_MORE + BLANK)),
    }
}

fn fit(items: &[ContentItem], room: usize) -> Shown {
    let mut shown = Shown { in_full: Vec::new(), lines: Vec::new() };
    let Some((worst, others)) = items.split_first() else { return shown };
    // A giant leaves half of the room to the others.
    let first = shorten(body(worst), (if others.is_empty() { room } else { room / 2 }).saturating_sub(BLANK));
    if first.is_empty() {
        return shown;
    }
    let mut left = room.saturating_sub(encoded_len(&first) + 2 * BLANK);
    shown.in_full.push(first);
    for item in others {
        let line = format!("- {}", shorten(line(item), LONGEST_LINE));
        let Some(less) = left.checked_sub(encoded_len(&line) + encoded_len("\n")) else { break };
        left = less;
        shown.lines.push(line);
    }
    let mut unfolded = 0;
    for (item, line) in others.iter().zip(&shown.lines).take(IN_FULL - 1) {
        let freed = left + encoded_len(line) + encoded_len("\n");
        let Some(less) = freed.checked_sub(encoded_len(body(item)) + BLANK) else { break };
        left = less;
        shown.in_full.push(body(item).to_owned());
        unfolded += 1;
    }
    shown.lines.drain(..unfolded);
    shown
}

fn body(item: &ContentItem) -> &str {
    [&item.body, &item.short, &item.name].into_iter().map(|text| text.trim()).find(|t| !t.is_empty()).unwrap_or("…")
}

fn line(item: &ContentItem) -> &str {
    [&item.short, &item.name].into_iter().map(|text| text.trim()).find(|text| !text.is_empty()).unwrap_or("…")
}
