//! Laws of the house that no other file keeps: what may wait comes before the claim and holds up nobody (law 3), and
//! nothing is lost because it could not be rendered or was refused (law 5).
//!
//! The others: law 1 `crash` and `store`; law 2 `http`; law 4 `store` and `doubt`; law 6 `pace`, `reload` and the limiter
//! itself; laws 7, 9 and 10 `architecture`; law 8 `secrets`.

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::dispatch::lane::Step;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::store::Store;
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, ONE_BY_ONE, World, fixture, fixture_of_group, groups};

const BEGIN: &str = "2026-11-21T12:00:00Z";
/// Longer than any test: what hangs hangs to its end.
const PATIENT: &str = "apps: { ops: { timeout: 10m } }";

fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn law_3_while_a_call_hangs_webhooks_are_accepted_and_other_lanes_deliver() {
    let world = World::with(PATIENT).await;
    world.simulator.fault(Api::Send, 1, Answer::Hang);
    world.post("/hooks/alertmanager/oncall", fixture("one-firing.json")).await;
    world.simulator.called(Api::Send, 1).await;

    for receiver in ["oncall", "team", "night"] {
        let path = format!("/hooks/alertmanager/{receiver}");
        let (status, answer) = world.post(&path, fixture_of_group("one-firing.json", 2)).await;
        assert_eq!(status, 202, "{answer}");
    }

    let list = world.deliveries(|list| states_of("team", list) == ["delivered"]).await;
    assert_eq!(groups(&world.simulator.messages()), ["cid-team=="]);
    assert_eq!(states_of("oncall", &list), ["queued", "sending"], "one call in flight for each channel");
    assert_eq!(states_of("night", &list), ["queued"], "the same channel");
    for path in ["/api/v1/lanes", "/api/v1/apps", "/metrics"] {
        let answer = world.http.get(format!("http://{}{path}", world.relay.admin())).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
    // Not ended well: that would wait for the call.
    drop(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn law_3_while_a_token_hangs_nothing_of_its_app_is_claimed_and_other_apps_deliver() {
    let two_apps = "
apps: { ops: { timeout: 10m }, other: { base_url: SIMULATOR, app_key: ding-other, app_secret: s } }
receivers: { other: { app: other, open_conversation_id: cid-other== } }";
    let world = World::with(two_apps).await;
    world.simulator.fault(Api::Token, 1, Answer::Hang);
    world.post("/hooks/alertmanager/oncall", fixture("one-firing.json")).await;
    world.simulator.called(Api::Token, 1).await;

    world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;
    world.post("/hooks/alertmanager/other", fixture("one-firing.json")).await;

    let list = world.deliveries(|list| states_of("other", list) == ["delivered"]).await;
    assert_eq!(groups(&world.simulator.messages()), ["cid-other=="]);
    for receiver in ["oncall", "team"] {
        let delivery = list.iter().find(|delivery| delivery["receiver"] == receiver).unwrap();
        assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("queued"), &json!(0)), "{receiver}");
    }
    drop(world);
}

#[tokio::test]
async fn law_3_without_a_token_nothing_is_claimed() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Token, u32::MAX, Answer::code(500, "system.error"));
    bench.accept("team", &fixture("one-firing.json")).await;

    bench.work_for(Duration::from_secs(600)).await;

    assert!(bench.simulator.count(Api::Token) > 3);
    assert_eq!(bench.simulator.count(Api::Send), 0);
    nothing_was_claimed(&bench, &bench.deliveries().await[0], 0).await;
}

#[tokio::test]
async fn law_3_without_a_permit_nothing_is_claimed() {
    // A quarter goes at once: of the app's fifteen a second, or, when the app is fast, of the group's twenty a minute.
    let fast = "apps: { ops: { limits: { calls_per_second: 1000 } } }";
    for (more, at_once) in [("", 3), (fast, 5)] {
        let mut bench = Bench::with(&format!("{ONE_BY_ONE}{more}"), BEGIN, simulated).await;
        for group in 0..6 {
            bench.accept("team", &fixture_of_group("one-firing.json", group)).await;
        }

        bench.work(BEGIN.parse().unwrap()).await;

        assert_eq!(bench.simulator.messages().len(), at_once);
        let waits = bench.step("team").await;
        assert!(matches!(waits, Ok(Step::Wait(_))), "{waits:?}");
        nothing_was_claimed(&bench, &bench.deliveries().await[5], at_once as u64).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn law_5_a_template_that_fails_for_an_event_is_counted_and_the_event_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    // The sample it is tried on at the start is called otherwise, so this is found out only when it is needed.
    let text = "{% extends \"alertmanager\" %}{% block item %}
{% if item.name != \"Sample\" %}{{ item.annotations.there_is_no.such_thing }}{% endif %}
{% endblock %}";
    std::fs::write(folder.path().join("fails-for-law-5.md.j2"), text).unwrap();
    let more =
        format!("templates: ['{}']\nreceivers: {{ team: {{ template: fails-for-law-5 }} }}", folder.path().display());
    let world = World::with(&more).await;

    let (status, answer) = world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;

    assert_eq!(status, 202, "{answer}");
    let messages = world.simulator.arrived(1).await;
    let text = messages[0].msg_param["text"].as_str().unwrap();
    assert!(text.contains("HighCPU"), "the plain built-in says it: {text}");
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    let metrics = world.http.get(format!("http://{}/metrics", world.relay.admin())).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let counted = "dingtalk_relay_render_fallbacks_total{template=\"fails-for-law-5\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    world.end().await;
}

#[tokio::test]
async fn law_5_a_dead_delivery_stays_listed_with_its_event() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, u32::MAX, Answer::code(400, "contain.notAllowed.content"));
    let accepted = bench.accept("team", &fixture("one-firing.json")).await;
    bench.work_for(Duration::from_secs(60)).await;

    let bench = bench.restart().await;

    let dead = bench.look("/api/v1/deliveries?state=dead").await["deliveries"][0].clone();
    assert_eq!((&dead["event"], &dead["receiver"]), (&json!(accepted.event.0), &json!("team")));
    assert!(dead["reason"].as_str().unwrap().contains("contain.notAllowed.content"), "{dead}");
    let whole = bench.look(&format!("/api/v1/deliveries/{}", dead["id"].as_str().unwrap())).await;
    assert_eq!((&whole["event"]["id"], &whole["event"]["source"]), (&dead["event"], &json!("alertmanager")));
    assert_eq!(whole["attempt_log"][0]["outcome"], "refused");
    assert!(whole["message"]["msg_param"].as_str().unwrap().contains("HighCPU"), "what was to be said is kept");
}

/// It waits as it did before anybody looked at it, and so many calls of the month are gone.
async fn nothing_was_claimed(bench: &Bench, delivery: &Value, calls: u64) {
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("queued"), &json!(0)), "{delivery}");
    assert_eq!(delivery["message"], Value::Null);
    let month = Month::of(bench.clock.now());
    assert_eq!(bench.store.calls(&"default".parse().unwrap(), month).await.unwrap(), calls);
}

/// The states of a receiver's deliveries, newest first.
fn states_of<'v>(receiver: &str, list: &'v [Value]) -> Vec<&'v str> {
    let of = list.iter().filter(|delivery| delivery["receiver"] == receiver);
    of.map(|delivery| delivery["state"].as_str().unwrap()).collect()
}
