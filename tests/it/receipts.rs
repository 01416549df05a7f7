//! Who has read a message, asked of a DingTalk whose clock the test moves: when it is asked, what an answer changes,
//! what it costs, and that whatever goes wrong with it stops no send that does not share the trouble.

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::config::Config;
use dingtalk_relay::model::delivery::{Delivery, State};
use dingtalk_relay::model::health::Health;
use dingtalk_relay::model::message::Message;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::messages::Moments;
use dingtalk_relay::simulator::{Options, Simulator};
use dingtalk_relay::store::{Filter, Store};
use jiff::Timestamp;
use serde_json::json;

use crate::harness::{Bench, Hands, TOKEN, answer, client, configured, fixture, fixture_of_group, start_with};

pub const BEGIN: &str = "2026-11-21T12:00:00Z";

#[tokio::test]
async fn two_have_read_it_a_minute_later_and_a_third_within_the_hour() {
    let mut bench = bench_that_asks().await;
    let key = sent(&mut bench).await;
    assert_eq!(shown(&bench).await, (None, None), "nobody has asked");
    for user in ["zhang", "li"] {
        assert!(bench.simulator.read(&key, user));
    }

    bench.work(minutes(2)).await;
    assert_eq!(shown(&bench).await, (Some("SUCCESS".into()), Some(2)));
    assert_eq!(asked(&bench), [1]);

    bench.simulator.read(&key, "wang");
    bench.work(minutes(60 * 24 * 2)).await;
    assert_eq!(shown(&bench).await, (Some("SUCCESS".into()), Some(3)));
    assert_eq!(asked(&bench), [1, 10, 60], "and never again");
}

#[tokio::test]
async fn where_receipts_are_off_nothing_is_asked() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    bench.work(minutes(60 * 24)).await;
    assert_eq!((asked(&bench), shown(&bench).await), (vec![], (None, None)));
}

#[tokio::test]
async fn four_hundred_and_fifty_readers_are_three_pages_and_three_calls() {
    let mut bench = bench_that_asks().await;
    let key = sent(&mut bench).await;
    for n in 0..450 {
        bench.simulator.read(&key, &format!("user-{n}"));
    }
    bench.work(minutes(5)).await;
    assert_eq!(shown(&bench).await, (Some("SUCCESS".into()), Some(450)));
    assert_eq!(bench.simulator.count(Api::Query), 3);
    assert_eq!(calls(&bench).await, 1 + 3, "the send and the pages");
}

#[tokio::test]
async fn a_restart_between_two_pages_begins_at_the_first_one_and_counts_nobody_twice() {
    let mut bench = bench_that_asks().await;
    let key = sent(&mut bench).await;
    for n in 0..450 {
        bench.simulator.read(&key, &format!("user-{n}"));
    }
    bench.clock.move_to(after(70));
    bench.ask_once().await;
    assert_eq!(shown(&bench).await.1, Some(200));

    let mut bench = bench.restart().await;
    bench.work(minutes(5)).await;

    assert_eq!(shown(&bench).await, (Some("SUCCESS".into()), Some(450)));
    assert_eq!(bench.simulator.count(Api::Query), 1 + 3);
}

#[tokio::test]
async fn what_is_to_be_asked_outlives_a_restart_and_a_day_without_us_costs_no_call() {
    let mut bench = bench_that_asks().await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    let mut bench = bench.restart().await;
    bench.work(minutes(5)).await;
    assert_eq!(shown(&bench).await, (Some("SUCCESS".into()), Some(1)));

    let mut bench = bench.restart().await;
    bench.clock.move_to(minutes(60 * 24 + 1));
    bench.work(minutes(60 * 48)).await;
    assert_eq!(asked(&bench), [1], "DingTalk has forgotten");
    assert_eq!(bench.store.receipts_due(&"ops".parse().unwrap()).await.unwrap(), None, "and so have we");
}

