//! Law 1 in the order of the calls: write, sync, answer.

use std::path::PathBuf;

use crate::answers::{accepted, promised_too_early};
use crate::relay::House;
use crate::trace::{Trace, What};

#[tokio::test(flavor = "multi_thread")]
async fn law_1_between_the_write_of_a_batch_and_its_202_lies_a_finished_sync() {
    let house = House::new(20).await;
    let (mut trace, log) = a_traced_life(&house).await;

    let answers = accepted(&trace).len();
    let syncs = trace.calls.iter().filter(|call| matches!(&call.what, What::Syncs(file) if *file == log)).count();
    println!("{answers} answers, {syncs} syncs of the log");
    assert_eq!(answers, 76, "every 202 was seen on the wire");
    assert_eq!(promised_too_early(&trace, &log), [] as [String; 0]);

    // The control: where nothing is synced, no promise stands.
    trace.calls.retain(|call| !matches!(call.what, What::Syncs(_)));
    assert_eq!(promised_too_early(&trace, &log).len(), 2 * answers, "an event and a delivery each");
}

/// Twelve events one after the other, and two bursts of which every event has a twin.
async fn a_traced_life(house: &House) -> (Trace, PathBuf) {
    let file = house.folder().join("trace");
    let relay = house.start_traced(&file, &[]);
    for n in 0..12 {
        assert_eq!(house.post(&relay, &format!("alone-{n}")).await.unwrap().0, 202);
    }
    for burst in 0..2 {
        let twins = (0..32).map(|n| format!("burst-{burst}-{}", n / 2));
        let answers = house.burst(&relay, twins).join_all().await;
        assert!(answers.iter().all(|(_, answer)| answer.as_ref().unwrap().0 == 202));
    }
    relay.stop();
    let mut trace = Trace::default();
    trace.read(&file, &house.folder());
    (trace, house.database().with_extension("db-wal"))
}
