//! What a person sends by hand while a storm rages, or the month is spaced out: it goes at the next permit, by itself and
//! whole, and keeps nobody else back.

use dingtalk_relay::model::call::Call;
use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::json;

use crate::harness::Bench;
use crate::storm::{BEGIN, HOUR, MINUTE, SECOND, all_is_well, carried, firing, moments, received, simulated, took};

const TEAM: &str = "cid-team==";
const TEXT: &str = "**We know.**\n\nThe node is back in ten minutes.";

async fn write(bench: &Bench) {
    bench.write("team", "Hold on", TEXT).await;
}

/// So many groups of alerts that are no more than a warning.
async fn storm(bench: &Bench, alerts: usize) {
    for n in 0..alerts {
        bench.accept("team", &firing(&format!("Disk{n}"), "warning")).await;
    }
}

/// The numbers of the messages to the team that a person wrote.
fn by_hand(bench: &Bench) -> Vec<usize> {
    let messages = received(bench, TEAM).into_iter().enumerate();
    messages.filter(|(_, (_, text))| text.contains("Hold on")).map(|(n, _)| n).collect()
}

#[tokio::test]
async fn it_does_not_wait_for_what_gathers_and_keeps_its_words() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    storm(&bench, 30).await;
    bench.work_for(SECOND * 2).await;
    assert_eq!(carried(&bench).await, [0; 0], "it gathers");
    write(&bench).await;
    bench.work_for(MINUTE).await;

    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [1, 30]);
    assert_eq!(moments(&bench, TEAM), [2.0, 10.0], "what gathers goes when it would have gone");
    assert_eq!(received(&bench, TEAM)[0].1, format!("Hold on\n{TEXT}"));
}

#[tokio::test]
async fn a_lane_that_always_gathers_sends_it_at_once() {
    let mut bench = Bench::with("receivers: { team: { digest: always, digest_window: 1h } }", BEGIN, simulated).await;
    storm(&bench, 2).await;
    for _ in 0..2 {
        write(&bench).await;
    }
    bench.work_for(HOUR * 2).await;
    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [1, 1, 2]);
    assert_eq!(moments(&bench, TEAM), [0.0, 0.0, 3_600.0]);
}

#[tokio::test]
async fn a_lane_that_never_gathers_does_not_let_it_wait_for_the_whole_storm() {
    let mut bench = Bench::with("receivers: { team: { digest: never } }", BEGIN, simulated).await;
    storm(&bench, 60).await;
    bench.work_for(MINUTE).await;
    write(&bench).await;
    bench.work_for(MINUTE * 5).await;
    all_is_well(&bench).await;
    let at = moments(&bench, TEAM)[by_hand(&bench)[0]];
    assert!((60.0..65.0).contains(&at), "the next permit: {at}");
}

#[tokio::test]
async fn what_is_critical_goes_first() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for _ in 0..3 {
        write(&bench).await;
    }
    storm(&bench, 30).await;
    bench.accept("team", &firing("Node", "critical")).await;
    bench.work_for(MINUTE).await;

    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [31, 1, 1, 1]);
}

#[tokio::test]
async fn a_script_that_writes_without_end_keeps_no_alert_back() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for n in 0..300 {
        write(&bench).await;
        if n % 10 == 0 {
            bench.accept("team", &firing(&format!("Disk{n}"), "warning")).await;
        }
        bench.work_for(SECOND).await;
    }
    bench.work_for(HOUR).await;

    all_is_well(&bench).await;
    let deliveries = bench.deliveries().await;
    let alerts = deliveries.iter().filter(|delivery| delivery["source"] == "alertmanager");
    let longest = alerts.map(took).fold(0.0, f64::max);
    assert!(longest < 20.0, "its window, and a message or two before it: {longest}");
    assert_eq!(by_hand(&bench).len(), 300, "and each is a message of its own");
}

