//! A message is always inside the budget, and what it leaves out is counted.

mod counted;
pub(crate) mod digest;
mod forms;
mod grave;
mod old;
mod read;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::model::content::ContentItem;
use crate::model::event::{Severity, Status};

fn item(n: usize, body: &str) -> ContentItem {
    ContentItem {
        fingerprint: n.to_string(),
        name: "DiskFull".to_owned(),
        status: if n % 5 == 4 { Status::Resolved } else { Status::Firing },
        severity: if n < 2 { Severity::Critical } else { Severity::Warning },
        since: jiff::Timestamp::UNIX_EPOCH,
        until: None,
        url: None,
        short: format!("short {n}"),
        body: body.to_owned(),
        labels: Vec::new(),
    }
}

pub(crate) fn content(items: Vec<ContentItem>) -> Content {
    Content {
        v: Content::VERSION,
        title: "🔴 2 critical firing: DiskFull".to_owned(),
        header: "### the header".to_owned(),
        items,
        footer: "[Alertmanager](http://a.example)".to_owned(),
        buttons: Vec::new(),
        truncated: 0,
        note: String::new(),
    }
}

fn text(content: &Content, budget: usize) -> String {
    let param = single(content, &Style::default(), &Form::default(), budget).msg_param;
    assert!(param.len() <= budget, "{} bytes", param.len());
    let fields: Value = serde_json::from_str(&param).unwrap();
    assert!(!fields["title"].as_str().unwrap().is_empty());
    fields["text"].as_str().unwrap().to_owned()
}

