//! The admin port: who may look, what a browser may do, and the shapes of the contract (§5).

use serde_json::{Value, json};

use crate::http::relay::{Answer, ONE_FIRING, OPERATOR, Relay, ask};
use crate::troubled::Trouble;

const GUARDED: [&str; 7] =
    ["/", "/style.css", "/deliveries/x", "/api/v1/deliveries", "/api/v1/lanes", "/api/v1/apps", "/nowhere"];
const OPEN: [&str; 3] = ["/-/healthy", "/-/ready", "/metrics"];

async fn get(relay: &Relay, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(relay.admin(), "GET", path, headers, "").await
}

/// A relay that has accepted `count` different webhooks.
async fn relay_with(count: usize) -> Relay {
    let relay = Relay::new();
    let mut body: Value = serde_json::from_str(ONE_FIRING).unwrap();
    for number in 0..count {
        body["groupKey"] = json!(format!("group {number}"));
        assert_eq!(relay.post("/hooks/am", body.to_string()).await.status.as_u16(), 202);
    }
    relay
}

/// The same answer with everything taken out that is another at every run.
fn steady(answer: &Value) -> Value {
    const VOLATILE: [&str; 7] = ["id", "event", "title", "created_at", "received_at", "oldest_at", "projected_calls"];
    match answer {
        Value::Array(values) => values.iter().map(steady).collect(),
        Value::Object(fields) => {
            let steady_field = |(name, value): (&String, &Value)| match value {
                Value::String(_) | Value::Number(_) if VOLATILE.contains(&name.as_str()) => {
                    (name.clone(), json!(format!("[{name}]")))
                }
                value => (name.clone(), steady(value)),
            };
            fields.iter().map(steady_field).collect::<serde_json::Map<_, _>>().into()
        }
        plain => plain.clone(),
    }
}

