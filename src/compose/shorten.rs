//! Markdown, shortened where nothing breaks.
//!
//! A markdown parser says where: inside plain text, after a whole link, after a whole block. Never inside a link, an
//! escape, an entity or code; what was opened around the place (bold, italic) is closed again. String surgery would
//! get this wrong for some text from outside.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::compose::measure::{encoded_char, encoded_len};

const ELLIPSIS: &str = "…";

/// The markdown, at most so many encoded bytes; what is longer ends with `…`. Empty where nothing fits.
pub(crate) fn shorten(markdown: &str, most: usize) -> String {
    if encoded_len(markdown) <= most {
        return markdown.to_owned();
    }
    let mut cutter = Cutter { markdown, most, at: 0, cost: 0, whole: 0, closers: Vec::new(), best: None };
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES;
    for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
        if !cutter.pass(&event, &range) {
            break;
        }
    }
    match cutter.best {
        Some((at, end)) => format!("{}{end}", &markdown[..at]),
        None if ELLIPSIS.len() <= most => ELLIPSIS.to_owned(),
        None => String::new(),
    }
}

/// Walks over the parser's events and remembers the last place where the text may end.
struct Cutter<'m> {
    markdown: &'m str,
    /// The encoded bytes there may be.
    most: usize,
    /// How far the walk is.
    at: usize,
    /// The encoded bytes up to there.
    cost: usize,
    /// How many things are open that stay whole: links, images, code, tables, HTML.
    whole: usize,
    /// What closes the emphasis that is open, the outermost first.
    closers: Vec<&'m str>,
    /// The last place found, and what has to follow it.
    best: Option<(usize, String)>,
}

impl Cutter<'_> {
    /// Goes on over one event; `false` when the room is used up.
    fn pass(&mut self, event: &Event<'_>, range: &std::ops::Range<usize>) -> bool {
        match event {
            Event::Start(tag) => self.open(tag, range.start),
            Event::End(end) => return self.close(*end, range.end),
            Event::Text(text) if self.whole == 0 => return self.pass_text(text, range),
            Event::Code(_) if self.whole == 0 => return self.may_end(range.end, ELLIPSIS),
            Event::InlineHtml(html) => self.pass_html(html),
            _ => {}
        }
        self.cost <= self.most
    }

    fn open(&mut self, tag: &Tag<'_>, at: usize) {
        match tag {
            Tag::Emphasis => self.closers.push(&self.markdown[at..=at]),
            Tag::Strong => self.closers.push(&self.markdown[at..at + 2]),
            Tag::Strikethrough => {
                let wide = self.markdown[at..].starts_with("~~");
                self.closers.push(if wide { "~~" } else { "~" });
            }
            tag if stays_whole(tag) => self.whole += 1,
            _ => {}
        }
    }

    fn close(&mut self, end: TagEnd, at: usize) -> bool {
        match end {
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.closers.pop();
            }
            TagEnd::Link | TagEnd::Image => {
                self.whole = self.whole.saturating_sub(1);
                return self.may_end(at, ELLIPSIS);
            }
            TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::Table => {
                self.whole = self.whole.saturating_sub(1);
                return self.may_end(at, "\n\n…");
            }
            _ => {}
        }
        self.cost <= self.most
    }

    /// HTML of a template's own: what it opens is to be closed again.
    fn pass_html(&mut self, html: &str) {
        let opens_nothing = html.ends_with("/>") || html.starts_with("<!") || html.starts_with("<br");
        if html.starts_with("</") {
            self.whole = self.whole.saturating_sub(1);
        } else if !opens_nothing {
            self.whole += 1;
        }
    }

    /// Plain text may end after every character, but an entity is one.
    fn pass_text(&mut self, text: &str, range: &std::ops::Range<usize>) -> bool {
        if self.markdown[range.clone()] != *text {
            return self.may_end(range.end, ELLIPSIS);
        }
        let room = self.most.saturating_sub(ELLIPSIS.len() + self.closing_cost());
        self.walk_to(range.start);
        let mut end = range.start;
        for c in text.chars() {
            if self.cost + encoded_char(c) > room {
                break;
            }
            self.cost += encoded_char(c);
            end += c.len_utf8();
        }
        self.at = end;
        if end > range.start {
            self.best = Some((end, format!("{ELLIPSIS}{}", self.closing())));
        }
        end == range.end
    }

    /// The text may end here, with that behind it, if there is room.
    fn may_end(&mut self, at: usize, end: &str) -> bool {
        self.walk_to(at);
        if self.whole == 0 && self.cost + encoded_len(end) + self.closing_cost() <= self.most {
            self.best = Some((at, format!("{end}{}", self.closing())));
        }
        self.cost <= self.most
    }

    fn walk_to(&mut self, at: usize) {
        if at > self.at {
            self.cost += encoded_len(&self.markdown[self.at..at]);
            self.at = at;
        }
    }

    fn closing(&self) -> String {
        self.closers.iter().rev().copied().collect()
    }

    fn closing_cost(&self) -> usize {
        self.closers.iter().map(|closer| closer.len()).sum()
    }
}

