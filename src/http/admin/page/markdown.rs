//! A message's markdown as HTML that can do nothing: what DingTalk draws, near enough to judge a message by.
//!
//! The parser's events become a closed set of elements, so whatever comes in, the HTML is whole. Text is escaped; HTML
//! in the markdown is shown as text, not obeyed; an address is a link only where it leads to the web. Images are named
//! and not loaded: the page's policy loads nothing, and whoever looks at a message should not be seen to.

use std::fmt::Write;

use minijinja::HtmlEscape;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};

/// The markdown, drawn. A link to `here`, the path of the page it stands on, leads to all that the page tells of.
pub(super) fn html(markdown: &str, here: Option<&str>) -> String {
    let mut drawing = Drawing { here, ..Drawing::default() };
    Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH).for_each(|event| drawing.draw(event));
    drawing.html
}

/// Where an address leads that stands on the page `here`: nowhere out of the web, and not to where one is already.
pub(super) fn leading<'u>(url: &'u str, here: Option<&str>) -> Option<&'u str> {
    let is_here = |path: &&str| here.is_some_and(|here| path.ends_with(here));
    let address = url.parse::<url::Url>().ok().filter(|_| is_web(url))?;
    Some(if is_here(&address.path()) { "#alerts" } else { url })
}

/// Whether an address leads to the web.
pub(super) fn is_web(url: &str) -> bool {
    url.parse::<url::Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[derive(Default)]
struct Drawing<'h> {
    html: String,
    here: Option<&'h str>,
    /// What closes each element that is open, the outermost first.
    closers: Vec<&'static str>,
}

impl Drawing<'_> {
    fn draw(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(&tag),
            Event::End(_) => self.html.push_str(self.closers.pop().unwrap_or_default()),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => {
                self.html.push_str("<code>");
                self.text(&text);
                self.html.push_str("</code>");
            }
            Event::Html(html) | Event::InlineHtml(html) if !is_decoration(&html) => self.text(&html),
            Event::SoftBreak => self.html.push('\n'),
            Event::HardBreak => self.html.push_str("<br>\n"),
            Event::Rule => self.html.push_str("<hr>\n"),
            // What is left belongs to options that are off.
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        let (opener, closer) = match tag {
            Tag::Paragraph => ("<p>", "</p>\n"),
            Tag::Heading { level, .. } => heading(*level),
            Tag::BlockQuote(_) => ("<blockquote>", "</blockquote>\n"),
            Tag::CodeBlock(_) => ("<pre>", "</pre>\n"),
            Tag::List(None) => ("<ul>", "</ul>\n"),
            Tag::List(Some(first)) => return self.open_list(*first),
            Tag::Item => ("<li>", "</li>\n"),
            Tag::Emphasis => ("<em>", "</em>"),
            Tag::Strong => ("<strong>", "</strong>"),
            Tag::Strikethrough => ("<del>", "</del>"),
            Tag::Link { dest_url, .. } => return self.open_link(dest_url, ""),
            Tag::Image { dest_url, .. } => return self.open_link(dest_url, "🖼 "),
            _ => ("", ""),
        };
        self.html.push_str(opener);
        self.closers.push(closer);
    }

    fn open_list(&mut self, first: u64) {
        let _a_string_takes_all = write!(self.html, "<ol start=\"{first}\">");
        self.closers.push("</ol>\n");
    }

    /// An image that is a link would be a link in a link, which HTML has not.
    fn open_link(&mut self, url: &str, before: &str) {
        let leads_to = leading(url, self.here).filter(|_| !self.closers.contains(&"</a>"));
        let (opener, closer) = leads_to.map_or_else(
            || ("<span>".to_owned(), "</span>"),
            |url| (format!("<a href=\"{}\" rel=\"noreferrer noopener\">", HtmlEscape(url)), "</a>"),
        );
        self.html.push_str(&opener);
        self.html.push_str(before);
        self.closers.push(closer);
    }

    fn text(&mut self, text: &str) {
        let _a_string_takes_all = write!(self.html, "{}", HtmlEscape(text));
    }
}

/// The page has headings of its own above those of a message.
fn heading(level: HeadingLevel) -> (&'static str, &'static str) {
    match level {
        HeadingLevel::H1 => ("<h3>", "</h3>\n"),
        HeadingLevel::H2 => ("<h4>", "</h4>\n"),
        HeadingLevel::H3 => ("<h5>", "</h5>\n"),
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => ("<h6>", "</h6>\n"),
    }
}

/// `<font color=…>` of an operator's template: DingTalk may colour what is inside, and says nothing with it.
fn is_decoration(html: &str) -> bool {
    html.starts_with("<font ") || html == "</font>"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_dingtalk_draws_is_drawn() {
        let markdown = "### 🔴 **2** firing\n\n> 值班 *now*  \n> then\n\n- `a<b`\n- ~~c~~\n\n3. d\n\n***\n\n    e";
        let drawn = "<h5>🔴 <strong>2</strong> firing</h5>\n\
                     <blockquote><p>值班 <em>now</em><br>\nthen</p>\n</blockquote>\n\
                     <ul><li><code>a&lt;b</code></li>\n<li><del>c</del></li>\n</ul>\n\
                     <ol start=\"3\"><li>d</li>\n</ol>\n<hr>\n<pre>e</pre>\n";
        assert_eq!(html(markdown, None), drawn);
    }

    #[test]
    fn html_of_a_message_is_shown_and_not_obeyed() {
        let harmless = "<p>&lt;img src=x onerror=alert(1)&gt; a</p>\n";
        assert_eq!(html("<img src=x onerror=alert(1)> a", None), harmless);
        assert!(!html("<script>\nalert(1)\n</script>", None).contains("<script"));
        assert_eq!(html("<font color=red>hot</font>", None), "<p>hot</p>\n");
    }

    #[test]
    fn only_an_address_of_the_web_is_a_link_and_tells_nobody_where_one_came_from() {
        let link = "<p><a href=\"https:&#x2f;&#x2f;a.example&#x2f;?q=&quot;\" rel=\"noreferrer noopener\">a</a></p>\n";
        assert_eq!(html("[a](https://a.example/?q=\")", None), link);
        for url in ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//a.example", "/deliveries"] {
            assert_eq!(html(&format!("[a]({url})"), None), "<p><span>a</span></p>\n", "{url}");
        }
    }

    #[test]
    fn an_image_is_named_and_not_loaded() {
        let named = html("[![graph](https://a.example/g.png)](https://a.example/)", None);
        assert!(named.contains("<span>🖼 graph</span></a>") && !named.contains("<img"), "{named}");
        assert!(html("![graph](https://a.example/g.png)", None).contains("🖼 graph</a>"));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_no_element_goes_out_but_ours_and_each_is_closed(
            markdown in "[a-z<>/&\"'=:!#*_`~>()\\[\\]\\\\ \n-]{0,120}|\\PC{0,60}"
        ) {
            let drawn = html(&markdown, None);
            let tags = regex::Regex::new("<(/?)([^ >]*)[^>]*>").unwrap();
            let ours = ["p", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "li", "em", "strong", "del", "a",
                "span", "code", "br", "hr"];
            let mut open = vec![];
            for tag in tags.captures_iter(&drawn) {
                prop_assert!(ours.contains(&&tag[2]), "{}", drawn);
                match &tag[1] {
                    "/" => prop_assert_eq!(open.pop().unwrap_or_default(), &tag[2]),
                    _ if ["br", "hr"].contains(&&tag[2]) => {}
                    _ => open.push(tag[2].to_owned()),
                }
            }
            prop_assert!(open.is_empty(), "{}", drawn);
        }
    }
}