#[tokio::test]
async fn health_and_metrics_are_open_and_everything_else_wants_the_token() {
    let relay = Relay::new();
    for path in OPEN {
        assert_eq!(get(&relay, path, &[]).await.status.as_u16(), 200, "{path}");
    }
    for path in GUARDED {
        let refused = get(&relay, path, &[("host", "localhost")]).await;
        assert_eq!(refused.status.as_u16(), 401, "{path}");
        let schemes: Vec<_> = refused.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(schemes, ["Bearer", "Basic realm=\"dingtalk-relay\", charset=\"UTF-8\""]);
        assert_ne!(get(&relay, path, &[OPERATOR]).await.status.as_u16(), 401, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_a_listener_that_others_reach_serves_health_and_metrics_only() {
    let mut relay = Relay::new();
    relay.config.admin.token = None;
    relay.config.admin.listen = "0.0.0.0:8061".parse().unwrap();
    for path in OPEN {
        assert_eq!(get(&relay, path, &[("host", "relay")]).await.status.as_u16(), 200, "{path}");
    }
    for path in GUARDED {
        assert_eq!(get(&relay, path, &[("host", "localhost"), OPERATOR]).await.status.as_u16(), 403, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_on_loopback_another_name_for_this_machine_is_refused() {
    let mut relay = Relay::new();
    relay.config.admin.token = None;
    for path in GUARDED {
        assert_eq!(get(&relay, path, &[("host", "rebound.example.com:8061")]).await.status.as_u16(), 403, "{path}");
        assert_ne!(get(&relay, path, &[("host", "localhost:8061")]).await.status.as_u16(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_foreign_page_may_change_nothing_and_a_list_is_only_for_reading() {
    let relay = Relay::new();
    let foreign = [OPERATOR, ("host", "relay"), ("origin", "http://evil.example")];
    assert_eq!(ask(relay.admin(), "POST", "/api/v1/deliveries", &foreign, "").await.status.as_u16(), 403);
    let own = ask(relay.admin(), "POST", "/api/v1/deliveries", &[OPERATOR], "").await;
    assert_eq!((own.status.as_u16(), own.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn a_reload_wants_the_token_and_a_post() {
    let relay = Relay::new();
    let post = |headers| ask(relay.admin(), "POST", "/-/reload", headers, "");
    assert_eq!(post(&[("host", "localhost")][..]).await.status.as_u16(), 401);
    let foreign = [OPERATOR, ("origin", "http://evil.example"), ("host", "localhost")];
    assert_eq!(post(&foreign[..]).await.status.as_u16(), 403);
    let looked = get(&relay, "/-/reload", &[OPERATOR]).await;
    assert_eq!((looked.status.as_u16(), looked.header("allow")), (405, "POST"));
    // This relay has nothing that could reload.
    assert_eq!(post(&[OPERATOR][..]).await.status.as_u16(), 503);
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_run_nothing_and_to_keep_nothing() {
    let relay = relay_with(1).await;
    for path in GUARDED.iter().chain(&OPEN) {
        for headers in [&[][..], &[OPERATOR]] {
            let answer = get(&relay, path, headers).await;
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            for (name, value) in [
                ("x-frame-options", "DENY"),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "same-origin"),
                ("cache-control", "no-store"),
            ] {
                assert_eq!(answer.header(name), value, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_delivery_is_listed_and_shown_in_the_shape_of_the_contract() {
    let relay = relay_with(1).await;

    let listed = relay.look("/api/v1/deliveries").await.json();
    let id = listed["deliveries"][0]["id"].as_str().unwrap();
    let shown = relay.look(&format!("/api/v1/deliveries/{id}")).await.json();

    insta::assert_json_snapshot!("a_listed_delivery", steady(&listed));
    insta::assert_json_snapshot!("a_shown_delivery", steady(&shown));
    assert_eq!(relay.look("/api/v1/deliveries/nothing").await.status.as_u16(), 404);
    assert_eq!(relay.look("/api/v1/deliveries/%FF").await.status.as_u16(), 404);
}

#[tokio::test]
async fn the_pages_of_the_list_follow_each_other_newest_first() {
    let relay = relay_with(5).await;
    let mut seen = vec![];
    let mut path = "/api/v1/deliveries?limit=2".to_owned();
    loop {
        let page = relay.look(&path).await.json();
        seen.extend(page["deliveries"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/deliveries?limit=2&cursor={next}");
    }
    let all = relay.look("/api/v1/deliveries").await.json();
    assert_eq!(json!(seen), all["deliveries"].as_array().unwrap().iter().map(|d| d["id"].clone()).collect::<Value>());
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn a_list_is_narrowed_by_what_is_asked_and_refused_by_what_is_not_understood() {
    let relay = relay_with(2).await;
    let all = relay.look("/api/v1/deliveries").await.json();
    let event = all["deliveries"][0]["event"].as_str().unwrap();
    for (query, count) in [
        ("state=queued".to_owned(), 2),
        ("state=dead".to_owned(), 0),
        ("receiver=oncall&source=am".to_owned(), 2),
        ("receiver=dev".to_owned(), 0),
        (format!("event={event}"), 1),
        ("limit=1".to_owned(), 1),
        ("state=&receiver=".to_owned(), 2),
    ] {
        let listed = relay.look(&format!("/api/v1/deliveries?{query}")).await.json();
        assert_eq!(listed["deliveries"].as_array().unwrap().len(), count, "{query}");
    }
    for query in ["limit=0", "limit=501", "limit=x", "state=lost", "cursor=%25", "planted=1", "limit=1&limit=2"] {
        let refused = relay.look(&format!("/api/v1/deliveries?{query}")).await;
        assert_eq!((refused.status.as_u16(), refused.header("content-type")), (400, "application/problem+json"));
        assert!(!refused.text.contains("planted"));
    }
}

#[tokio::test]
async fn lanes_and_apps_are_told_in_the_shape_of_the_contract() {
    let relay = relay_with(3).await;
    relay.claim_one().await;
    insta::assert_json_snapshot!("lanes", steady(&relay.look("/api/v1/lanes").await.json()));
    insta::assert_json_snapshot!("apps", steady(&relay.look("/api/v1/apps").await.json()));
}

#[tokio::test]
async fn a_scrape_tells_how_every_lane_stands() {
    let relay = relay_with(3).await;
    get(&relay, "/metrics", &[]).await;

    let scrape = get(&relay, "/metrics", &[]).await;

    assert_eq!(scrape.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "dingtalk_relay_queue_depth{receiver=\"oncall\"} ",
        "dingtalk_relay_queue_oldest_seconds{receiver=\"oncall\"} ",
        "dingtalk_relay_queue_depth{receiver=\"dev\"} ",
        "dingtalk_relay_lane_blocked{receiver=\"oncall\"} 0\n",
        "dingtalk_relay_lane_blocked{receiver=\"dev\"} 1\n",
        "dingtalk_relay_lane_down{receiver=\"dev\"} 0\n",
        "dingtalk_relay_lane_cooldown_seconds{receiver=\"dev\"} 0\n",
        "dingtalk_relay_api_quota_remaining{app=\"ops\"} ",
        "dingtalk_relay_build_info{version=",
    ] {
        assert!(scrape.text.contains(line), "{line} is not in:\n{}", scrape.text);
    }
}

#[tokio::test]
async fn the_page_links_to_every_delivery_and_runs_no_script() {
    let relay = relay_with(1).await;

    let page = relay.look("/").await;

    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text.contains("支付告警群") && !page.text.contains("<script"));
    let id = relay.look("/api/v1/deliveries").await.json()["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let link = format!("/deliveries/{id}");
    assert!(page.text.contains(&format!("href=\"{link}\"")));
    assert_eq!(relay.look(&link).await.status.as_u16(), 200);
    assert_eq!(relay.look("/deliveries/nothing").await.status.as_u16(), 404);
    assert_eq!(relay.look("/style.css").await.header("content-type"), "text/css; charset=utf-8");
}

#[tokio::test]
async fn the_operator_is_told_when_the_store_is_away_and_metrics_are_served_all_the_same() {
    let relay = relay_with(1).await;
    relay.store.fail(Trouble::Unavailable);
    for path in ["/", "/deliveries/x", "/api/v1/deliveries", "/api/v1/deliveries/x", "/api/v1/lanes", "/api/v1/apps"] {
        let answer = relay.look(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"), "{path}");
        assert!(!answer.text.contains("planted"), "{}", answer.text);
    }
    assert_eq!(get(&relay, "/metrics", &[]).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_store_that_hangs_does_not_hang_health_readiness_or_metrics() {
    let relay = Relay::new();
    relay.store.fail(Trouble::Hangs);
    let [healthy, ready, metrics] = OPEN.map(|path| get(&relay, path, &[]));
    let (healthy, ready, metrics) = tokio::join!(healthy, ready, metrics);
    assert_eq!([healthy, ready, metrics].map(|answer| answer.status.as_u16()), [200, 503, 200]);
}
