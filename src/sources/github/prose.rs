//! What people wrote, as the first plain lines of it.
//!
//! GitHub's texts are markdown with HTML between, and templates of issues hide half a page in comments. A phone shows
//! a few lines: so the markdown is taken off, HTML and pictures are left out, and the rest is cut short. What a link
//! or a list looks like is not kept, only what it says.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::sources::outside::one_line;

/// Nobody reads more of it before opening the page.
const LINES: usize = 6;
/// The characters of one line.
const LONGEST_LINE: usize = 200;

/// The first lines of a markdown text; `None` where it says nothing.
pub(super) fn opening(markdown: &str) -> Option<String> {
    let mut lines = Lines::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS) {
        lines.take(&event);
        if lines.done.len() > LINES {
            break;
        }
    }
    lines.end();
    shortened(lines.done)
}

/// The first line of a plain text, such as a commit's message.
pub(super) fn first_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(one_line(line, LONGEST_LINE))
}

fn shortened(mut lines: Vec<String>) -> Option<String> {
    if lines.len() > LINES {
        lines.truncate(LINES);
        lines.push("…".to_owned());
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Lines of plain text, as they come out of the parser.
#[derive(Default)]
struct Lines {
    done: Vec<String>,
    open: String,
    /// How many pictures we are inside of.
    pictures: usize,
}

impl Lines {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(Tag::Image { .. }) => self.pictures += 1,
            Event::End(TagEnd::Image) => self.pictures = self.pictures.saturating_sub(1),
            _ if self.pictures > 0 => {}
            // A block of code comes with its line ends.
            Event::Text(text) | Event::Code(text) => self.write(text),
            Event::TaskListMarker(done) => self.open.push_str(if *done { "☑ " } else { "☐ " }),
            Event::SoftBreak | Event::HardBreak => self.end(),
            Event::Start(Tag::Item) => {
                self.end();
                self.open.push_str("• ");
            }
            Event::End(TagEnd::TableCell) => self.open.push_str("  "),
            Event::End(
                TagEnd::Paragraph
                | TagEnd::Heading(_)
                | TagEnd::Item
                | TagEnd::CodeBlock
                | TagEnd::TableHead
                | TagEnd::TableRow,
            ) => self.end(),
            _ => {}
        }
    }

    fn write(&mut self, text: &str) {
        for (i, line) in text.split('\n').enumerate() {
            if i > 0 {
                self.end();
            }
            self.open.push_str(line);
        }
    }

    fn end(&mut self) {
        let line = std::mem::take(&mut self.open);
        let said = line.trim_matches(['•', '☐', '☑', ' ']);
        if !said.is_empty() {
            self.done.push(one_line(&line, LONGEST_LINE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_plain_lines() {
        let written = "<!-- read the guide first -->\n## What\n\nIt **breaks** `foo_bar` in\n[the docs](https://a.example).\n\n- one\n- [ ] two\n\n![shot](https://a.example/b.png)\n\n```rust\nlet x;\n```\n";
        assert_eq!(opening(written).unwrap(), "What\nIt breaks foo_bar in\nthe docs.\n• one\n• ☐ two\nlet x;");
    }

    #[test]
    fn a_long_text_is_cut_short() {
        let opening = opening(&"line\n\n".repeat(50)).unwrap();
        assert_eq!(opening.lines().count(), LINES + 1);
        assert!(opening.ends_with("\n…"));
        assert_eq!(super::opening(&"字".repeat(5_000)).unwrap().chars().count(), LONGEST_LINE);
    }

    #[test]
    fn a_text_that_says_nothing_is_none() {
        for written in ["", "  \n", "<!-- nothing -->", "![](x)", "- \n- ", "---"] {
            assert_eq!(opening(written), None, "{written:?}");
        }
    }
}
