//! The arithmetic of a month, in examples and with whatever comes.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_kept_is_taken_off_first_and_the_reserve_is_a_part_of_the_whole() {
    let budget = Budget { calls_per_month: 5_000, kept_for_others: 1_000, critical_reserve: Percent::new(20).unwrap() };
    assert_eq!(budget.calls(), Calls { critical: 4_000, others: 3_000 });
    assert_eq!(budget.calls().of(Severity::Critical), 4_000);
    assert_eq!(budget.calls().of(Severity::Warning), 3_000);
}

#[test]
fn of_a_handful_of_calls_nothing_is_set_aside() {
    let fifth = Percent::new(20).unwrap();
    assert_eq!([1, 4, 5, 9, 10].map(|whole| fifth.of(whole)), [0, 0, 1, 1, 2]);
    assert_eq!((fifth.of(u64::MAX), Percent::new(101)), (u64::MAX / 5, None));
}

const NOVEMBER: &str = "2026-11-15T00:00:00Z";

fn november() -> Month {
    Month::of(NOVEMBER.parse().unwrap())
}

/// So much of November is gone.
fn after(part: f64) -> Timestamp {
    let whole = november().end().duration_since(november().start()).as_secs_f64();
    november().start() + Duration::from_secs_f64(whole * part)
}

fn of(calls_per_month: u64) -> Budget {
    Budget { calls_per_month, kept_for_others: 0, critical_reserve: Percent::new(20).unwrap() }
}

fn used(calls: u64) -> Used {
    Used { calls, critical: 0 }
}

fn seconds(spacing: Spacing) -> f64 {
    match spacing {
        Spacing::Free => 0.0,
        Spacing::Every(gap) => gap.as_secs_f64(),
        Spacing::UsedUp => f64::INFINITY,
    }
}

#[test]
fn half_a_month_with_a_thousand_calls_makes_two_thousand() {
    assert_eq!(projected(1_000, after(0.5)), 2_000);
}

#[test]
fn the_first_minutes_of_a_month_do_not_foretell_a_flood() {
    assert_eq!(projected(10, november().start() + Duration::from_secs(60)), 300);
}

