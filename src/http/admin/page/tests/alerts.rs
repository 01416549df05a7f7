//! The page of a message as the place where "Show all" leads: every alert, the worst first, each with its delivery.

use super::*;
use crate::http::admin::page::readers;
use crate::model::name::ChannelKey;
use crate::model::record::{Asking, Carried, MessageRecord};
use crate::operator::messages::Receipts;

fn item(name: &str, severity: Severity) -> ContentItem {
    let labels = vec![("cluster".into(), "prod".into()), ("instance".into(), format!("{name}-1"))];
    let url = Some(format!("https://prometheus.example.com/{name}"));
    let content = content_titled(name, "https://example.com/");
    let first = content.items.into_iter().next().unwrap();
    ContentItem { fingerprint: name.into(), severity, labels, url, ..first }
}

/// The delivery of one group of alerts.
fn carried(id: &str, key: &str, items: Vec<ContentItem>) -> Carried {
    let content = Content { items, ..content_titled("t", "https://example.com/") };
    Carried {
        id: DeliveryId(id.into()),
        event: EventId("e1".into()),
        receiver: "oncall".into(),
        state: Standing::Delivered,
        title: format!("title of {id}"),
        order_key: key.into(),
        content: Some(content),
    }
}

fn page_of(carried: Vec<Carried>, text: &str) -> String {
    let message = record_titled("t", "https://example.com/").delivery.message.unwrap();
    let msg_param = Some(serde_json::json!({"title": "t", "text": text}).to_string());
    let record = MessageRecord {
        message: Message { msg_param, deliveries: carried.len() as u64, ..message },
        app: "ops".into(),
        channel: ChannelKey::stored("ops/ding/cid==".into()),
        called_at: now(),
        carried,
        attempt_log: vec![],
        receipts: Asking { asked_at: None, next_at: None, complete: false },
    };
    let receipts = Receipts { send_status: None, readers: vec![], asked_at: None, complete: false };
    let page = context! { notice => (), ..readers::page(&record, &receipts, now()) };
    show("message.html", page, now()).unwrap().0.replace("&#x2f;", "/")
}

fn storm() -> Vec<Carried> {
    let over = ContentItem {
        status: Status::Resolved,
        until: Some("2026-11-21T11:59:00Z".parse().unwrap()),
        ..item("Load", Severity::Warning)
    };
    vec![
        carried("d1", "a", vec![item("DiskFills", Severity::Warning)]),
        carried("d2", "b", vec![item("Load", Severity::Warning)]),
        carried("d3", "b", vec![over]),
        carried("d4", "c", vec![item("🔥 支付失败 <b>", Severity::Critical), item("Queue", Severity::Info)]),
    ]
}

#[test]
fn every_alert_of_a_message_stands_there_once_the_worst_first_with_its_delivery() {
    let html = page_of(storm(), "a storm");
    let text = read(&html);
    let list = &text[text.find("4 alerts, the worst first").unwrap()..text.find("In the group").unwrap()];
    insta::assert_snapshot!(list, @"
    4 alerts, the worst first
    critical 🔥 支付失败 &lt;b&gt; cluster=prod · instance=🔥 支付失败 &lt;b&gt;-1 since 0 s ago · at its sender
    warning DiskFills cluster=prod · instance=DiskFills-1 since 0 s ago · at its sender
    info Queue cluster=prod · instance=Queue-1 since 0 s ago · at its sender
    warning resolved Load cluster=prod · instance=Load-1 since 0 s ago , over 1 min ago · at its sender
    ");
    let lines: Vec<_> = html.split("<li>").filter(|line| line.contains("class=\"title\"")).collect();
    let delivery_of = |line: &&str| line.split("/deliveries/").nth(1).map(|rest| rest[..2].to_owned()).unwrap();
    assert_eq!(lines.iter().map(delivery_of).collect::<Vec<_>>(), ["d4", "d1", "d4", "d3"]);
    assert!(lines[0].contains("href=\"https://prometheus.example.com/"), "{}", lines[0]);
}

#[test]
fn show_all_leads_to_the_alerts_and_not_to_the_page_it_stands_on() {
    let text = "[Show all 4](https://relay.example/x/messages/m1) [other](https://relay.example/messages/m2)";
    let html = page_of(storm(), text);
    assert!(html.contains("href=\"#alerts\" rel=\"noreferrer noopener\">Show all 4"), "{html}");
    assert!(html.contains("id=\"alerts\"") && html.contains("https://relay.example/messages/m2"), "{html}");
    assert!(!html.contains("href=\"https://relay.example/x/messages/m1\""), "{html}");
}

#[test]
fn a_flood_is_shown_as_far_as_a_phone_can_and_the_rest_is_counted() {
    let flood = |n| item(&format!("alert-{n}"), Severity::Warning);
    let mut carried = vec![carried("d1", "a", (0..1_204).map(flood).collect())];
    let lines = |html: &str| html.matches("class=\"title\" href=\"/deliveries/d1\"").count();
    let html = page_of(carried.clone(), "t");
    assert_eq!(lines(&html), 1_000);
    assert!(read(&html).contains("1,204 alerts, the worst first") && html.contains("And 204 more"), "counted");

    carried[0].content = None;
    let html = page_of(carried, "t");
    assert_eq!(lines(&html), 0);
    assert!(html.contains("What 1 delivery said cannot be read any more."), "{html}");
}
