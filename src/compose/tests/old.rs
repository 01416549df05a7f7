//! What has waited says so: with a time where it comes beside what is fresh, as late where all of it is old.

use super::digest::{alert, at, in_english, node, notice, parts, shown, storm, style};
use super::*;
use crate::model::form::Look;
use crate::model::language::Language;

/// Twelve days before the storm.
const LONG_AGO: &str = "2026-11-10T03:10:00+08:00";

fn old() -> Timestamp {
    LONG_AGO.parse().unwrap()
}

/// The warnings of a month that is used up, and the critical alert that takes them along.
fn gathered() -> Vec<Content> {
    let warning = |n: usize| {
        let since = Timestamp::from_second(old().as_second() + 60 * 60 * n as i64).unwrap();
        let item = alert("DiskFillsUp", Severity::Warning, "03:10", &[("instance", &format!("db-{n}"))]);
        content(vec![ContentItem { since, ..item }])
    };
    std::iter::once(content(vec![node(7)])).chain((1..6).map(warning)).collect()
}

#[test]
fn what_gathered_for_long_says_since_when() {
    let contents = gathered();
    let mut parts = parts(&contents);
    parts[2].received_at = old();
    let stale = at("02:43");
    let english = in_english(&parts, |setting| setting.stale_before = stale);
    let (style, form) = (style(Language::Zh, Look::Markdown), Form::default());
    let setting = Setting { stale_before: stale, ..Setting::of(&style, &form, at("03:13")) };
    insta::assert_snapshot!([english, shown(&message(&parts, &setting, BUDGET))].join("\n\n=====\n\n"));
}

#[test]
fn what_is_fresh_says_nothing_of_its_age_nor_what_is_late_anyhow() {
    let contents = storm();
    let parts = parts(&contents);
    let fresh = in_english(&parts, |setting| setting.stale_before = at("03:10"));
    assert!(!fresh.contains("gathered") && !fresh.contains("late"), "{fresh}");
    let late = in_english(&parts, |setting| (setting.late, setting.stale_before) = (true, at("03:11")));
    assert!(!late.contains("gathered") && late.contains("late: 3 critical"), "{late}");
}

#[test]
fn where_all_of_it_is_late_that_says_its_age() {
    let contents = [content(vec![node(7)]), content(vec![node(8)])];
    let mut parts = parts(&contents);
    parts.iter_mut().for_each(|part| part.received_at = old());
    let late = |setting: &mut Setting<'_>| (setting.late, setting.stale_before) = (true, at("02:43"));
    let said = |parts: &[Part<'_>]| in_english(parts, late);
    insta::assert_snapshot!([said(&parts), said(&parts[..1])].join("\n\n=====\n\n"));
}

#[test]
fn a_late_title_keeps_its_icon_first_and_fits_the_banner() {
    let late = |title: &str, language| {
        let content = Content { title: title.to_owned(), ..content(vec![notice("n", "n", Severity::Info, "03:01")]) };
        let (style, form) = (style(language, Look::Markdown), Form::default());
        let setting = Setting { late: true, ..Setting::of(&style, &form, at("08:30")) };
        let text = shown(&message(&[Part::of(&content, at("02:10"))], &setting, BUDGET));
        text.lines().next().unwrap().to_owned()
    };
    for (title, english, chinese) in [
        (
            "🔴 2 critical firing: DiskFull",
            "🔴 late: 2 critical firing: DiskFull",
            "🔴 迟到：2 critical firing: DiskFull",
        ),
        ("shop/api: push to main", "late: shop/api: push to main", "迟到：shop/api: push to main"),
        ("磁盘快满了", "late: 磁盘快满了", "迟到：磁盘快满了"),
        ("[P1] it burns", "late: [P1] it burns", "迟到：[P1] it burns"),
        (
            "✅ 12 resolved: PrometheusRuleFailures · prod",
            "✅ late: 12 resolved: PrometheusRuleFail…",
            "✅ 迟到：12 resolved: PrometheusRuleFailure…",
        ),
    ] {
        assert_eq!([late(title, Language::En), late(title, Language::Zh)], [english, chinese]);
    }
}
