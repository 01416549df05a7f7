//! SIGKILL, again and again, at any moment of a burst. The page cache survives a kill, so this proves nothing about
//! syncs; it proves that the program's own books hold: what was answered arrives, and what may arrive twice says so.

use dingtalk_relay::simulator::faults::{Answer, Api};

use crate::chance::seeded;
use crate::ledger::Ledger;
use crate::relay::House;

const ROUNDS: usize = 10;
const BURST: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn law_1_ten_kills_lose_nothing_and_what_arrives_twice_is_marked() {
    let house = House::new(60_000).await;
    let mut rng = seeded();
    let mut ledger = Ledger::default();
    let mut unanswered: Vec<String> = vec![];
    for round in 0..ROUNDS {
        let relay = house.start();
        // Every other kill waits for a call that is never answered, or that is served and its answer lost.
        let calls = house.simulator.count(Api::Send);
        let fault = [Some(Answer::ResetAfter), None, Some(Answer::Hang), None][round % 4].clone();
        fault.iter().for_each(|fault| house.simulator.fault(Api::Send, 1, fault.clone()));
        // As an Alertmanager would, the sender repeats what was not answered.
        let names: Vec<_> = (0..BURST).map(|n| format!("kill-{round}-{n}")).chain(unanswered.drain(..)).collect();
        let mut posting = house.burst(&relay, names.clone());
        let mut answered = vec![];
        for _ in 0..rng.usize(1..BURST) {
            answered.push(posting.join_next().await.unwrap().unwrap());
        }
        if fault.is_some() {
            house.simulator.called(Api::Send, calls + 1).await;
        }
        relay.kill();
        answered.extend(posting.join_all().await);
        for (name, answer) in answered {
            if !ledger.note(&answer) {
                unanswered.push(name);
            }
        }
        println!("round {round}: {} of {} were answered", names.len() - unanswered.len(), names.len());
    }
    let relay = house.start();
    for name in unanswered {
        assert!(ledger.note(&house.post(&relay, &name).await));
    }
    let balance = ledger.balance(&house, &relay).await;
    balance.assert_sound();
    assert!(!balance.repeated.is_empty(), "something was shown before its relay was killed");
    assert_eq!(
        balance.promised,
        2 * ROUNDS * BURST,
        "an event and a delivery for every name, however often it was sent"
    );
    assert_eq!(balance.deliveries, ROUNDS * BURST);
}
