//! A month that has calls left for what is critical: the fallback takes over the rest, and nothing that may still go.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::json;

use crate::fallback::{EVERY_CALL, HOUR, MINUTE, SECOND, Town, states, text, to};
use crate::storm::firing;

/// A town whose month has one call for everything and so many for what is critical. The one is made, longer ago than a
/// fallback waits.
async fn kept(calls: u64, more: &str) -> Town {
    let month = format!("{{ calls_per_month: {}, critical_reserve: {}% }}", calls + 1, 100 * calls / (calls + 1));
    let mut town = Town::with("", &format!("defaults: {{ organisation: {month} }}\n{more}")).await;
    town.alert(0).await;
    town.work_for(10 * MINUTE).await;
    assert_eq!(town.bench.simulator.messages().len(), 1);
    town
}

impl Town {
    async fn burns(&self, key: &str) {
        self.bench.accept("oncall", &firing(key, "critical")).await;
    }

    async fn warns(&self, key: &str) {
        self.bench.accept("oncall", &firing(key, "warning")).await;
    }
}

#[tokio::test]
async fn what_is_critical_stays_while_its_group_cools_down_and_the_rest_goes_over() {
    let mut town = kept(4, "").await;
    town.bench.simulator.fault(Api::Send, 1, Answer::code(400, "send.too.fast"));
    town.burns("Burning").await;
    town.work_for(SECOND).await;
    assert_eq!(town.bench.lane("oncall").await["state"], "cooling");
    town.warns("Mild").await;
    town.work_for(SECOND).await;

    assert_eq!(town.refuge.messages().len(), 1);
    let told = text(&town.refuge.messages()[0]).to_owned();
    assert!(told.contains("Mild") && told.contains(r"month\_kept\_for\_critical"), "{told}");
    assert_eq!(town.bench.lane("oncall").await["queued"], 1, "it waits for its group");

    town.work_for(HOUR).await;
    assert_eq!((town.bench.simulator.messages().len(), town.refuge.messages().len()), (2, 1));
    assert!(text(&town.bench.simulator.messages()[1]).contains("Burning"));
}

#[tokio::test]
async fn what_is_critical_stays_while_it_waits_for_its_retry() {
    let mut town = kept(4, "retry: { schedule: [30s] }").await;
    town.bench.simulator.fault(Api::Send, 1, Answer::Html { status: 502 });
    town.burns("Burning").await;
    town.work_for(SECOND).await;
    let waits = town.bench.deliveries().await;
    assert!(waits.iter().any(|delivery| delivery["attempts"] == 1 && delivery["state"] == "queued"), "{waits:#?}");
    town.warns("Mild").await;
    town.work_for(SECOND).await;

    let list = town.bench.deliveries().await;
    let expected = [("delivered".to_owned(), 1), ("handed_over".to_owned(), 1), ("queued".to_owned(), 1)];
    assert_eq!(states(&to(&list, "oncall")), expected.into(), "{list:#?}");
    assert!(text(&town.refuge.messages()[0]).contains("Mild"));
}

#[tokio::test]
async fn a_group_that_is_blocked_is_so_for_what_is_critical_too() {
    let mut town = kept(4, "").await;
    town.bench.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, "group.disbanded"));
    town.burns("Burning").await;
    town.work_for(SECOND).await;
    town.warns("Mild").await;
    town.work_for(MINUTE).await;
    let waits = town.bench.lane("oncall").await;
    assert_eq!((&waits["blocked"]["code"], &waits["queued"]), (&json!("group.disbanded"), &json!(1)));
    assert_eq!(town.refuge.messages().len(), 1, "the month has blocked the rest for long");

    town.work_for(2 * MINUTE).await;

    let messages = town.refuge.messages();
    let [mild, burning] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(text(mild).contains(r"month\_kept\_for\_critical"), "{}", text(mild));
    assert!(text(burning).contains("Burning") && text(burning).contains("group.disbanded"), "{}", text(burning));
}

#[tokio::test]
async fn all_of_it_goes_over_when_the_reserve_is_used_up_too() {
    let mut town = kept(1, "").await;
    town.burns("First").await;
    town.work_for(MINUTE).await;
    assert_eq!((town.bench.simulator.messages().len(), town.refuge.messages().len()), (2, 0));

    town.burns("Second").await;
    town.work_for(30 * SECOND).await;
    assert_eq!(town.refuge.messages().len(), 0, "that has been so for a minute and a half");
    town.work_for(2 * MINUTE).await;

    assert_eq!(town.refuge.messages().len(), 1);
    assert!(text(&town.refuge.messages()[0]).contains(r"month\_used\_up"));
}
