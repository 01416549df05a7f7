//! Markdown without what DingTalk complained of: links and addresses, pictures, mentions of everybody.
//!
//! A markdown parser says what is a link and what only looks like one, and where it stands; the rest of the source
//! stays as it was, letter by letter. A line that holds nothing but links goes with them, elsewhere a link leaves its
//! caption, a picture its description, and a bare address a `…`. Knows nothing of messages and bytes, but makes no
//! text longer.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::model::form::Form;

/// What stands for an address that was taken out.
const GONE: &str = "…";

/// The markdown without what this form leaves out.
pub(crate) fn without(markdown: &str, form: &Form) -> String {
    let mut markdown = markdown.to_owned();
    if form.without_links {
        markdown = without_links_to(&markdown, |_| true);
    }
    // What is left of one link may, with what stands beside it, be another. Every round takes something away.
    while leaves_something_out(form) {
        let cuts = Walk::over(&markdown, form);
        if cuts.is_empty() {
            break;
        }
        markdown = cut(&markdown, cuts);
    }
    markdown
}

/// The same of plain text.
pub(crate) fn without_in_plain(text: &str, form: &Form) -> String {
    let mut text = text.to_owned();
    while leaves_something_out(form) {
        let run: Run = text.char_indices().map(|(at, c)| (at..at + c.len_utf8(), c)).collect();
        let cuts = offences(&run, form);
        if cuts.is_empty() {
            break;
        }
        text = cut(&text, cuts);
    }
    text
}

/// The markdown without the links to some addresses, as far as they stand in lines that hold nothing but links.
pub(crate) fn without_links_to(markdown: &str, is_told: impl Fn(&str) -> bool) -> String {
    let (mut cuts, mut line, mut inside) = (Vec::new(), Line::default(), 0_usize);
    for (event, range) in Parser::new_ext(markdown, OPTIONS).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => {
                inside += 1;
                line.links.push((range, is_told(&dest_url)));
            }
            Event::End(TagEnd::Link) => inside = inside.saturating_sub(1),
            _ if inside > 0 => {}
            Event::Text(text) => line.says_more |= !text.chars().all(separates),
            Event::SoftBreak | Event::HardBreak => line.end(markdown, &mut cuts),
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Image { .. }) => line.says_more = true,
            Event::Start(_) | Event::End(_) => line.end(markdown, &mut cuts),
            _ => line.says_more = true,
        }
    }
    line.end(markdown, &mut cuts);
    cut(markdown, cuts)
}

const OPTIONS: Options = Options::ENABLE_STRIKETHROUGH.union(Options::ENABLE_TABLES);

/// A line as a reader sees it.
#[derive(Default)]
struct Line {
    /// Where its links stand, and whether they are to go.
    links: Vec<(Range<usize>, bool)>,
    /// Whether it holds something beside links and what separates them.
    says_more: bool,
}

impl Line {
    /// Takes out what is to go, if it is a line of links; then the next one begins.
    fn end(&mut self, markdown: &str, cuts: &mut Vec<Cut>) {
        let line = std::mem::take(self);
        let (Some((first, _)), Some((last, _))) = (line.links.first(), line.links.last()) else { return };
        if !line.says_more && line.links.iter().any(|(_, goes)| *goes) {
            let stay = line.links.iter().filter(|(_, goes)| !goes).map(|(link, _)| &markdown[link.clone()]);
            cuts.push((first.start..last.end, stay.collect::<Vec<_>>().join(" · ")));
        }
    }
}

fn separates(c: char) -> bool {
    c.is_whitespace() || matches!(c, '·' | '|' | '/' | ',' | '-' | '–' | '•')
}

fn leaves_something_out(form: &Form) -> bool {
    form.without_links || form.without_pictures || form.without_mentions
}

/// A place in the source, and what stands there instead.
type Cut = (Range<usize>, String);

/// Text as a reader sees it, each character with its place in the source.
type Run = Vec<(Range<usize>, char)>;

fn cut(source: &str, mut cuts: Vec<Cut>) -> String {
    cuts.sort_by_key(|(place, _)| place.start);
    let mut left = String::with_capacity(source.len());
    let mut at = 0;
    for (place, instead) in cuts {
        if place.start < at {
            continue;
        }
        left.push_str(&source[at..place.start]);
        left.push_str(&instead);
        at = place.end;
    }
    left.push_str(&source[at..]);
    left
}

/// Walks over the parser's events and notes what is to go.
struct Walk<'m> {
    markdown: &'m str,
    form: &'m Form,
    cuts: Vec<Cut>,
    /// The links and pictures that are open, the outermost first.
    open: Vec<Wrapped>,
    run: Run,
}

