//! What could not go for hours: the newest critical goes first, and last night comes as one late digest.

use dingtalk_relay::simulator::faults::{Answer, Api};

use crate::harness::Bench;
use crate::storm::{BEGIN, HOUR, MINUTE, carried, firing, received, resolved, simulated};

#[tokio::test]
async fn after_a_night_without_dingtalk_the_newest_critical_goes_first_and_the_flood_comes_as_one_late_digest() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, u32::MAX, Answer::ResetBefore);
    for n in 0..120 {
        bench.accept("team", &firing(&format!("Night{n}"), if n == 7 { "critical" } else { "warning" })).await;
        bench.work_for(MINUTE * 2).await;
    }
    for n in 0..60 {
        bench.accept("team", &resolved(&format!("Night{n}"), "warning")).await;
    }
    bench.work_for(HOUR * 4).await;
    bench.accept("team", &firing("Morning", "warning")).await;
    bench.accept("team", &firing("Burning", "critical")).await;
    bench.simulator.forget();
    bench.work_for(MINUTE * 10).await;

    let deliveries = bench.deliveries().await;
    assert!(deliveries.iter().all(|delivery| delivery["state"] == "delivered"), "{deliveries:?}");
    let messages = received(&bench, "cid-team==");
    let carried = carried(&bench).await;
    println!("{carried:?}\n{}", messages.iter().map(|(at, text)| format!("{at}: {text}\n")).collect::<String>());
    assert!(messages[0].1.contains("Burning"), "the newest critical first: {}", messages[0].1);
    let morning = messages.iter().position(|(_, text)| text.contains("Morning")).unwrap();
    let night: Vec<_> = messages.iter().enumerate().filter(|(_, (_, text))| text.contains("Night")).collect();
    let [(place, (_, night))] = night.as_slice() else { panic!("{carried:?}") };
    assert!(morning <= 1 && *place == messages.len() - 1, "what is fresh comes before what is late: {carried:?}");
    assert!(night.contains("late"), "{night}");
    assert_eq!(carried.last(), Some(&180));
}
