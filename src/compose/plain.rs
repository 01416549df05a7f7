//! Markdown as plain text: what a reader sees of it, with the addresses of its links written out.
//!
//! The plainest template has no title and shows no markdown. A parser reads the markdown, so an escape shows as the
//! character it stands for. Knows nothing of bytes; a text may come out longer than its source only where a template
//! uses entities or references, and whoever calls has to measure it.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The markdown as text.
pub(crate) fn text(markdown: &str) -> String {
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
        writer.write(event);
    }
    writer.text.trim().to_owned()
}

/// The text with the title before it, which says nothing twice: a first line that the title says too gives way to it.
pub(crate) fn headed(title: &str, text: &str) -> String {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let body = if title.contains(first.trim()) { rest } else { text };
    format!("{title}\n\n{}", body.trim_start()).trim().to_owned()
}

#[derive(Default)]
struct Writer {
    text: String,
    /// The links and pictures that are open: where their caption begins, and their address.
    open: Vec<(usize, String)>,
    /// The lists that are open: the number of the next item, if they have numbers.
    lists: Vec<Option<u64>>,
}

impl Writer {
    fn write(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) => self.text.push_str(&text),
            Event::SoftBreak | Event::HardBreak | Event::Rule => self.end_line(),
            Event::InlineHtml(html) if html.starts_with("<br") => self.end_line(),
            Event::Start(tag) => self.begin(tag),
            Event::End(end) => self.end(end),
            _ => {}
        }
    }

    fn begin(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.open.push((self.text.len(), dest_url.into_string()));
            }
            Tag::List(first) => {
                self.end_line();
                self.lists.push(first);
            }
            Tag::Item => {
                self.end_line();
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.text.push_str(&format!("{number}. "));
                        *number = number.saturating_add(1);
                    }
                    _ => self.text.push_str("- "),
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::Link | TagEnd::Image => self.write_address(),
            TagEnd::List(_) => {
                self.lists.pop();
                self.end_block();
            }
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::BlockQuote(_) => self.end_block(),
            _ => {}
        }
    }

    /// Behind the caption, unless that is the address.
    fn write_address(&mut self) {
        let Some((begin, address)) = self.open.pop() else { return };
        let caption = &self.text[begin..];
        if address.is_empty() || caption == address {
            return;
        }
        let gap = if caption.is_empty() { "" } else { ": " };
        self.text.push_str(&format!("{gap}{address}"));
    }

    fn end_line(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn end_block(&mut self) {
        self.end_line();
        if self.lists.is_empty() && !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_the_same_with_the_addresses_written_out() {
        let markdown = "### 🔴 1 critical firing: a\\_b\n\n> cluster: prod &lt;1&gt;\n\n**Disk full**  \nsince 19:28\n\n\
                        - short 1\n- short 2 [x](http://x.example/1)\n\n![chart](http://p.example/c.png)\n\n\
                        [Graph](http://g.example/?a=1&b=2) · <http://a.example>";
        insta::assert_snapshot!(text(markdown), @r"
        🔴 1 critical firing: a_b

        cluster: prod <1>

        Disk full
        since 19:28

        - short 1
        - short 2 x: http://x.example/1

        chart: http://p.example/c.png

        Graph: http://g.example/?a=1&b=2 · http://a.example
        ");
    }

    #[test]
    fn the_title_stands_above_once() {
        assert_eq!(
            headed("🔴 1 firing: A · prod", "🔴 1 firing: A\n\nsince 19:28"),
            "🔴 1 firing: A · prod\n\nsince 19:28"
        );
        assert_eq!(headed("title", "something else"), "title\n\nsomething else");
        assert_eq!(headed("title", ""), "title");
    }
}
