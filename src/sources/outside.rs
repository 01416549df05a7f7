//! Texts and addresses of a sender, in the shape an event holds them.
//!
//! Every kind of source brings its titles and links through here while it decodes. This makes them short and sound;
//! making them harmless in a message is `render`'s work, which trusts nobody.

use std::fmt::Write;

use serde_json::error::Category;
use sha2::{Digest, Sha256};
use url::Url;

use crate::sources::BadBody;

/// The longest title of an event, in characters: a push banner shows fewer.
pub(crate) const LONGEST_TITLE: usize = 200;

/// The most values in one body; GitHub's largest have some thousand.
const MOST_VALUES: usize = 100_000;

/// The text in one line of at most so many characters; what is longer ends with `…`.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most - 1) {
        Some((cut, last)) if cut + last.len_utf8() < line.len() => format!("{}…", &line[..cut]),
        _ => line,
    }
}

/// Whether a person would see anything of it: a text of spaces and characters without width is none.
pub(crate) fn is_visible(text: &str) -> bool {
    let is_blank = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    !text.chars().all(is_blank)
}

/// Where JSON breaks, in words that repeat nothing of it.
pub(crate) fn broken_json(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof => "the JSON ends too early".to_owned(),
        _ => format!("expected JSON; it breaks at line {}, column {}", error.line(), error.column()),
    }
}

/// Refuses JSON of more values than any real webhook has: as a tree they take thirty times the memory of the text.
/// Counted on the bytes, before anything is read: every value but the first stands behind a comma or opens what holds
/// it.
pub(crate) fn not_too_many(json: &[u8]) -> Result<(), BadBody> {
    let (mut values, mut in_text, mut is_escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    let message = format!("expected at most {MOST_VALUES} values");
    if values > MOST_VALUES { Err(BadBody { at: ".".to_owned(), message }) } else { Ok(()) }
}

/// The address, if a browser would open it as a web page. Anything else (`javascript:`, a path, nothing) is none.
pub(crate) fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

/// The SHA-256 of bytes, in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_too_many_values_is_refused_and_commas_in_a_text_are_no_values() {
        let lists = format!("[{}[]]", "[],".repeat(MOST_VALUES));
        let prose = format!(r#"["{}\\"[{{"]"#, ",[{".repeat(MOST_VALUES));
        assert!(not_too_many(lists.as_bytes()).is_err());
        assert_eq!(not_too_many(prose.as_bytes()), Ok(()));
    }

    #[test]
    fn what_nobody_can_see_is_not_visible() {
        for text in ["", " \t", "\u{200b}", "\u{feff}\u{2060}"] {
            assert!(!is_visible(text), "{text:?}");
        }
        assert!(is_visible("\u{200b}支付"));
    }
}
