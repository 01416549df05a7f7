//! A message sent by hand: kept and sent like any other, and whoever sent it is told what became of it. How the command
//! says it stands in [`command`].

mod command;

use std::time::{Duration, Instant};

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::harness::{World, groups};

/// More calls than any test makes.
const EVERY_CALL: u32 = 1_000;

fn letter(wait: &str) -> Value {
    json!({ "receiver": "team", "title": "Release *1.2*", "text": "**Done**\nsee [log](https://ci/7) <b>\u{202e}", "wait": wait })
}

#[tokio::test(flavor = "multi_thread")]
async fn it_arrives_as_written_and_the_answer_is_the_delivery() {
    let world = World::start().await;
    let (status, delivery) = world.ask("/api/v1/send", &letter("20s")).await;

    assert_eq!((status, &delivery["state"]), (200, &json!("delivered")), "{delivery:#}");
    let messages = world.simulator.messages();
    assert_eq!(groups(&messages), ["cid-team=="]);
    assert_eq!(delivery["message"]["process_query_key"], messages[0].process_query_key.as_str());
    assert_eq!(messages[0].msg_param["title"], "Release *1.2*");
    assert_eq!(messages[0].msg_param["text"], "**Done**  \nsee [log](https://ci/7) &lt;b&gt;");
    let event = &delivery["event"];
    assert_eq!(
        (&event["source"], &event["kind"], &event["title"]),
        (&json!("_send"), &json!("send"), &json!("Release *1.2*"))
    );
    let id = delivery["id"].as_str().unwrap();
    assert_eq!(
        world.look(&format!("/api/v1/deliveries/{id}")).await,
        delivery,
        "the same as the delivery's own path says"
    );
    assert_eq!(world.look("/api/v1/deliveries?source=_send").await["deliveries"][0]["id"], id);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_sent_again_arrives_again_and_who_waits_is_woken_by_the_end_of_the_attempt() {
    let world = World::start().await;
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(world.ask("/api/v1/send", &letter("20s")).await.1["state"], "delivered");
        quickest = quickest.min(began.elapsed());
    }
    assert_eq!(world.simulator.messages().len(), 3);
    // The store is looked at by itself only every two seconds.
    assert!(quickest < Duration::from_millis(1_900), "{quickest:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dingtalk_refuses_is_dead_with_its_reason() {
    let world = World::start().await;
    world.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, "contain.notAllowed.content"));
    let (status, delivery) = world.ask("/api/v1/send", &letter("20s")).await;
    assert_eq!((status, &delivery["state"]), (200, &json!("dead")), "{delivery:#}");
    assert!(delivery["reason"].as_str().unwrap().contains("contain.notAllowed.content"));
    assert!(!delivery["attempt_log"][0]["hint"].as_str().unwrap().is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_go_now_is_answered_after_the_wait_and_goes_later() {
    let world = World::with("retry: { schedule: [100ms] }").await;
    world.simulator.fault(Api::Send, 2, Answer::Html { status: 502 });
    let (status, delivery) = world.ask("/api/v1/send", &letter("0s")).await;
    assert_eq!(status, 200);
    assert!(["queued", "sending"].contains(&delivery["state"].as_str().unwrap()), "{delivery}");

    world.simulator.arrived(1).await;
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_answered_when_the_relay_stops_and_the_message_stays_stored() {
    let world = World::start().await;
    world.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, "bot.stopped"));
    let url = format!("http://{}/api/v1/send", world.relay.admin());
    let asking = tokio::spawn(crate::harness::answer(world.http.post(url).json(&letter("30s"))));
    let tried = |list: &[Value]| list.iter().any(|one| one["attempts"] == 1 && one["state"] == "queued");
    world.deliveries(tried).await;
    let began = Instant::now();

    world.relay.stop().await;

    let (status, delivery) = asking.await.unwrap();
    assert_eq!((status, &delivery["state"]), (200, &json!("queued")));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_followed_is_refused_and_nothing_is_kept() {
    let world = World::start().await;
    let with = |name: &str, value: Value| {
        let mut letter = letter("1s");
        letter[name] = value;
        letter
    };
    for (asked, status, says) in [
        (with("receiver", json!("teem")), 404, "did you mean `team`?"),
        (with("receiver", json!(null)), 400, "`receiver` is missing or empty"),
        (with("title", json!("")), 400, "`title` is missing or empty"),
        (with("title", json!("\u{200b}")), 400, "`title` shows nothing"),
        (with("text", json!(" \n")), 400, "`text` is missing or empty"),
        (with("text", json!(["a"])), 400, "`text` must be a text"),
        (with("wait", json!("10")), 400, "`wait` must be a duration such as 10s"),
        (with("wait", json!("-1s")), 400, "`wait` must be a duration such as 10s"),
        (with("wait", json!("31s")), 400, "`wait` must not be longer than 30s"),
        (with("titel", json!("x")), 400, "did you mean `title`?"),
        (json!("planted"), 400, "the body must be a JSON object with `receiver`"),
    ] {
        let (said, problem) = world.ask("/api/v1/send", &asked).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(said == status && detail.contains(says), "{asked}: {said} {problem}");
        assert!(!detail.contains("planted"), "{detail}");
    }
    assert_eq!(world.look("/api/v1/deliveries").await["deliveries"], json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_giant_text_is_cut_to_fit_and_a_long_title_to_a_banner() {
    let world = World::start().await;
    let giant =
        json!({ "receiver": "team", "title": "字".repeat(500), "text": "字 **x** ".repeat(3_000), "wait": "20s" });
    let (_, delivery) = world.ask("/api/v1/send", &giant).await;
    assert_eq!(delivery["state"], "delivered");
    let bytes = delivery["message"]["bytes"].as_u64().unwrap();
    assert!((13_000..=14_000).contains(&bytes), "{bytes}");
    let message = &world.simulator.messages()[0].msg_param;
    assert_eq!(message["title"].as_str().unwrap().chars().count(), 60);
    // The cut may fall into what is bold, which is closed behind it.
    assert!(message["text"].as_str().unwrap().trim_end_matches('*').ends_with('…'));
    world.end().await;
}
