//! The filters, tests and methods that an expression names, found without asking it for anything.
//!
//! The engine looks a name up when it comes to it, and behind a condition that is one night. So the text is read for
//! names when a source is compiled, by the rules of the engine's lexer as far as they matter here: what stands in quotes
//! is no name, a filter follows `|`, a test follows `is` or `is not`, a method stands between `.` and `(`. Whether there
//! is a filter or test of that name the engine itself says. Pure; the engine's own parser would do, but is not public.

/// Something that an expression names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'e> {
    /// As in `payload.title|upper`.
    Filter(&'e str),
    /// As in `payload.title is defined`.
    Test(&'e str),
    /// As in `payload.title.upper()`: values have none.
    Method(&'e str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'e> {
    Word(&'e str),
    Sign(u8),
    Text,
}

/// Every one of them, in the order of the text.
pub(super) fn named(expression: &str) -> Vec<Named<'_>> {
    let tokens = tokens(expression);
    let at = |place: usize| tokens.get(place).copied();
    let mut names = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let Token::Word(word) = *token else { continue };
        let before = place.checked_sub(1).and_then(at);
        match (before, at(place + 1)) {
            (Some(Token::Sign(b'|')), _) => names.push(Named::Filter(word)),
            (Some(Token::Sign(b'.')), Some(Token::Sign(b'('))) => names.push(Named::Method(word)),
            (Some(Token::Sign(b'.')), _) => {}
            (_, Some(Token::Word("not"))) if word == "is" => names.extend(word_of(at(place + 2)).map(Named::Test)),
            (_, next) if word == "is" => names.extend(word_of(next).map(Named::Test)),
            _ => {}
        }
    }
    names
}

fn word_of(token: Option<Token<'_>>) -> Option<&str> {
    if let Some(Token::Word(word)) = token { Some(word) } else { None }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let from = at;
        at += 1;
        match byte {
            b'"' | b'\'' => {
                at = end_of_text(bytes, at, byte);
                tokens.push(Token::Text);
            }
            _ if is_of_a_word(byte) => {
                at += bytes[at..].iter().take_while(|byte| is_of_a_word(**byte)).count();
                tokens.push(Token::Word(&text[from..at]));
            }
            _ if byte.is_ascii_whitespace() => {}
            _ => tokens.push(Token::Sign(byte)),
        }
    }
    tokens
}

/// Behind the closing quote, or the end of the text if there is none.
fn end_of_text(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while let Some(&byte) = bytes.get(at) {
        at += if byte == b'\\' { 2 } else { 1 };
        if byte == quote {
            break;
        }
    }
    at.min(bytes.len())
}

fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Named::{Filter, Method, Test};
    use super::*;

    #[test]
    fn names_are_found_wherever_they_stand_and_only_there() {
        assert_eq!(
            named("payload.title|upper ~ ' | lower' if payload.a is not defined else payload.b | first"),
            [Filter("upper"), Test("defined"), Filter("first")]
        );
        assert_eq!(named(r#""it is none\" |x" ~ 'y.z()' ~ payload["is a"]"#), []);
        assert_eq!(named("payload.is.not ~ payload.list|join(', ')|trim"), [Filter("join"), Filter("trim")]);
        assert_eq!(
            named("payload.title.upper() ~ range(3) ~ payload.n is divisibleby(3)"),
            [Method("upper"), Test("divisibleby")]
        );
        assert_eq!(named("payload is in [1.5, 2]"), [Test("in")]);
        assert_eq!(named("'open |x"), []);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_read(text in r#"(\PC|["'\\|.(]| is | not ){0,40}"#) {
            named(&text);
        }
    }
}