#[tokio::test]
async fn the_months_pace_does_not_hold_it_and_it_takes_nobodys_turn() {
    let hundred = "organisations: { default: { calls_per_month: 100 } }";
    let mut turns = vec![];
    for writes in [false, true] {
        let mut bench = Bench::with(hundred, BEGIN, simulated).await;
        for n in 0..61 {
            bench.accept("team", &firing(&format!("free-{n}"), "warning")).await;
            bench.work_for(MINUTE).await;
        }
        let (sent, waits) = (bench.simulator.messages().len(), bench.lane("team").await["queued"].clone());
        assert!(waits != json!(0), "the month runs ahead: {sent}");
        for receiver in ["team", "oncall"] {
            if writes {
                bench.write(receiver, "Hold on", TEXT).await;
            } else {
                bench.gate(receiver).by_hand(Call::Query, &mut bench.clock.now()).await.unwrap();
            }
        }
        bench.work_for(SECOND).await;
        assert_eq!(bench.simulator.messages().len() - sent, if writes { 2 } else { 0 }, "at once");
        assert_eq!(bench.lane("team").await["queued"], waits, "and nothing goes along");
        let now = bench.clock.now();
        let in_line =
            ["team", "oncall"].map(|lane| bench.gate(lane).turn_at(&lane.parse().unwrap(), SECOND, now).is_some());
        assert_eq!(in_line, [true, false], "the other group has nothing that needs a turn");

        bench.work_for(24 * HOUR).await;
        assert_eq!(bench.lane("team").await["queued"], 0);
        turns.push(*moments(&bench, TEAM).last().unwrap());
    }
    assert_eq!(turns[0], turns[1], "what gathers waits for two calls less in the month, and for no turn more");
}

#[tokio::test]
async fn the_reserve_is_not_for_it() {
    let four = "organisations: { default: { calls_per_month: 5, critical_reserve: 20% } }";
    let mut bench = Bench::with(four, BEGIN, simulated).await;
    for _ in 0..5 {
        write(&bench).await;
    }
    bench.work_for(HOUR).await;
    assert_eq!((bench.simulator.messages().len(), &bench.lane("team").await["queued"]), (4, &json!(1)));
    bench.accept("team", &firing("Node", "critical")).await;
    bench.work_for(HOUR).await;
    assert_eq!((bench.simulator.messages().len(), &bench.lane("team").await["queued"]), (5, &json!(1)));
}

#[tokio::test]
async fn after_a_night_without_dingtalk_it_goes_before_the_flood_and_says_that_it_is_late() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, u32::MAX, Answer::ResetBefore);
    storm(&bench, 60).await;
    bench.work_for(MINUTE).await;
    write(&bench).await;
    bench.work_for(HOUR * 8).await;
    bench.simulator.forget();
    bench.work_for(MINUTE * 10).await;

    let carried = carried(&bench).await;
    let [place] = by_hand(&bench)[..] else { panic!("{carried:?}") };
    assert!(place <= 1, "behind the probe at most: {carried:?}");
    assert_eq!(carried[place], 1);
    let (_, text) = &received(&bench, TEAM)[place];
    assert_eq!(text, &format!("late: Hold on\n> late: from 12:01 UTC\n\n{TEXT}"));
}

#[tokio::test]
async fn what_gathers_for_the_months_sake_is_not_late_and_what_a_person_wrote_is() {
    let mut bench = Bench::with("organisations: { default: { calls_per_month: 100 } }", BEGIN, simulated).await;
    for n in 0..61 {
        bench.accept("team", &firing(&format!("free-{n}"), "warning")).await;
        bench.work_for(MINUTE).await;
    }
    bench.operator().pause("team", HOUR, bench.clock.now()).await.unwrap();
    let before = bench.simulator.messages().len();
    for _ in 0..3 {
        write(&bench).await;
    }
    bench.work_for(48 * HOUR).await;

    assert_eq!(by_hand(&bench), [before, before + 1, before + 2]);
    let late: Vec<_> = received(&bench, TEAM)[before..].iter().map(|(_, text)| text.contains("late: ")).collect();
    assert_eq!(late, [true, true, true, false]);
}

#[tokio::test]
async fn redriven_it_is_no_line_of_a_digest() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let id = bench.write("team", "Hold on", TEXT).await;
    bench.simulator.fault(Api::Send, u32::MAX, Answer::code(400, "invalidParameter.msgParam.invalid"));
    bench.work_for(MINUTE).await;
    let (operator, now) = (bench.operator(), bench.clock.now());
    let dead = operator.delivery(id.0.as_str()).await.unwrap().unwrap().delivery;
    assert_eq!(dead.state.as_str(), "dead");
    bench.simulator.forget();
    storm(&bench, 30).await;
    operator.redrive(id.0.as_str(), None, now).await.unwrap();
    bench.work_for(MINUTE).await;

    assert_eq!(carried(&bench).await, [1, 30]);
    assert_eq!(by_hand(&bench), [0]);
}
