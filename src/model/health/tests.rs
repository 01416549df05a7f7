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
            health = health.after(what.clone(), News::Fresh, now);
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
    assert_eq!(waits(Health::Flowing, &blocked(Cause::Token), 7), [30, 60, 120, 240, 480, 600, 600]);
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
    assert_eq!(down.after(Happening::Answered, News::Fresh, at(1)), Health::Flowing);
    let shut = Health::Flowing.after(blocked(Cause::Channel), News::Fresh, at(0));
    assert_eq!(shut.after(Happening::Answered, News::Fresh, at(60)), Health::Flowing);
}

#[test]
fn a_late_answer_of_a_call_that_was_under_way_does_not_push_the_probe_away() {
    let down = down(8, 3);
    assert_eq!(down.after(failed(), News::Fresh, at(3)), down);
    let shut = Health::Flowing.after(blocked(Cause::App), News::Fresh, at(0));
    assert_eq!(shut.after(blocked(Cause::App), News::Fresh, at(10)), shut);
}

/// Every kind of state, each as it is at `at(600)`: what is closed may be probed by then, or has cooled down.
fn every_state() -> [Health; 7] {
    let [app, channel] =
        [Cause::App, Cause::Channel].map(|cause| Health::Flowing.after(blocked(cause), News::Fresh, at(0)));
    let cooling = |until| Health::Cooling { until: at(until), times: 2 };
    [Health::Flowing, Health::Failing { failures: 2 }, cooling(900), cooling(60), down(8, 3), app, channel]
}

#[test]
fn a_call_that_was_overtaken_opens_nothing_and_closes_nothing() {
    for state in every_state() {
        let is_open = matches!(state, Health::Flowing | Health::Failing { .. });
        let overtaken = |what| state.after(what, News::Overtaken, at(600));
        let answered = overtaken(Happening::Answered);
        assert_eq!(answered, if is_open { Health::Flowing } else { state.clone() }, "it opens nothing");
        assert_eq!(overtaken(failed()), state, "no failure of then is one of now, and none is a probe");
        let block = overtaken(blocked(Cause::App));
        let says_more = matches!(state, Health::Cooling { .. } | Health::Down { .. });
        assert_eq!(block != state, says_more, "{state:?}: only what is closed for less is closed by it");
        assert_eq!(says_more, matches!(block, Health::Blocked(_)) && !matches!(state, Health::Blocked(_)));
    }
}

#[test]
fn a_call_that_began_in_the_spell_that_lasts_says_how_it_is_now() {
    for state in every_state() {
        let cools = state == Health::Cooling { until: at(900), times: 2 };
        let answered = state.after(Happening::Answered, News::Fresh, at(600));
        assert_eq!(answered, if cools { state.clone() } else { Health::Flowing });
        let failed = state.after(failed(), News::Fresh, at(600));
        assert_eq!(failed == state, cools, "{state:?}");
    }
}

#[test]
fn to_be_too_fast_is_obeyed_however_late_it_is_said_and_opens_nothing_either() {
    let cooldown = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) };
    let at_least = Some(Duration::from_secs(300));
    for state in every_state() {
        let throttled = Happening::Throttled { cooldown, jitter: 0.0, at_least };
        let after = state.after(throttled, News::Overtaken, at(600));
        assert_eq!(after.go(at(899)), Go::Wait(at(900)), "{state:?}");
        match (&state, &after) {
            (Health::Cooling { times, .. }, Health::Cooling { times: now, .. }) => assert_eq!(times, now),
            (Health::Down { since, times, .. }, Health::Down { since: is, times: now, .. }) => {
                assert_eq!((since, times), (is, now));
            }
            (Health::Blocked(block), Health::Blocked(is)) => {
                assert_eq!((block.since, block.times), (is.since, is.times))
            }
            (was, is) => {
                assert!(was.is_same_spell(&Health::Flowing) && matches!(is, Health::Cooling { .. }), "{was:?} {is:?}")
            }
        }
    }
}

#[test]
fn a_spell_ends_when_something_opens_or_closes_and_not_by_a_probe_that_failed() {
    let states = every_state();
    for (n, one) in states.iter().enumerate() {
        for (m, other) in states.iter().enumerate() {
            // Both blocked ones are blocked since the same instant; no app and no channel is ever both.
            let is_same = n == m || n.max(m) == 1 || (n.min(m), n.max(m)) == (5, 6);
            assert_eq!(one.is_same_spell(other), is_same, "{one:?} {other:?}");
        }
    }
    for closed in [down(1, 0), Health::Flowing.after(blocked(Cause::App), News::Fresh, at(0))] {
        let probed = closed.after(failed(), News::Fresh, at(600));
        assert!(closed != probed && closed.is_same_spell(&probed), "{closed:?}");
        let again =
            closed.after(Happening::Answered, News::Fresh, at(600)).after(blocked(Cause::App), News::Fresh, at(601));
        assert!(!closed.is_same_spell(&again), "{closed:?}");
    }
}

#[test]
fn nothing_that_was_under_way_ends_a_cooldown_or_doubles_it() {
    let cooling = Health::Cooling { until: at(60), times: 2 };
    let cooldown = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) };
    let throttled = |at_least| Happening::Throttled { cooldown, jitter: 0.0, at_least };
    for what in [Happening::Answered, failed(), throttled(None), throttled(Some(Duration::from_secs(10)))] {
        assert_eq!(cooling.after(what, News::Fresh, at(5)), cooling);
    }
    let asked = cooling.after(throttled(Some(Duration::from_secs(300))), News::Fresh, at(5));
    assert_eq!(asked, Health::Cooling { until: at(305), times: 2 });
    assert_eq!(cooling.after(Happening::Answered, News::Fresh, at(60)), Health::Flowing);
    assert_eq!(cooling.after(failed(), News::Fresh, at(60)), Health::Failing { failures: 1 });
    assert_eq!(cooling.after(throttled(None), News::Fresh, at(60)), Health::Cooling { until: at(60 + 480), times: 3 });
}