fn stays_whole(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Link { .. } | Tag::Image { .. } | Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::Table(_))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(markdown: &str) -> (String, Vec<String>) {
        let (mut text, mut links) = (String::new(), Vec::new());
        for event in Parser::new(markdown) {
            match event {
                Event::Text(part) | Event::Code(part) => text.push_str(&part),
                Event::HardBreak | Event::SoftBreak => text.push('\n'),
                Event::Start(Tag::Link { dest_url, .. }) => links.push(dest_url.to_string()),
                Event::Html(_) | Event::InlineHtml(_) => text.push('⚠'),
                _ => {}
            }
        }
        (text, links)
    }

    #[test]
    fn a_cut_breaks_nothing() {
        for (markdown, most, cut) in [
            ("short", 5, "short"),
            ("a longer text", 9, "a long…"),
            (r"foo\_bar", 7, "foo…"),
            (r"foo\_bar", 9, r"foo\_bar"),
            ("a &lt; bc", 8, "a …"),
            ("see [the graph](http://a.example/) now", 35, "see …"),
            ("see [the graph](http://a.example/) now", 37, "see [the graph](http://a.example/)…"),
            ("**bold and long**", 13, "**bold a…**"),
            ("值班值班", 9, "值班…"),
            ("[only](http://a.example/)", 10, "…"),
            ("[only](http://a.example/)", 2, ""),
        ] {
            assert_eq!(shorten(markdown, most), cut, "{markdown} in {most}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_a_beginning_of_what_there_was(
            parts in proptest::collection::vec(prop_oneof![
                "[a-z ]{1,12}", "[值班🔥 ]{1,6}", Just(r"\_".to_owned()), Just(r"\\".to_owned()), Just("&lt;".to_owned()),
                Just("[g](http://a.example/x?a=1&b=2)".to_owned()), Just(" **b b** ".to_owned()),
                Just(" *i* ".to_owned()), Just("  \n".to_owned()), Just("\n\n".to_owned()), Just(" `c d` ".to_owned()),
                Just("\n\n> ".to_owned()), Just("\n\n- ".to_owned()), Just(r"\[x\]\(y\)".to_owned()), Just("\"".to_owned()),
            ], 0..40),
            most in 0_usize..300,
        ) {
            let markdown = parts.concat();
            let cut = shorten(&markdown, most);
            prop_assert!(encoded_len(&cut) <= most || cut == markdown && encoded_len(&cut) <= most);
            if cut != markdown {
                let ((text, links), (left, left_links)) = (seen(&markdown), seen(&cut));
                let left = left.trim_end_matches('…').trim_end();
                prop_assert!(text.starts_with(left), "{left:?} is no beginning of {text:?}");
                prop_assert!(links.starts_with(&left_links));
            }
        }
    }
}