#[test]
fn few_items_are_all_in_full() {
    let items = (0..3).map(|n| item(n, &format!("**body {n}**  \nmore"))).collect();
    insta::assert_snapshot!(text(&content(items), BUDGET), @r"
    ### the header

    **body 0**  
    more

    **body 1**  
    more

    **body 2**  
    more

    [Alertmanager](http://a.example)
    ");
}

#[test]
fn of_many_items_the_worst_are_in_full_and_the_next_on_a_line_each() {
    let items = (0..50).map(|n| item(n, &format!("body {n}"))).collect();
    let text = text(&content(items), BUDGET);
    assert!(text.contains("\n\nbody 9\n\n- short 10\n- short 11\n"));
    assert!(text.contains("- short 49\n\n[Alertmanager]"));
}

#[test]
fn what_does_not_fit_is_counted_by_severity() {
    let items = (0..2_000).map(|n| item(n, &format!("body {n}"))).collect();
    let text = text(&content(items), BUDGET);
    assert!(text.contains("- short 59\n\n**+1940 more** (1552 warning, 388 resolved)\n\n"), "{text}");
}

#[test]
fn notices_that_do_not_fit_are_counted_as_such() {
    let notice = |n| ContentItem { status: Status::Notice, severity: Severity::Info, ..item(n, "body") };
    assert!(text(&content((0..70).map(notice).collect()), BUDGET).contains("**+10 more**, all notices\n\n"));
    let mixed = (0..70).map(|n| if n % 2 == 0 { notice(n) } else { item(1, "body") });
    let text = text(&content(mixed.collect()), BUDGET);
    assert!(text.contains("**+10 more** (5 critical, 5 notices)\n\n"), "{text}");
    let grave = (0..70).map(|n| ContentItem { severity: Severity::Critical, ..notice(n) });
    assert!(super::tests::text(&content(grave.collect()), BUDGET).contains("**+10 more**, all critical\n\n"));
}

#[test]
fn lines_for_all_come_before_more_bodies() {
    let items = (0..5).map(|n| item(n, &"long ".repeat(60))).collect();
    let text = text(&content(items), 600);
    assert!(text.contains("- short 1\n- short 2\n- short 3\n- short 4"), "{text}");
}

#[test]
fn one_giant_is_shortened_inside_and_leaves_room_for_the_others() {
    let giant = format!("**Disk full**  \n{}", "磁盘 \\_ \" ".repeat(10_000));
    let text = text(&content(vec![item(0, &giant), item(1, "second body")]), BUDGET);
    assert!(text.starts_with("### the header\n\n**Disk full**  \n磁盘"));
    assert!(text.ends_with("…\n\nsecond body\n\n[Alertmanager](http://a.example)"));
}

#[test]
fn a_giant_header_leaves_room_for_an_item() {
    let mut content = content(vec![item(0, "the body")]);
    content.header = "header ".repeat(10_000);
    content.title = "title ".repeat(10_000);
    let text = text(&content, BUDGET);
    assert!(text.ends_with("…\n\nthe body\n\n[Alertmanager](http://a.example)"));
}

#[test]
fn nothing_at_all_is_still_a_message() {
    let empty = Content { title: String::new(), header: String::new(), footer: String::new(), ..content(vec![]) };
    assert_eq!(single(&empty, &Style::default(), &Form::default(), BUDGET).msg_param, r#"{"text":"…","title":"…"}"#);
}

#[test]
fn a_row_of_version_1_stays_readable() {
    let old: Content = serde_json::from_str(include_str!("content_v1.json")).unwrap();
    assert_eq!(old.v, 1);
    insta::assert_snapshot!(text(&old, BUDGET));
}

#[test]
fn a_version_1_row_needs_only_what_the_first_program_wrote() {
    let bare = r####"{"v":1,"title":"t","header":"### h","items":[{"fingerprint":"f","name":"n","status":"firing",
        "severity":"info","since":"2026-11-21T19:28:47Z","short":"s","body":"b"}]}"####;
    assert_eq!(text(&serde_json::from_str(bare).unwrap(), BUDGET), "### h\n\nb");
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ]{1,20}",
        2 => "[值班🔥👩‍💻é ]{1,10}",
        2 => "[\"\\\\\n\t\u{0}\u{1f}\u{7f}]{1,10}",
        1 => any::<String>(),
        1 => Just("[Graph](http://a.example/graph?a=1&b=2)".to_owned()),
        1 => Just("**bold**  \n".to_owned()),
        1 => Just("```\n".to_owned()),
        1 => Just("&lt;".to_owned()),
    ];
    (vec(piece, 0..12), prop_oneof![8 => 1_usize..3, 1 => 100..400_usize])
        .prop_map(|(p, times)| p.concat().repeat(times))
}

prop_compose! {
    fn any_item()(name in nasty(), short in nasty(), body in nasty(), status in 0_usize..3, severity in 0_usize..3)
        -> ContentItem {
        let status = [Status::Firing, Status::Resolved, Status::Notice][status];
        ContentItem { name, short, status, severity: Severity::ALL[severity], ..item(0, &body) }
    }
}

prop_compose! {
    fn any_content()(title in nasty(), header in nasty(), footer in nasty(), items in vec(any_item(), 0..8),
        copies in prop_oneof![4 => Just(1_usize), 1 => 1..60_usize]) -> Content {
        let items = items.iter().cycle().take(items.len() * copies).cloned().collect();
        Content { title, header, footer, ..content(items) }
    }
}

proptest! {
    #[test]
    fn every_message_is_inside_the_budget(content in any_content(), budget in prop_oneof![Just(BUDGET), 100..2_000_usize]) {
        let text = text(&content, budget);
        prop_assert!(!text.is_empty());
    }

    #[test]
    fn every_item_is_shown_or_counted(count in 0_usize..200, long in 0_usize..400, budget in 400..BUDGET) {
        let text = text(&content((0..count).map(|n| item(n, &format!("body {}", "x".repeat(long)))).collect()), budget);
        let shown = text.matches("body").count() + text.matches("- short ").count();
        let more = text.split_once("**+").map_or(0, |(_, rest)| rest.split_once(' ').unwrap().0.parse().unwrap());
        prop_assert_eq!(shown + more, count);
    }
}
