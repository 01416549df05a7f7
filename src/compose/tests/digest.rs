//! Digests as a person sees them: read the snapshots.
//!
//! A night of a small shop: node-7 is gone, and what ran there with it. Times are Shanghai's.

use jiff::tz::TimeZone;

use super::*;
use crate::model::content::{Seen, Unchanged};
use crate::model::form::{Buttons, Look, Shape};
use crate::model::language::Language;

/// That minute of the 21st or, before noon, of the 22nd, in Shanghai.
pub(crate) fn at(clock: &str) -> Timestamp {
    let day = if clock < "12" { 22 } else { 21 };
    format!("2026-11-{day}T{clock}:00+08:00").parse().unwrap()
}

pub(crate) fn alert(name: &str, severity: Severity, since: &str, labels: &[(&str, &str)]) -> ContentItem {
    let labels: Vec<_> = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ContentItem {
        fingerprint: format!("{name}{labels:?}"),
        name: name.to_owned(),
        status: Status::Firing,
        severity,
        since: at(since),
        until: None,
        url: Some(format!("https://prom.example/graph?g0.expr={name}")),
        short: format!("🔴 {name}"),
        body: format!(
            "{} **{name} on {}**  \nsince {since}",
            if severity == Severity::Critical { "🔴" } else { "🟠" },
            of(&labels)
        ),
        labels,
    }
}

/// Where it is.
fn of(labels: &[(String, String)]) -> &str {
    labels.iter().find(|(key, _)| ["instance", "pod"].contains(&key.as_str())).map_or("all", |(_, value)| value)
}

pub(crate) fn resolved(item: &ContentItem, until: &str) -> ContentItem {
    let body = format!("✅ **{} on {}**  \nresolved {until}", item.name, of(&item.labels));
    ContentItem { status: Status::Resolved, until: Some(at(until)), body, ..item.clone() }
}

pub(super) fn notice(title: &str, name: &str, severity: Severity, time: &str) -> ContentItem {
    let short = title.replace('_', "\\_");
    let url = Some("https://github.example/shop/api/pull/812".to_owned());
    ContentItem { status: Status::Notice, short, url, ..alert(name, severity, time, &[("repo", "shop/api")]) }
}

pub(super) fn node(n: usize) -> ContentItem {
    let instance = format!("node-{n}:9100");
    alert("NodeDown", Severity::Critical, "03:07", &[("cluster", "prod"), ("instance", &instance), ("job", "node")])
}

pub(super) fn pod(app: &str, n: usize, since: &str) -> ContentItem {
    let pod = format!("{app}-{n}");
    let labels = [("cluster", "prod"), ("container", app), ("namespace", "shop"), ("pod", &pod), ("prometheus", "k8s")];
    alert("PodCrashLooping", Severity::Warning, since, &labels)
}

fn latency(path: &str, severity: Severity) -> ContentItem {
    alert("HighLatency", severity, "03:09", &[("cluster", "prod"), ("namespace", "shop"), ("path", path)])
}

/// What came in between 03:07 and 03:12: each list is a delivery.
pub(crate) fn storm() -> Vec<Content> {
    let warning = |name: &str, n: usize| {
        alert(name, Severity::Warning, "03:10", &[("cluster", "prod"), ("instance", &format!("db-{n}:5432"))])
    };
    let deliveries = [
        vec![node(7), node(8)],
        (0..23).map(|n| pod("api", n, "03:09")).collect(),
        vec![
            latency("/pay", Severity::Critical),
            latency("/cart", Severity::Warning),
            resolved(&latency("/", Severity::Warning), "03:11"),
        ],
        (0..9).map(|n| warning("ReplicationLag", n)).collect(),
        vec![alert(
            "DiskFillsUp",
            Severity::Warning,
            "23:40",
            &[("cluster", "prod"), ("device", "sda1"), ("instance", "db-1:9100"), ("mountpoint", "/data")],
        )],
        (0..4).map(|n| resolved(&warning("TooManyConnections", n), "03:12")).collect(),
    ];
    deliveries.into_iter().map(content).collect()
}

