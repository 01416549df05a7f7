//! Every documented code in one run, in an order nobody chose, over sixteen groups of one app that stays busy.
//!
//! What may be called when is worked out here once more from the calls that DingTalk saw: after each answer the group or
//! the app is closed for the least time the contract gives it, and no call may fall into it. At the end nothing is lost,
//! nothing doubled, and nobody calls for what is dead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use dingtalk_relay::simulator::calls::Call;
use dingtalk_relay::simulator::faults::{Answer, Api};
use jiff::Timestamp;
use serde_json::Value;

use crate::bad_days::facts::{Fact, facts};
use crate::bad_days::{BEGIN, HOUR, SECOND, calls, record, simulated};
use crate::harness::{Bench, fixture_of_group};

const GROUPS: usize = 16;
const WAVES: usize = 12;

fn many_groups() -> String {
    // Each by itself: which delivery a call was about is worked out from the calls.
    let one_by_one = "defaults: { receiver: { digest: never } }\nreceivers:\n";
    (0..GROUPS).fold(one_by_one.to_owned(), |mut yaml, n| {
        writeln!(yaml, "  g{n}: {{ app: ops, open_conversation_id: cid-g{n}== }}").unwrap();
        yaml
    })
}

#[tokio::test]
async fn all_codes_in_one_run_lose_nothing_and_hammer_nobody() {
    for seed in [1, 2] {
        one_run(seed).await;
    }
}

async fn one_run(seed: u64) {
    let mut bench = Bench::with(&many_groups(), BEGIN, simulated).await;
    order(&bench, seed);
    let mut chance = fastrand::Rng::with_seed(seed);
    for wave in 0..WAVES {
        for group in 0..GROUPS {
            let (of, fixture) = (chance.usize(..8), ["one-firing.json", "one-resolved.json"][wave % 2]);
            bench.accept(&format!("g{group}"), &fixture_of_group(fixture, wave / 2 * 10 + of)).await;
        }
        bench.work_for(SECOND * 300).await;
    }
    bench.work_for(HOUR * 24 * 4).await;

    let list = all(&bench).await;
    let (accepted, delivered) = (list.len(), list.iter().filter(|one| one["state"] == "delivered").count());
    let dead: Vec<_> = list.iter().filter(|one| one["state"] == "dead").collect();
    let made = calls(&bench, Api::Send);
    println!(
        "seed {seed}: {accepted} deliveries, {delivered} delivered, {} dead, {} calls, {} of them with a fault",
        dead.len(),
        made.len(),
        made.iter().filter(|call| call.fault).count()
    );
    assert_eq!(delivered + dead.len(), accepted, "seed {seed}: none is lost");
    every_code_was_drawn(&bench);
    nobody_was_hammered(&made);
    each_arrived_once(&bench, delivered);
    for one in &dead {
        only_a_refusal_kills(&bench, one).await;
    }
    every_call_is_on_record(&bench, &list, &made).await;

    bench.work_for(HOUR * 24).await;
    assert_eq!(calls(&bench, Api::Send).len(), made.len(), "seed {seed}: nobody calls for what is over");
}

/// Every code once, in an order of the seed's.
fn order(bench: &Bench, seed: u64) {
    let mut all = facts();
    fastrand::Rng::with_seed(seed).shuffle(&mut all);
    for fact in all {
        let api = if fact.api == "token" { Api::Token } else { Api::Send };
        bench.simulator.fault(api, 1, Answer::code(fact.http_status, fact.code));
    }
}

fn every_code_was_drawn(bench: &Bench) {
    let calls = bench.simulator.calls();
    let drawn: BTreeSet<_> = calls.iter().filter(|call| call.fault).filter_map(|call| call.code.as_deref()).collect();
    let missing: Vec<_> = facts().iter().map(|fact| fact.code).filter(|code| !drawn.contains(code)).collect();
    assert!(missing.is_empty(), "the run was too quiet: {missing:?}");
}

/// For whom an answer closes what, and for how long at least.
#[derive(Debug)]
enum Closes {
    Nobody,
    Group(i64),
    App(i64),
}

fn closes(fact: &Fact, follows_a_rejection: bool) -> Closes {
    match (fact.class, fact.scope) {
        ("throttled", "channel") | ("blocked", "channel") => Closes::Group(60),
        ("throttled", "app") if fact.code.contains("Qps") => Closes::App(1),
        ("throttled", "app") => Closes::App(60),
        ("blocked", "app") => Closes::App(30),
        ("blocked", "month") => Closes::App(6 * 3600),
        // The call is repeated at once with a fresh token; that one rejected too, the app is blocked.
        ("token", "app") if follows_a_rejection => Closes::App(30),
        ("token" | "unavailable" | "refused", _) => Closes::Nobody,
        other => panic!("{other:?}"),
    }
}

fn nobody_was_hammered(made: &[Call]) {
    let facts: BTreeMap<_, _> = facts().into_iter().map(|fact| (fact.code, fact)).collect();
    let (mut app, mut groups) = (Timestamp::MIN, BTreeMap::<&str, Timestamp>::new());
    let mut rejected = None;
    for call in made {
        let group = call.open_conversation_id.as_deref().unwrap();
        let open = groups.get(group).copied().unwrap_or(Timestamp::MIN).max(app);
        assert!(call.at >= open, "{call:?} comes before {open}");
        let code = call.code.as_deref().filter(|_| call.status != Some(200));
        let follows_a_rejection = rejected.take() == Some(group);
        let Some(code) = code else { continue };
        if facts[code].class == "token" && !follows_a_rejection {
            rejected = Some(group);
        }
        match closes(&facts[code], follows_a_rejection) {
            Closes::Nobody => {}
            Closes::Group(seconds) => drop(groups.insert(group, call.at + jiff::SignedDuration::from_secs(seconds))),
            Closes::App(seconds) => app = call.at + jiff::SignedDuration::from_secs(seconds),
        }
    }
}

/// No fault of this run keeps a message, so one that was shown twice would have been sent once too often.
fn each_arrived_once(bench: &Bench, delivered: usize) {
    let messages = bench.simulator.messages();
    assert_eq!(messages.len(), delivered);
}

async fn only_a_refusal_kills(bench: &Bench, dead: &Value) {
    let log = record(bench, dead).await["attempt_log"].as_array().unwrap().clone();
    let last = log.last().unwrap();
    assert_eq!(last["outcome"], "refused", "{dead}");
    assert!(dead["reason"].as_str().unwrap().contains(last["code"].as_str().unwrap()), "{dead}");
}

/// Each call was an attempt of one delivery, or the repetition of one with a fresh token.
async fn every_call_is_on_record(bench: &Bench, list: &[Value], made: &[Call]) {
    let attempts: u64 = list.iter().map(|one| one["attempts"].as_u64().unwrap()).sum();
    let facts: BTreeMap<_, _> = facts().into_iter().map(|fact| (fact.code, fact.class)).collect();
    let rejected = |call: &&Call| call.code.as_deref().is_some_and(|code| facts.get(code) == Some(&"token"));
    let most = attempts + made.iter().filter(rejected).count() as u64;
    assert!((attempts..=most).contains(&(made.len() as u64)), "{attempts} attempts, {} calls", made.len());
    for one in list.iter().filter(|one| one["state"] == "delivered").take(20) {
        assert_eq!(record(bench, one).await["attempt_log"].as_array().unwrap().last().unwrap()["outcome"], "sent");
    }
}

async fn all(bench: &Bench) -> Vec<Value> {
    let list = bench.deliveries().await;
    assert!(list.len() < 500, "one page of the API holds all");
    list
}
