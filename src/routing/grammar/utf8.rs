//! The newer grammar: `name="value"`, `{"any name"=~"value", other!=value}`.
//!
//! Names and values are words without white space and without any of ``{}!=~,\"'` ``, or stand in double quotes with
//! the escapes of a Go string, `\"`, `\\`, `\n`, `\t`, `\u4e2d` and the like. A comma may stand behind the last one,
//! and braces around the whole. The facts are Alertmanager's `matcher/parse`. Errors say what was expected, and where.

use std::str::Chars;

use crate::routing::grammar::{BadMatcher, Operator, Term};

const ESCAPE: &str = r#"an escape such as `\\`, `\"` or `\n`"#;

/// The matchers of a text; there may be none.
pub fn read(text: &str) -> Result<Vec<Term>, BadMatcher> {
    let mut reader = Reader { text, rest: text };
    let braced = reader.accept('{');
    let mut terms = Vec::new();
    while !reader.at_end() && !reader.is_at('}') {
        terms.push(reader.term()?);
        if !reader.accept(',') {
            break;
        }
    }
    if braced && !reader.accept('}') {
        return Err(reader.expected(if terms.is_empty() { "a label name or `}`" } else { "`,` or `}`" }));
    }
    if !reader.at_end() {
        return Err(reader.expected(if braced || terms.is_empty() { "the end" } else { "`,` or the end" }));
    }
    Ok(terms)
}

/// A place in a text.
struct Reader<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn term(&mut self) -> Result<Term, BadMatcher> {
        let name = self.word("a label name")?;
        let Some((operator, rest)) = Operator::split_from(self.ahead()) else {
            return Err(self.expected("one of `=`, `!=`, `=~`, `!~`"));
        };
        self.rest = rest;
        let value = self.word("a value, in double quotes if it is empty or holds more than a plain word,")?;
        Ok(Term { name, operator, value })
    }

    /// A word, plain or in quotes.
    fn word(&mut self, expected: &'static str) -> Result<String, BadMatcher> {
        if let Some(inside) = self.ahead().strip_prefix('"') {
            return self.quoted(inside);
        }
        let rest = self.rest.trim_start_matches(|letter| !is_reserved(letter));
        let word = &self.rest[..self.rest.len() - rest.len()];
        if word.is_empty() {
            return Err(self.expected(expected));
        }
        self.rest = rest;
        Ok(word.to_owned())
    }

    fn quoted(&mut self, inside: &'t str) -> Result<String, BadMatcher> {
        let mut bytes = Vec::with_capacity(inside.len());
        let mut letters = inside.chars();
        loop {
            self.rest = letters.as_str();
            match letters.next() {
                Some('"') => break,
                Some('\\') => unescape(&mut letters, &mut bytes).ok_or_else(|| self.expected(ESCAPE))?,
                Some('\n') => return Err(self.expected("`\\n` instead of a line feed")),
                Some(letter) => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                None => return Err(self.expected("`\"`")),
            }
        }
        let text =
            String::from_utf8(bytes).map_err(|_| self.expected("escapes that make up UTF-8 in front of the `\"`"))?;
        self.rest = letters.as_str();
        Ok(text)
    }

    /// What comes next, behind white space.
    fn ahead(&mut self) -> &'t str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn at_end(&mut self) -> bool {
        self.ahead().is_empty()
    }

    fn is_at(&mut self, letter: char) -> bool {
        self.ahead().starts_with(letter)
    }

    fn accept(&mut self, letter: char) -> bool {
        let rest = self.ahead().strip_prefix(letter);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expected(&self, expected: &'static str) -> BadMatcher {
        let at = 1 + self.text[..self.text.len() - self.rest.len()].chars().count();
        let found = match self.rest.chars().next() {
            Some(letter) if letter.is_control() => format!("`{}`", letter.escape_debug()),
            Some(letter) => format!("`{letter}`"),
            None => "the end".to_owned(),
        };
        BadMatcher::Syntax { expected, at, found }
    }
}

fn is_reserved(letter: char) -> bool {
    letter.is_whitespace() || "{}!=~,\\\"'`".contains(letter)
}

/// One escape of a Go string in double quotes (<https://go.dev/ref/spec#Rune_literals>), behind its backslash. `\x`
/// and octal codes are bytes, so the text is whole only at its end.
fn unescape(letters: &mut Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let name = letters.next()?;
    let single = match name {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '"' => name as u8,
        'x' => u8::try_from(code(letters, 16, 0, 2)?).ok()?,
        '0'..='7' => u8::try_from(code(letters, 8, name.to_digit(8)?, 2)?).ok()?,
        'u' | 'U' => {
            let letter = char::from_u32(code(letters, 16, 0, if name == 'u' { 4 } else { 8 })?)?;
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(());
        }
        _ => return None,
    };
    bytes.push(single);
    Some(())
}

/// A number of exactly so many digits, behind the digits read before.
fn code(letters: &mut Chars<'_>, radix: u32, before: u32, digits: usize) -> Option<u32> {
    (0..digits).try_fold(before, |number, _| {
        let digit = letters.next()?.to_digit(radix)?;
        number.checked_mul(radix)?.checked_add(digit)
    })
}
