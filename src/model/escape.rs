//! Plain text on one line → DingTalk markdown that shows it as itself.
//!
//! `render` escapes what templates print, `compose` the names and labels a digest is made of: one rule for both, and
//! nothing from outside becomes markdown without it. Does not clean: what nobody should see is taken out before a text
//! is stored (`render::outside`).
//!
//! Why two ways of escaping: DingTalk's PC client renders raw HTML, and a phone may show a message with stray HTML
//! as blank, so `<`, `>` and `&` become entities; what is special to markdown gets a backslash.

/// Appends markdown that shows one line of plain text as itself, wherever in a message it stands.
pub fn line(line: &str, markdown: &mut String) {
    let special = opens_a_block(line);
    for (at, c) in line.char_indices() {
        match c {
            '<' => markdown.push_str("&lt;"),
            '>' => markdown.push_str("&gt;"),
            '&' => markdown.push_str("&amp;"),
            _ => {
                if special == Some(at) || is_special(c) {
                    markdown.push('\\');
                }
                markdown.push(c);
            }
        }
    }
}

/// Special wherever it stands.
fn is_special(c: char) -> bool {
    matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '~' | '!')
}

/// Where the character stands that would make a list, a heading, a rule or a table of this line, if it is not
/// special anyway.
fn opens_a_block(line: &str) -> Option<usize> {
    let first = line.chars().next()?;
    match first {
        '-' | '+' | '=' => Some(0),
        '|' | ':' if line.chars().all(|c| matches!(c, '|' | ':' | '-' | ' ')) => Some(0),
        '0'..='9' => {
            let dot = line.find(|c: char| !c.is_ascii_digit())?;
            let after = line[dot..].strip_prefix('.')?;
            (after.is_empty() || after.starts_with(char::is_whitespace)).then_some(dot)
        }
        _ => None,
    }
}