pub(super) fn parts(contents: &[Content]) -> Vec<Part<'_>> {
    const KEYS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let part = |(content, order_key)| Part { content, order_key, received_at: at("03:10"), known: None };
    contents.iter().zip(KEYS).map(part).collect()
}

pub(crate) fn style(language: Language, look: Look) -> Style {
    Style { language, look, timezone: TimeZone::get("Asia/Shanghai").unwrap() }
}

/// The message as its group sees it, and what became of its items.
pub(crate) fn shown(made: &Made) -> String {
    let fields: Value = serde_json::from_str(&made.composed.msg_param).unwrap();
    let field = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let Made { shown, folded, left_out, .. } = made;
    let buttons: String = buttons(&made.composed).iter().map(|it| format!("\n[{} → {}]", it.title, it.url)).collect();
    let text = [field("text"), field("content")].concat();
    format!("{}\n\n{text}{buttons}\n\n{shown} shown, {folded} folded, {left_out} left out", field("title"))
}

pub(super) fn in_english(parts: &[Part<'_>], change: impl Fn(&mut Setting<'_>)) -> String {
    in_form(parts, &Form::default(), change)
}

fn in_form(parts: &[Part<'_>], form: &Form, change: impl Fn(&mut Setting<'_>)) -> String {
    let style = style(Language::En, Look::Markdown);
    let mut setting = Setting { page: Some("https://relay.example/m/7"), ..Setting::of(&style, form, at("03:13")) };
    change(&mut setting);
    shown(&message(parts, &setting, BUDGET))
}

#[test]
fn a_storm() {
    insta::assert_snapshot!(in_english(&parts(&storm()), |_| ()));
}

#[test]
fn a_storm_in_chinese_on_a_card() {
    let (style, form) = (style(Language::Zh, Look::Card(Buttons::Vertical)), Form::default());
    let setting = Setting { page: Some("https://relay.example/m/7"), ..Setting::of(&style, &form, at("03:13")) };
    insta::assert_snapshot!(shown(&message(&parts(&storm()), &setting, BUDGET)));
}

#[test]
fn a_storm_in_plain_text_and_one_without_links() {
    let storm = storm();
    let text = Form { shape: Shape::Text, ..Form::default() };
    let bare = Form { without_links: true, without_pictures: true, ..Form::default() };
    let few = |form| in_form(&parts(&storm[..3]), form, |setting| setting.max_items = 4);
    insta::assert_snapshot!([few(&text), few(&bare)].join("\n\n=====\n\n"));
}

#[test]
fn what_comes_late_says_so_with_its_own_times() {
    let storm = storm();
    let mut parts = parts(&storm);
    parts[0].received_at = at("02:10");
    parts[5].received_at = at("03:40");
    let late = |setting: &mut Setting<'_>| (setting.late, setting.now) = (true, at("08:30"));
    insta::assert_snapshot!([in_english(&parts, late), in_english(&parts[..1], late)].join("\n\n=====\n\n"));
}

#[test]
fn an_alert_is_told_once_whatever_was_said_of_it() {
    let again = ContentItem { since: at("03:05"), ..node(8) };
    let thrice = ContentItem { since: at("03:11"), ..node(8) };
    let contents = [
        content(vec![ContentItem { since: at("02:58"), ..node(7) }, ContentItem { since: at("02:50"), ..node(8) }]),
        content(vec![resolved(&ContentItem { since: at("02:58"), ..node(7) }, "03:10"), again]),
        content(vec![thrice]),
    ];
    let same: Vec<_> = parts(&contents).into_iter().map(|part| Part { order_key: "a", ..part }).collect();
    insta::assert_snapshot!(in_english(&same, |_| ()));
}

