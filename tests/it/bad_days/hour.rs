//! One hour without DingTalk, while alerts keep coming: the first probe goes out within half a minute of its return, and
//! everything arrives, in order and within the limits.
//!
//! The figures are printed: `cargo test --test it an_hour_of_dingtalk_down -- --nocapture`.

use std::collections::BTreeMap;
use std::time::Duration;

use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::messages::Admitted;
use jiff::Timestamp;
use serde_json::json;

use crate::bad_days::{BEGIN, EVERY_CALL, HOUR, SECOND, app, begin, calls, simulated, states};
use crate::harness::{Bench, fixture_of_group};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_hour_of_dingtalk_down_loses_nothing_and_ends_in_order_within_limits() {
    // By itself, and none of it late: first come, first served.
    let settings = "defaults: { receiver: { digest: never, stale_after: 1d } }";
    let mut bench = Bench::with(settings, BEGIN, simulated).await;
    let down = |bench: &Bench| {
        bench.simulator.revoke_tokens();
        bench.simulator.fault(Api::Token, EVERY_CALL, Answer::ResetBefore);
        bench.simulator.fault(Api::Send, EVERY_CALL, Answer::ResetBefore);
    };
    down(&bench);
    let receivers = ["oncall", "team"];
    for minute in 0..60 {
        for (n, receiver) in receivers.into_iter().enumerate() {
            // Firing in the first half of the hour, resolved in the second.
            let (fixture, of) =
                if minute < 30 { ("one-firing.json", minute) } else { ("one-resolved.json", minute - 30) };
            bench.accept(receiver, &fixture_of_group(fixture, of * 2 + n)).await;
        }
        bench.work_for(MINUTE).await;
    }
    assert_eq!(states(&bench, &["oncall", "team"]).await, ["down", "down"]);
    let ops = app(&bench, "ops").await;
    let why = &ops["down"];
    assert_eq!(
        (&ops["state"], &why["code"], &ops["blocked"]),
        (&json!("down"), &json!("connection_lost"), &json!(null))
    );
    let since: Timestamp = why["since"].as_str().unwrap().parse().unwrap();
    assert!(since.duration_since(begin()).as_secs() <= 2, "down since the first failures: {why}");
    assert!(why["reason"].as_str().unwrap().starts_with("The connection broke"), "{why}");
    let probes = bench.simulator.count(Api::Token) + bench.simulator.count(Api::Send);
    assert!(bench.deliveries().await.iter().all(|delivery| delivery["state"] == "queued"), "nothing has died");

    // It comes back at the worst moment, just when a probe has failed.
    let made = bench.simulator.calls().len();
    while bench.simulator.calls().len() == made {
        bench.work_for(SECOND / 4).await;
    }
    bench.simulator.forget();
    let back = bench.clock.now();
    bench.work_for(HOUR).await;

    let first = bench.simulator.calls()[0].at.duration_since(back);
    let messages = bench.simulator.messages();
    let last = messages.last().unwrap().at.duration_since(back);
    println!("an hour down: {} deliveries waited, {probes} calls were made meanwhile", messages.len());
    println!("first probe {:.1} s after the return, last arrival {:.1} s", first.as_secs_f64(), last.as_secs_f64());
    println!("most in any 60 s: {:?}", fullest(&messages));
    assert!(probes <= 2 * 60 + 10, "one probe every 30 s and no more: {probes}");
    assert!(first.as_secs_f64() <= 30.0, "{first}");
    let list = bench.deliveries().await;
    assert_eq!(list.len(), 120);
    assert!(list.iter().all(|delivery| delivery["state"] == "delivered"));
    assert_eq!(messages.len(), 120, "and each once");
    let refused: Vec<_> = calls(&bench, Api::Send).into_iter().filter(|call| call.status != Some(200)).collect();
    assert!(refused.iter().all(|call| call.code.as_deref() == Some("InvalidAuthentication")), "{refused:?}");
    assert!(fullest(&messages).values().all(|most| *most <= 20));
    for receiver in receivers {
        in_order(&bench, receiver).await;
    }
}

/// The most messages that any 60 seconds of a group hold.
fn fullest(messages: &[Admitted]) -> BTreeMap<&str, usize> {
    let mut most = BTreeMap::new();
    for message in messages {
        let group = message.open_conversation_id.as_str();
        let within = messages.iter().filter(|other| {
            let after = other.at.duration_since(message.at).as_secs_f64();
            other.open_conversation_id == group && (0.0..60.0).contains(&after)
        });
        let found = within.count();
        let so_far = most.entry(group).or_insert(0);
        *so_far = (*so_far).max(found);
    }
    most
}

/// The probe is whichever has waited longest for its turn, or the newest of those that never had one; from then on a lane goes first come, first served, and inside
/// a group of alerts nothing is ever overtaken.
async fn in_order(bench: &Bench, receiver: &str) {
    let list: Vec<_> = bench.deliveries().await.into_iter().filter(|it| it["receiver"] == receiver).collect();
    let arrived: Vec<usize> = bench
        .simulator
        .messages()
        .iter()
        .filter_map(|message| {
            let key = json!(message.process_query_key);
            list.iter().position(|delivery| delivery["message"]["process_query_key"] == key)
        })
        .collect();
    assert_eq!(arrived.len(), 60);
    assert!(arrived[1..].is_sorted(), "{receiver}: {arrived:?}");
    let place = |wanted: usize| arrived.iter().position(|found| *found == wanted).unwrap();
    assert!((0..30).all(|alerts| place(alerts) < place(alerts + 30)), "{receiver}: {arrived:?}");
}