/// A link or a picture that is to leave only what it shows.
struct Wrapped {
    whole: Range<usize>,
    inner: Option<Range<usize>>,
}

impl<'m> Walk<'m> {
    fn over(markdown: &'m str, form: &'m Form) -> Vec<Cut> {
        let mut walk = Self { markdown, form, cuts: Vec::new(), open: Vec::new(), run: Vec::new() };
        let events = Parser::new_ext(markdown, OPTIONS).into_offset_iter();
        if form.without_links {
            let definitions = events.reference_definitions().iter();
            walk.cuts.extend(definitions.map(|(_, definition)| (definition.span.clone(), String::new())));
        }
        for (event, range) in events {
            walk.pass(&event, range);
        }
        walk.end_run();
        walk.cuts
    }

    fn pass(&mut self, event: &Event<'_>, range: Range<usize>) {
        if !matches!(event, Event::Text(_)) {
            self.end_run();
        }
        if !matches!(event, Event::End(TagEnd::Link | TagEnd::Image)) {
            self.widen(&range);
        }
        match event {
            Event::Text(text) => self.read(text, &range),
            Event::Code(code) if !offences(&run_of(code, &range, self.markdown), self.form).is_empty() => {
                self.cuts.push((range, GONE.to_owned()));
            }
            Event::Html(_) | Event::InlineHtml(_) if self.form.without_links || self.form.without_pictures => {
                self.cuts.push((range, String::new()));
            }
            Event::Start(Tag::Link { .. }) if self.form.without_links => self.wrap(range),
            Event::Start(Tag::Image { .. }) if self.form.without_pictures => self.wrap(range),
            Event::End(TagEnd::Link) if self.form.without_links => self.unwrap(),
            Event::End(TagEnd::Image) if self.form.without_pictures => self.unwrap(),
            _ => {}
        }
    }

    /// What is open shows this too.
    fn widen(&mut self, range: &Range<usize>) {
        for open in &mut self.open {
            let inner = open.inner.get_or_insert_with(|| range.clone());
            *inner = inner.start.min(range.start)..inner.end.max(range.end);
        }
    }

    fn wrap(&mut self, whole: Range<usize>) {
        self.open.push(Wrapped { whole, inner: None });
    }

    fn unwrap(&mut self) {
        let Some(Wrapped { whole, inner }) = self.open.pop() else { return };
        let inner = inner.unwrap_or(whole.end..whole.end);
        for cut in [whole.start..inner.start, inner.end..whole.end] {
            if !cut.is_empty() {
                self.cuts.push((cut, String::new()));
            }
        }
    }

    fn read(&mut self, text: &str, range: &Range<usize>) {
        self.run.extend(run_of(text, range, self.markdown));
    }

    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.cuts.extend(offences(&run, self.form));
    }
}

/// Where each character of a text stands. An entity's characters all stand where the entity does.
fn run_of(text: &str, range: &Range<usize>, markdown: &str) -> Run {
    let is_verbatim = markdown[range.clone()] == *text;
    let place = |at: usize, c: char| {
        if is_verbatim { range.start + at..range.start + at + c.len_utf8() } else { range.clone() }
    };
    text.char_indices().map(|(at, c)| (place(at, c), c)).collect()
}

/// What of a text is to go.
fn offences(run: &Run, form: &Form) -> Vec<Cut> {
    let (mut cuts, mut at) = (Vec::new(), 0);
    while at < run.len() {
        let found = address(run, at).filter(|_| form.without_links).map(|end| (end, GONE));
        let found = found.or_else(|| mentions_all(run, at).then_some((at + 1, "")).filter(|_| form.without_mentions));
        let Some((end, instead)) = found else {
            at += 1;
            continue;
        };
        cuts.push((run[at].0.start..run[end - 1].0.end, instead.to_owned()));
        at = end;
    }
    cuts
}

/// The end of an address that begins here: `scheme://…` or `www.…`. It reaches as far as an address would when somebody
/// taps on it, without the punctuation behind it.
fn address(run: &Run, begin: usize) -> Option<usize> {
    let letter = |at: usize| run.get(at).map(|(_, c)| *c);
    let is = |at: usize, text: &str| text.chars().enumerate().all(|(i, c)| letter(at + i).map(lower) == Some(c));
    let before = begin.checked_sub(1).and_then(letter);
    // Asked for at the beginning of a word only: a long word is walked over once.
    let scheme = match before.is_some_and(may_be_of_a_scheme) {
        true => 0,
        false => (begin..).take_while(|at| letter(*at).is_some_and(may_be_of_a_scheme)).count(),
    };
    let body = if is(begin + scheme, "://") {
        begin + scheme + 3
    } else if !before.is_some_and(|c| c.is_ascii_alphanumeric())
        && is(begin, "www.")
        && letter(begin + 4).is_some_and(|c| c.is_ascii_alphanumeric())
    {
        begin + 5
    } else {
        return None;
    };
    let mut end = (body..).find(|at| !letter(*at).is_some_and(may_be_of_an_address))?;
    while end > body
        && letter(end - 1).is_some_and(|c| matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']' | '\''))
    {
        end -= 1;
    }
    Some(end)
}