#[test]
fn notices_are_told_one_by_one_and_folded_by_name() {
    let pull = |n: usize| {
        notice(&format!("shop/api: pull request #{n} add_retry opened by ann"), "pull_request", Severity::Info, "03:01")
    };
    let failed = notice("shop/api: workflow \"release\" failed on main", "workflow_run", Severity::Warning, "03:04");
    let pulls: Vec<_> = (0..5).map(|n| content(vec![pull(810 + n)])).collect();
    let contents = [vec![content(vec![failed]), content(vec![node(7)])], pulls].concat();
    let same: Vec<_> = parts(&contents).into_iter().map(|part| Part { order_key: "a", ..part }).collect();
    insta::assert_snapshot!(in_english(&same, |setting| setting.max_items = 4));
}

/// The README shows these three: `tests/it/shipped.rs` sees to it.
#[test]
fn what_the_readme_shows() {
    let (storm, (group, known)) = (storm(), repeated());
    let form = Form { shape: Shape::Text, without_links: true, without_pictures: true, ..Form::default() };
    let several = in_form(&parts(&storm), &form, |setting| setting.max_items = 5);
    let mut late = parts(&storm[..3]);
    late[0].received_at = at("02:10");
    let late = in_form(&late, &form, |setting| (setting.late, setting.max_items, setting.now) = (true, 3, at("08:30")));
    let part = [Part { known: Some(&known), ..parts(std::slice::from_ref(&group))[0] }];
    let fold = in_form(&part, &form, |setting| setting.unchanged = Unchanged::Fold);
    let texts = [several, late, fold].map(|text| text.trim().rsplit_once("\n\n").unwrap().0.to_owned());
    insta::assert_snapshot!(texts.join("\n=====\n"));
}

/// A group of which one is new, two are over, and 47 fire as they did.
fn repeated() -> (Content, Vec<Seen>) {
    let pods: Vec<_> =
        (0..30).map(|n| pod("api", n, "02:10")).chain((0..19).map(|n| pod("cart", n, "01:40"))).collect();
    let known = pods.iter().map(Seen::from).collect();
    let over = pods[47..].iter().map(|item| resolved(item, "03:11"));
    let labels = [("cluster", "prod"), ("namespace", "shop"), ("pod", "pay-1")];
    let mut items = vec![alert("PodNotReady", Severity::Warning, "03:09", &labels)];
    items.extend(pods[..47].iter().cloned().chain(over));
    let header =
        "### 🟠 48 warning firing, 2 resolved: PodCrashLooping, PodNotReady\n\n> cluster: prod · namespace: shop";
    (Content { header: header.to_owned(), ..content(items) }, known)
}

#[test]
fn of_a_repeated_group_the_change_is_told() {
    let (group, known) = repeated();
    let part = [Part { known: Some(&known), ..parts(std::slice::from_ref(&group))[0] }];
    let fold = in_english(&part, |setting| setting.unchanged = Unchanged::Fold);
    let drop = in_english(&part, |setting| setting.unchanged = Unchanged::Drop);
    insta::assert_snapshot!([fold, drop].join("\n\n=====\n\n"));
}

#[test]
fn of_a_group_in_which_nothing_changed_the_worst_few_are_told() {
    let (group, known) = repeated();
    let same = Content { items: group.items[1..48].to_vec(), ..group };
    let part = [Part { known: Some(&known), ..parts(std::slice::from_ref(&same))[0] }];
    insta::assert_snapshot!(in_english(&part, |setting| setting.unchanged = Unchanged::Fold));
}

#[test]
fn in_a_digest_too_what_did_not_change_is_a_line() {
    let (group, known) = repeated();
    let contents = [group, content(vec![node(7)])];
    let mut parts = parts(&contents);
    parts[0].known = Some(&known);
    let (style, form) = (style(Language::Zh, Look::Markdown), Form::default());
    let setting = Setting { unchanged: Unchanged::Fold, ..Setting::of(&style, &form, at("03:13")) };
    insta::assert_snapshot!(shown(&message(&parts, &setting, BUDGET)));
}

