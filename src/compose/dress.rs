//! What is to be said → a message of one of DingTalk's templates.
//!
//! The form and the look choose the template: a card where there is something to tap on, markdown, or plain text with
//! the title above. Whoever drafts says how much of it fits into a room that only the template knows. DingTalk refuses
//! an empty title, an empty text and an empty content, so none is.

use serde_json::{Map, Value};

use crate::compose::fitting::Fitted;
use crate::compose::measure::{clip, encoded_len};
use crate::compose::{Made, card, plain, strip, words};
use crate::model::content::Button;
use crate::model::form::{Form, Length, Look, Shape, Style};
use crate::model::language::Language;
use crate::model::message::{Composed, MsgKey};

/// A title says enough in so many bytes; `render` keeps it far shorter.
const LONGEST_TITLE: usize = 512;
/// What stands where there is nothing to say.
const NOTHING: &str = "…";

/// What is to be said, before it is known in which template.
pub(crate) struct Draft<'d> {
    /// Plain text for the push banner.
    pub(crate) title: &'d str,
    /// Markdown below everything else: lines of links.
    pub(crate) footer: &'d str,
    /// What may be tapped on.
    pub(crate) buttons: &'d [Button],
    /// How many items it is about.
    pub(crate) items: usize,
    /// The text with that footer in so many encoded bytes.
    pub(crate) fit: &'d dyn Fn(&str, usize) -> Fitted,
}

/// The draft as a message of at most `budget` bytes.
pub(crate) fn made(draft: &Draft<'_>, style: &Style, form: &Form, budget: usize) -> Made {
    let budget = form.length.of(budget);
    let simple = || markdown((MsgKey::Markdown, Map::new()), draft, draft.footer, form, budget);
    match (form.shape, style.look) {
        (Shape::Text, _) => text(draft, form, style.language, budget),
        (Shape::Wanted, Look::Card(layout)) => match card::card(draft.buttons, draft.footer, layout, budget / 2) {
            Some(card) => markdown((card.msg_key, card.fields), draft, &card.footer, form, budget),
            None => simple(),
        },
        (Shape::Wanted, Look::Markdown) | (Shape::Markdown, _) => simple(),
    }
}

/// A message of a template with `title` and `text`, and its other fields.
fn markdown(
    (msg_key, mut fields): (MsgKey, Map<String, Value>),
    draft: &Draft<'_>,
    footer: &str,
    form: &Form,
    budget: usize,
) -> Made {
    let title = title(draft, form, budget);
    fields.insert("title".to_owned(), title.clone().into());
    fields.insert("text".to_owned(), "".into());
    let frame = Value::Object(fields.clone()).to_string().len();
    let fitted = (draft.fit)(footer, budget.saturating_sub(frame));
    let text = if fitted.text.trim().is_empty() { title } else { fitted.text.clone() };
    // Parts that were clean by themselves may be a link together, and so may a title that stands in as markdown.
    let text = strip::without(&text, form);
    // What was left out may have been the last of it.
    let text = if text.trim().is_empty() { NOTHING } else { text.trim_end() };
    fields.insert("text".to_owned(), text.into());
    fitted.in_message(Composed { msg_key, msg_param: Value::Object(fields).to_string() })
}

/// A message of the plainest template.
fn text(draft: &Draft<'_>, form: &Form, language: Language, budget: usize) -> Made {
    const FRAME: usize = r#"{"content":""}"#.len();
    let room = budget.saturating_sub(FRAME);
    let title = title(draft, form, budget);
    let fitted = if form.length == Length::Title {
        let text = format!("{title}\n{}", words::rest(language));
        Fitted { text, shown: 0, folded: 0, left_out: draft.items, cut: true }
    } else {
        let left = room.saturating_sub(encoded_len(&title) + encoded_len("\n\n"));
        let fitted = (draft.fit)(draft.footer, left);
        let text = plain::headed(&title, &plain::text(&strip::without(&fitted.text, form)));
        Fitted { text: strip::without_in_plain(&text, form), ..fitted }
    };
    let fields = Map::from_iter([("content".to_owned(), clip(&fitted.text, room).into())]);
    fitted.in_message(Composed { msg_key: MsgKey::Text, msg_param: Value::Object(fields).to_string() })
}

fn title(draft: &Draft<'_>, form: &Form, budget: usize) -> String {
    let title = strip::without_in_plain(draft.title, form);
    let title = clip(title.trim(), LONGEST_TITLE.min(budget / 4));
    if title.is_empty() { NOTHING.to_owned() } else { title }
}