#[tokio::test]
async fn what_dingtalk_does_not_know_yet_is_asked_again_and_harms_nobody() {
    let moments =
        Moments { data_after: Duration::from_secs(200), success_after: Duration::from_secs(300), ..Moments::default() };
    let mut bench = Bench::with(ASKING, BEGIN, |clock| Options { moments, ..simulated(clock) }).await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");

    bench.work(after(230)).await;
    assert_eq!(shown(&bench).await, (None, None), "no data yet is no answer");
    bench.work(after(299)).await;
    assert_eq!(shown(&bench).await, (Some("PROCESSING".into()), Some(1)));
    bench.work(minutes(60 * 24)).await;
    assert_eq!(shown(&bench).await, (Some("SUCCESS".into()), Some(1)));
    assert_eq!(asked(&bench), [1, 2, 4, 8, 10, 60]);
    let apps = bench.store.apps().await.unwrap();
    assert_eq!(apps[0].health, Health::Flowing);
}

#[tokio::test]
async fn what_dingtalk_forgets_early_costs_no_further_call_than_was_planned() {
    let moments = Moments { expired_after: Duration::from_secs(300), ..Moments::default() };
    let mut bench = Bench::with(ASKING, BEGIN, |clock| Options { moments, ..simulated(clock) }).await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    bench.work(minutes(60 * 24)).await;
    assert_eq!(asked(&bench), [1, 10, 60]);
    assert_eq!(shown(&bench).await, (Some("SUCCESS".into()), Some(1)), "what is known stays");
}

#[tokio::test]
async fn the_share_of_the_month_that_receipts_have_is_never_passed() {
    let capped = format!("{ASKING}organisations: {{ default: {{ receipt_calls_per_month: 4 }} }}\n");
    let mut bench = Bench::with(&capped, BEGIN, simulated).await;
    for n in 0..3 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", n)).await;
    }
    bench.work(minutes(60 * 24 * 2)).await;
    assert_eq!(bench.simulator.messages().len(), 3);
    assert_eq!(bench.simulator.count(Api::Query), 4);
    assert_eq!(calls(&bench).await, 3 + 4);

    let mut bench = bench.restart().await;
    bench.clock.move_to("2026-11-30T16:00:00Z".parse().unwrap());
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    bench.work("2026-11-30T16:05:00Z".parse().unwrap()).await;
    assert_eq!(bench.simulator.count(Api::Query), 5, "the month has turned");
}

#[tokio::test]
async fn two_apps_of_one_organisation_share_the_share_also_across_a_restart() {
    let two = "
apps: { second: { base_url: SIMULATOR, app_key: ding-second, app_secret: not-a-secret, timeout: 2s } }
receivers:
  oncall: { receipts: { enabled: true } }
  far: { app: second, open_conversation_id: cid-far==, receipts: { enabled: true } }
organisations: { default: { receipt_calls_per_month: 5 } }
";
    let mut bench = Bench::with(two, BEGIN, simulated).await;
    bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
    bench.accept("far", &fixture_of_group("one-firing.json", 1)).await;
    bench.work(minutes(11)).await;
    assert_eq!(bench.simulator.count(Api::Query), 4, "each app has asked twice");

    let mut bench = bench.restart().await;
    bench.work(minutes(60 * 20)).await;
    assert_eq!(bench.simulator.count(Api::Query), 5, "one call was left for both");
    assert_eq!(calls(&bench).await, 2 + 5);
}

#[tokio::test]
async fn the_place_in_the_pages_of_a_message_that_was_let_go_is_not_used_for_another() {
    let one = format!("{ASKING}organisations: {{ default: {{ receipt_calls_per_month: 1 }} }}\n");
    let mut bench = Bench::with(&one, "2026-11-29T12:00:00Z", simulated).await;
    let key = sent(&mut bench).await;
    for n in 0..201 {
        bench.simulator.read(&key, &format!("user-{n}"));
    }
    bench.work("2026-11-30T15:59:30Z".parse().unwrap()).await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    bench.work("2026-11-30T16:05:00Z".parse().unwrap()).await;
    let calls = bench.simulator.calls().into_iter().filter(|call| call.api == Some(Api::Query));
    assert_eq!(calls.map(|call| call.status).collect::<Vec<_>>(), [Some(200), Some(200)]);
}

