//! Digests as a person sees them.

use jiff::tz::TimeZone;

use super::*;
use crate::model::content::{Seen, Unchanged};
use crate::model::language::Language;

fn at(time: &str) -> Timestamp {
    format!("2026-11-22T{time}:00Z").parse().unwrap()
}

/// An alert that fires since 19:28 UTC of the day before.
fn alert(name: &str, severity: Severity, labels: &[(&str, &str)]) -> ContentItem {
    let labels: Vec<_> = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ContentItem {
        fingerprint: format!("{name}{labels:?}"),
        name: name.to_owned(),
        status: Status::Firing,
        severity,
        since: at("02:10"),
        until: None,
        url: Some("http://prom.example/graph?g0.expr=up".to_owned()),
        short: format!("🔴 {name}"),
        body: format!("**{name}**"),
        labels,
    }
}

fn resolved(item: &ContentItem, until: &str) -> ContentItem {
    ContentItem { status: Status::Resolved, until: Some(at(until)), ..item.clone() }
}

fn part<'c>(content: &'c Content, key: &'c str, known: Option<&'c [Seen]>) -> Part<'c> {
    Part { content, order_key: key, created_at: at("02:10"), known }
}

fn style(language: Language) -> Style {
    Style { language, timezone: TimeZone::get("Asia/Shanghai").unwrap(), ..Style::default() }
}

fn shown(made: &Made) -> String {
    let fields: Value = serde_json::from_str(&made.composed.msg_param).unwrap();
    let field = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let Made { shown, folded, left_out, .. } = made;
    format!("{}\n{}\n\nshown {shown}, folded {folded}, left out {left_out}", field("title"), field("text"))
}

#[test]
fn a_small_digest() {
    let node = |n: usize| {
        alert("HighCPU", Severity::Critical, &[("cluster", "prod"), ("instance", &format!("node-{n}:9100"))])
    };
    let disk = alert(
        "DiskFull",
        Severity::Warning,
        &[("cluster", "prod"), ("instance", "db-1:9100"), ("mountpoint", "/data")],
    );
    let (one, two) = (content(vec![node(1), node(2)]), content(vec![disk.clone(), resolved(&node(2), "02:22")]));
    let (style, form) = (style(Language::En), Form::default());
    let setting = Setting { page: Some("https://relay.example/m/1"), ..Setting::of(&style, &form, at("03:00")) };
    let made = message(&[part(&one, "a", None), part(&two, "a", None)], &setting, BUDGET);
    insta::assert_snapshot!(shown(&made));
    let known = [Seen::from(&node(1)), Seen::from(&node(3))];
    let one = content(vec![node(1), node(2), resolved(&node(3), "02:22")]);
    let folding = Setting { unchanged: Unchanged::Fold, ..setting };
    insta::assert_snapshot!(shown(&message(&[part(&one, "a", Some(&known))], &folding, BUDGET)));
}