fn lower(c: char) -> char {
    c.to_ascii_lowercase()
}

fn may_be_of_a_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-')
}

fn may_be_of_an_address(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '`')
}

/// Whether the `@` of `@all` or `@所有人` stands here: what DingTalk's clients show when everybody is mentioned.
fn mentions_all(run: &Run, at: usize) -> bool {
    let behind: String = run.iter().skip(at + 1).take(4).map(|(_, c)| lower(*c)).collect();
    let is_at = matches!(run[at].1, '@' | '＠');
    let all = behind.strip_prefix("all").is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    is_at && (all || behind.starts_with("所有人"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(links: bool, pictures: bool, mentions: bool) -> Form {
        let form = Form { without_links: links, without_pictures: pictures, ..Form::default() };
        Form { without_mentions: mentions, ..form }
    }

    #[test]
    fn links_go_and_captions_stay_where_they_are_part_of_a_sentence() {
        for (markdown, left) in [
            ("see [the graph](http://a.example/), now", "see the graph, now"),
            ("**bold [x](http://a.example)** y", "**bold x** y"),
            ("db\\_1 at http://a.example/b\\_c.", "db\\_1 at …."),
            ("(http://a.example/x) 见https://b.example/路径", "(…) 见…路径"),
            ("WWW.evil.example and awww.", "… and awww."),
            ("since 19:28  \n[Graph](http://a.example) · [Runbook](http://b.example)", "since 19:28  \n"),
            ("[Graph](http://a.example)  \nmore", "  \nmore"),
            ("> cluster: prod\n\n- short [x](http://a.example)", "> cluster: prod\n\n- short x"),
            ("![chart](http://a.example/c.png) shown", "chart shown"),
            ("<a href=\"http://a.example\">x</a>", "x"),
            ("<http://a.example>!", "…!"),
            ("`curl http://a.example` to see", "… to see"),
            ("[x][1]!\n\n[1]: http://a.example", "x!\n\n"),
            ("[[a](http://a.example)](http://b.example)!", "a!"),
            ("nothing to do: a &lt; b, 10.0.0.1:9100", "nothing to do: a &lt; b, 10.0.0.1:9100"),
        ] {
            assert_eq!(without(markdown, &form(true, true, false)), left, "{markdown}");
        }
    }

    #[test]
    fn pictures_go_and_links_stay() {
        let markdown = "[![chart](http://a.example/c.png)](http://b.example) <img src=x>";
        assert_eq!(without(markdown, &form(false, true, false)), "[chart](http://b.example) ");
    }

    #[test]
    fn nobody_is_mentioned_and_names_stay() {
        for (text, left) in [
            ("@all look, @ALL!", "all look, ALL!"),
            ("@所有人 @@all", "所有人 all"),
            ("@alliance ops@allied.example", "@alliance ops@allied.example"),
        ] {
            assert_eq!(without(text, &form(false, false, true)), left);
            assert_eq!(without_in_plain(text, &form(false, false, true)), left);
        }
    }

    #[test]
    fn of_a_line_of_links_only_those_that_are_buttons_go() {
        let told = |url: &str| url.ends_with("told");
        for (footer, left) in [
            ("[A](http://a/told) · [B](http://b/) · [C](http://c/told)", "[B](http://b/)"),
            ("[A](http://a/) · [B](http://b/told) · [C](http://c/)", "[A](http://a/) · [C](http://c/)"),
            ("[A](http://a/told)", ""),
            ("see [A](http://a/told)", "see [A](http://a/told)"),
            ("[A](http://a/told)  \n[B](http://b/) | [C](http://c/told)", "  \n[B](http://b/)"),
        ] {
            assert_eq!(without_links_to(footer, told), left);
        }
    }

    #[test]
    fn a_long_word_takes_no_time() {
        let began = std::time::Instant::now();
        without(&format!("{} [x](http://a.example)", "a.".repeat(100_000)), &form(true, true, true));
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
