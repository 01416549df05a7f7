//! Addresses from outside, and links to them.
//!
//! Only `http` and `https` addresses become links (contract §4). An address is taken apart and put together again,
//! without credentials, and everything that could end a markdown link is percent-encoded. Knows markdown, but
//! neither templates nor events.

use url::{Position, Url};

use crate::render::outside;

/// Longer addresses become no links: they would eat the message, and browsers cut them.
const LONGEST: usize = 2_000;

/// Something to tap on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// What is shown; raw.
    pub(crate) title: String,
    /// From [`address`].
    pub(crate) url: String,
}

impl Link {
    /// A link, if the address may be one.
    pub(crate) fn to(title: &str, outside: &str) -> Option<Self> {
        Some(Self { title: outside::clipped(&outside::one_line(title), 20), url: address(outside)? })
    }

    /// The link as markdown.
    pub(crate) fn markdown(&self) -> String {
        format!("[{}]({})", outside::escaped(&self.title), self.url)
    }
}

/// The address, safe between the parentheses of a markdown link; `None` where it is not an `http(s)` one.
pub(crate) fn address(outside: &str) -> Option<String> {
    let given = outside.trim();
    let mut url = Url::parse(given).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.host_str()?.bytes().all(may_stand_in_a_host) {
        return None;
    }
    // Credentials in an address would be read by the whole group. These fail only where there is no host.
    let _no_host = url.set_username("");
    let _no_host = url.set_password(None);
    let mut safe = url[..Position::BeforePath].to_owned();
    let rest = &url[Position::BeforePath..];
    // An address without a path is shown as it was given, without the slash the parser adds.
    if rest != "/" || given.ends_with('/') {
        percent_encode(rest, &mut safe);
    }
    (safe.len() <= LONGEST).then_some(safe)
}

fn may_stand_in_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
}

/// Encodes what could end a link or be taken for markdown. `;` because `&copy;` in a link is an entity.
fn percent_encode(rest: &str, safe: &mut String) {
    for c in rest.chars() {
        match c {
            '(' | ')' | '[' | ']' | '<' | '>' | '{' | '}' | '|' | '\\' | '^' | '`' | '"' | '\'' | '*' | ';' => {
                safe.push_str(&format!("%{:02X}", u32::from(c)));
            }
            _ => safe.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Parser, Tag};

    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        for (given, safe) in [
            ("http://vm:19093", Some("http://vm:19093")),
            (" https://a.example/b?c=d&e=f ", Some("https://a.example/b?c=d&e=f")),
            ("http://p:9090/graph?g0.expr=rate(x[5m])", Some("http://p:9090/graph?g0.expr=rate%28x%5B5m%5D%29")),
            ("http://[::1]:9090/x", Some("http://[::1]:9090/x")),
            ("https://例子.example/路径", Some("https://xn--fsqu00a.example/%E8%B7%AF%E5%BE%84")),
            ("https://user:password@a.example/", Some("https://a.example/")),
            ("https://a.example/?x=1&copy;=2", Some("https://a.example/?x=1&copy%3B=2")),
            ("javascript:alert(1)", None),
            ("dingtalk://dingtalkclient/page/link", None),
            ("/graph", None),
            ("http://", None),
            ("http://a(b)/", None),
        ] {
            assert_eq!(address(given).as_deref(), safe, "{given}");
        }
    }

    proptest! {
        #[test]
        fn a_link_parses_as_one_link(title in "\\PC{0,30}", path in "[ -~]{0,60}") {
            let given = format!("https://a.example/{path}");
            let link = Link::to(&format!("x{title}"), &given).unwrap();
            let markdown = format!("{} end", link.markdown());
            let events: Vec<_> = Parser::new(&markdown).collect();
            let links: Vec<_> = events.iter().filter_map(|e| match e {
                Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.to_string()),
                _ => None,
            }).collect();
            prop_assert_eq!(links, [link.url]);
            prop_assert!(matches!(&events[events.len() - 2], Event::Text(t) if t.ends_with(" end")));
        }
    }
}