#[tokio::test]
async fn a_month_that_sends_have_used_up_has_no_call_for_receipts() {
    let small = format!("{ASKING}organisations: {{ default: {{ calls_per_month: 1 }} }}\n");
    let mut bench = Bench::with(&small, BEGIN, simulated).await;
    sent(&mut bench).await;
    bench.work(minutes(60)).await;
    assert_eq!(asked(&bench), Vec::<i64>::new());
}

#[tokio::test]
async fn a_missing_permission_rests_the_queries_and_leaves_the_sends_flowing() {
    let mut bench = bench_that_asks().await;
    sent(&mut bench).await;
    let denied = "Forbidden.AccessDenied.AccessTokenPermissionDenied";
    bench.simulator.fault(Api::Query, 2, Answer::code(403, denied));
    bench.work(minutes(2)).await;
    assert_eq!(bench.simulator.count(Api::Query), 1);

    bench.accept("oncall", &fixture_of_group("one-firing.json", 2)).await;
    bench.work(minutes(3)).await;
    assert_eq!(states(&bench).await, [State::Delivered, State::Delivered]);

    bench.work(minutes(60 * 3)).await;
    assert_eq!(asked(&bench)[..3], [1, 11, 31], "after ten minutes, then after twenty");
    assert_eq!(shown(&bench).await.0.as_deref(), Some("SUCCESS"), "granted meanwhile");
}

#[tokio::test]
async fn nothing_a_query_draws_blocks_a_channel_or_takes_the_app_down() {
    let mut bench = bench_that_asks().await;
    sent(&mut bench).await;
    let answers = [
        Answer::code(400, "bot.stopped"),
        Answer::code(400, "send.too.fast"),
        Answer::code(500, "system.error"),
        Answer::code(403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"),
        Answer::ResetBefore,
        Answer::EmptyOk,
        Answer::Errcode404,
        Answer::Html { status: 502 },
    ];
    for answer in answers {
        bench.simulator.fault(Api::Query, 1, answer);
    }
    for hour in 1..=12 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", hour)).await;
        bench.work(minutes(i64::try_from(hour).unwrap() * 60)).await;
        assert_eq!(bench.simulator.messages().len(), hour + 1, "each goes at once");
    }
    bench.accept("oncall", &fixture_of_group("one-firing.json", 13)).await;
    bench.simulator.fault(Api::Query, 9, Answer::code(500, "system.error"));
    bench.work(minutes(60 * 36)).await;
    let apps = bench.store.apps().await.unwrap();
    assert_eq!(apps[0].health, Health::Flowing, "however many fail one after another");
    let failed = bench.simulator.calls().into_iter().filter(|call| call.fault).count();
    assert_eq!(failed, 8 + 9, "all of them were drawn");
}

