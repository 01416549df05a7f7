//! Every captured body of a real Alertmanager, read as a person would sum it up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dingtalk_relay::config::secret::Secret;
use dingtalk_relay::config::{Auth, Fields, SeverityRules, Source, SourceKind};
use dingtalk_relay::model::event::{Event, Item, Severity, Status};
use dingtalk_relay::sources::{Decoded, Sources};
use jiff::Timestamp;

#[test]
fn every_captured_body_of_alertmanager_is_understood() {
    let mut said = String::new();
    for file in captured_files() {
        let event = decoded(&body_of(&file));
        said += &format!("{}\n{}\n", file.file_name().unwrap().to_string_lossy(), summary(&event));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn two_thousand_alerts_in_one_body_lose_nothing() {
    let body = body_of(&folder().join("two-thousand.json.gz"));
    assert!(body.len() > 850_000);
    let event = decoded(&body);
    let raw: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let sent = raw["alerts"].as_array().unwrap();
    assert_eq!(event.items.len(), 2_000);
    for (item, alert) in event.items.iter().zip(sent) {
        assert_eq!(serde_json::to_value(&item.labels).unwrap(), alert["labels"]);
        assert_eq!(serde_json::to_value(&item.annotations).unwrap(), alert["annotations"]);
        assert_eq!(item.fingerprint, alert["fingerprint"]);
    }
}

#[test]
fn what_alertmanager_sends_again_is_a_twin_and_what_follows_is_not() {
    let key = |file: &str| decoded(&body_of(&folder().join(file))).dedup_key;
    assert_eq!(key("one-firing.json"), key("one-firing.json"));
    let keys =
        ["one-firing.json", "one-resolved.json", "fifty-firing.json", "fifty-mixed.json", "thirty-resolved.json"];
    let keys = keys.map(key);
    assert!((1..keys.len()).all(|i| !keys[..i].contains(&keys[i])), "{keys:?}");
}

#[test]
fn one_group_keeps_its_order_key_over_its_life() {
    let key = |file: &str| decoded(&body_of(&folder().join(file))).order_key;
    assert_eq!(key("fifty-firing.json"), key("fifty-mixed.json"));
    assert_eq!(key("fifty-firing.json"), key("thirty-resolved.json"));
    assert_ne!(key("fifty-firing.json"), key("one-firing.json"));
}

#[test]
fn only_a_configured_source_is_found_and_only_its_token_opens_it() {
    let sources = Sources::compile(&configured(Secret::given("opensesame"))).unwrap();
    assert!(sources.named("github").is_none());
    let source = sources.named("am").unwrap();
    assert_eq!((source.name().as_str(), source.dedup_window()), ("am", Duration::from_secs(360)));
    let with = |token: &str| http::HeaderMap::from_iter([(http::header::AUTHORIZATION, token.parse().unwrap())]);
    assert!(source.authenticate(&with("Bearer opensesame")).is_ok());
    assert!(source.authenticate(&with("Bearer guess")).is_err());
}

#[test]
fn all_problems_of_all_sources_are_said_at_once() {
    let mut sources = configured(Secret::given(""));
    let mut other = configured(Secret::given("x")).remove("am").unwrap();
    other.auth = Auth::Basic { username: "a:b".into(), password: Secret::given("x") };
    other.severity.map = [("P0", Severity::Critical), ("p0", Severity::Info)].map(|(w, s)| (w.to_owned(), s)).into();
    sources.insert("other".parse().unwrap(), other);
    let problems = Sources::compile(&sources).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["sources.am.auth", "sources.other.auth.basic.username", "sources.other.severity.map.p0"]);
}

/// What a person would want to see of an event: not two thousand lines.
fn summary(event: &Event) -> String {
    let count = |status| event.items.iter().filter(|item| item.status == status).count();
    let mut lines = vec![
        format!("title      {}", event.title),
        format!("url        {}", event.url.as_deref().unwrap_or("-")),
        format!("order key  {}", event.order_key),
        format!("dedup key  {}", event.dedup_key),
        format!("facts      {:?}", event.facts),
        format!("group      {:?}", event.group),
        format!(
            "items      {} firing, {} resolved, {} left out",
            count(Status::Firing),
            count(Status::Resolved),
            event.truncated
        ),
    ];
    lines.extend(event.items.iter().take(2).map(line));
    lines.into_iter().map(|line| format!("    {line}\n")).collect()
}

fn line(item: &Item) -> String {
    let until = item.until.map_or("now".to_owned(), |until| until.to_string());
    let url = item.url.as_deref().unwrap_or("-");
    format!(
        "- {} {} {} {} since {} until {until}\n      {:?}\n      {:?}\n      {url}",
        item.fingerprint, item.name, item.status, item.severity, item.since, item.labels, item.annotations
    )
}

fn decoded(body: &[u8]) -> Event {
    let sources = Sources::compile(&configured(Secret::given("opensesame"))).unwrap();
    let source = sources.named("am").unwrap();
    let decoded = source.decode(&http::HeaderMap::new(), body, Timestamp::UNIX_EPOCH).unwrap();
    let Decoded::Event(event) = decoded else { panic!("a ping") };
    event
}

fn configured(token: Secret) -> BTreeMap<dingtalk_relay::model::name::Name, Source> {
    let severity = SeverityRules { labels: vec!["severity".into()], map: BTreeMap::new(), default: Severity::Warning };
    let dedup_window = Duration::from_secs(360);
    let source = Source {
        kind: SourceKind::Alertmanager,
        auth: Auth::Bearer(token),
        dedup_window,
        gather: Duration::ZERO,
        severity,
        fields: Fields::default(),
    };
    BTreeMap::from([("am".parse().unwrap(), source)])
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/alertmanager")
}

/// The captured bodies, in name order.
fn captured_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_body = |path: &PathBuf| !path.ends_with("README.md") && !path.ends_with("matchers.json");
    let mut files: Vec<_> = entries.filter(is_body).collect();
    files.sort();
    files
}

fn body_of(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut body).unwrap();
        return body;
    }
    bytes
}
