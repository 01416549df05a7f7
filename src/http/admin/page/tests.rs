//! What the page shows of hostile, strange and missing things.

mod alerts;

use super::*;
use crate::model::content::{Button, Content, ContentItem};
use crate::model::delivery::{Delivery, DeliveryRecord, State as Standing};
use crate::model::event::{Severity, Status};
use crate::model::message::{Attempt, Message};
use crate::model::name::{DeliveryId, EventId, MessageId};
use crate::model::outcome::Outcome;
use crate::model::view::{AppState, AppView, BlockView, LaneState, LaneView, Paced, Standing as Flow, Wait, WaitsFor};
use crate::operator::deliveries::Listed;

const HOSTILE: &str = r#"<script>alert(1)</script>"'&"#;
const HOSTILE_QUERY: &str = "source=%22%3E%3Cscript%3E&receiver=%22%3E%3Cscript%3E&cursor=z";
const HARMLESS: &str = "&lt;script&gt;alert(1)&lt;&#x2f;script&gt;&quot;&#x27;&amp;";

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn delivery_titled(title: &str) -> Delivery {
    Delivery {
        id: DeliveryId("d1".into()),
        event: EventId("e1".into()),
        source: "alertmanager".into(),
        receiver: "oncall".into(),
        state: Standing::Dead,
        title: title.into(),
        severity: Severity::Critical,
        created_at: "2026-11-21T11:57:00Z".parse().unwrap(),
        delivered_at: None,
        next_attempt_at: None,
        attempts: 2,
        reason: Some(title.into()),
        possibly_duplicate: true,
        fallback_of: None,
        handed_to: None,
        message: None,
    }
}

fn record_titled(title: &str, url: &str) -> DeliveryRecord {
    let message = Message {
        id: MessageId("m1".into()),
        msg_key: Some("sampleMarkdown".into()),
        msg_param: Some(serde_json::json!({"title": title, "text": title}).to_string()),
        bytes: Some(812),
        deliveries: 1,
        process_query_key: Some("key+/=".into()),
        send_status: Some("SUCCESS".into()),
        readers: Some(2),
    };
    let attempt = Attempt {
        at: now(),
        outcome: Some(Outcome::Refused),
        code: Some(title.into()),
        http_status: Some(400),
        msg_key: Some("sampleMarkdown".into()),
        duration_ms: Some(35),
        may_have_arrived: true,
        hint: Some(title.into()),
    };
    DeliveryRecord {
        delivery: Delivery { message: Some(message), ..delivery_titled(title) },
        received_at: now(),
        kind: "alertmanager".into(),
        event_title: title.into(),
        event_url: Some(url.into()),
        content: Some(content_titled(title, url)),
        attempt_log: vec![attempt],
    }
}

fn content_titled(title: &str, url: &str) -> Content {
    let item = ContentItem {
        fingerprint: "f".into(),
        name: title.into(),
        status: Status::Firing,
        severity: Severity::Critical,
        since: now(),
        until: None,
        url: None,
        short: "in short".into(),
        body: "the **body**".into(),
        labels: Vec::new(),
    };
    let buttons = vec![Button { title: title.into(), url: url.into() }];
    Content {
        v: 1,
        title: title.into(),
        header: title.into(),
        items: vec![item],
        footer: "foot".into(),
        buttons,
        truncated: 0,
        note: String::new(),
    }
}

fn lane_blocked_by(reason: &str) -> LaneView {
    let blocked = BlockView { code: "robot.missing".into(), reason: reason.into(), since: None, next_probe_at: None };
    LaneView {
        lane: LaneState {
            receiver: "oncall".into(),
            display_name: Some(reason.into()),
            state: Flow::Blocked,
            app: Some("ops".parse().unwrap()),
            messages_per_minute: Some(20),
            slowed_down_from: None,
            cooling_until: None,
            down: None,
            blocked: Some(blocked),
            fallback: None,
        },
        queued: 3,
        oldest_at: Some("2026-11-21T09:00:00Z".parse().unwrap()),
        paused_until: None,
        waits_for: None,
    }
}