#[test]
fn the_spacing_grows_out_of_nothing_to_what_makes_the_rest_last() {
    let spaced = |calls| match of(5_000).spacing(used(calls), after(0.5)) {
        Spacing::Every(gap) => format!("{calls}: every {} s", gap.as_secs()),
        other => format!("{calls}: {other:?}"),
    };
    // 2,000 is what the calendar has for the first half, 200 the head start, and 2,500 is a quarter ahead.
    let told = [0, 2_000, 2_199, 2_210, 2_250, 2_300, 2_400, 2_500, 2_600, 3_000, 3_999, 4_000, 5_000].map(spaced);
    insta::assert_snapshot!(told.join("\n"), @r"
    0: Free
    2000: Free
    2199: Free
    2210: every 0 s
    2250: every 20 s
    2300: every 84 s
    2400: every 360 s
    2500: every 864 s
    2600: every 925 s
    3000: every 1296 s
    3999: every 1296000 s
    4000: UsedUp
    5000: UsedUp
    ");
}

#[test]
fn a_morning_of_alarm_on_the_first_day_delays_nothing_and_a_quiet_month_may_spend_what_it_saved() {
    assert_eq!(of(5_000).spacing(used(400), after(0.01)), Spacing::Free, "three days' worth at once");
    assert_eq!(of(5_000).spacing(used(3_600), after(0.9)), Spacing::Free);
    let saved = (500..4_000).take_while(|calls| of(5_000).spacing(used(*calls), after(0.9)) == Spacing::Free).count();
    assert_eq!(saved, 3_141, "all but nine tenths of what the last three days were meant to have");
}

#[test]
fn what_is_critical_takes_from_the_rest_and_leaves_it_a_part() {
    let month = |others, critical| {
        let used = Used { calls: others + critical, critical };
        seconds(of(5_000).spacing(used, after(0.5)))
    };
    assert_eq!(month(1_500, 1_000), 1_296_000.0 / 500.0, "of 1,500 that are left, 1,000 more will be critical");
    assert_eq!(month(1_500, 1_500), 1_296_000.0 / 250.0, "and were it all, a quarter of the rest stays");
    assert_eq!(month(100, 2_000), 0.0, "however many were critical, a hundred others are few");
}

#[test]
fn receipts_rest_before_anything_is_spaced_out_and_until_the_calendar_has_caught_up() {
    let budget = of(5_000);
    assert_eq!(budget.receipts_rest_until(used(2_099), after(0.5)), None);
    let until = budget.receipts_rest_until(used(2_150), after(0.5)).unwrap();
    assert_eq!(budget.spacing(used(2_150), after(0.5)), Spacing::Free);
    assert!((until.duration_since(after(0.5)).as_secs_f64() / 3_600.0 - 9.47).abs() < 0.01, "{until}");
    assert!(budget.receipts_rest_until(used(2_150), until - Duration::from_secs(60)).is_some());
    assert_eq!(budget.receipts_rest_until(used(2_150), until + Duration::from_secs(1)), None);
    assert_eq!(budget.receipts_rest_until(used(4_000), after(0.5)), Some(november().end()));
}

#[test]
fn five_thousand_calls_for_twelve_groups_are_eleven_messages_a_day() {
    assert_eq!(of(5_000).a_group_and_day(12).round() as u64, 11);
    assert_eq!(of(5_000).a_group_and_day(0).round() as u64, 133, "no group at all is no division by zero");
}

/// A month in which something always waits, and so many calls for what is critical come evenly. Answers the calls that
/// were made for the rest, and the part of the month after which there was none left for it.
fn flooded(budget: Budget, critical: u64) -> (u64, f64) {
    let (mut month, mut others, mut now, mut last) = (used(0), 0, november().start(), None);
    let mut out_at = 1.0;
    while now < november().end() {
        let gone = Calendar::at(now).gone / Calendar::at(now).whole();
        while month.critical < (critical as f64 * gone) as u64 && month.calls < budget.calls().critical {
            month = Used { calls: month.calls + 1, critical: month.critical + 1 };
        }
        match budget.spacing(month, now) {
            Spacing::UsedUp => {
                out_at = f64::min(out_at, gone);
            }
            Spacing::Every(gap) if last.is_some_and(|last| now < last + gap) => {}
            Spacing::Free | Spacing::Every(_) => {
                (month.calls, others, last) = (month.calls + 1, others + 1, Some(now));
            }
        }
        assert!(month.calls <= budget.calls().critical);
        now += Duration::from_secs(47);
    }
    (others, out_at)
}

#[test]
fn a_flood_uses_everything_but_the_reserve_and_not_before_the_end() {
    let (others, out_at) = flooded(of(5_000), 0);
    assert_eq!(others, 4_000, "nothing is hoarded, and the reserve is untouched");
    assert!(out_at > 0.999, "{out_at}");
    let (others, out_at) = flooded(of(5_000), 2_000);
    assert!((1_990..=2_001).contains(&others), "what is critical takes its share from it: {others}");
    assert!(out_at > 0.99, "{out_at}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_month_its_calls_last_and_are_used(
        calls in 30_u64..9_000, kept in 0_u64..20, reserve in 0_u8..60, critical in 0_u64..40,
    ) {
        let budget = Budget {
            calls_per_month: calls,
            kept_for_others: calls * kept / 100,
            critical_reserve: Percent::new(reserve).unwrap(),
        };
        let limits = budget.calls();
        let critical = limits.others * critical / 100;
        let (others, out_at) = flooded(budget, critical);
        prop_assert!(others <= limits.others && limits.others - others <= critical + 1, "{others} of {limits:?}");
        // The last call may go a spacing before the end: a month of 30 calls has one a day.
        let last = 2.0 / limits.others as f64 + 0.01;
        prop_assert!(out_at >= 1.0 - last, "used up after {out_at}, {limits:?}, {critical} critical");
    }
}

proptest! {
    #[test]
    fn more_calls_never_shorten_a_wait_and_time_never_lengthens_it(
        calls_per_month in 1_u64..100_000, kept in 0_u64..100, reserve in 0_u8..=100,
        made in 0_u64..110_000, critical in 0_u64..1_000, more in 0_u64..100, at in 0.0..1.0, later in 0.0..1.0,
    ) {
        let budget = Budget {
            calls_per_month,
            kept_for_others: calls_per_month * kept / 100,
            critical_reserve: Percent::new(reserve).unwrap(),
        };
        let (now, then) = (after(f64::min(at, later) * 0.999_999), after(f64::max(at, later) * 0.999_999));
        let critical = critical.min(made);
        let (few, many) = (Used { calls: made, critical }, Used { calls: made + more, critical });
        let spaced = |month, at| seconds(budget.spacing(month, at));
        prop_assert!(spaced(few, now) <= spaced(many, now));
        prop_assert!(spaced(many, then) <= spaced(many, now));
        prop_assert_eq!(spaced(many, now).is_infinite(), many.calls >= budget.calls().others);
        prop_assert!(spaced(few, now).is_infinite() || spaced(few, now) <= Calendar::at(now).rest);
        let (part, others) = (Calendar::at(now).gone / Calendar::at(now).whole(), budget.calls().others);
        if (made as f64) < others as f64 * part {
            prop_assert_eq!(budget.spacing(used(made), now), Spacing::Free, "behind the calendar");
        }
        let rests = budget.receipts_rest_until(many, now).is_some();
        prop_assert!(rests || budget.spacing(many, now) == Spacing::Free, "receipts stop first");
    }
}
