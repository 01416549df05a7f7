//! What becomes of a body nobody knows: with fields, without, and with fields that fail.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config;
use crate::config::{LabelFields, SeverityRules};

#[test]
fn without_fields_the_title_is_what_is_called_like_one_and_the_text_is_the_rest() {
    let event = decoded(
        &config::Fields::default(),
        r#"{ "service": "api", "Title": "Deploy\n of api ", "ok": true, "took": 12.5, "note": null, "empty": "",
             "by": { "name": "严", "groups": ["dev", "ops", null], "org": { "a": { "b": { "c": 1 } } } },
             "steps": [{ "name": "build", "s": 3 }, { "name": "push", "log": ["x", ["y"]] }], "nothing": {}, "none": [] }"#,
    );

    assert_eq!(event.title, "Deploy of api");
    insta::assert_snapshot!(event.items[0].annotations["description"], @"
    service: api
    ok: true
    took: 12.5
    by.groups: dev, ops
    by.name: 严
    by.org.a.b: {…}
    steps[0].name: build
    steps[0].s: 3
    steps[1].log[0]: x
    steps[1].log[1]: y
    steps[1].name: push
    ");
    let item = &event.items[0];
    assert_eq!((item.name.as_str(), item.annotations["summary"].as_str()), ("Deploy of api", "Deploy of api"));
    assert_eq!((item.status, item.severity, item.since), (Status::Notice, Severity::Warning, Timestamp::UNIX_EPOCH));
    assert_eq!((event.url.as_deref(), item.url.as_deref(), item.until), (None, None, None));
}

#[test]
fn the_guess_of_a_title_takes_the_nearest_word_for_one_and_at_last_the_sources_name() {
    let title = |body: Value| guessed(body).title;
    assert_eq!(title(json!({ "message": "m", "subject": "s", "name": "n" })), "s");
    assert_eq!(title(json!({ "MESSAGE": "m", "title": "  ", "alert": true, "summary": null })), "m");
    assert_eq!(title(json!({ "name": "x".repeat(500) })).chars().count(), 200);
    assert_eq!(title(json!({ "id": 7 })), "deploys");
    assert_eq!(title(json!({})), "deploys");
}

#[test]
fn the_text_does_not_say_the_title_again_and_an_empty_body_has_none() {
    let text = |body: Value| guessed(body).items[0].annotations.get("description").cloned();
    assert_eq!(text(json!({ "title": "down", "host": "a" })).as_deref(), Some("host: a"));
    assert_eq!(text(json!({ "title": "down" })), None);
    assert_eq!(text(json!({})), None);
}

