//! What a human wrote by hand → [`Content`], without a template: it is written already.
//!
//! The text is markdown and stays markdown. It gets what every template's output gets, line ends that DingTalk shows;
//! and, since scripts pass on what they were told, what a payload gets: nothing unseen stays, only `http(s)`
//! addresses are links, and HTML shows as itself (DingTalk on a PC would render it, a phone might show nothing).
//! A markdown parser says where links and HTML are; string surgery would find them in code too.

use std::ops::Range;

use jiff::Timestamp;
use pulldown_cmark::{Event, Options, Parser, Tag};

use crate::model::content::{Content, ContentItem};
use crate::model::event::{Severity, Status};
use crate::render::{LONGEST_TITLE, link, markdown, outside};

/// A text that is not harmless after so many looks is not worth being markdown.
const MOST_LOOKS: usize = 16;

/// What a human says. Title and text are to have something visible in them.
pub fn content(title: &str, text: &str, id: &str, now: Timestamp) -> Content {
    let title = outside::clipped(&outside::one_line(title), LONGEST_TITLE);
    let item = ContentItem {
        fingerprint: id.to_owned(),
        name: title.clone(),
        status: Status::Notice,
        severity: Severity::Info,
        since: now,
        until: None,
        url: None,
        short: outside::escaped(&title),
        body: harmless(markdown::tidy(&seen(text))),
        labels: Vec::new(),
    };
    let (header, footer) = (String::new(), String::new());
    let (buttons, note) = (Vec::new(), String::new());
    Content { v: Content::VERSION, title, header, items: vec![item], footer, buttons, truncated: 0, note }
}

/// Whether anybody would see anything of a text.
pub fn says_something(text: &str) -> bool {
    !outside::cleaned(text).trim().is_empty()
}

/// The lines of a text without what nobody sees. Unlike a payload's, blank lines stay: they part paragraphs.
fn seen(text: &str) -> String {
    text.lines().map(outside::visible).collect::<Vec<_>>().join("\n")
}

/// The markdown without HTML and without other addresses than `http(s)` ones. To escape one thing can turn what stands
/// behind it into another, so it is looked at again until there is nothing more to escape; each look leaves fewer.
fn harmless(mut text: String) -> String {
    for _ in 0..MOST_LOOKS {
        let escapes = escapes(&text);
        if escapes.is_empty() {
            return text;
        }
        // From the end, so that the places before stay where they are.
        for (place, shown) in escapes.into_iter().rev() {
            text.replace_range(place, &shown);
        }
    }
    outside::escaped(&text)
}

/// What stands where and is to show as itself, in order; the outer of two that overlap.
fn escapes(text: &str) -> Vec<(Range<usize>, String)> {
    let mut escapes: Vec<(Range<usize>, String)> = Vec::new();
    for (event, place) in Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH).into_offset_iter() {
        let escape = match event {
            Event::Html(_) | Event::InlineHtml(_) => {
                let shown = text[place.clone()].replace('<', "&lt;").replace('>', "&gt;");
                (place, shown)
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) if !is_of_the_web(&dest_url) => {
                opening(text, place.start)
            }
            _ => continue,
        };
        if escapes.last().is_none_or(|(before, _)| before.end <= escape.0.start) {
            escapes.push(escape);
        }
    }
    escapes
}

fn is_of_the_web(address: &str) -> bool {
    link::address(address).is_some()
}

/// What opens the link or image that begins there, escaped.
fn opening(text: &str, start: usize) -> (Range<usize>, String) {
    let rest = &text[start..];
    let (length, shown) = match rest.as_bytes() {
        [b'!', b'[', ..] => (2, "\\!\\["),
        [b'<', ..] => (1, "&lt;"),
        _ => (1, "\\["),
    };
    (start..start + length, shown.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(text: &str) -> String {
        content("t", text, "id", Timestamp::UNIX_EPOCH).items.remove(0).body
    }

    #[test]
    fn markdown_stays_markdown_and_every_line_end_is_seen() {
        for (given, sent) in [
            ("**Release** at 18:00", "**Release** at 18:00"),
            ("one\ntwo\n\n\n\nthree\n", "one  \ntwo\n\nthree"),
            ("- a\n- b", "- a  \n- b"),
            (
                "[docs](https://a.example/x) ![p](http://a.example/p.png)",
                "[docs](https://a.example/x) ![p](http://a.example/p.png)",
            ),
            ("a\u{202e}b\u{0}c\u{1b}[31m", "abc[31m"),
        ] {
            assert_eq!(body(given), sent, "{given:?}");
        }
    }

    #[test]
    fn html_and_addresses_that_are_not_of_the_web_show_as_themselves() {
        for (given, sent) in [
            ("a <b>bold</b> word", "a &lt;b&gt;bold&lt;/b&gt; word"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("[x](javascript:alert(1))", "\\[x](javascript:alert(1))"),
            ("![x](file:///etc/passwd)", "\\!\\[x](file:///etc/passwd)"),
            ("[x][1]\n\n[1]: data:text/html,x", "\\[x]\\[1]\n\n[1]: data:text/html,x"),
            ("    <i>indented</i>", "&lt;i&gt;indented&lt;/i&gt;"),
            ("<javascript:alert(1)>", "&lt;javascript:alert(1)>"),
            ("<https://a.example>", "<https://a.example>"),
            ("`<b>` stays code", "`<b>` stays code"),
        ] {
            assert_eq!(body(given), sent, "{given:?}");
        }
    }

    #[test]
    fn a_title_is_one_line_of_plain_text_and_not_longer_than_a_banner() {
        let long = content(&"字".repeat(100), "x", "id", Timestamp::UNIX_EPOCH).title;
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST_TITLE, true));
        assert_eq!(content(" *a*\nb ", "x", "id", Timestamp::UNIX_EPOCH).title, "*a* b");
    }

    proptest! {
        #[test]
        fn no_html_and_no_other_address_is_left_whatever_is_written(text in "[a<>/!\\[\\]()`*: \n]{0,40}|\\PC{0,60}") {
            let sent = body(&text);
            for event in Parser::new_ext(&sent, Options::ENABLE_STRIKETHROUGH) {
                match event {
                    Event::Html(_) | Event::InlineHtml(_) => prop_assert!(false, "{text:?} → {sent:?}"),
                    Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                        prop_assert!(link::address(&dest_url).is_some(), "{text:?} → {sent:?}");
                    }
                    _ => {}
                }
            }
        }
    }
}