#[test]
fn being_too_fast_opens_nothing_that_is_blocked() {
    let shut = Health::Flowing.after(blocked(Cause::Channel), News::Fresh, at(0));
    let cooldown = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) };
    let throttled = |at_least| Happening::Throttled { cooldown, jitter: 0.0, at_least };
    let Health::Blocked(probed) = shut.after(throttled(None), News::Fresh, at(60)) else {
        panic!("it is blocked no more")
    };
    assert_eq!((probed.since, probed.probe_at, probed.times), (at(0), at(60 + 120), 1));
    let asked = shut.after(throttled(Some(Duration::from_secs(300))), News::Fresh, at(60));
    assert_eq!(asked.go(at(61)), Go::Wait(at(360)), "a probe is a call too");
    let down = down(1, 0).after(throttled(None), News::Fresh, at(1));
    assert_eq!(down, Health::Cooling { until: at(61), times: 0 }, "what is too fast is there");
}

#[test]
fn a_block_found_during_a_cooldown_is_probed_after_it() {
    let cooling = Health::Cooling { until: at(300), times: 0 };
    assert_eq!(cooling.after(blocked(Cause::App), News::Fresh, at(5)).go(at(5)), Go::Wait(at(300)));
    assert_eq!(cooling.after(blocked(Cause::App), News::Fresh, at(290)).go(at(290)), Go::Wait(at(320)));
}

#[test]
fn what_is_down_or_blocked_says_why_and_since_when_however_often_it_was_probed() {
    let mut health = Health::Flowing;
    for n in 0..9 {
        health = health.after(failed(), News::Fresh, at(n * 30));
    }
    assert_eq!(health.why(), Some(("timeout", "r")));
    let Health::Down { since, .. } = health else { panic!("{health:?}") };
    assert_eq!(since, at(60), "since the third failure");
    let other = Happening::Blocked { code: "d".into(), reason: "s".into(), cause: Cause::App };
    let Health::Blocked(block) =
        health.after(blocked(Cause::App), News::Fresh, at(300)).after(other, News::Fresh, at(400))
    else {
        panic!()
    };
    assert_eq!((block.since, block.code.as_str(), block.reason.as_str()), (at(300), "d", "s"));
}

#[test]
fn a_restart_tries_what_may_have_been_mended_and_believes_no_wait_of_a_wrong_clock() {
    let block = |cause| Health::Flowing.after(blocked(cause), News::Fresh, at(0)).taken_up(at(1));
    assert_eq!(block(Cause::App).go(at(1)), Go::Probe);
    assert_eq!(block(Cause::Month).go(at(1)), Go::Probe, "it may have been given more calls");
    assert_eq!(block(Cause::Channel).go(at(1)), Go::Wait(at(60)));
    let in_a_year = Health::Cooling { until: at(365 * 86_400), times: 0 };
    assert_eq!(in_a_year.taken_up(at(0)).go(at(0)), Go::Wait(at(21_600)));
}

#[test]
fn what_somebody_may_have_mended_is_tried_at_once_and_nothing_else_is() {
    for cause in [Cause::App, Cause::Token, Cause::Channel, Cause::Month] {
        let shut = Health::Flowing.after(blocked(cause), News::Fresh, at(0));
        for mended in [Cause::App, Cause::Channel, Cause::Month] {
            let go = shut.clone().mended(mended, at(1)).go(at(1));
            let is_of_it = cause == mended || (cause, mended) == (Cause::Token, Cause::App);
            assert_eq!(go == Go::Probe, is_of_it, "{cause:?} {mended:?}");
        }
    }
    let failing = Health::Failing { failures: 1 };
    assert_eq!(failing.clone().mended(Cause::App, at(1)), failing);
}

#[test]
fn a_month_that_is_used_up_is_asked_again_when_it_turns() {
    let evening: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let Health::Blocked(block) = Health::Flowing.after(blocked(Cause::Month), News::Fresh, evening) else { panic!() };
    assert_eq!(block.probe_at, "2026-11-30T16:00:00Z".parse().unwrap());
}

#[test]
fn a_month_that_has_turned_here_and_not_there_yet_is_asked_again_soon() {
    let turn = Month::of("2026-11-30T12:00:00Z".parse().unwrap()).end();
    let asked = |seconds: i64| {
        let now = later(turn, Duration::from_secs(seconds.unsigned_abs()));
        let Health::Blocked(block) = Health::Flowing.after(blocked(Cause::Month), News::Fresh, now) else { panic!() };
        block.probe_at.duration_since(now).as_secs()
    };
    assert_eq!([0, 2, 62, 3600, 86_400].map(asked), [60, 60, 62, 3600, 21_600]);
}

#[test]
fn what_waits_waits_no_longer_when_the_clock_is_set_back() {
    let hour = Duration::from_secs(3600);
    for state in every_state() {
        let earlier = |go| match go {
            Go::Wait(until) => Go::Wait(later(until, hour)),
            open => open,
        };
        for now in [0, 30, 600, 900] {
            let before = Timestamp::from_second(at(now).as_second() - 3600).unwrap();
            assert_eq!(earlier(state.clone().set_back_by(hour).go(before)), state.go(at(now)), "{state:?} at {now}");
        }
    }
}