#[tokio::test]
async fn what_sends_share_stops_them_too() {
    let mut bench = bench_that_asks().await;
    sent(&mut bench).await;
    bench.simulator.fault(Api::Query, 1, Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"));
    bench.work(after(70)).await;

    bench.accept("oncall", &fixture_of_group("one-firing.json", 2)).await;
    bench.work(after(80)).await;
    assert_eq!(bench.simulator.messages().len(), 1, "the app is blocked");
    bench.work(after(120)).await;
    assert_eq!(bench.simulator.messages().len(), 2, "a send is the probe, and opens the app");
    assert_eq!(bench.simulator.count(Api::Query), 1, "and no query was");
}

#[tokio::test]
async fn a_message_is_let_go_when_its_receiver_wants_no_receipts_or_is_another_group_now() {
    for change in [receipts_off, another_group] {
        let mut bench = bench_that_asks().await;
        sent(&mut bench).await;
        let mut bench = bench.restart_with(change).await;
        bench.work(minutes(60)).await;
        assert_eq!(asked(&bench), Vec::<i64>::new());
        assert_eq!(bench.store.receipts_due(&"ops".parse().unwrap()).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_relay_asks_by_itself_and_shows_it_in_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let moments = Moments { data_after: Duration::ZERO, success_after: Duration::ZERO, ..Moments::default() };
    let simulator = Simulator::start(Options { moments, ..Options::default() }).await.unwrap();
    let more = ASKING.replace("enabled: true", "enabled: true, ask_after: [1s]");
    let often = configured(&simulator.base_url(), folder.path(), &more);
    let (http, relay) = (client(), start_with(often).await);
    let url = format!("http://{}/hooks/alertmanager/oncall", relay.hooks());
    answer(http.post(url).bearer_auth(TOKEN).body(fixture("one-firing.json"))).await;
    let messages = simulator.arrived(1).await;
    simulator.read(&messages[0].process_query_key, "li");

    // The loop sleeps for half a minute when there is nothing to ask: the send rings it.
    let asked = tokio::time::timeout(Duration::from_secs(10), simulator.called(Api::Query, 1)).await;
    asked.expect("the asking is not late");

    let url = format!("http://{}/api/v1/deliveries", relay.admin());
    let message = loop {
        let (_, list) = answer(http.get(&url)).await;
        let message = list["deliveries"][0]["message"].clone();
        if !message["readers"].is_null() {
            break message;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&message["send_status"], &message["readers"]), (&json!("SUCCESS"), &json!(1)));
    relay.stop().await;
}

/// Receipts of `oncall` switched on.
pub const ASKING: &str = "receivers: { oncall: { receipts: { enabled: true } } }\n";

fn receipts_off(config: &mut Config) {
    config.receivers.values_mut().for_each(|receiver| receiver.receipts.enabled = false);
}

fn another_group(config: &mut Config) {
    config.receivers.values_mut().for_each(|receiver| receiver.open_conversation_id += "elsewhere");
}

pub async fn bench_that_asks() -> Bench {
    Bench::with(ASKING, BEGIN, simulated).await
}

pub fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

pub fn after(seconds: i64) -> Timestamp {
    BEGIN.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
}

pub fn minutes(minutes: i64) -> Timestamp {
    after(minutes * 60)
}

/// Sends one alert to `oncall`; the key of its message.
pub async fn sent(bench: &mut Bench) -> String {
    bench.accept("oncall", &fixture("one-firing.json")).await;
    let now = bench.clock.now();
    bench.work(now + jiff::SignedDuration::from_secs(1)).await;
    bench.simulator.messages().last().unwrap().process_query_key.clone()
}

/// The deliveries, the oldest first.
async fn deliveries(bench: &Bench) -> Vec<Delivery> {
    let page = bench.store.deliveries(Filter { limit: 50, ..Filter::default() }).await.unwrap();
    page.deliveries.into_iter().rev().collect()
}

async fn states(bench: &Bench) -> Vec<State> {
    deliveries(bench).await.iter().map(|delivery| delivery.state).collect()
}

/// What the API shows of the first message: its status, and how many have read it.
async fn shown(bench: &Bench) -> (Option<String>, Option<u64>) {
    let Message { send_status, readers, .. } = deliveries(bench).await.swap_remove(0).message.unwrap();
    (send_status, readers)
}

/// The minutes since the beginning at which DingTalk was asked. Not seconds: a send takes real time.
pub fn asked(bench: &Bench) -> Vec<i64> {
    let queries = bench.simulator.calls().into_iter().filter(|call| call.api == Some(Api::Query));
    queries.map(|call| (call.at.as_second() - after(0).as_second()) / 60).collect()
}

/// The calls counted in the month that shows on the clock.
pub async fn calls(bench: &Bench) -> u64 {
    bench.store.calls(&"default".parse().unwrap(), Month::of(bench.clock.now())).await.unwrap()
}
