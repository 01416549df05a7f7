//! Who takes a turn of a month that is spaced out, and who does not: lanes that never gather, an app that is probed, a
//! claim that has nothing to say, a lane that always gathers. And what is late there.

use std::time::Duration;

use dingtalk_relay::model::call::Call;
use dingtalk_relay::simulator::{Options, Simulator};
use dingtalk_relay::store::Store;

use crate::harness::Bench;
use crate::storm::{BEGIN, HOUR, MINUTE, SECOND, firing, moments, received, simulated};

const TEAM: &str = "cid-team==";
const ONCALL: &str = "cid-oncall==";
/// On the evening of the 21st, the calendar has 166 of the 240 calls that are not kept.
const THREE_HUNDRED: &str = "organisations: { default: { calls_per_month: 300 } }";
/// Then this many calls space messages out by more than an hour.
const AN_HOUR: usize = 180;

/// A month of three hundred calls of which so many are made.
async fn after(calls: usize, more: &str) -> Bench {
    let bench = Bench::with(&format!("{THREE_HUNDRED}\n{more}"), BEGIN, simulated).await;
    let (gate, mut now) = (bench.gate("team"), bench.clock.now());
    for _ in 0..calls {
        gate.by_hand(Call::Query, &mut now).await.unwrap();
    }
    bench.clock.move_to(now);
    bench
}

async fn every_seconds(bench: &Bench) -> u64 {
    let apps = bench.operator().apps(bench.clock.now()).await.unwrap();
    apps.iter().find_map(|app| app.paced.as_ref()).unwrap().every_seconds.unwrap()
}

#[tokio::test]
async fn a_lane_that_never_gathers_takes_no_turn_and_its_calls_widen_the_spacing() {
    let mut bench = after(AN_HOUR, "receivers: { oncall: { digest: never } }").await;
    let before = every_seconds(&bench).await;
    for n in 0..24 {
        bench.accept("oncall", &firing(&format!("never-{n}"), "warning")).await;
        bench.accept("team", &firing(&format!("paced-{n}"), "warning")).await;
        bench.work_for(30 * MINUTE).await;
    }
    assert_eq!(moments(&bench, ONCALL).len(), 24, "it goes as it comes");
    let after = every_seconds(&bench).await;
    assert!(before > 3_600 && after > 2 * before, "{before} s, {after} s");
    let turns = moments(&bench, TEAM);
    assert!(turns.len() >= 3, "{turns:?}");
    assert!(turns.windows(2).all(|pair| pair[1] - pair[0] < after as f64 + 1.0), "no turn is lost: {turns:?}");
}

#[tokio::test]
async fn an_app_that_is_probed_takes_no_turn_from_another() {
    let other = Simulator::start(Options::default()).await.unwrap();
    let away = format!(
        "apps: {{ spare: {{ base_url: '{}', app_key: ding-spare, app_secret: s, timeout: 2s }} }}
receivers: {{ away: {{ app: spare, open_conversation_id: cid-away== }} }}",
        other.base_url()
    );
    let mut bench = after(177, &away).await;
    bench.accept("away", &firing("before", "warning")).await;
    bench.work_for(SECOND).await;
    assert_eq!(other.messages().len(), 1, "it has a token, and the first turn");
    drop(other);

    bench.accept("away", &firing("away", "critical")).await;
    bench.work_for(MINUTE).await;
    assert_eq!(bench.lane("away").await["state"], "down", "what is critical has been tried, and needs no turn");
    for n in 0..11 {
        bench.accept("away", &firing(&format!("away-{n}"), "warning")).await;
        bench.accept("team", &firing(&format!("paced-{n}"), "warning")).await;
        bench.work_for(10 * MINUTE).await;
    }
    let turns = moments(&bench, TEAM);
    assert!(turns.len() >= 2, "as if the other app were not there: {turns:?}");
}

