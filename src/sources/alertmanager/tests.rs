//! What one body of Alertmanager becomes, field by field, and what is said of bodies that are none.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::SeverityRules;
use crate::model::event::Severity;

fn decoded(body: &Value) -> Result<Event, BadBody> {
    decoded_bytes(body.to_string().as_bytes())
}

fn decoded_bytes(body: &[u8]) -> Result<Event, BadBody> {
    let rules = SeverityRules { labels: vec!["severity".into()], map: BTreeMap::new(), default: Severity::Warning };
    let severities = Severities::compile(&rules, "sources.am").unwrap();
    decode(&"am".parse().unwrap(), &severities, body, Timestamp::UNIX_EPOCH)
}

/// A body with one firing alert and one that is over.
fn body() -> Value {
    let alert = |fingerprint: &str, status: &str, until: &str| {
        json!({
            "status": status, "labels": { "alertname": "DiskFull", "instance": fingerprint },
            "annotations": { "summary": "the disk is full" }, "fingerprint": fingerprint,
            "startsAt": "2026-11-21T12:00:00Z", "endsAt": until, "generatorURL": "http://prom:9090/graph",
        })
    };
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"DiskFull\"}", "receiver": "default", "status": "firing",
        "groupLabels": { "alertname": "DiskFull" }, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://am:9093", "truncatedAlerts": 0,
        "alerts": [alert("aa", "firing", "0001-01-01T00:00:00Z"), alert("bb", "resolved", "2026-11-21T12:05:00Z")],
    })
}

/// The body with one value put elsewhere; `at` is a JSON pointer into something that is there.
fn with(at: &str, value: Value) -> Value {
    let mut body = body();
    *body.pointer_mut(at).expect("the pointer is of this file") = value;
    body
}

fn without(parent: &str, field: &str) -> Value {
    let mut body = body();
    body.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(field).unwrap();
    body
}

#[test]
fn an_alert_lasts_until_it_is_resolved() {
    let items = decoded(&body()).unwrap().items;
    assert_eq!((items[0].status, items[0].until), (Status::Firing, None));
    assert_eq!((items[1].status, items[1].until), (Status::Resolved, "2026-11-21T12:05:00Z".parse().ok()));
    let given_up_later = with("/alerts/0/endsAt", json!("2026-11-21T13:00:00Z"));
    assert_eq!(decoded(&given_up_later).unwrap().items[0].until, None);
    let over_without_time = with("/alerts/1/endsAt", json!("0001-01-01T00:00:00Z"));
    assert_eq!(decoded(&over_without_time).unwrap().items[1].until, None);
}

#[test]
fn the_start_may_have_up_to_nine_digits_behind_the_second_and_any_offset() {
    for digits in 0..=9 {
        let fraction = if digits == 0 { String::new() } else { format!(".{}", &"123456789"[..digits]) };
        let body = with("/alerts/0/startsAt", json!(format!("2026-11-21T20:00:00{fraction}+08:00")));
        let since = decoded(&body).unwrap().items[0].since;
        assert_eq!(since, format!("2026-11-21T12:00:00{fraction}Z").parse().unwrap(), "{digits} digits");
    }
}

#[test]
fn what_versions_of_alertmanager_leave_out_or_add_harms_nothing() {
    for field in ["version", "groupKey", "receiver", "groupLabels", "externalURL", "truncatedAlerts", "commonLabels"] {
        assert_eq!(decoded(&without("", field)).unwrap().items.len(), 2, "{field}");
        assert_eq!(decoded(&with(&format!("/{field}"), Value::Null)).unwrap().items.len(), 2, "{field} is null");
    }
    for field in ["annotations", "endsAt", "generatorURL", "fingerprint"] {
        assert_eq!(decoded(&without("/alerts/1", field)).unwrap().items.len(), 2, "{field}");
        assert_eq!(decoded(&with(&format!("/alerts/1/{field}"), Value::Null)).unwrap().items.len(), 2, "{field}");
    }
    let mut newer = body();
    newer["notification_reason"] = json!({ "deep": [1, 2, { "er": null }] });
    newer["alerts"][0]["silenceURL"] = json!(7);
    assert_eq!(decoded(&newer).unwrap().items, decoded(&body()).unwrap().items);
}

