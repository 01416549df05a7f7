//! A mistake of ours: a panic loses nothing, stops no loop, and is no secret.
//!
//! There is no switch in the program that makes it panic. What panics here is what stands around it: the store under the
//! lanes, or whoever counts what they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dingtalk_relay::app::alarm::Alarm;
use dingtalk_relay::app::running::Running;
use dingtalk_relay::model::delivery::State;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::store::{Filter, Store};
use jiff::Timestamp;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;

use crate::harness::{Bench, World, configured, fixture};
use crate::troubled::Trouble;

/// Counts panics, and is one itself where somebody counts what it was told.
#[derive(Default)]
struct Counting {
    panics: Arc<AtomicU64>,
    poison: &'static [&'static str],
    is_poisoned: Arc<AtomicBool>,
}

impl Counting {
    /// Panics at what has these words among its name and labels, while it is told to.
    fn poisoned_by(poison: &'static [&'static str]) -> Self {
        Self { poison, ..Self::default() }
    }

    fn meet(&self, key: &Key) {
        let words: Vec<_> = std::iter::once(key.name()).chain(key.labels().map(::metrics::Label::value)).collect();
        let is_met = !self.poison.is_empty() && self.poison.iter().all(|word| words.contains(word));
        assert!(!is_met || !self.is_poisoned.load(Ordering::SeqCst), "on purpose");
    }
}

impl Recorder for Counting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.meet(key);
        let is_panics = key.name() == "dingtalk_relay_panics_total";
        if is_panics { Counter::from_arc(Arc::clone(&self.panics)) } else { Counter::noop() }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.meet(key);
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn a_delivery_whose_every_attempt_panics_dies_with_a_reason_and_stops_nobody() {
    let recorder = Counting::poisoned_by(&["dingtalk_relay_api_calls_total", "sick", "send"]);
    let (panics, is_poisoned) = (Arc::clone(&recorder.panics), Arc::clone(&recorder.is_poisoned));
    let _counting = ::metrics::set_default_local_recorder(&recorder);
    let world = World::with(
        "
apps: { sick: { base_url: SIMULATOR, app_key: ding-sick, app_secret: not-a-secret } }
receivers: { poisoned: { app: sick, open_conversation_id: cid-poisoned== } }
retry: { schedule: [100ms], max_attempts: 2 }",
    )
    .await;
    is_poisoned.store(true, Ordering::SeqCst);

    let (_, answer) = world.post("/hooks/alertmanager/poisoned", fixture("one-firing.json")).await;
    let poisoned = format!("/api/v1/deliveries/{}", answer["deliveries"][0]["id"].as_str().unwrap());
    let dead = world.until(&poisoned, |delivery| delivery["state"] == "dead").await;
    let (_, answer) = world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;
    let healthy = format!("/api/v1/deliveries/{}", answer["deliveries"][0]["id"].as_str().unwrap());
    world.until(&healthy, |delivery| delivery["state"] == "delivered").await;

    let reason = dead["reason"].as_str().unwrap();
    assert!(reason.starts_with("tried 2 times, the last time: internal_error (A mistake inside the relay"), "{reason}");
    let attempts: Vec<_> = dead["attempt_log"].as_array().unwrap().iter().map(|attempt| &attempt["code"]).collect();
    assert_eq!(attempts, [&json!("internal_error"); 2]);
    assert_eq!(dead["possibly_duplicate"], true, "the call had begun");
    assert_eq!(panics.load(Ordering::SeqCst), 2);

    is_poisoned.store(false, Ordering::SeqCst);
    assert_eq!(world.ask(&format!("{poisoned}/redrive"), &json!({})).await.0, 200);
    world.until(&poisoned, |delivery| delivery["state"] == "delivered").await;
    assert_eq!(world.simulator.messages().len(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_lane_goes_on_after_a_panic_wherever_it_was() {
    for (trouble, attempts) in [(Trouble::Panics, 1), (Trouble::PanicsAtFinish, 1)] {
        let more = "{ route: { receiver: night, routes: [] }, retry: { schedule: [100ms] } }";
        let mut bench = Bench::with(more, &Timestamp::now().to_string(), |_| Options::default()).await;
        bench.accept("night", &fixture("one-firing.json")).await;
        bench.store.fail(trouble);
        let is_delivered = all_delivered(Arc::clone(bench.store.inner()));
        bench.run_until(is_delivered).await;
        let delivery = bench.deliveries().await[0].clone();
        assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("delivered"), &json!(attempts)), "{trouble:?}");
        assert_eq!(bench.simulator.messages().len(), 1, "{trouble:?}");
    }
}

/// Waits until every delivery of the store is delivered.
async fn all_delivered(store: Arc<dyn Store>) {
    let mut moves = store.moves();
    loop {
        let page = store.deliveries(Filter { limit: 10, ..Filter::default() }).await.unwrap();
        if page.deliveries.iter().all(|delivery| delivery.state == State::Delivered) {
            return;
        }
        tokio::time::timeout(Duration::from_secs(20), moves.changed()).await.expect("something moves").unwrap();
    }
}

#[tokio::test]
async fn a_lane_that_cannot_know_what_it_has_claimed_ends_the_process_and_the_next_one_sends_it() {
    let mut bench = Bench::new(&Timestamp::now().to_string(), |_| Options::default()).await;
    bench.accept("team", &fixture("one-firing.json")).await;
    let config = Arc::new(configured(&bench.simulator.base_url(), bench.folder(), ""));
    let alarm = Alarm::default();
    bench.store.fail(Trouble::PanicsAfterClaim);
    let running = Running::start(&config, Arc::clone(&bench.store) as Arc<dyn Store>, alarm.clone()).await.unwrap();
    assert_eq!(alarm.rung().await, "a lane");
    drop(running);
    assert_eq!(bench.deliveries().await[0]["state"], "sending");

    bench = bench.restart().await;
    bench.work_for(Duration::from_secs(60)).await;
    let delivery = bench.deliveries().await[0].clone();
    assert_eq!((&delivery["state"], &delivery["possibly_duplicate"]), (&json!("delivered"), &json!(true)));
}

#[tokio::test]
async fn a_reload_that_panics_ends_the_process() {
    let recorder = Counting::poisoned_by(&["dingtalk_relay_config_last_reload_successful"]);
    let is_poisoned = Arc::clone(&recorder.is_poisoned);
    let _counting = ::metrics::set_default_local_recorder(&recorder);
    let world = World::start().await;
    is_poisoned.store(true, Ordering::SeqCst);
    let (status, _) = world.ask("/-/reload", &json!({})).await;
    assert_eq!(status, 503, "whoever asked is not left waiting");
    assert_eq!(world.relay.broken().await, "reloading has panicked");
}
