//! What a card offers to tap on, the best first.
//!
//! The links of the whole, which a markdown message has in its text, in the order in which somebody on call wants
//! them: what is going on, what to do, and silence. An Alertmanager's silence is no link of the text; its address is
//! put together here as the Alertmanager's own page does it, from the labels of the group. How many of them become
//! buttons, and whether an address is too long for one, is decided in `compose`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::model::content::Button;
use crate::model::event::{Labels, Status};
use crate::model::language::Language;
use crate::render::link::Link;
use crate::render::overview::Overview;
use crate::render::words::Word;

/// The buttons for what these items say.
pub(crate) fn of(overview: &Overview<'_>) -> Vec<Button> {
    let mut links: Vec<Link> = overview.links.iter().cloned().chain(silence(overview)).collect();
    if overview.event.kind == "alertmanager" {
        links.sort_by_key(|link| rank(&link.title, overview.language));
    }
    links.into_iter().map(|Link { title, url }| Button { title, url }).collect()
}

/// Where a link of an alert stands among the others; those that are alike stay as they are.
fn rank(title: &str, language: Language) -> usize {
    const WANTED: [Word; 4] = [Word::Graph, Word::Runbook, Word::Dashboard, Word::Silence];
    let is = |word: &Word| word.of(language) == title;
    // The last one is where everything else can be reached from, and the text has it too.
    WANTED.iter().position(is).unwrap_or(if is(&Word::Alertmanager) { WANTED.len() + 1 } else { WANTED.len() })
}

/// All but what RFC 3986 calls unreserved: a `+` or a `&` of a label is to arrive as itself.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The page of the Alertmanager that makes a silence for this group, as long as something of it fires.
///
/// Its address is not documented; the page reads it in
/// <https://github.com/prometheus/alertmanager/blob/main/ui/app/src/Views/SilenceForm/Parsing.elm>.
fn silence(overview: &Overview<'_>) -> Option<Link> {
    let event = overview.event;
    let page = event.url.as_deref().filter(|_| event.kind == "alertmanager" && overview.count(Status::Firing) > 0)?;
    let mut page = Url::parse(page).ok()?;
    if !page.path().ends_with('/') {
        page.set_path(&format!("{}/", page.path()));
    }
    page.set_query(None);
    let matchers = if event.group.is_empty() { &shared_labels(overview) } else { &event.group };
    if matchers.is_empty() {
        // Nothing would tell these alerts from all others.
        return None;
    }
    page.set_fragment(Some(&format!("/silences/new?filter={}", utf8_percent_encode(&filter(matchers)?, RESERVED))));
    Link::to(Word::Silence.of(overview.language), page.as_str())
}

fn shared_labels(overview: &Overview<'_>) -> Labels {
    let mut items = overview.details.iter().map(|detail| &detail.item.labels);
    let first = items.next().cloned().unwrap_or_default();
    items.fold(first, |mut shared, labels| {
        shared.retain(|name, value| labels.get(name) == Some(value));
        shared
    })
}

