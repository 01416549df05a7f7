//! The regular expressions of matchers: written for Alertmanager, so in Go's dialect, and run by ours.
//!
//! The two dialects agree but for a few places, and there a route copied from Alertmanager must go on meaning the
//! same. In Go `\w`, `\d`, `\s` and `\b` know ASCII only (`\w+` does not match `运维`), `[`, `&&`, `--` and `~~`
//! are plain characters inside a class, a `{` that begins no repetition is a plain brace, and `\Q…\E` quotes. See
//! <https://github.com/google/re2/wiki/Syntax>. [`compile`] rewrites those places and leaves all else alone, errors
//! included. As in Alertmanager the whole value must match, and `.` leaves out the line feed unless `(?s)` is said.

use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// The expression, anchored at both ends.
pub fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    let rewriting = Rewriting { rest: pattern.chars(), ours: String::with_capacity(pattern.len() + 8) };
    // `\101` is an octal code in Go.
    RegexBuilder::new(&format!("^(?:{})$", rewriting.finish())).octal(true).build()
}

/// Go's text on its way into ours.
struct Rewriting<'p> {
    rest: Chars<'p>,
    ours: String,
}

impl<'p> Rewriting<'p> {
    fn finish(mut self) -> String {
        while let Some(letter) = self.rest.next() {
            match letter {
                '\\' => self.escape(),
                '[' => self.class(),
                '{' => self.brace(),
                _ => self.ours.push(letter),
            }
        }
        self.ours
    }

    fn ahead(&self) -> &'p str {
        self.rest.as_str()
    }

    /// Takes so many bytes over as they are.
    fn keep(&mut self, bytes: usize) {
        let (kept, rest) = self.ahead().split_at(bytes);
        self.ours.push_str(kept);
        self.rest = rest.chars();
    }

    /// Behind a backslash outside a class.
    fn escape(&mut self) {
        match self.rest.next() {
            Some('Q') => self.quotation(),
            Some('b') => self.ours.push_str(r"(?-u:\b)"),
            Some('B') => self.ours.push_str(r"(?-u:\B)"),
            Some(name) => self.named(name),
            None => self.ours.push('\\'),
        }
    }

    /// Behind `\Q`: plain text up to `\E`, or to the end.
    fn quotation(&mut self) {
        let (quoted, rest) = self.ahead().split_once("\\E").unwrap_or((self.ahead(), ""));
        self.ours.push_str(&regex::escape(quoted));
        self.rest = rest.chars();
    }

    /// An escape that means the same inside a class and outside.
    fn named(&mut self, name: char) {
        if let Some(class) = ascii_class(name) {
            return self.ours.push_str(class);
        }
        match name {
            '<' | '>' => return self.ours.push(name),
            // Go has no such escape, ours has; no dialect has `\y`.
            'u' | 'U' => return self.ours.push_str(r"\y"),
            // Meant as a backreference, which neither has; ours would take it for an octal code.
            '1'..='7' if !self.ahead().starts_with(|next: char| next.is_digit(8)) => return self.ours.push_str(r"\y"),
            _ => self.ours.extend(['\\', name]),
        }
        let ahead = self.ahead();
        if matches!(name, 'x' | 'p' | 'P') && ahead.starts_with('{') {
            // `\x{10FFFF}`, `\p{Greek}`: these braces are no repetition.
            self.keep(ahead.find('}').map_or(ahead.len(), |end| end + 1));
        } else if name == 'x' {
            self.keep(ahead.bytes().take(2).take_while(u8::is_ascii_hexdigit).count());
        } else if matches!(name, 'p' | 'P') {
            self.keep(ahead.chars().next().map_or(0, char::len_utf8));
        }
    }

    /// Behind the bracket that opens a class. A `]` in the first place is itself.
    fn class(&mut self) {
        self.ours.push('[');
        if self.ahead().starts_with('^') {
            self.keep(1);
        }
        let mut first = true;
        while let Some(letter) = self.rest.next() {
            match letter {
                ']' if !first => return self.ours.push(']'),
                '[' if self.ahead().starts_with(':') => self.posix_class(),
                _ => self.range(letter),
            }
            first = false;
        }
    }

    /// `[:alpha:]`: both dialects have the same names, for ASCII.
    fn posix_class(&mut self) {
        match self.ahead().find(":]") {
            Some(end) => {
                self.ours.push('[');
                self.keep(end + 2);
            }
            None => self.ours.push_str(r"\["),
        }
    }

    /// One letter of a class, and if it begins a range, the other end. A `-` anywhere else, as behind `\w` or `\pL`,
    /// is itself.
    fn range(&mut self, from: char) {
        let begins_none = from == '\\' && self.ahead().starts_with(|c| ascii_class(c).is_some() || "pP".contains(c));
        self.letter(from);
        if begins_none {
            return;
        }
        let mut ahead = self.rest.clone();
        if let (Some('-'), Some(to)) = (ahead.next(), ahead.next().filter(|to| *to != ']')) {
            self.rest = ahead;
            self.ours.push('-');
            self.letter(to);
        }
    }

    fn letter(&mut self, letter: char) {
        match letter {
            '\\' => match self.rest.next() {
                Some(name) => self.named(name),
                None => self.ours.push('\\'),
            },
            '[' | ']' | '-' | '^' | '&' | '~' => self.ours.extend(['\\', letter]),
            _ => self.ours.push(letter),
        }
    }

    /// Behind a brace outside a class: a repetition (`{2}`, `{2,}`, `{2,3}`), or a brace.
    fn brace(&mut self) {
        let inside = self.ahead().split_once('}').map_or("", |(inside, _)| inside);
        let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if least.is_empty() || !digits(least) || !digits(most) {
            return self.ours.push_str(r"\{");
        }
        self.ours.push('{');
        self.keep(inside.len() + 1);
    }
}

