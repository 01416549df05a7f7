//! What is grave is seen on a locked screen: critical notices among mild alerts, and what still fires behind good news.

use super::digest::{alert, at, in_english, node, notice, parts, pod, resolved, shown, style};
use super::*;
use crate::model::content::Seen;
use crate::model::form::Look;
use crate::model::language::Language;

/// The first line of what a group sees: the banner.
fn banner(shown: &str) -> &str {
    shown.lines().next().unwrap_or_default()
}

/// What a webhook of any JSON says is its name too.
const DOWN: &str = "pay 2.7.1: payments are down";

/// Twenty good-to-knows, and somebody's deployment that has taken the payments away.
fn grave_notice() -> Vec<Content> {
    let mild = |n: usize| alert("CertExpiresSoon", Severity::Info, "03:12", &[("host", &format!("web-{n}"))]);
    let grave = notice(DOWN, DOWN, Severity::Critical, "03:02");
    let deliveries = [(0..20).map(mild).collect(), vec![grave]];
    deliveries.into_iter().map(content).collect()
}

#[test]
fn a_critical_notice_is_counted_with_what_is_critical_and_told_first() {
    let contents = grave_notice();
    insta::assert_snapshot!(in_english(&parts(&contents), |_| ()));
}

#[test]
fn of_names_the_one_with_a_critical_notice_comes_first() {
    let contents =
        [vec![content(vec![node(7), node(8)]), content(vec![pod("api", 1, "03:09")])], grave_notice()].concat();
    let text = in_english(&parts(&contents), |setting| setting.max_items = 1);
    let place = |name: &str| text.find(name).unwrap_or_else(|| panic!("no {name} in {text}"));
    assert!(place("**NodeDown**") < place(&format!("**{DOWN}**")), "what fires before what happened: {text}");
    assert!(
        place(&format!("**{DOWN}**")) < place("**PodCrashLooping**"),
        "what is critical before what is not: {text}"
    );
}

/// A group of which so many pods and nodes fire as they did, with what else there is.
fn standing(pods: usize, nodes: usize, news: Vec<ContentItem>) -> (Content, Vec<Seen>) {
    let still: Vec<_> = (0..pods).map(|n| pod("api", n, "02:10")).chain((0..nodes).map(node)).collect();
    let mut known: Vec<_> = still.iter().map(Seen::from).collect();
    known.extend(
        news.iter()
            .filter(|item| item.status == Status::Resolved)
            .map(|item| Seen { status: Status::Firing, ..Seen::from(item) }),
    );
    (content(news.into_iter().chain(still).collect()), known)
}

/// What a group is told of it, in both languages: alone, and in a digest with what changed in another group.
fn told(group: &Content, known: &[Seen], besides: &Content) -> String {
    let contents = [group.clone(), besides.clone()];
    let mut parts = parts(&contents);
    parts[0].known = Some(known);
    let form = Form::default();
    let said = |language, parts: &[Part<'_>]| {
        let style = style(language, Look::Markdown);
        let setting = Setting { unchanged: Unchanged::Fold, ..Setting::of(&style, &form, at("03:13")) };
        shown(&message(parts, &setting, BUDGET))
    };
    let all = Language::ALL.map(|language| [said(language, &parts[..1]), said(language, &parts)]);
    all.concat().join("\n\n=====\n\n")
}

#[test]
fn good_news_wears_no_green_tick_while_anything_fires() {
    let over = resolved(&pod("cart", 1, "02:10"), "03:11");
    let (group, known) = standing(44, 3, vec![over.clone()]);
    let text = told(&group, &known, &content(vec![ContentItem { fingerprint: "x".into(), ..over }]));
    assert!(text.starts_with("🔴 1 resolved · 47 firing (3 critical)\n"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_banner_says_how_bad_it_is_where_it_has_room() {
    let new = |severity| alert("DiskFull", severity, "03:09", &[("instance", "db-1")]);
    let over = resolved(&pod("cart", 1, "02:10"), "03:11");
    for (pods, nodes, news, banner_says) in [
        (44, 3, vec![new(Severity::Warning)], "🔴 1 new · 47 still firing (3 critical)"),
        (44, 3, vec![new(Severity::Critical)], "🔴 1 new critical · 47 still firing"),
        (44, 3, vec![new(Severity::Warning), over.clone()], "🔴 1 new · 1 resolved · 47 still firing"),
        (44, 3, vec![over], "🔴 1 resolved · 47 firing (3 critical)"),
        (0, 3, vec![new(Severity::Warning)], "🔴 1 new · 3 critical still firing"),
        (44, 0, vec![new(Severity::Warning)], "🟠 1 new · 44 still firing · DiskFull"),
        (1, 1, vec![resolved(&new(Severity::Critical), "03:11")], "🔴 1 resolved · 2 firing (1 critical)"),
    ] {
        let (group, known) = standing(pods, nodes, news);
        let part = Part { known: Some(&known), ..parts(std::slice::from_ref(&group))[0] };
        let text = in_english(&[part], |setting| setting.unchanged = Unchanged::Fold);
        assert_eq!(banner(&text), banner_says);
    }
}
