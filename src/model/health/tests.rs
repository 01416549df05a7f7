//! The probe table of the contract, and what every happening makes of every state. No time passes: it is an argument.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn blocked(cause: Cause) -> Happening {
    Happening::Blocked { code: "c".into(), reason: "r".into(), cause }
}

fn failed() -> Happening {
    Happening::Failed { code: "timeout".into(), reason: "r".into() }
}

fn down(probe: i64, times: u32) -> Health {
    Health::Down { since: at(0), probe_at: at(probe), times, code: "timeout".into(), reason: "r".into() }
}

/// The waits until each of the first probes, when every probe fails the same way.
fn waits(mut health: Health, what: &Happening, probes: usize) -> Vec<i64> {
    let mut now = at(0);
    (0..probes)
        .map(|_| {
            health = health.after(what.clone(), now);
            let Go::Wait(until) = health.go(now) else { return 0 };
            let wait = until.as_second() - now.as_second();
            now = until;
            wait
        })
        .collect()
}

#[test]
fn the_probe_table_of_the_contract() {
    assert_eq!(waits(Health::Flowing, &failed(), 10), [0, 0, 1, 2, 4, 8, 16, 30, 30, 30]);
    assert_eq!(waits(Health::Flowing, &blocked(Cause::Channel), 7), [60, 120, 240, 480, 960, 1800, 1800]);
    assert_eq!(waits(Health::Flowing, &blocked(Cause::App), 7), [30, 60, 120, 240, 480, 600, 600]);
    assert_eq!(waits(Health::Flowing, &blocked(Cause::Month), 2), [21_600, 21_600]);
}

#[test]
fn a_cooldown_doubles_is_jittered_and_never_longer_than_its_longest() {
    let cooldown = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) };
    let throttled = |jitter| Happening::Throttled { cooldown, jitter, at_least: None };
    assert_eq!(waits(Health::Flowing, &throttled(0.0), 6), [60, 120, 240, 480, 600, 600]);
    assert_eq!(waits(Health::Flowing, &throttled(1.0), 6), [75, 150, 300, 600, 600, 600]);
    let asked = Happening::Throttled { cooldown, jitter: 0.0, at_least: Some(Duration::from_secs(900)) };
    assert_eq!(waits(Health::Flowing, &asked, 1), [900]);
}

#[test]
fn a_cooling_one_is_not_probed_and_flows_afterwards() {
    let cooling = Health::Cooling { until: at(60), times: 0 };
    assert_eq!(cooling.go(at(59)), Go::Wait(at(60)));
    assert_eq!(cooling.go(at(60)), Go::Freely);
}

#[test]
fn the_first_success_opens_what_was_down_or_blocked() {
    let down = down(1, 4);
    assert_eq!(down.go(at(1)), Go::Probe);
    assert_eq!(down.after(Happening::Answered, at(1)), Health::Flowing);
    let shut = Health::Flowing.after(blocked(Cause::Channel), at(0));
    assert_eq!(shut.after(Happening::Answered, at(60)), Health::Flowing);
}

#[test]
fn a_late_answer_of_a_call_that_was_under_way_does_not_push_the_probe_away() {
    let down = down(8, 3);
    assert_eq!(down.after(failed(), at(3)), down);
    let shut = Health::Flowing.after(blocked(Cause::App), at(0));
    assert_eq!(shut.after(blocked(Cause::App), at(10)), shut);
}

#[test]
fn nothing_that_was_under_way_ends_a_cooldown_or_doubles_it() {
    let cooling = Health::Cooling { until: at(60), times: 2 };
    let cooldown = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) };
    let throttled = |at_least| Happening::Throttled { cooldown, jitter: 0.0, at_least };
    for what in [Happening::Answered, failed(), throttled(None), throttled(Some(Duration::from_secs(10)))] {
        assert_eq!(cooling.after(what, at(5)), cooling);
    }
    let asked = cooling.after(throttled(Some(Duration::from_secs(300))), at(5));
    assert_eq!(asked, Health::Cooling { until: at(305), times: 2 });
    assert_eq!(cooling.after(Happening::Answered, at(60)), Health::Flowing);
    assert_eq!(cooling.after(failed(), at(60)), Health::Failing { failures: 1 });
    assert_eq!(cooling.after(throttled(None), at(60)), Health::Cooling { until: at(60 + 480), times: 3 });
}