#[test]
fn a_flood_of_names_is_bounded() {
    let name = |n: usize| {
        alert(&format!("Rule{}", n / 3), Severity::ALL[n % 3], "03:10", &[("instance", &format!("web-{n}"))])
    };
    let hundred = |part: usize| content((0..100).map(|n| name(part * 100 + n)).collect());
    let contents: Vec<_> = (0..10).map(|part| Content { truncated: part as u64, ..hundred(part) }).collect();
    insta::assert_snapshot!(in_english(&parts(&contents), |_| ()));
}

#[test]
fn a_row_that_was_written_before_digests_is_part_of_one() {
    let old: Content = serde_json::from_str(include_str!("../content_v1.json")).unwrap();
    let contents = [old, content(vec![node(7)])];
    insta::assert_snapshot!(in_english(&parts(&contents), |_| ()));
}

#[test]
fn a_digest_that_is_refused_becomes_plainer_and_never_the_same_again() {
    let (storm, style) = (storm(), style(Language::En, Look::Card(Buttons::Vertical)));
    let (mut form, mut tried) = (Form::default(), vec![]);
    loop {
        let setting = Setting { page: Some("https://relay.example/m/7"), ..Setting::of(&style, &form, at("03:13")) };
        let refused = message(&parts(&storm), &setting, BUDGET).composed;
        let next = plainer(&parts(&storm), &setting, &refused, Complaint::Words, "a.code");
        tried.push(refused);
        match next {
            Some(next) => form = next,
            None => break,
        }
    }
    let keys: Vec<_> = tried.iter().map(|composed| composed.msg_key.as_str()).collect();
    assert_eq!(keys, ["sampleActionCard", "sampleMarkdown", "sampleText", "sampleText"]);
    assert!(tried[1..].iter().all(|composed| !composed.msg_param.contains("://")), "{tried:?}");
}

#[test]
fn whom_it_was_meant_for_is_said_once_with_its_share() {
    let taken_over = |item| Content { note: "Meant for **ops**".to_owned(), ..content(vec![item]) };
    let some = [taken_over(node(7)), taken_over(node(8)), content(vec![pod("cart", 1, "03:10")])];
    let text = in_english(&parts(&some), |_| ());
    assert_eq!(text.matches("2/3 · Meant for **ops**").count(), 1, "{text}");
    let all = in_english(&parts(&some[..2]), |_| ());
    assert!(all.contains("\nMeant for **ops**") && !all.contains("2/2"), "{all}");
    let alone = in_english(&parts(&some[..1]), |_| ());
    assert!(alone.contains("Meant for **ops**\n\n[Alertmanager]"), "{alone}");
}

#[test]
fn of_many_notes_the_first_are_said_and_the_rest_is_counted() {
    let taken_over = |n| Content { note: format!("Meant for **team-{n}**"), ..content(vec![node(n)]) };
    let eight: Vec<_> = (0..8).map(taken_over).collect();
    let text = in_english(&parts(&eight), |_| ());
    assert!(text.contains("1/8 · Meant for **team-4**"), "{text}");
    assert!(text.contains("3/8 · Meant for other groups too") && !text.contains("team-5**"), "{text}");
    let five = in_english(&parts(&eight[..5]), |_| ());
    assert!(!five.contains("other groups"), "{five}");
}

#[test]
fn pods_of_one_long_name_are_told_apart_by_their_ends() {
    let name = |n: usize| format!("payment-gateway-settlement-worker-7f9c6d5b8d-aaaa{n}");
    let crash = |n: usize| alert("PodCrashLooping", Severity::Warning, "03:10", &[("pod", &name(n))]);
    let text = in_english(&parts(&[content((0..6).map(crash).collect()), content(vec![node(7)])]), |_| ());
    for n in 0..6 {
        assert_eq!(text.matches(&format!("payment-gateway-settle…-7f9c6d5b8d-aaaa{n}")).count(), 1, "{text}");
    }
}