/// `{alertname="DiskFull",cluster="prod"}`, as the page reads it (`ui/app/src/Utils/Filter.elm`): a name is letters,
/// digits and underscores, and a value is what stands between the quotes *as it stands*, escapes included. So a quote or a
/// backslash cannot be written in a plain value, but in a regular expression; and where a name cannot be written, there is
/// no silence, because without its label it would be one for other alerts too.
fn filter(labels: &Labels) -> Option<String> {
    let can_be_written = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let matcher = |(name, value): (&String, &String)| match value.contains(['"', '\\']) {
        true => format!("{name}=~\"{}\"", regex::escape(value).replace('"', r"\x22")),
        false => format!("{name}=\"{value}\""),
    };
    let filter = || format!("{{{}}}", labels.iter().map(matcher).collect::<Vec<_>>().join(","));
    labels.keys().all(can_be_written).then(filter)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::model::event::{Event, Item, Severity};
    use crate::model::name::EventId;
    use crate::render::words::Audience;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn item(status: Status, instance: &str) -> Item {
        Item {
            fingerprint: instance.into(),
            name: "DiskFull".into(),
            status,
            severity: Severity::Critical,
            labels: labels(&[("alertname", "DiskFull"), ("instance", instance)]),
            annotations: labels(&[
                ("dashboard_url", "https://grafana.example.com/d/1"),
                ("logs_url", "https://logs.example.com/"),
                ("runbook_url", "https://wiki.example.com/disk"),
            ]),
            since: Timestamp::UNIX_EPOCH,
            until: None,
            url: Some("http://prometheus.example.com/graph?g0.expr=up".into()),
        }
    }

    fn event(group: &[(&str, &str)], items: Vec<Item>) -> Event {
        Event {
            id: EventId::fresh(),
            source: "alertmanager".parse().unwrap(),
            kind: "alertmanager",
            title: "DiskFull".into(),
            title_in_chinese: None,
            url: Some("http://am.example.com/alertmanager".into()),
            received_at: Timestamp::UNIX_EPOCH,
            order_key: "k".into(),
            dedup_key: "k".into(),
            dedup_state: String::new(),
            facts: BTreeMap::new(),
            group: labels(group),
            items,
            truncated: 0,
        }
    }

    fn buttons(event: &Event, language: Language) -> Vec<Button> {
        of(&Overview::of(event, &event.items.iter().collect::<Vec<_>>(), &Audience { language, ..Audience::default() }))
    }

    fn titles(event: &Event) -> Vec<String> {
        titles_in(event, Language::En)
    }

    fn titles_in(event: &Event, language: Language) -> Vec<String> {
        buttons(event, language).into_iter().map(|button| button.title).collect()
    }

    fn silence(group: &[(&str, &str)], items: Vec<Item>) -> Option<String> {
        buttons(&event(group, items), Language::En)
            .into_iter()
            .find(|button| button.title == "Silence")
            .map(|button| button.url)
    }

    #[test]
    fn what_somebody_on_call_wants_comes_first() {
        let group = [("alertname", "DiskFull")];
        let firing = event(&group, vec![item(Status::Firing, "db-1"), item(Status::Firing, "db-2")]);
        assert_eq!(titles(&firing), ["Graph", "Runbook", "Dashboard", "Silence", "Logs", "Alertmanager"]);
        let chinese = ["查看图表", "处理手册", "仪表盘", "静默", "日志", "Alertmanager"];
        assert_eq!(titles_in(&firing, Language::Zh), chinese, "in the same order");
        let over = event(&group, vec![item(Status::Resolved, "db-1")]);
        assert!(!titles(&over).contains(&"Silence".to_owned()), "there is nothing to silence");
    }

    /// What the page of Alertmanager makes of an address: `Parsing.elm` cuts the fragment at the first `?`, elm/url takes
    /// a parameter that has exactly one `=` and decodes it, and `Utils/Filter.elm` reads the filter.
    fn as_the_page_reads_it(url: &str) -> Option<Vec<(String, bool, String)>> {
        let (_, fragment) = url.split_once('#')?;
        let (path, query) = fragment.split_once('?')?;
        assert_eq!(path, "/silences/new");
        let parameter = query.split('&').find_map(|part| match part.split('=').collect::<Vec<_>>()[..] {
            ["filter", value] => Some(value),
            _ => None,
        })?;
        let decoded = percent_encoding::percent_decode_str(parameter).decode_utf8().ok()?;
        let mut rest = decoded.strip_prefix('{')?;
        let mut matchers = vec![];
        loop {
            let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
            rest = &rest[name.len()..];
            let is_regex = rest.starts_with("=~");
            rest = rest.strip_prefix(if is_regex { "=~" } else { "=" })?.strip_prefix('"')?;
            let end = end_of_string(rest)?;
            matchers.push((name.to_owned(), is_regex, rest[..end].to_owned()));
            rest = &rest[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => return (!name.is_empty() && rest == "}").then_some(matchers),
            }
        }
    }

    /// A backslash takes the next letter along; nothing is unescaped.
    fn end_of_string(text: &str) -> Option<usize> {
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => return Some(at),
                '\\' => drop(letters.next()?),
                _ => {}
            }
        }
        None
    }

    proptest::proptest! {
        #[test]
        fn the_page_reads_the_silence_of_a_group_as_it_was_meant(
            group in proptest::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,6}", r#"[ -~\n"\\+&%,{}=?#支付é]{0,12}"#, 1..4),
        ) {
            let pairs: Vec<_> = group.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let url = silence(&pairs, vec![item(Status::Firing, "db-1")]).unwrap();
            let read = as_the_page_reads_it(&url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!(read.len(), group.len());
            for ((name, is_regex, said), (label, value)) in read.iter().zip(&group) {
                assert_eq!(name, label);
                match is_regex {
                    false => assert_eq!(said, value),
                    true => assert!(regex::Regex::new(&format!("^(?:{said})$")).unwrap().is_match(value), "{said}"),
                }
            }
        }
    }

    #[test]
    fn a_silence_is_for_the_group_and_every_letter_arrives() {
        let group = [("alertname", "DiskFull"), ("path", r#"C:\a "b"&c+d=é"#)];
        let url = silence(&group, vec![item(Status::Firing, "db-1")]).unwrap();
        assert!(url.starts_with("http://am.example.com/alertmanager/#/silences/new?filter=%7B"), "{url}");
        let read = as_the_page_reads_it(&url).unwrap();
        assert_eq!(read[0], ("alertname".into(), false, "DiskFull".into()));
        assert_eq!(read[1], ("path".into(), true, r"C:\\a \x22b\x22\&c\+d=é".into()));
        let unreadable = [("alertname", "DiskFull"), ("服务", "支付")];
        assert_eq!(silence(&unreadable, vec![item(Status::Firing, "db-1")]), None, "the page knows no such name");
    }

    #[test]
    fn what_was_grouped_by_nothing_is_silenced_by_what_all_of_it_shares() {
        let items = vec![item(Status::Firing, "db-1"), item(Status::Firing, "db-2")];
        let url = silence(&[], items).unwrap();
        assert!(url.ends_with("filter=%7Balertname%3D%22DiskFull%22%7D"), "{url}");
        let other = Item { labels: labels(&[("alertname", "Other")]), ..item(Status::Firing, "db-1") };
        assert_eq!(silence(&[], vec![item(Status::Firing, "db-1"), other]), None, "it would silence everything");
    }

    #[test]
    fn an_address_that_is_none_gives_no_silence() {
        for address in ["javascript:alert(1)", "/alertmanager", ""] {
            let event = Event { url: Some(address.into()), ..event(&[("a", "b")], vec![item(Status::Firing, "db-1")]) };
            assert!(!titles(&event).iter().any(|title| title == "Silence" || title == "Alertmanager"), "{address}");
        }
    }
}
