//! Contents → one DingTalk message inside the byte budget. Pure.
//!
//! Runs anew at every claim, so a message is made for the moment it is sent. One content alone is a message of its own
//! (`alone`), several are a digest (`digest`); what either looks like on the wire is `dress`'s work. The limit is one
//! of bytes of the encoded `msgParam`, hence everything here counts what a text takes once it stands in a JSON string.
//! What does not fit is left out and counted, never cut through a character, a link or an escape; what is cut is cut
//! where a markdown parser says that nothing breaks.
//!
//! A message that DingTalk refused is made again in a plainer form: [`plainer`] finds the next one that makes a
//! difference, [`message`] makes it. Knows nothing of events, templates, codes and sending.

mod alone;
mod card;
mod digest;
mod dress;
mod fitting;
mod headline;
mod labels;
mod measure;
mod plain;
mod shorten;
mod strip;
mod told;
mod words;

use jiff::Timestamp;

use crate::model::content::{Button, Content, ContentItem, Seen, Unchanged};
use crate::model::form::{Form, Style};
use crate::model::message::Composed;
use crate::model::outcome::Complaint;

/// The budget of an encoded `msgParam`, in UTF-8 bytes (DingTalk takes 15,000 and does not say how it counts).
pub const BUDGET: usize = 14_000;

/// One delivery as a part of a message. Those of one order key stand in their order.
#[derive(Debug, Clone, Copy)]
pub struct Part<'c> {
    /// What it says.
    pub content: &'c Content,
    /// The key it keeps its order by: only what shares it can be the same alert.
    pub order_key: &'c str,
    /// When its event came: earlier than the delivery where that was taken over from another receiver.
    pub received_at: Timestamp,
    /// What the receiver was told last of the alerts of this key; `None` where that is not known, or nothing was.
    /// Only that of a key's first part is looked at: the later ones are compared with the ones before.
    pub known: Option<&'c [Seen]>,
}

impl<'c> Part<'c> {
    /// A content of which nothing is known but itself.
    pub fn of(content: &'c Content, now: Timestamp) -> Self {
        Self { content, order_key: "", received_at: now, known: None }
    }
}

/// What a message is made for, and how.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'s> {
    /// How its receiver wants to be spoken to.
    pub style: &'s Style,
    /// How plain its deliveries have become.
    pub form: &'s Form,
    /// What becomes of alerts that stand as they were told last.
    pub unchanged: Unchanged,
    /// How many items of a digest are shown one by one.
    pub max_items: usize,
    /// Whether all of it comes late, and is to say so.
    pub late: bool,
    /// What came before this is old: a message that tells of it beside what is fresh says since when it gathered.
    pub stale_before: Timestamp,
    /// An address where all of it is shown.
    pub page: Option<&'s str>,
    /// When it is made: times of another day are said with their date.
    pub now: Timestamp,
}

impl<'s> Setting<'s> {
    /// For a message that no queue and no earlier message stand behind.
    pub fn of(style: &'s Style, form: &'s Form, now: Timestamp) -> Self {
        Self {
            style,
            form,
            unchanged: Unchanged::Show,
            max_items: 15,
            late: false,
            stale_before: Timestamp::MIN,
            page: None,
            now,
        }
    }
}

/// A message, and what became of every item it was given: each is shown, folded or left out, exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The message.
    pub composed: Composed,
    /// How many items are shown, each by itself.
    pub shown: usize,
    /// How many items are part of something else's line: earlier words of an alert that is shown, alerts that are
    /// named together with others.
    pub folded: usize,
    /// How many items are only counted.
    pub left_out: usize,
    /// Whether a text was longer than its place and ends with `…`.
    pub cut: bool,
}

/// The parts as one message: a `msgParam` of at most `budget` bytes, which has to be 100 at least. It looks as its
/// receiver wants, as far as the form allows.
///
/// One part is a message of its own: its worst item stands there in full, then as many of the others as fit on a line
/// each, the worst of them in full too where there is room; the rest is counted by severity. Several are a digest.
pub fn message(parts: &[Part<'_>], setting: &Setting<'_>, budget: usize) -> Made {
    match parts {
        [part] if !part.content.note.is_empty() => {
            let content = &alone::noted(part.content);
            alone::message(&Part { content, ..*part }, setting, budget)
        }
        [part] => alone::message(part, setting, budget),
        parts => digest::message(parts, setting, budget),
    }
}

/// One content as a message of its own, whatever was told before.
pub fn single(content: &Content, style: &Style, form: &Form, budget: usize) -> Composed {
    let now = Timestamp::UNIX_EPOCH;
    message(&[Part::of(content, now)], &Setting::of(style, form, now), budget).composed
}

/// Every alert that the parts tell of, once, by the latest word of it, the worst first.
pub fn every_alert<'c>(parts: &[Part<'c>]) -> Vec<&'c ContentItem> {
    let mut told = told::of(parts, Unchanged::Show);
    told.sort_by_key(told::Told::rank);
    told.into_iter().map(|told| told.item).collect()
}

/// Whether a part has nothing to say where unchanged alerts are treated so: it repeats what was told.
pub fn says_nothing(part: &Part<'_>, unchanged: Unchanged) -> bool {
    unchanged == Unchanged::Drop
        && !part.content.items.is_empty()
        && told::of(std::slice::from_ref(part), unchanged).iter().all(|told| told.unchanged)
}

/// The form to try next after DingTalk refused the message of these parts with that code, or `None` if it is to be
/// given up: the next plainer one that says it differently. What is refused is never sent again as it was.
pub fn plainer(
    parts: &[Part<'_>],
    setting: &Setting<'_>,
    refused: &Composed,
    complaint: Complaint,
    code: &str,
) -> Option<Form> {
    let mut next = setting.form.plainer(complaint)?;
    while message(parts, &Setting { form: &next, ..*setting }, BUDGET).composed == *refused {
        next = next.plainer(complaint)?;
    }
    next.refused_with.push(code.to_owned());
    Some(next)
}

/// The buttons of a message; none where its template has none.
pub fn buttons(of: &Composed) -> Vec<Button> {
    card::read(of)
}

#[cfg(test)]
mod tests;