#[test]
fn a_missing_fingerprint_is_worked_out_from_the_labels_as_alertmanager_does() {
    // Labels and fingerprint of a captured body (`one-firing.json`).
    let labels =
        [("alertname", "HighCPU"), ("cluster", "prod-bj"), ("instance", "10.0.0.1:9100"), ("severity", "critical")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(wire::fingerprint(&labels), "32eec3a956e68a65");
    let item = &decoded(&without("/alerts/0", "fingerprint")).unwrap().items[0];
    assert_eq!(item.fingerprint, wire::fingerprint(&item.labels));
}

#[test]
fn only_web_addresses_become_links() {
    let url_of = |url: &str| decoded(&with("/alerts/0/generatorURL", json!(url))).unwrap().items.remove(0).url;
    assert_eq!(url_of("https://prom/graph?g0.expr=up%3D0").as_deref(), Some("https://prom/graph?g0.expr=up%3D0"));
    for no_link in ["javascript:alert(1)", "dingtalk://x", "/graph", "", "http://", "ftp://prom/x", "//prom/x"] {
        assert_eq!(url_of(no_link), None, "{no_link}");
    }
    assert_eq!(decoded(&with("/externalURL", json!("file:///etc/passwd"))).unwrap().url, None);
    assert_eq!(decoded(&body()).unwrap().url.as_deref(), Some("http://am:9093/"));
}

#[test]
fn the_title_tells_what_was_grouped_by() {
    let titled = |group: Value| decoded(&with("/groupLabels", group)).unwrap().title;
    assert_eq!(titled(json!({ "alertname": "DiskFull" })), "DiskFull");
    assert_eq!(titled(json!({ "alertname": "DiskFull", "b": "2", "a": "1" })), "DiskFull (a=1, b=2)");
    assert_eq!(titled(json!({ "cluster": "prod\nbj" })), "cluster=prod bj", "a title is one line");
    assert_eq!(titled(json!({})), "2 alerts");
    assert_eq!(titled(json!({ "alertname": "警".repeat(500) })).chars().count(), LONGEST_TITLE);
    let mut one = with("/groupLabels", json!({}));
    one["alerts"].as_array_mut().unwrap().pop();
    assert_eq!(decoded(&one).unwrap().title, "DiskFull");
}

#[test]
fn an_alert_without_a_name_is_called_by_its_summary() {
    assert_eq!(decoded(&with("/alerts/0/labels", json!({}))).unwrap().items[0].name, "the disk is full");
    let mut bare = with("/alerts/0/labels", json!({ "alertname": " " }));
    bare["alerts"][0]["annotations"] = json!({ "summary": "\n\n" });
    assert_eq!(decoded(&bare).unwrap().items[0].name, "");
}

#[test]
fn matchers_see_the_receiver_as_it_was_configured() {
    let event = decoded(&with("/receiver", json!(r"team\.a\\b"))).unwrap();
    assert_eq!(event.facts, Labels::from([("receiver".to_owned(), r"team.a\b".to_owned())]));
}

#[test]
fn twins_share_group_receiver_and_every_alerts_fingerprint_status_and_start() {
    let key = |body: Value| decoded(&body).unwrap().dedup_key;
    let mut swapped = body();
    swapped["alerts"].as_array_mut().unwrap().swap(0, 1);
    let twins = [
        swapped,
        with("/externalURL", json!("http://another-replica:9093")),
        with("/alerts/0/annotations", json!({ "summary": "another text" })),
        with("/alerts/1/endsAt", json!("2026-11-21T12:06:00Z")),
        with("/alerts/0/startsAt", json!("2026-11-21T20:00:00.000+08:00")),
        with("/truncatedAlerts", json!(9)),
    ];
    for twin in twins {
        assert_eq!(key(twin.clone()), key(body()), "{twin}");
    }
    let others = [
        with("/groupKey", json!("another")),
        with("/receiver", json!("another")),
        with("/alerts/0/fingerprint", json!("another")),
        with("/alerts/0/status", json!("resolved")),
        with("/alerts/0/startsAt", json!("2026-11-21T12:00:00.000000001Z")),
        with("/alerts", json!([body()["alerts"][0]])),
    ];
    for other in others {
        assert_ne!(key(other.clone()), key(body()), "{other}");
    }
    assert_eq!(key(body()).len(), 64);
}

#[test]
fn the_order_key_is_the_group_key() {
    assert_eq!(decoded(&body()).unwrap().order_key, "{}:{alertname=\"DiskFull\"}");
    assert_eq!(decoded(&without("", "groupKey")).unwrap().order_key, "{alertname=\"DiskFull\"}");
}

#[test]
fn an_alert_is_firing_or_resolved_and_nothing_else() {
    assert!(decoded(&with("/alerts/0/status", json!("notice"))).is_err());
}

#[test]
fn an_end_that_nobody_can_read_is_none_and_loses_no_alert() {
    for end in ["9999-12-31T23:59:59Z", "soon", ""] {
        assert_eq!(decoded(&with("/alerts/1/endsAt", json!(end))).unwrap().items[1].until, None, "{end}");
    }
}

#[test]
fn a_refusal_says_where_and_what_was_expected() {
    let mut listed = body();
    listed["alerts"][0] = json!(["aa", "firing", {}, {}, "2026-11-21T12:00:00Z", null, null]);
    let mut said = String::new();
    for body in [
        json!([]),
        json!("text"),
        json!({}),
        with("/version", json!("3")),
        with("/version", json!(4)),
        with("/alerts", json!({})),
        with("/alerts", json!([])),
        with("/alerts/1", json!(null)),
        listed,
        without("/alerts/1", "status"),
        without("/alerts/1", "labels"),
        without("/alerts/1", "startsAt"),
        with("/alerts/1/status", json!("suppressed")),
        with("/alerts/1/startsAt", json!("yesterday")),
        with("/alerts/1/endsAt", json!(5)),
        with("/alerts/1/labels", json!({ "planted": 5 })),
        with("/alerts/1/annotations", json!("planted")),
        with("/truncatedAlerts", json!(-1)),
        with("/groupKey", json!({ "planted": 5 })),
    ] {
        said += &format!("{}\n", decoded(&body).unwrap_err());
    }
    for bytes in [&b""[..], b"{\"alerts\": [", b"planted", b"{} {}", b"{\"alerts\": \"\xff\"}"] {
        said += &format!("{}\n", decoded_bytes(bytes).unwrap_err());
    }
    assert!(!said.contains("planted"), "a refusal repeats the body:\n{said}");
    insta::assert_snapshot!(said);
}

/// Every place of a body that holds a value.
fn places(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| places(inner, format!("{at}/{name}"), into)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, inner)| places(inner, format!("{at}/{i}"), into)),
        _ => {}
    }
    into.push(at);
}

proptest! {
    #[test]
    fn a_refusal_never_repeats_the_body(place in any::<prop::sample::Index>(), kind in 0..4, cut in any::<prop::sample::Index>()) {
        let mut all = Vec::new();
        places(&body(), String::new(), &mut all);
        let planted = match kind {
            0 => json!("planted, expected planted"),
            1 => json!(["planted"]),
            2 => json!({ "planted": { "planted": 918_273 } }),
            _ => json!(918_273),
        };
        let body = with(&all[place.index(all.len())], planted).to_string().into_bytes();
        let whole = decoded_bytes(&body).err();
        let part = decoded_bytes(&body[..cut.index(body.len())]).err();
        prop_assert!(part.is_some(), "a part of a body was taken for a whole one");
        for refusal in [whole, part].into_iter().flatten() {
            let said = refusal.to_string();
            prop_assert!(!said.contains("planted") && !said.contains("918273") && !said.contains("DiskFull"), "{}", said);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _either = decoded_bytes(&bytes);
    }
}