#[test]
fn being_too_fast_opens_nothing_that_is_blocked() {
    let shut = Health::Flowing.after(blocked(Cause::Channel), at(0));
    let cooldown = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) };
    let throttled = |at_least| Happening::Throttled { cooldown, jitter: 0.0, at_least };
    let Health::Blocked(probed) = shut.after(throttled(None), at(60)) else { panic!("it is blocked no more") };
    assert_eq!((probed.since, probed.probe_at, probed.times), (at(0), at(60 + 120), 1));
    let asked = shut.after(throttled(Some(Duration::from_secs(300))), at(60));
    assert_eq!(asked.go(at(61)), Go::Wait(at(360)), "a probe is a call too");
    let down = down(1, 0).after(throttled(None), at(1));
    assert_eq!(down, Health::Cooling { until: at(61), times: 0 }, "what is too fast is there");
}

#[test]
fn a_block_found_during_a_cooldown_is_probed_after_it() {
    let cooling = Health::Cooling { until: at(300), times: 0 };
    assert_eq!(cooling.after(blocked(Cause::App), at(5)).go(at(5)), Go::Wait(at(300)));
    assert_eq!(cooling.after(blocked(Cause::App), at(290)).go(at(290)), Go::Wait(at(320)));
}

#[test]
fn what_is_down_or_blocked_says_why_and_since_when_however_often_it_was_probed() {
    let mut health = Health::Flowing;
    for n in 0..9 {
        health = health.after(failed(), at(n * 30));
    }
    assert_eq!(health.why(), Some(("timeout", "r")));
    let Health::Down { since, .. } = health else { panic!("{health:?}") };
    assert_eq!(since, at(60), "since the third failure");
    let other = Happening::Blocked { code: "d".into(), reason: "s".into(), cause: Cause::App };
    let Health::Blocked(block) = health.after(blocked(Cause::App), at(300)).after(other, at(400)) else { panic!() };
    assert_eq!((block.since, block.code.as_str(), block.reason.as_str()), (at(300), "d", "s"));
}

#[test]
fn a_restart_tries_what_may_have_been_mended_and_believes_no_wait_of_a_wrong_clock() {
    let block = |cause| Health::Flowing.after(blocked(cause), at(0)).taken_up(at(1));
    assert_eq!(block(Cause::App).go(at(1)), Go::Probe);
    assert_eq!(block(Cause::Month).go(at(1)), Go::Probe, "it may have been given more calls");
    assert_eq!(block(Cause::Channel).go(at(1)), Go::Wait(at(60)));
    let in_a_year = Health::Cooling { until: at(365 * 86_400), times: 0 };
    assert_eq!(in_a_year.taken_up(at(0)).go(at(0)), Go::Wait(at(21_600)));
}

#[test]
fn what_somebody_may_have_mended_is_tried_at_once_and_nothing_else_is() {
    for cause in [Cause::App, Cause::Channel, Cause::Month] {
        let shut = Health::Flowing.after(blocked(cause), at(0));
        for mended in [Cause::App, Cause::Channel, Cause::Month] {
            let go = shut.clone().mended(mended, at(1)).go(at(1));
            assert_eq!(go == Go::Probe, cause == mended, "{cause:?} {mended:?}");
        }
    }
    let failing = Health::Failing { failures: 1 };
    assert_eq!(failing.clone().mended(Cause::App, at(1)), failing);
}

#[test]
fn a_month_that_is_used_up_is_asked_again_when_it_turns() {
    let evening: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let Health::Blocked(block) = Health::Flowing.after(blocked(Cause::Month), evening) else { panic!() };
    assert_eq!(block.probe_at, "2026-11-30T16:00:00Z".parse().unwrap());
}
