//! Texts from outside, made harmless.
//!
//! Whatever a label, an annotation or an address holds passes here before it stands in a message: [`cleaned`] takes
//! out what nobody should see or be fooled by, [`escaped`] makes the rest show as itself in DingTalk's markdown (how,
//! says `model::escape`).
//! The template environment calls [`escaped`] for every value it prints, so no author of a template has to think
//! of it. Knows markdown, but neither templates nor events.

use crate::model::escape;

/// Longer texts are cut: a message holds 14,000 bytes, so nobody could see the rest.
pub(crate) const LONGEST: usize = 4_000;

/// The text without what has no place in a message. What is replaced:
///
/// - line ends of every kind become `\n`; spaces around lines, and blank lines, are dropped; a tab is a space;
/// - other control characters, marks that turn the direction of writing, and characters without width are dropped
///   (joiners stay behind a character beyond ASCII, where emoji and many scripts need them);
/// - what is longer than [`LONGEST`] characters ends with `…`.
pub(crate) fn cleaned(outside: &str) -> String {
    clipped(&visible(outside), LONGEST)
}

/// [`cleaned`], however long it is.
pub(crate) fn visible(outside: &str) -> String {
    let mut kept = String::with_capacity(outside.len().min(4 * LONGEST));
    let mut line = String::new();
    for c in outside.chars() {
        match c {
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => end_line(&mut kept, &mut line),
            '\t' => line.push(' '),
            '\u{200c}' | '\u{200d}' if line.ends_with(|c: char| !c.is_ascii() && !c.is_whitespace()) => line.push(c),
            _ if has_no_place(c) => {}
            _ => line.push(c),
        }
    }
    end_line(&mut kept, &mut line);
    kept
}

fn end_line(kept: &mut String, line: &mut String) {
    let text = line.trim();
    if !text.is_empty() {
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(text);
    }
    line.clear();
}

fn has_no_place(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// [`cleaned`], on one line.
pub(crate) fn one_line(outside: &str) -> String {
    cleaned(outside).replace('\n', " ")
}

/// At most so many characters; what is longer ends with `…`.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Markdown that shows [`cleaned`] of the text as itself, wherever in a message it stands. Its lines are kept apart
/// by hard breaks.
pub(crate) fn escaped(outside: &str) -> String {
    let clean = cleaned(outside);
    let mut markdown = String::with_capacity(clean.len() + clean.len() / 8);
    for (i, line) in clean.lines().enumerate() {
        if i > 0 {
            markdown.push_str("  \n");
        }
        escape::line(line, &mut markdown);
    }
    markdown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn specials_show_as_themselves() {
        for (outside, markdown) in [
            ("foo_bar_baz", r"foo\_bar\_baz"),
            ("<b>a & b</b>", "&lt;b&gt;a &amp; b&lt;/b&gt;"),
            ("[x](http://y)", r"\[x\]\(http://y\)"),
            ("- not a list", r"\- not a list"),
            ("1. not a list", r"1\. not a list"),
            ("10.0.0.1:9100", "10.0.0.1:9100"),
            ("===", r"\==="),
            (":-|-:", r"\:-|-:"),
            ("90% | 5m", "90% | 5m"),
            ("two\r\n\r\n  lines ", "two  \nlines"),
        ] {
            assert_eq!(escaped(outside), markdown);
        }
    }

    #[test]
    fn nothing_unseen_stays() {
        assert_eq!(cleaned("\u{202e}txt.exe\u{202c}\u{0}\u{1b}[31m pass\u{200b}word\u{feff}"), "txt.exe[31m password");
        assert_eq!(cleaned("a\tb\u{2028}c"), "a b\nc");
        assert_eq!(cleaned("👩‍💻 می‌خواهم"), "👩‍💻 می‌خواهم", "joiners that emoji and scripts need");
        assert_eq!(cleaned("ad\u{200d}min"), "admin");
    }

    #[test]
    fn a_text_nobody_could_see_whole_is_cut() {
        let cut = cleaned(&"字".repeat(100_000));
        assert_eq!(cut.chars().count(), LONGEST);
        assert!(cut.ends_with('…'));
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(outside in any::<String>()) {
            let clean = cleaned(&outside);
            prop_assert_eq!(cleaned(&clean), clean);
        }
    }
}
