//! Markdown that a template has written, put into the shape DingTalk needs.
//!
//! A lone line end does not break a line in DingTalk, so [`tidy`] writes hard breaks: an author of a template sees
//! in the file what a reader sees on the phone. A push banner shows no markdown at all, so [`plain`] takes it off.
//! Knows nothing of templates and events.

use pulldown_cmark::{Event, Parser, TagEnd};

/// The text with every line end a visible one, without blank lines at its ends, and never two in a row. Spaces around
/// a line do not count: an author may indent.
pub(crate) fn tidy(rendered: &str) -> String {
    let mut tidied = String::with_capacity(rendered.len() + 16);
    let mut blank = false;
    for line in rendered.lines() {
        let line = line.trim();
        if line.is_empty() {
            blank = true;
            continue;
        }
        if !tidied.is_empty() {
            tidied.push_str(if blank { "\n\n" } else { "  \n" });
        }
        tidied.push_str(line);
        blank = false;
    }
    tidied
}

/// The text on one line.
pub(crate) fn one_line(rendered: &str) -> String {
    rendered.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a reader sees of the markdown, on one line.
pub(crate) fn plain(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    for event in Parser::new(markdown) {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item) => text.push(' '),
            _ => {}
        }
    }
    one_line(&text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::outside;

    #[test]
    fn every_line_end_breaks_a_line() {
        assert_eq!(tidy("\n\n  a\nb  \n\n\n\nc\n"), "a  \nb\n\nc");
    }

    #[test]
    fn a_banner_shows_no_markdown() {
        assert_eq!(plain("### 🔴 **2** firing:\n[a\\_b](http://x)  \n&lt;c&gt;"), "🔴 2 firing: a_b <c>");
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back_plain(text in any::<String>()) {
            prop_assert_eq!(plain(&outside::escaped(&text)), one_line(&outside::cleaned(&text)));
        }

        #[test]
        fn tidying_twice_changes_nothing_more(text in "[ab \n*-]{0,60}") {
            let once = tidy(&text);
            prop_assert_eq!(tidy(&once), once);
        }
    }
}