#[test]
fn fields_say_what_counts() {
    let fields = config::Fields {
        title: some(r#"payload.app ~ " " ~ payload.state"#),
        text: some("payload.log | join('\\n')"),
        severity: some("payload.level"),
        dedup_key: some("payload.id"),
        status: some(r#""firing" if payload.state == "down" else "Resolved""#),
        url: some("payload.links.run"),
        labels: Some(LabelFields::All(
            r#"{"app": payload.app, "n": payload.id, "up": payload.up, "no": payload.no}"#.into(),
        )),
    };
    let body = json!({ "app": "api", "state": "down", "log": ["a", "b"], "level": "P0", "id": 42, "up": false,
                       "no": null, "links": { "run": "https://ci.example.com/42" } });
    let event = decoded(&fields, &body.to_string());

    let item = &event.items[0];
    assert_eq!((event.title.as_str(), item.name.as_str()), ("api down", "api down"));
    assert_eq!(item.annotations["description"], "a\nb");
    assert_eq!((item.severity, item.status), (Severity::Critical, Status::Firing));
    assert_eq!(item.labels, labels([("app", "api"), ("n", "42"), ("up", "false")]));
    assert_eq!((event.url.as_deref(), &item.url), (Some("https://ci.example.com/42"), &event.url));
    assert_eq!((event.order_key.as_str(), event.dedup_key.as_str()), ("42", "42"));
}

#[test]
fn a_field_that_fails_or_has_nothing_to_say_is_as_if_it_were_not_there() {
    let body = json!({ "title": "down", "host": "a", "severity": "info", "list": [1], "n": 1 });
    let plain = decoded(&config::Fields::default(), &body.to_string());
    let burns = format!("payload.n{}", "+payload.n".repeat(350));
    for failing in
        ["payload.nothing", "payload.host + 1", "payload.host.a.b", "1 / 0", "'  '", "payload.list[7]", &burns]
    {
        let fields = config::Fields {
            title: some(failing),
            text: some(failing),
            severity: some(failing),
            dedup_key: some(failing),
            status: some(failing),
            url: some(failing),
            labels: Some(LabelFields::All(failing.into())),
        };
        let mut event = decoded(&fields, &body.to_string());
        event.id = plain.id.clone();
        assert_eq!(event, plain, "{failing}");
    }
}

#[test]
fn a_dedup_key_of_which_a_part_is_missing_is_none() {
    let keyed = |body: Value| {
        let fields = config::Fields { dedup_key: some(r#"payload.app ~ "/" ~ payload.id"#), ..Default::default() };
        decoded(&fields, &body.to_string()).dedup_key
    };
    assert_eq!(keyed(json!({ "app": "api", "id": 7, "n": 1 })), keyed(json!({ "app": "api", "id": 7, "n": 2 })));
    assert_ne!(keyed(json!({ "app": "api", "n": 1 })), keyed(json!({ "app": "api", "n": 2 })), "law 5: both arrive");
    assert_ne!(keyed(json!({ "app": "api", "id": null, "n": 1 })), keyed(json!({ "app": "api", "id": null, "n": 2 })));
    let long = keyed(json!({ "app": "a".repeat(4000), "id": 7 }));
    assert_eq!(long.len(), 64, "a long key is kept as its digest");
}

#[test]
fn without_a_key_only_the_same_body_is_a_twin() {
    let key = |body: &str| decoded(&config::Fields::default(), body).dedup_key;
    assert_eq!(key(r#"{"a":1}"#), key(r#"{"a":1}"#));
    assert_ne!(key(r#"{"a":1}"#), key(r#"{"a": 1}"#));
}

#[test]
fn the_same_thing_on_and_over_is_no_twin_and_stays_in_order() {
    let fields = config::Fields { dedup_key: some("payload.id"), status: some("payload.status"), ..Default::default() };
    let told = |status: &str| decoded(&fields, &json!({ "id": "i", "status": status }).to_string());
    let keys = |status: &str| (told(status).dedup_key, told(status).order_key);
    assert_eq!(keys("firing"), keys("resolved"));
    let states: Vec<_> = ["firing", "resolved", "pending"].map(|status| told(status).dedup_state).into();
    assert_eq!(states, ["firing", "resolved", "pending"], "the sender's own words");
    assert_eq!(told("acknowledged").items[0].status, Status::Notice);
}

#[test]
fn the_severity_is_the_fields_else_the_labels_else_a_members() {
    let severity = |fields: config::Fields, body: Value| decoded(&fields, &body.to_string()).items[0].severity;
    let by_label = || config::Fields {
        labels: Some(LabelFields::Each([("level".to_owned(), "payload.how".to_owned())].into())),
        ..Default::default()
    };
    let by_field = config::Fields { severity: some("payload.bad"), ..by_label() };
    let body = json!({ "bad": "info", "how": "critical", "level": "warning" });
    assert_eq!(severity(by_field.clone(), body.clone()), Severity::Info);
    assert_eq!(severity(by_label(), body.clone()), Severity::Critical);
    assert_eq!(severity(config::Fields::default(), json!({ "level": "CRITICAL" })), Severity::Critical);
    assert_eq!(severity(config::Fields::default(), json!({ "level": 0 })), Severity::Critical, "0 stands in the map");
    assert_eq!(severity(by_field, json!({ "bad": "who knows" })), Severity::Warning, "the default");
}

#[test]
fn labels_may_be_the_whole_body_and_the_text_does_not_repeat_them() {
    let fields = config::Fields { labels: Some(LabelFields::All("payload".into())), ..Default::default() };
    let event = decoded(&fields, r#"{ "app": "api", "n": 3, "log": { "a": 1 } }"#);
    let item = &event.items[0];
    assert_eq!((item.labels["app"].as_str(), item.labels["n"].as_str()), ("api", "3"));
    assert_eq!(item.annotations["description"], "log.a: 1");
}

#[test]
fn only_web_addresses_become_links() {
    for other in ["javascript:alert(1)", "ftp://example.com", "builds/1"] {
        let fields = config::Fields { url: some("payload.url"), ..Default::default() };
        assert_eq!(decoded(&fields, &json!({ "url": other }).to_string()).url, None, "{other}");
    }
}

#[test]
fn whatever_is_no_json_object_is_refused_and_not_repeated() {
    let deep = format!("{{\"a\":{}", "[".repeat(90_000));
    let bodies: [(&[u8], &str); 9] = [
        (b"", ".: the JSON ends too early"),
        (b"{\"planted\":", ".: the JSON ends too early"),
        (b"planted", ".: expected JSON; it breaks at line 1, column 1"),
        (b"[\"planted\"]", ".: expected a JSON object"),
        (b"\"planted\"", ".: expected a JSON object"),
        (b"null", ".: expected a JSON object"),
        (b"{} planted", ".: expected JSON; it breaks at line 1, column 4"),
        (b"{\"planted\":\"\xff\"}", ".: expected JSON; it breaks at line 1, column 13"),
        (deep.as_bytes(), ".: expected JSON; it breaks at line 1, column 132"),
    ];
    for (body, said) in bodies {
        let fields = Fields::compile(&config::Fields::default(), "sources.deploys").unwrap();
        let refused = decode(&name(), &fields, &severities(), body, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(refused.to_string(), said, "{}", String::from_utf8_lossy(&body[..body.len().min(40)]));
    }
}

#[test]
fn a_big_body_makes_a_small_text_quickly() {
    let many: serde_json::Map<_, _> = (0..20_000).map(|n| (format!("k{n:05}"), json!({ "inner": n }))).collect();
    let body = json!({ "x".repeat(1_000_000): many, "long": "严".repeat(100_000), "listed": vec![1; 1000] });
    let text = guessed(body).items[0].annotations["description"].clone();

    assert!(text.len() < 20_000, "{}", text.len());
    assert_eq!(text.lines().count(), 31);
    assert_eq!(text.lines().last(), Some("… +19972"));
    assert!(text.contains("listed: 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, …"), "{text}");
}

#[test]
fn everything_that_is_wrong_with_the_expressions_is_said_at_once_with_a_way_out() {
    let fields = config::Fields {
        title: some("payload.app ~"),
        text: some("{{ payload.text }}"),
        severity: some("level"),
        dedup_key: some("payload.id | sha256"),
        status: some("payload.state is up"),
        url: some(&format!("payload.n{}", "+payload.n".repeat(10_000))),
        labels: Some(LabelFields::Each(
            [("a b", "payload."), ("app", "payload.app")].map(|(a, b)| (a.into(), b.into())).into(),
        )),
    };
    let problems = Fields::compile(&fields, "sources.deploys").unwrap_err();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn no_expression_can_be_made_to_take_memory_without_end_by_what_is_sent() {
    for growing in ["indent(payload.n)", "format(payload.n)", "tojson(payload.n)", "batch(payload.n, 1)"] {
        let fields = config::Fields { text: some(&format!("payload.a|{growing}")), ..Default::default() };
        let problems = Fields::compile(&fields, "sources.deploys").unwrap_err();
        assert!(problems[0].message.contains("unknown"), "{problems:?}");
    }
    let body = json!({ "list": vec!["x"; 10_000], "a": "x".repeat(10_000), "b": "y".repeat(10_000) }).to_string();
    for growing in ["payload.list|join(payload.b)", "payload.a|replace('x', payload.b)"] {
        let fields = config::Fields { text: some(growing), ..Default::default() };
        let text = &decoded(&fields, &body).items[0].annotations["description"];
        assert!(text.len() < 20_000, "as if it were not configured: {}", text.len());
    }
}

#[test]
fn a_key_of_which_a_part_is_missing_is_none() {
    let fields = config::Fields { dedup_key: some("[payload.app, payload.id]"), ..Default::default() };
    let key = |body: Value| decoded(&fields, &body.to_string()).dedup_key;
    assert_ne!(key(json!({ "app": "shop", "n": 1 })), key(json!({ "app": "shop", "n": 2 })));
    assert_eq!(key(json!({ "app": "shop", "id": 1, "n": 1 })), key(json!({ "app": "shop", "id": 1, "n": 2 })));
}

#[test]
fn a_title_that_nobody_can_see_is_none() {
    assert_eq!(decoded(&config::Fields::default(), r#"{"title":"\u200b"}"#).title, "deploys");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Law 5: whatever an object holds and whatever the fields make of it, there is an event with a title.
    #[test]
    fn no_object_is_lost(body in any_object(), field in prop::sample::select(vec![
        "payload.a", "payload.a.b ~ payload.c", "payload", "payload.a | length", "payload.c[0] + 1", "payload.b | upper",
    ])) {
        let fields = config::Fields {
            title: some(field),
            text: some(field),
            severity: some(field),
            dedup_key: some(field),
            status: some(field),
            url: some(field),
            labels: Some(LabelFields::All(field.to_owned())),
        };
        for fields in [fields, config::Fields::default()] {
            let event = decoded(&fields, &body.to_string());
            prop_assert!(!event.title.is_empty() && !event.dedup_key.is_empty() && event.items.len() == 1);
            prop_assert!(event.title.lines().count() == 1);
        }
    }
}

fn any_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}|[ \n\t\u{0}]{0,3}".prop_map(Value::from),
    ];
    let key =
        || prop::sample::select(vec!["a", "b", "c", "title", "level", "severity", "", "严 \n"]).prop_map(str::to_owned);
    let value = leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    });
    prop::collection::btree_map(key(), value, 0..6).prop_map(|map| map.into_iter().collect())
}

fn guessed(body: Value) -> Event {
    decoded(&config::Fields::default(), &body.to_string())
}

fn decoded(fields: &config::Fields, body: &str) -> Event {
    let fields = Fields::compile(fields, "sources.deploys").unwrap();
    decode(&name(), &fields, &severities(), body.as_bytes(), Timestamp::UNIX_EPOCH).unwrap()
}

fn severities() -> Severities {
    let rules = SeverityRules {
        labels: vec!["severity".into(), "level".into()],
        map: [("P0", Severity::Critical), ("0", Severity::Critical)].map(|(word, s)| (word.to_owned(), s)).into(),
        default: Severity::Warning,
    };
    Severities::compile(&rules, "sources.deploys").unwrap()
}

fn some(expression: &str) -> Option<String> {
    Some(expression.to_owned())
}

fn name() -> Name {
    "deploys".parse().unwrap()
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