/// What the classes that are named by one letter hold in Go.
fn ascii_class(name: char) -> Option<&'static str> {
    Some(match name {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\x0C\r ]",
        'S' => r"[^\t\n\x0C\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}")).is_match(value)
    }

    #[test]
    fn the_whole_value_must_match() {
        assert!(matches("prod|test", "prod") && matches("prod|test", "test"));
        assert!(!matches("prod|test", "production") && !matches("prod|test", "a test"));
        assert!(matches("", "") && !matches("", "a"));
    }

    #[test]
    fn a_dot_takes_every_letter_but_the_line_feed() {
        assert!(matches("运.", "运维") && matches(".*", "a b"));
        assert!(!matches("a.b", "a\nb") && matches("(?s)a.b", "a\nb"));
    }

    /// Pattern, what it matches in Go, what it does not.
    #[test]
    fn where_the_dialects_differ_go_counts() {
        for (pattern, yes, no) in [
            (r"\w+", "a_9", "运维"),
            (r"\W+", "运维", "a"),
            (r"[\w-]+", "a-9", "é"),
            (r"[^\w]", "é", "a"),
            (r"[\W]", "é", "a"),
            (r"\d", "7", "７"),
            (r"\s", "\t", "\u{a0}"),
            (r"\s", "\u{c}", "\u{b}"),
            (r".*\bb.*", "é b", "ab"),
            (r".*\Bb.*", "ab", "é b"),
            (r"[[]", "[", "]"),
            (r"[a[b]+", "[a", "]"),
            (r"[]a]", "]", "b"),
            (r"[^]a]", "b", "]"),
            (r"[a&&b]+", "a&b", "c"),
            (r"[+--]", ",", "."),
            (r"[a~~b]", "~", "c"),
            (r"[[:alpha:]-]+", "a-b", "é"),
            (r"[a-]+", "a-", "b"),
            (r"[\]-a]", "_", "-"),
            (r"[\x41-\x43]", "B", "D"),
            (r"[\x{4e00}-\x{9fff}]+", "运维", "a"),
            (r"[运维]+", "维运", "a"),
            (r"\x{1F525}", "🔥", "x"),
            (r"\p{Han}+", "运维", "a"),
            (r"\pL{2}", "运a", "1"),
            (r"[\pL-\.]+", "运-.", "1"),
            (r"[\W--\]]", "[", "a"),
            (r"a{2}", "aa", "a{2}"),
            (r"a{", "a{", "a"),
            (r"{a}", "{a}", "a"),
            (r"a{,2}", "a{,2}", "aa"),
            (r"\Qa.b*\E+", "a.b**", "axb"),
            (r"\Qa.b", "a.b", "axb"),
            (r"\101\x42", "AB", "1"),
            (r"\<a\>", "<a>", "a"),
            (r"(?i)prod", "PROD", "prob"),
        ] {
            assert!(matches(pattern, yes), "{pattern} must match {yes:?}");
            assert!(!matches(pattern, no), "{pattern} must not match {no:?}");
        }
    }

    #[test]
    fn what_is_no_expression_stays_an_error() {
        for wrong in ["(", "[a", "*", r"\", r"[\", "a{2,1}", "[b-a]", r"\p{Nope}", r"\u4e2d", r"(a)\1", "(?=a)"] {
            assert!(compile(wrong).is_err(), "{wrong}");
        }
    }
}
