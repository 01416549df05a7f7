//! Each documented code, once, as DingTalk's answer to a call: what becomes of the delivery, the group, the app, and of
//! everybody else.
//!
//! What is expected follows from class and scope by the contract alone (§1, its two tables), and is written down here
//! a second time, not read from the program.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::bad_days::facts::{Fact, facts};
use crate::bad_days::{BEGIN, EVERY_CALL, HOUR, SECOND, SPARE, app, begin, calls, only, rounded, simulated, states};
use crate::harness::{Bench, fixture};

/// What must follow from a code, seen from the lane that drew it.
struct Expected {
    /// How that lane stands, the other lane of its group, another group of its app, and the app.
    stand: [&'static str; 4],
    /// When it is tried again, in seconds: from, to.
    again: [i64; 2],
    /// The calls that carry the delivery until it is delivered.
    attempts: u32,
    /// Whether it may have been shown the first time.
    in_doubt: bool,
}

fn expected(fact: &Fact) -> Expected {
    const FLOWS: [&str; 4] = ["flowing"; 4];
    let again = |stand, from, to| Expected { stand, again: [from, to], attempts: 2, in_doubt: false };
    let channel_is = |state| [state, state, "flowing", "flowing"];
    match (fact.class, fact.scope) {
        ("throttled", "channel") => again(channel_is("cooling"), 60, 75),
        ("throttled", "app") if fact.code.contains("Qps") => again(["cooling"; 4], 1, 2),
        ("throttled", "app") => again(["cooling"; 4], 60, 75),
        ("unavailable", "message") => {
            let in_doubt = fact.http_status >= 500 || fact.code == "unknown.send.result";
            Expected { in_doubt, ..again(FLOWS, 1, 1) }
        }
        ("blocked", "channel") => again(channel_is("blocked"), 60, 60),
        // Without a token nothing is claimed, so no attempt was made.
        ("blocked", "app") if fact.api == "token" => Expected { attempts: 1, ..again(["blocked"; 4], 30, 30) },
        ("blocked", "app") => again(["blocked"; 4], 30, 30),
        ("blocked", "month") => again(["blocked"; 4], 6 * 3600, 6 * 3600),
        // A fresh token is no new attempt.
        ("token", "app") => Expected { attempts: 1, ..again(FLOWS, 0, 0) },
        // Known of queries alone, it is not believed of a send, or a message would die of it.
        ("refused", "message") if fact.api == "query" => again(FLOWS, 1, 1),
        other => panic!("{other:?} of {}", fact.code),
    }
}

fn kills(fact: &Fact) -> bool {
    fact.class == "refused" && fact.api != "query"
}

#[tokio::test]
async fn every_code_that_passes_delays_whom_it_concerns_and_nobody_else_and_loses_nothing() {
    let passing: Vec<_> = facts().into_iter().filter(|fact| !kills(fact)).collect();
    assert_eq!(passing.len(), 62);
    for fact in passing {
        one_that_passes(fact).await;
    }
}

async fn one_that_passes(fact: Fact) {
    let (code, expected) = (fact.code, expected(&fact));
    let mut bench = Bench::with(SPARE, BEGIN, simulated).await;
    let api = if fact.api == "token" { Api::Token } else { Api::Send };
    bench.simulator.fault(api, 1, Answer::code(fact.http_status, code));
    bench.accept("oncall", &fixture("one-firing.json")).await;

    bench.work(begin() + SECOND / 2).await;

    let stand = states(&bench, &["oncall", "night", "team"]).await;
    assert_eq!(stand, expected.stand[..3], "{code}");
    assert_eq!(app(&bench, "ops").await["state"], expected.stand[3], "{code}");
    if expected.stand[0] == "blocked" {
        assert_eq!(bench.lane("oncall").await["blocked"]["code"], code);
    }

    // Everybody else.
    bench.accept("team", &fixture("one-firing.json")).await;
    bench.accept("spare", &fixture("one-firing.json")).await;
    bench.work(begin() + SECOND * 3 / 4).await;
    assert_eq!(only(&bench, "spare").await["state"], "delivered", "{code}: another app");
    let flows = expected.stand[2] == "flowing";
    assert_eq!(only(&bench, "team").await["state"] == "delivered", flows, "{code}: another group");

    bench.work_for(HOUR * 7).await;

    let delivery = only(&bench, "oncall").await;
    let facts = (&delivery["state"], &delivery["attempts"], &delivery["possibly_duplicate"]);
    assert_eq!(facts, (&json!("delivered"), &json!(expected.attempts), &json!(expected.in_doubt)), "{code}");
    let waited = arrival(&bench);
    assert!((expected.again[0]..=expected.again[1]).contains(&waited), "{code}: {waited} s");
    assert_eq!(bench.simulator.messages().len(), 3, "{code}: each once");
    assert_eq!(states(&bench, &["oncall", "night", "team", "spare"]).await, ["flowing"; 4], "{code}");
    let repeats = usize::from(fact.class == "token");
    let carried = expected.attempts as usize + repeats;
    assert_eq!(calls(&bench, Api::Send).len(), carried + 2, "{code}: no call that nobody needed");
}

/// How long the delivery of the lane in trouble took.
fn arrival(bench: &Bench) -> i64 {
    let messages = bench.simulator.messages();
    let message = messages.iter().find(|message| message.open_conversation_id == "cid-oncall==").unwrap();
    rounded(message.at.duration_since(begin()).as_secs_f64())
}

#[tokio::test]
async fn every_code_that_refuses_a_message_each_time_ends_it_with_the_reason_and_delays_nobody() {
    let deadly: Vec<_> = facts().into_iter().filter(kills).collect();
    assert_eq!(deadly.len(), 57);
    for fact in deadly {
        one_that_kills(fact).await;
    }
}

async fn one_that_kills(fact: Fact) {
    let code = fact.code;
    let mut bench = Bench::with(SPARE, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, EVERY_CALL, Answer::code(fact.http_status, code));
    bench.accept("oncall", &fixture("one-firing.json")).await;

    bench.work_for(HOUR).await;

    let delivery = only(&bench, "oncall").await;
    assert_eq!((&delivery["state"], &delivery["next_attempt_at"]), (&json!("dead"), &Value::Null), "{code}");
    assert!(delivery["reason"].as_str().unwrap().contains(code), "{delivery}");
    let made = calls(&bench, Api::Send).len();
    assert_eq!(delivery["attempts"], made, "{code}: each call is one of its attempts");
    assert!((1..=8).contains(&made), "{code}: a few forms, and not {made}");
    assert_eq!(states(&bench, &["oncall", "night", "team"]).await, ["flowing"; 3], "{code}");
    assert_eq!(app(&bench, "ops").await["state"], "flowing", "{code}");

    bench.simulator.forget();
    bench.accept("night", &fixture("one-firing.json")).await;
    bench.work_for(HOUR * 24).await;
    assert_eq!(bench.simulator.messages().len(), 1, "{code}: the next one goes, and the dead one is left alone");
    assert_eq!(only(&bench, "oncall").await, delivery, "{code}");
}

#[tokio::test]
async fn a_token_that_is_rejected_again_when_it_is_fresh_blocks_the_app_until_the_probe() {
    for fact in facts().into_iter().filter(|fact| fact.class == "token") {
        let mut bench = Bench::with(SPARE, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 2, Answer::code(fact.http_status, fact.code));
        bench.accept("oncall", &fixture("one-firing.json")).await;

        bench.work(begin() + SECOND / 2).await;
        assert_eq!(states(&bench, &["oncall", "team", "spare"]).await, ["blocked", "blocked", "flowing"]);
        assert_eq!(bench.lane("team").await["blocked"]["code"], fact.code);
        assert_eq!((bench.simulator.count(Api::Token), bench.simulator.count(Api::Send)), (2, 2), "{}", fact.code);

        bench.work_for(HOUR).await;
        assert_eq!((only(&bench, "oncall").await["state"].as_str(), arrival(&bench)), (Some("delivered"), 30));
    }
}
