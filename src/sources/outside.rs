//! Texts and addresses of a sender, in the shape an event holds them.
//!
//! Every kind of source brings its titles and links through here while it decodes. This makes them short and sound;
//! making them harmless in a message is `render`'s work, which trusts nobody.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use url::Url;

/// The longest title of an event, in characters: a push banner shows fewer.
pub(crate) const LONGEST_TITLE: usize = 200;

/// The text in one line of at most so many characters; what is longer ends with `…`.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most - 1) {
        Some((cut, last)) if cut + last.len_utf8() < line.len() => format!("{}…", &line[..cut]),
        _ => line,
    }
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
