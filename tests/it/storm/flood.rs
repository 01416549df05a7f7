//! More than a group takes: everything is told, in few messages, the critical first, each alert group in its order.
//!
//! The figures are printed: `cargo test --test it storm::flood -- --nocapture`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::Bench;
use crate::storm::{BEGIN, MINUTE, SECOND, all_is_well, carried, firing, group, received, resolved, simulated, took};

/// A group's share of 10,000 alerts in 500 groups.
const OF_A_GROUP: usize = 20;

fn severity(n: usize) -> &'static str {
    match n {
        137 => "critical",
        _ if n.is_multiple_of(3) => "info",
        _ => "warning",
    }
}

#[tokio::test]
async fn ten_thousand_alerts_at_once_are_told_within_seconds_in_a_few_messages() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let mut alerts = 0;
    for n in 0..500 {
        let names: Vec<_> = (0..OF_A_GROUP).map(|i| format!("node-{i}")).collect();
        let stands: Vec<_> = names.iter().map(|name| (name.as_str(), "firing", severity(n))).collect();
        alerts += stands.len();
        bench.accept("team", &group(&format!("Group{n}"), &stands)).await;
    }
    bench.work_for(MINUTE * 2).await;

    all_is_well(&bench).await;
    let messages = received(&bench, "cid-team==");
    let critical = messages.iter().find(|(_, text)| text.contains("Group137")).unwrap().0;
    let last = messages.last().unwrap().0;
    println!("{alerts} alerts in 500 groups: {} calls, critical {critical:.1} s, last {last:.1} s", messages.len());
    assert_eq!(alerts, 10_000);
    assert_eq!(carried(&bench).await.iter().sum::<u64>(), 500, "each in one message");
    assert!(messages.len() <= 5, "{}", messages.len());
    assert!(critical <= 5.0 && last <= 15.0, "{critical} {last}");
}

#[tokio::test]
async fn a_minute_of_storm_is_told_as_it_comes_in_order_and_the_critical_at_once() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for second in 0..60 {
        for n in 0..4 {
            let n = second * 4 + n;
            bench.accept("team", &firing(&format!("Group{n}"), severity(n))).await;
            // Half a minute later it is over again.
            if let Some(before) = n.checked_sub(120) {
                bench.accept("team", &resolved(&format!("Group{before}"), severity(before))).await;
            }
        }
        bench.work_for(SECOND).await;
    }
    bench.work_for(MINUTE).await;

    all_is_well(&bench).await;
    let deliveries = bench.deliveries().await;
    let (mut slowest, mut critical) = (0.0_f64, 0.0_f64);
    for delivery in &deliveries {
        let seconds = took(delivery);
        slowest = slowest.max(seconds);
        if delivery["severity"] == "critical" {
            critical = critical.max(seconds);
        }
    }
    let calls = bench.simulator.messages().len();
    println!(
        "{} webhooks in a minute: {calls} calls, critical {critical:.1} s, slowest {slowest:.1} s",
        deliveries.len()
    );
    assert_eq!(deliveries.len(), 360);
    assert!(critical <= 5.0, "{critical}");
    assert!(slowest <= 15.0, "its window, and a moment for a permit: {slowest}");
    assert!(calls <= 20, "{calls}");
    in_order(&bench, &deliveries);
}

/// No alert group overtakes itself: what came later is in the same message or in a later one.
fn in_order(bench: &Bench, deliveries: &[Value]) {
    let messages = bench.simulator.messages();
    let place = |delivery: &Value| {
        let key = delivery["message"]["process_query_key"].as_str().unwrap();
        messages.iter().position(|message| message.process_query_key == key).unwrap()
    };
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for delivery in deliveries {
        let title = delivery["title"].as_str().unwrap();
        let name = title.split_whitespace().find(|word| word.starts_with("Group")).unwrap();
        let place = place(delivery);
        let before = last.insert(name.to_owned(), place);
        assert!(before.is_none_or(|before| before <= place), "{title}");
    }
    assert_eq!(last.len(), 240);
}