fn app_of(projected_calls: u64) -> AppView {
    let down = BlockView {
        code: "timeout".into(),
        reason: "No whole answer came in time.".into(),
        since: Some("2026-11-21T11:40:00Z".parse().unwrap()),
        next_probe_at: Some("2026-11-21T12:00:20Z".parse().unwrap()),
    };
    let app = AppState {
        app: "ops".parse().unwrap(),
        organisation: "main".parse().unwrap(),
        state: Flow::Down,
        calls_per_second: 7,
        cooling_until: None,
        token_expires_at: Some("2026-11-21T13:30:00Z".parse().unwrap()),
        calls_per_month: Some(5000),
        calls_allowed: None,
        budget: None,
        down: Some(down),
        blocked: None,
    };
    let paced =
        Some(Paced { every_seconds: Some(864), lanes: 12, until: None, reason: "The month runs ahead.".into() });
    AppView { app, calls_this_month: 4100, projected_calls, paced }
}

#[test]
fn what_was_handed_over_says_so_once_and_what_died_before_says_it_beside() {
    for state in [Standing::HandedOver, Standing::Dead] {
        let went = Delivery { state, handed_to: Some(DeliveryId("d9".into())), ..delivery_titled("t") };
        let html = html_of_index(&[], &[], &[went], "");
        assert_eq!(html.matches("handed over</span>").count(), 1, "{state}: {html}");
    }
}

#[test]
fn what_waits_says_why_where_its_lane_does_not_flow() {
    let queued = record_titled("t", "https://example.com");
    let queued = DeliveryRecord { delivery: Delivery { state: Standing::Queued, ..queued.delivery }, ..queued };
    let html = html_of_delivery(&queued);
    assert!(html.contains("robot.missing") && html.contains("/lanes/oncall"), "{html}");
    let sent =
        DeliveryRecord { delivery: Delivery { state: Standing::Delivered, ..queued.delivery.clone() }, ..queued };
    assert!(!html_of_delivery(&sent).contains("robot.missing"), "that is over");
}

#[test]
fn a_lane_that_is_held_for_the_month_is_not_shown_as_one_that_flows() {
    let reason = "Held for the month: 48 of 60 calls are used.";
    let until = "2026-11-30T16:00:00Z".parse().unwrap();
    let lane = lane_blocked_by("r");
    let lane = LaneView {
        lane: LaneState { state: Flow::Flowing, blocked: None, slowed_down_from: Some(30), ..lane.lane },
        waits_for: Some(Wait { why: WaitsFor::Month, until, reason: reason.into(), by_turns: true }),
        ..lane
    };
    let index = read(&html_of_index(std::slice::from_ref(&lane), &[], &[], ""));
    assert!(index.contains("1 of 1 lanes is held for the month · 3 queued"), "{index}");
    assert!(index.contains(reason) && index.contains("Expected 2026-11-30 16:00:00 UTC"), "{index}");
    assert!(!index.contains("flowing"), "{index}");
    assert!(index.contains("20 a minute, slowed down from 30"), "{index}");

    let record = record_titled("t", "https://example.com");
    let retried = Some(now() + jiff::SignedDuration::from_secs(60));
    for (next_attempt_at, says) in [(None, true), (retried, false)] {
        let delivery = Delivery { state: Standing::Queued, next_attempt_at, message: None, ..record.delivery.clone() };
        let queued = DeliveryRecord { delivery, attempt_log: vec![], ..record.clone() };
        let page = rows::delivery(&queued, &[], std::slice::from_ref(&lane), now());
        let text = read(&show("delivery.html", context! { notice => (), ..page }, now()).unwrap().0);
        assert_eq!(text.contains("There was none yet: it is held for the month"), says, "{text}");
    }
}

