//! Contents → one DingTalk message inside the byte budget. Pure.
//!
//! Runs anew at every claim, so a message is made for the moment it is sent. The limit is one of bytes of the encoded
//! `msgParam`, hence everything here counts what a text takes once it stands in a JSON string. What does not fit is
//! left out and counted, never cut through a character, a link or an escape; what is cut is cut where a markdown
//! parser says that nothing breaks.
//!
//! A message that DingTalk refused is made again in a plainer form: [`plainer`] finds the next one that makes a
//! difference, [`single`] makes it. Knows nothing of events, templates, codes and sending.

mod card;
mod fitting;
mod measure;
mod plain;
mod shorten;
mod strip;
mod words;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::compose::fitting::Fitted;
use crate::compose::measure::{clip, encoded_len};
use crate::model::content::{Button, Content, ContentItem};
use crate::model::form::{Form, Length, Look, Shape, Style};
use crate::model::language::Language;
use crate::model::message::{Composed, MsgKey};
use crate::model::outcome::Complaint;

/// The budget of an encoded `msgParam`, in UTF-8 bytes (DingTalk takes 15,000 and does not say how it counts).
pub const BUDGET: usize = 14_000;

/// A title says enough in so many bytes; `render` keeps it far shorter.
const LONGEST_TITLE: usize = 512;
/// What stands where there is nothing to say.
const NOTHING: &str = "…";

/// One content as a message of its own: a `msgParam` of at most `budget` bytes, which has to be 100 at least. It looks
/// as its receiver wants, as far as the form allows.
///
/// The worst item stands there in full, then as many of the others as fit on a line each, the worst of them in full
/// too where there is room; the rest is counted by severity.
pub fn single(content: &Content, style: &Style, form: &Form, budget: usize) -> Composed {
    fitted(content, style, form, budget).composed
}

/// A message, and what did not get into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The message.
    pub composed: Composed,
    /// How many items are only counted in it.
    pub left_out: usize,
    /// Whether a text was longer than its place and ends with `…`.
    pub cut: bool,
}

/// [`single`], and what it had to leave out.
pub fn fitted(content: &Content, style: &Style, form: &Form, budget: usize) -> Made {
    let (content, budget) = (stripped(content, form), form.length.of(budget));
    let language = style.language;
    let simple = |content: &Content| markdown((MsgKey::Markdown, Map::new()), content, form, language, budget);
    match (form.shape, style.look) {
        (Shape::Text, _) => text(&content, form, language, budget),
        (Shape::Wanted, Look::Card(layout)) => match card::card(&content, layout, budget / 2) {
            Some(card) => markdown((card.msg_key, card.fields), &card.content, form, language, budget),
            None => simple(&content),
        },
        (Shape::Wanted, Look::Markdown) | (Shape::Markdown, _) => simple(&content),
    }
}

/// The form to try next after DingTalk refused this message with that code, or `None` if it is to be given up: the
/// next plainer one that says it differently. What is refused is never sent again as it was.
pub fn plainer(
    content: &Content,
    style: &Style,
    form: &Form,
    refused: &Composed,
    complaint: Complaint,
    code: &str,
) -> Option<Form> {
    let mut next = form.plainer(complaint)?;
    while single(content, style, &next, BUDGET) == *refused {
        next = next.plainer(complaint)?;
    }
    next.refused_with.push(code.to_owned());
    Some(next)
}

/// The buttons of a message; none where its template has none.
pub fn buttons(of: &Composed) -> Vec<Button> {
    card::read(of)
}

/// The content without what the form leaves out.
fn stripped<'c>(content: &'c Content, form: &Form) -> Cow<'c, Content> {
    if !(form.without_links || form.without_pictures || form.without_mentions) {
        return Cow::Borrowed(content);
    }
    let markdown = |text: &String| strip::without(text, form);
    let item = |item: &ContentItem| ContentItem {
        name: markdown(&item.name),
        short: markdown(&item.short),
        body: markdown(&item.body),
        ..item.clone()
    };
    Cow::Owned(Content {
        v: content.v,
        title: strip::without_in_plain(&content.title, form),
        header: markdown(&content.header),
        items: content.items.iter().map(item).collect(),
        footer: markdown(&content.footer),
        buttons: if form.without_links { Vec::new() } else { content.buttons.clone() },
    })
}

/// A message of a template with `title` and `text`, and its other fields.
fn markdown(
    (msg_key, mut fields): (MsgKey, Map<String, Value>),
    content: &Content,
    form: &Form,
    language: Language,
    budget: usize,
) -> Made {
    let title = title(content, budget);
    fields.insert("title".to_owned(), title.clone().into());
    fields.insert("text".to_owned(), "".into());
    let frame = Value::Object(fields.clone()).to_string().len();
    let Fitted { text, left_out, cut } = fitting::fitted(content, language, budget.saturating_sub(frame));
    let text = if text.trim().is_empty() { title } else { text };
    // Parts that were clean by themselves may be a link together, and so may a title that stands in as markdown.
    let text = strip::without(&text, form);
    let text = if text.trim().is_empty() { NOTHING.to_owned() } else { text };
    fields.insert("text".to_owned(), text.into());
    Made { composed: Composed { msg_key, msg_param: Value::Object(fields).to_string() }, left_out, cut }
}

/// A message of the plainest template.
fn text(content: &Content, form: &Form, language: Language, budget: usize) -> Made {
    const FRAME: usize = r#"{"content":""}"#.len();
    let room = budget.saturating_sub(FRAME);
    let title = title(content, budget);
    let Fitted { text, left_out, cut } = if form.length == Length::Title {
        Fitted { text: format!("{title}\n{}", words::rest(language)), left_out: content.items.len(), cut: true }
    } else {
        let left = room.saturating_sub(encoded_len(&title) + encoded_len("\n\n"));
        let fitted = fitting::fitted(content, language, left);
        let text = plain::headed(&title, &plain::text(&fitted.text));
        Fitted { text: strip::without_in_plain(&text, form), ..fitted }
    };
    let fields = Map::from_iter([("content".to_owned(), clip(&text, room).into())]);
    Made { composed: Composed { msg_key: MsgKey::Text, msg_param: Value::Object(fields).to_string() }, left_out, cut }
}

/// DingTalk refuses an empty title, an empty text and an empty content.
fn title(content: &Content, budget: usize) -> String {
    let title = clip(content.title.trim(), LONGEST_TITLE.min(budget / 4));
    if title.is_empty() { NOTHING.to_owned() } else { title }
}

#[cfg(test)]
mod tests;