#[tokio::test]
async fn what_has_nothing_to_say_takes_no_turn() {
    let drop = "sources: { alertmanager: { dedup_window: 0s } }\nreceivers: { team: { unchanged: drop } }";
    let mut bench = after(AN_HOUR, drop).await;
    bench.accept("team", &firing("Disk", "warning")).await;
    bench.work_for(SECOND).await;
    assert_eq!(moments(&bench, TEAM).len(), 1, "the first turn");

    bench.accept("team", &firing("Disk", "warning")).await;
    bench.work_for(SECOND).await;
    bench.accept("oncall", &firing("Memory", "warning")).await;
    bench.work_for(Duration::from_secs(every_seconds(&bench).await) + MINUTE).await;

    assert_eq!((moments(&bench, TEAM).len(), moments(&bench, ONCALL).len()), (1, 1));
    assert_eq!(bench.lane("team").await["queued"], 0, "it stood before the other one in the line");
}

#[tokio::test]
async fn a_lane_that_always_gathers_does_so_at_its_turn_too_and_loses_it_to_nobody() {
    let mut bench = after(AN_HOUR, "receivers: { team: { digest: always, digest_window: 20m } }").await;
    bench.accept("oncall", &firing("First", "warning")).await;
    bench.work_for(SECOND).await;
    let spacing = Duration::from_secs(every_seconds(&bench).await);
    // As the calendar catches up, the turn comes ten minutes before that.
    bench.work_for(spacing - 15 * MINUTE).await;
    let arrival = bench.clock.now();

    for (n, receiver) in ["team", "oncall", "team"].into_iter().enumerate() {
        bench.accept(receiver, &firing(&format!("Next{n}"), "warning")).await;
        bench.work_for(SECOND).await;
    }
    bench.work_for(30 * MINUTE).await;

    let messages = bench.simulator.messages();
    let [_, message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(message.open_conversation_id, TEAM, "the other one stands behind it");
    let waited = message.at.duration_since(arrival).as_secs();
    assert!((1_200..=1_202).contains(&waited), "its window, and not another spacing: {waited}");
    let (_, text) = &received(&bench, TEAM)[0];
    assert!(text.contains("Next0") && text.contains("Next2"), "{text}");
}

#[tokio::test]
async fn what_could_not_go_all_night_is_late_however_the_month_is_spaced_out_by_now() {
    let mut bench = after(177, "").await;
    let lane = "team".parse().unwrap();
    bench.store.pause(&lane, Some(bench.clock.now() + 6 * HOUR)).await.unwrap();
    for n in 0..10 {
        bench.accept("team", &firing(&format!("Night{n}"), "warning")).await;
    }
    bench.work_for(6 * HOUR - MINUTE).await;
    let seconds = every_seconds(&bench).await;
    assert!((10..300).contains(&seconds), "{seconds}");
    for n in 0..10 {
        bench.accept("team", &firing(&format!("Morning{n}"), "warning")).await;
    }
    bench.work_for(HOUR).await;

    let said = received(&bench, TEAM);
    let [(_, morning), (_, night)] = said.as_slice() else { panic!("{said:?}") };
    assert!(morning.contains("Morning0") && !morning.contains("Night") && !morning.contains("late"), "{morning}");
    assert!(night.contains("Night0") && !night.contains("Morning") && night.contains("late"), "{night}");
}

#[tokio::test]
async fn what_gathers_for_its_turn_is_not_late_by_that_and_goes_in_one_message() {
    let mut bench = after(186, "").await;
    bench.accept("oncall", &firing("First", "warning")).await;
    bench.work_for(SECOND).await;
    bench.accept("team", &firing("Hours", "warning")).await;
    bench.work_for(SECOND).await;
    let spacing = Duration::from_secs(every_seconds(&bench).await);
    assert!(spacing > 4 * HOUR, "{spacing:?}");
    bench.work_for(spacing - 15 * MINUTE).await;
    bench.accept("team", &firing("Minutes", "warning")).await;
    bench.work_for(HOUR).await;

    let said = received(&bench, TEAM);
    let [(_, text)] = said.as_slice() else { panic!("{said:?}") };
    assert!(text.contains("Hours") && text.contains("Minutes"), "{text}");
}
