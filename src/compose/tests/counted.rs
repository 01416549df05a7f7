//! Whatever a digest is made of: it fits, no more is shown than its receiver wants, and nothing from outside becomes
//! markup. That it adds up to what there is, is read from its text in `read`.

use proptest::prelude::*;
use pulldown_cmark::{Event, Parser, Tag};

use super::digest::{at, style};
use super::*;
use crate::model::content::{Seen, Unchanged};
use crate::model::form::{Buttons, Form, Length, Look, Shape};
use crate::model::language::Language;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Z][a-z]{2,9}(Down|High|Lag)",
        2 => "[a-z0-9-]{1,30}",
        1 => "[磁盘满值班告警]{1,30}",
        1 => Just("](http://evil.example) **x** <b>@all</b> `".to_owned()),
        1 => Just("* a_b_c #1 ~~x~~ &lt; \\ ![p](http://p.example)".to_owned()),
        1 => ".{0,60}",
    ]
}

prop_compose! {
    fn an_item()(name in word(), value in word(), key in "pod|instance|cluster|[a-z]{3}", twin in 0..12_usize,
        status in 0..3_usize, severity in 0..3_usize, minute in 0..60_u32, url in any::<bool>()) -> ContentItem {
        let since = at(&format!("03:{minute:02}"));
        let status = [Status::Firing, Status::Resolved, Status::Notice][status];
        let labels = vec![("cluster".to_owned(), "prod".to_owned()), (key, value.clone())];
        ContentItem {
            fingerprint: if twin == 0 { String::new() } else { twin.to_string() },
            name, status, since, labels,
            severity: Severity::ALL[severity],
            until: (status == Status::Resolved).then_some(at("03:59")),
            url: url.then(|| "https://prom.example/graph?a=1&b=2".to_owned()),
            short: format!("🔴 {}", plain::text(&value)),
            body: value,
        }
    }
}

prop_compose! {
    fn a_delivery()(items in vec(an_item(), 0..30), copies in 1..4_usize, key in "[ab]", known in 0..40_usize)
        -> (Content, String, Option<Vec<Seen>>) {
        let items: Vec<_> = items.iter().cycle().take(items.len() * copies).cloned().collect();
        let seen = items.iter().take(known).map(Seen::from).collect();
        (content(items), key, (known > 0).then_some(seen))
    }
}

prop_compose! {
    fn a_form()(shape in 0..3_usize, length in 0..3_usize, links in any::<bool>(), mentions in any::<bool>()) -> Form {
        Form {
            shape: [Shape::Wanted, Shape::Markdown, Shape::Text][shape],
            length: [Length::Whole, Length::Half, Length::Eighth][length],
            without_links: links,
            without_pictures: links,
            without_mentions: mentions,
            refused_with: vec![],
            together: false,
        }
    }
}

/// The addresses of links and pictures, and whether there is HTML.
fn markup(markdown: &str) -> (Vec<String>, bool) {
    let (mut links, mut html) = (vec![], false);
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => links.push(dest_url.to_string()),
            Event::Html(_) | Event::InlineHtml(_) => html = true,
            _ => {}
        }
    }
    (links, html)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn everything_fits_and_nothing_from_outside_becomes_markup(
        deliveries in vec(a_delivery(), 2..8),
        form in a_form(),
        unchanged in prop_oneof![Just(Unchanged::Fold), Just(Unchanged::Show), Just(Unchanged::Drop)],
        (max_items, late, zh, card, page) in (0..20_usize, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        budget in prop_oneof![3 => Just(BUDGET), 1 => 100..3_000_usize],
    ) {
        let parts: Vec<_> = deliveries.iter().map(|(content, order_key, known)| {
            Part { content, order_key, received_at: at("02:10"), known: known.as_deref() }
        }).collect();
        let language = if zh { Language::Zh } else { Language::En };
        let look = if card { Look::Card(Buttons::Vertical) } else { Look::Markdown };
        let style = style(language, look);
        let page = page.then_some("https://relay.example/m/1");
        let setting = Setting { unchanged, max_items, late, page, ..Setting::of(&style, &form, at("03:30")) };

        for parts in [&parts[..], &parts[..1]] {
            let made = message(parts, &setting, budget);

            let given: usize = parts.iter().map(|part| part.content.items.len()).sum();
            let param = &made.composed.msg_param;
            prop_assert!(param.len() <= budget, "{} of {budget}: {param}", param.len());
            let fields: Value = serde_json::from_str(param).unwrap();
            if parts.len() > 1 && given > 0 {
                prop_assert!(made.shown <= max_items);
                let title = fields["title"].as_str().unwrap_or_default();
                prop_assert!(title.chars().count() <= 40, "{title}");
                let text = fields["text"].as_str().unwrap_or_default();
                let (links, html) = markup(text);
                prop_assert!(!html, "{text}");
                let ours = |url: &String| url.starts_with("https://prom.example/graph") || Some(url.as_str()) == page;
                prop_assert!(links.iter().all(ours), "{links:?} in {text}");
                prop_assert!(!form.without_links || links.is_empty(), "{links:?} in {text}");
            }
        }
    }
}