#[test]
fn the_trouble_of_an_app_is_told_once_and_its_lanes_stand_in_the_order_of_what_waits() {
    let app = app_of(0);
    let lane = |name: &str, queued| {
        let (down, own) = (app.app.down.clone(), lane_blocked_by("r"));
        let lane = LaneState { receiver: name.into(), state: Flow::Down, down, blocked: None, ..own.lane };
        LaneView { lane: LaneState { display_name: None, ..lane }, queued, ..own }
    };
    let blocked = LaneView { queued: 0, ..lane_blocked_by("its group is gone") };
    let blocked = LaneView { lane: LaneState { receiver: "z".into(), ..blocked.lane }, ..blocked };
    let lanes = [lane("a", 0), lane("b", 0), lane("c", 100), blocked];
    let html = html_of_index(&lanes, &[app], &[], "");
    assert_eq!(html.matches("No whole answer came in time.").count(), 1, "{html}");
    assert_eq!(html.matches("Its app").count(), 3, "{html}");
    let at = |words: &str| html.find(words).unwrap_or_else(|| panic!("{words}: {html}"));
    let order = [
        "id=\"apps\"",
        "No whole answer",
        "id=\"lanes\"",
        "lanes/z\"",
        "its group is gone",
        "lanes/c\"",
        "lanes/a\"",
        "lanes/b\"",
        "id=\"deliveries\"",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{html}");
}

#[test]
fn a_queue_that_is_full_is_red_and_says_who_fills_it() {
    let team = LaneView { queued: 2, ..lane_blocked_by("r") };
    let free = LaneState { receiver: "team".into(), state: Flow::Flowing, blocked: None, ..team.lane.clone() };
    let team = LaneView { lane: free, ..team };
    let oncall = |queued| {
        let (paused_until, free) = (Some("2026-11-21T13:00:00Z".parse().unwrap()), team.lane.clone());
        LaneView { lane: LaneState { receiver: "oncall".into(), ..free }, paused_until, queued, ..team.clone() }
    };
    let page = |queued| read(&html_of_index(&[team.clone(), oncall(queued)], &[], &[], ""));
    for (queued, says) in [
        (3, "5 queued"),
        (600, "602 of 1,000 queued"),
        (898, "nearly full: 900 of 1,000 places are taken"),
        (998, "full: 1,000 of 1,000 places are taken, and webhooks are sent away with 503 until there is room"),
    ] {
        let text = page(queued);
        assert!(text.contains(says), "{says}: {text}");
        assert_eq!(text.contains("store.max_queued"), queued > 600, "{text}");
    }
    assert!(page(998).contains("oncall (paused) has 998, team has 2."), "{}", page(998));
    assert!(!page(998).contains("ready"), "{}", page(998));
}

#[test]
fn a_paused_lane_does_not_say_that_it_flows_and_one_that_is_also_blocked_says_both() {
    let blocked = LaneView { paused_until: Some("2026-11-21T13:00:00Z".parse().unwrap()), ..lane_blocked_by("r") };
    let lane = LaneState { state: Flow::Flowing, blocked: None, ..blocked.lane.clone() };
    let paused = LaneView { lane, ..blocked.clone() };
    let badges = |lane: LaneView| {
        let html = html_of_index(&[lane], &[], &[], "");
        ["flowing", "blocked", "paused"].map(|word| html.contains(&format!("badge {word}\">{word}")))
    };
    assert_eq!(badges(paused), [false, false, true]);
    assert_eq!(badges(blocked), [false, true, true]);
}

#[test]
fn a_link_below_the_text_is_no_button_beside_it() {
    let url = "https://runbooks.example.com/x";
    let record = record_titled("t", url);
    let content = Content { footer: format!("[Runbook]({url})"), ..content_titled("Silence", url) };
    let html = html_of_delivery(&DeliveryRecord { content: Some(content), ..record });
    assert!(html.contains("Runbook") && !html.contains("card-buttons"), "{html}");
}

fn html_of_index(lanes: &[LaneView], apps: &[AppView], deliveries: &[Delivery], query: &str) -> String {
    let listed = Listed { deliveries: deliveries.to_vec(), next: (!deliveries.is_empty()).then(|| "next".to_owned()) };
    let seen = Overview { lanes: lanes.to_vec(), apps: apps.to_vec(), listed, max_queued: 1_000, not_ready: None };
    show("index.html", overview::page(&seen, &Query::read(query), now()), now()).unwrap().0
}

fn html_of_delivery(record: &DeliveryRecord) -> String {
    let another = Delivery { id: DeliveryId("d2".into()), ..delivery_titled("另一个群") };
    let page = rows::delivery(record, &[record.delivery.clone(), another], &[lane_blocked_by("r")], now());
    show("delivery.html", context! { notice => (), ..page }, now()).unwrap().0
}

/// The page as a person reads it: its tags taken away, its blank lines too.
fn read(html: &str) -> String {
    let body = &html[html.find("<body>").unwrap()..];
    let tags = regex::Regex::new("<[^>]*>").unwrap();
    let text = tags.replace_all(body, " ");
    let text = text.replace(env!("CARGO_PKG_VERSION"), "[version]");
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_hostile_title_is_shown_and_does_nothing() {
    let index = html_of_index(&[lane_blocked_by(HOSTILE)], &[], &[delivery_titled(HOSTILE)], HOSTILE_QUERY);
    let shown = html_of_delivery(&record_titled(HOSTILE, HOSTILE));
    for html in [index, shown] {
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains(HARMLESS), "{html}");
    }
}

#[test]
fn only_a_web_address_becomes_a_link() {
    let link = |url| html_of_delivery(&record_titled("t", url)).contains("rel=\"noreferrer noopener\"");
    assert!(link("https://alerts.example.com/#/alerts"));
    for address in ["javascript:alert(1)", "data:text/html,x", "alerts", "//alerts.example.com"] {
        assert!(!link(address), "{address}");
    }
}

#[test]
fn the_page_of_lanes_and_deliveries_as_a_person_reads_it() {
    let lanes = [lane_blocked_by("机器人不在群里")];
    let html = html_of_index(&lanes, &[app_of(6200)], &[delivery_titled("🔥 支付服务错误率过高")], "");
    insta::assert_snapshot!(read(&html));
}

#[test]
fn the_page_of_one_delivery_as_a_person_reads_it() {
    let html = html_of_delivery(&record_titled("磁盘快满了 🔥", "https://alerts.example.com/"));
    insta::assert_snapshot!(read(&html));
}

#[test]
fn an_empty_relay_has_a_page_too() {
    insta::assert_snapshot!(read(&html_of_index(&[], &[], &[], "")));
}

#[test]
fn what_the_message_does_not_show_the_page_does() {
    let mut record = record_titled("t", "https://example.com/");
    let is_open = |record: &DeliveryRecord| html_of_delivery(record).contains("<details open><summary>");
    assert!(html_of_delivery(&record).contains("<p>the <strong>body</strong></p>"));
    assert!(!is_open(&record), "the message shows all of it");
    let message = record.delivery.message.as_mut().unwrap();
    message.msg_key = Some("sampleText".into());
    assert!(is_open(&record), "the last of the plainer forms leaves most of it out");
    let message = record.delivery.message.as_mut().unwrap();
    (message.msg_key, message.deliveries) = (Some("sampleMarkdown".into()), 2);
    assert!(is_open(&record), "a digest folds");
    record.delivery.message = None;
    assert!(is_open(&record), "there is no message yet");
    record.content = None;
    assert!(!html_of_delivery(&record).contains("What it says"));
}

#[test]
fn a_delivery_without_a_message_says_so() {
    let mut record = record_titled("t", "https://example.com/");
    record.delivery.message = None;
    record.attempt_log.clear();
    record.event_url = None;
    for (state, attempts) in [(Standing::Cancelled, "There was none."), (Standing::Queued, "There was none yet")] {
        record.delivery.state = state;
        let text = read(&html_of_delivery(&record));
        assert!(text.contains("It has not been part of a message."), "{text}");
        assert!(text.contains(attempts), "{text}");
    }
}
