//! What could not go for hours: the newest critical goes first, last night comes as one late digest, and what of it is
//! critical still does not wait behind what is not.

use dingtalk_relay::simulator::faults::{Answer, Api};

use crate::harness::Bench;
use crate::storm::{BEGIN, HOUR, MINUTE, SECOND, carried, firing, received, resolved, simulated};

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
    assert_eq!(
        carried,
        [1, 180, 1],
        "last night holds a critical, and what is fresh and not critical can wait for that"
    );
    let [burning, night, morning] = [0, 1, 2].map(|place| &messages[place].1);
    assert!(burning.contains("Burning"), "the newest critical first: {burning}");
    assert!(night.contains("late"), "{night}");
    assert!(morning.contains("Morning"), "{morning}");
}

#[tokio::test]
async fn a_late_critical_does_not_wait_for_the_end_of_the_storm_in_which_dingtalk_comes_back() {
    // So few that at each of them something fresh is there.
    let few = "receivers: { team: { limits: { messages_per_minute: 10 } } }";
    let mut bench = Bench::with(few, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, u32::MAX, Answer::ResetBefore);
    bench.accept("team", &firing("Burning", "critical")).await;
    bench.work_for(MINUTE * 40).await;
    storm(&mut bench, 0..30).await;
    bench.simulator.forget();
    let back = (MINUTE * 40).as_secs_f64() + 30.0;
    storm(&mut bench, 30..180).await;

    let messages = received(&bench, "cid-team==");
    let burning = messages.iter().find(|(_, text)| text.contains("Burning")).map_or(f64::MAX, |(at, _)| at - back);
    assert!(burning <= 50.0, "a probe every 30 s, and then the next message: {burning}");
    let others: Vec<_> = messages.iter().map(|(at, _)| at - back).filter(|after| *after > burning).collect();
    assert!(others.len() > 5 && others.windows(2).all(|pair| pair[1] - pair[0] >= 9.9), "they gather: {others:?}");
}

/// More warnings each second than the group takes one by one.
async fn storm(bench: &mut Bench, seconds: std::ops::Range<u32>) {
    for second in seconds {
        for n in 0..6 {
            bench.accept("team", &firing(&format!("Storm{second}-{n}"), "warning")).await;
        }
        bench.work_for(SECOND).await;
    }
}
