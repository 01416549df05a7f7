//! Calls that were under way when others closed what they pass through, or opened it again: what they bring home is from
//! before, and moves nothing.
//!
//! That several calls are under way is made here by taking several passes; how the states stand to each other is a table
//! in `model::health`.

use std::sync::Arc;

use dingtalk_relay::gate::Pass;
use dingtalk_relay::gate::channel::Channel;
use dingtalk_relay::model::outcome::{Outcome, Scope, Verdict};
use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::bad_days::{BEGIN, SECOND, app, simulated};
use crate::harness::{Bench, fixture};

/// Groups enough to have many calls under way.
const MORE: &str = "
apps: { ops: { limits: { calls_per_second: 10000 } } }
receivers:
  third: { app: ops, open_conversation_id: cid-third== }
  fourth: { app: ops, open_conversation_id: cid-fourth== }
retry: { schedule: [10m] }
";
const RECEIVERS: [&str; 4] = ["oncall", "team", "third", "fourth"];

fn verdict(outcome: Outcome, code: &str) -> Verdict {
    Verdict {
        outcome,
        scope: Scope::App,
        code: code.into(),
        label: "other",
        http_status: None,
        may_have_arrived: false,
        uncounted: false,
        of_token: false,
        complaint: None,
        retry_after: None,
        hint: "a hint".into(),
    }
}

fn channel(bench: &Bench, receiver: &str) -> Arc<Channel> {
    let group = format!("cid-{receiver}==");
    let parts = bench.parts();
    let (_, channel) = parts.channels.iter().find(|(key, _)| key.as_str().contains(&group)).unwrap();
    Arc::clone(channel)
}

/// How the app stands after so many calls, each with its pass, have come to the same.
async fn after_all(bench: &Bench, passes: &[Pass<'_>], verdict: Option<&Verdict>) -> Value {
    for (pass, receiver) in passes.iter().zip(RECEIVERS) {
        bench.gate(receiver).observe(pass, &channel(bench, receiver), verdict, 0.0, bench.clock.now());
    }
    app(bench, "ops").await
}

#[tokio::test]
async fn a_call_that_was_under_way_when_its_app_was_blocked_or_went_down_does_not_open_it_by_its_success() {
    for outcome in [Outcome::Blocked, Outcome::Unavailable] {
        let bench = Bench::with(MORE, BEGIN, simulated).await;
        let (gate, trouble) = (bench.gate("team"), verdict(outcome, "some.trouble"));
        let passes = RECEIVERS.map(|receiver| {
            gate.admit(&receiver.parse().unwrap(), &channel(&bench, receiver), bench.clock.now()).unwrap()
        });
        let closed = after_all(&bench, &passes[..3], Some(&trouble)).await;
        assert!(closed["state"] == "blocked" || closed["state"] == "down", "{closed}");
        bench.clock.move_to(bench.clock.now() + 5 * SECOND);

        let still = after_all(&bench, &passes[3..], None).await;
        assert_eq!(still, closed, "it tells nothing of what DingTalk has said since");

        bench.clock.move_to(bench.clock.now() + 60 * SECOND);
        let probe = gate.admit(&"team".parse().unwrap(), &channel(&bench, "team"), bench.clock.now()).unwrap();
        assert_eq!(after_all(&bench, &[probe], None).await["state"], "flowing", "a call that began afterwards does");
    }
}

#[tokio::test]
async fn a_call_from_before_does_not_close_an_app_that_works_again() {
    for outcome in [Outcome::Blocked, Outcome::Unavailable] {
        let bench = Bench::with(MORE, BEGIN, simulated).await;
        let (gate, trouble) = (bench.gate("team"), verdict(outcome, "some.trouble"));
        let pass = |receiver: &str| {
            gate.admit(&receiver.parse().unwrap(), &channel(&bench, receiver), bench.clock.now()).unwrap()
        };
        let (first, late) = (["oncall", "team", "third"].map(pass), ["oncall", "team", "third", "fourth"].map(pass));
        after_all(&bench, &first, Some(&trouble)).await;
        bench.clock.move_to(bench.clock.now() + 60 * SECOND);
        after_all(&bench, &[pass("team")], None).await;

        assert_eq!(after_all(&bench, &late, Some(&trouble)).await["state"], "flowing");
        let now = RECEIVERS.map(pass);
        assert_ne!(after_all(&bench, &now, Some(&trouble)).await["state"], "flowing", "but calls of now do");
    }
}

#[tokio::test]
async fn a_call_that_fails_when_others_have_taken_the_app_down_does_not_count() {
    let mut bench = Bench::with(MORE, BEGIN, simulated).await;
    for receiver in RECEIVERS {
        bench.accept(receiver, &fixture("one-firing.json")).await;
    }
    bench.step("team").await.unwrap();
    assert_eq!(bench.simulator.count(Api::Token), 1, "so that all four calls begin together");
    bench.simulator.fault(Api::Send, 1, Answer::Hang);
    bench.simulator.fault(Api::Send, 3, Answer::ResetBefore);

    bench.step_together().await;

    assert_eq!(app(&bench, "ops").await["down"]["code"], "connection_lost", "the three that failed at once");
    let list = bench.deliveries().await;
    assert!(list.iter().all(|delivery| delivery["state"] == "queued" && delivery["attempts"] == 1), "{list:#?}");
    let waits: Vec<_> = list.iter().map(|delivery| delivery["next_attempt_at"] != json!(null)).collect();
    let counted = waits.iter().filter(|waits| **waits).count();
    assert_eq!(counted, 3, "also the one that took the app down; the one that hung waits for the app alone: {list:#?}");
}

#[tokio::test]
async fn a_rate_that_drops_while_its_app_is_blocked_is_stored_too() {
    let bench = Bench::with(MORE, BEGIN, simulated).await;
    let gate = bench.gate("team");
    let pass =
        |receiver: &str| gate.admit(&receiver.parse().unwrap(), &channel(&bench, receiver), bench.clock.now()).unwrap();
    let late = pass("oncall");
    let blocked = verdict(Outcome::Blocked, "some.trouble");
    for _ in 0..3 {
        bench.clock.move_to(bench.clock.now() + 600 * SECOND);
        after_all(&bench, &[pass("team")], Some(&blocked)).await;
    }
    gate.note_stored(gate.row());
    let before = gate.health();

    let too_fast = verdict(Outcome::Throttled, "too.fast");
    let changes = gate.observe(&late, &channel(&bench, "oncall"), Some(&too_fast), 0.0, bench.clock.now());

    assert_eq!(gate.health(), before, "the next probe is further away than the cool-down");
    assert_eq!(changes.app.expect("the rate has changed").rate, Some(5_000));
}
