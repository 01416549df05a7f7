//! A DingTalk that allows 20 a minute and group is never driven to say "too fast" (law 6).
//!
//! Nothing here takes real time: the lanes are stepped with a clock that the simulator reads too.

use std::sync::Arc;

use dingtalk_relay::simulator::Options;

use crate::harness::{Bench, Hands, ONE_BY_ONE, fixture_of_group};

const BEGIN: &str = "2026-11-21T12:00:00Z";
const LONG_AFTER: &str = "2026-11-21T13:00:00Z";

fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

#[tokio::test]
async fn law_6_sixty_quick_deliveries_to_two_receivers_of_one_group_never_draw_too_fast() {
    let mut bench = Bench::with(ONE_BY_ONE, BEGIN, simulated).await;
    for n in 0..60 {
        let receiver = if n % 2 == 0 { "oncall" } else { "night" };
        bench.accept(receiver, &fixture_of_group("one-firing.json", n)).await;
    }
    bench.work(LONG_AFTER.parse().unwrap()).await;
    everything_arrived_and_nothing_was_throttled(&bench, 60);
}

#[tokio::test]
async fn law_6_holds_when_the_relay_is_restarted_in_between() {
    let mut bench = Bench::with(ONE_BY_ONE, BEGIN, simulated).await;
    for n in 0..60 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", n)).await;
    }
    for stop in ["2026-11-21T12:00:00.001Z", "2026-11-21T12:00:30Z", "2026-11-21T12:01:01Z", "2026-11-21T12:02:30Z"] {
        bench.work(stop.parse().unwrap()).await;
        bench = bench.restart().await;
    }
    bench.work(LONG_AFTER.parse().unwrap()).await;
    everything_arrived_and_nothing_was_throttled(&bench, 60);
}

fn everything_arrived_and_nothing_was_throttled(bench: &Bench, expected: usize) {
    assert_eq!(bench.simulator.messages().len(), expected);
    let refused: Vec<_> = bench.simulator.calls().into_iter().filter(|call| call.status != Some(200)).collect();
    assert!(refused.is_empty(), "{refused:?}");
}
