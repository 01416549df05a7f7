//! The month runs out in the one organisation there is, through which the operator is told too: the word that what is
//! left is kept for critical messages, and of what is blocked then, goes out with these calls.

use std::sync::Arc;

use dingtalk_relay::model::call::Call;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::simulator::{Options, Simulator};

use crate::harness::{Bench, Hands};
use crate::notices::{BEGIN, SECOND, Watched};

/// Twenty calls a month, four of them kept.
const SMALL: &str = "
defaults: { organisation: { calls_per_month: 20, critical_reserve: 20% } }
operator: { receiver: sre }
receivers: { sre: { app: ops, open_conversation_id: cid-sre==, language: en } }
";

async fn watched() -> Watched {
    let options = |clock: Hands| {
        let limits = Limits { messages_per_minute: 0, ..Limits::default() };
        Options { clock: Arc::new(move || clock.now()), limits, ..Options::default() }
    };
    let desk = Simulator::start(Options::default()).await.unwrap();
    Watched { bench: Bench::with(SMALL, BEGIN, options).await, desk }
}

#[tokio::test]
async fn an_operator_of_the_same_organisation_is_told_with_the_calls_that_are_kept() {
    let mut watched = watched().await;
    let (gate, mut now) = (watched.bench.gate("team"), watched.bench.clock.now());
    for _ in 0..16 {
        gate.by_hand(Call::Query, &mut now).await.unwrap();
    }
    assert!(gate.by_hand(Call::Query, &mut now).await.is_err(), "the rest is for what is critical");
    watched.bench.clock.move_to(now);

    // It is critical.
    watched.bench.simulator.fault(Api::Send, 1, Answer::code(400, "group.disbanded"));
    watched.alert("team", 0).await;
    watched.bench.work_for(SECOND).await;
    watched.watch(20 * SECOND, 10 * SECOND).await;

    // In one message or in two, as they come: while the calls run out, nothing goes by itself that can go along.
    let told: Vec<_> = watched.bench.simulator.messages().into_iter().map(|told| told.msg_param).collect();
    let text: String = told.iter().map(|param| param["text"].as_str().unwrap()).collect();
    assert!((1..=2).contains(&told.len()), "{told:?}");
    assert!(text.contains("default has used 80 % of its month") && text.contains("team is blocked"), "{text}");
}
