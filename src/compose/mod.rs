//! Contents → one DingTalk message inside the byte budget. Pure.
//!
//! Runs anew at every claim, so a message is made for the moment it is sent. The limit is one of bytes of the encoded
//! `msgParam`, hence everything here counts what a text takes once it stands in a JSON string. What does not fit is
//! left out and counted, never cut through a character, a link or an escape; what is cut is cut where a markdown
//! parser says that nothing breaks. Knows nothing of events, templates and sending.

mod fitting;
mod measure;
mod shorten;

use serde_json::json;

use crate::compose::fitting::Fitted;
use crate::compose::measure::{clip, encoded_len};
use crate::model::content::Content;
use crate::model::message::{Composed, MsgKey};

/// The budget of an encoded `msgParam`, in UTF-8 bytes (DingTalk takes 15,000 and does not say how it counts).
pub const BUDGET: usize = 14_000;

/// `{"text":"","title":""}`
const FRAME: usize = 22;
/// A title says enough in so many bytes; `render` keeps it far shorter.
const LONGEST_TITLE: usize = 512;

/// One content as a message of its own: a `msgParam` of at most `budget` bytes, which has to be 100 at least.
///
/// The worst item stands there in full, then as many of the others as fit on a line each, the worst of them in full
/// too where there is room; the rest is counted by severity.
pub fn single(content: &Content, budget: usize) -> Composed {
    fitted(content, budget).composed
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
pub fn fitted(content: &Content, budget: usize) -> Made {
    let title = clip(content.title.trim(), LONGEST_TITLE.min(budget / 4));
    // DingTalk refuses an empty title and an empty text.
    let title = if title.is_empty() { "…".to_owned() } else { title };
    let Fitted { text, left_out, cut } = fitting::fitted(content, budget.saturating_sub(FRAME + encoded_len(&title)));
    let text = if text.is_empty() { title.clone() } else { text };
    let msg_param = json!({ "title": title, "text": text }).to_string();
    Made { composed: Composed { msg_key: MsgKey::Markdown, msg_param }, left_out, cut }
}

#[cfg(test)]
mod tests;
