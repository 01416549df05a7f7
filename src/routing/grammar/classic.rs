//! The older grammar: `name=value, other=~"value"`, with or without braces around the whole.
//!
//! Names are plain. A value reaches to the next comma outside quotes, so it may hold spaces, braces and operators; it
//! may stand in double quotes, or be empty. `\"`, `\\` and `\n` are escapes in both forms; any other backslash is
//! itself, which is why `=~"\d+"` needs no doubling. One brace may be missing. The facts are Alertmanager's
//! `pkg/labels/parse.go`, left in one place only: see [`read`]. It has no errors worth telling, so a text it does not
//! understand is `None`.

use crate::routing::grammar::{Operator, Term};

/// The white space this grammar knows: Go's `\s`.
const SPACE: [char; 5] = [' ', '\t', '\n', '\r', '\u{c}'];

/// The matchers of a text; there may be none.
pub fn read(text: &str) -> Option<Vec<Term>> {
    let unopened = text.strip_prefix('{').unwrap_or(text);
    let inside = unopened.strip_suffix('}').unwrap_or(unopened);
    let mut parts = split(inside);
    let last = parts.pop().map(str::trim).filter(|last| !last.is_empty());
    if unopened == text && inside != text && last.is_some_and(|last| last.contains('{')) {
        // `a=~x{2}`: Alertmanager takes the brace for the end of a list and looks for the letters `x{2`.
        return None;
    }
    parts.into_iter().chain(last).map(term).collect()
}

/// The parts between the commas outside quotes; the last one may be empty.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            ',' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            // A comma leaves the state of the backslash before it alone. Odd, but so it is there.
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    parts.push(&text[start..]);
    parts
}

fn term(part: &str) -> Option<Term> {
    let part = part.trim_matches(SPACE);
    let plain = |(at, letter): &(usize, char)| match letter {
        'a'..='z' | 'A'..='Z' | '_' | ':' => true,
        '0'..='9' => *at > 0,
        _ => false,
    };
    let name = &part[..part.char_indices().take_while(plain).count()];
    let (operator, value) = Operator::split_from(part[name.len()..].trim_start_matches(SPACE))?;
    let value = unescaped(value.trim_start_matches(SPACE))?;
    (!name.is_empty()).then(|| Term { name: name.to_owned(), operator, value })
}

/// The value behind its quotes and escapes; `None` if a quote stands where it has no partner.
fn unescaped(raw: &str) -> Option<String> {
    let (text, mut open) = raw.strip_prefix('"').map_or((raw, false), |text| (text, true));
    let mut value = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            '"' if open && letters.as_str().is_empty() => open = false,
            '"' => return None,
            _ => value.push(letter),
        }
    }
    (!open).then_some(value)
}
