//! The limits: per robot and group in a sliding minute, per app and API in a second, per month for everybody.

use std::time::Duration;

use dingtalk_relay::simulator::limits::Limits;
use serde_json::json;

use super::{Bench, markdown};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn no_sixty_seconds_take_more_than_the_limit_wherever_the_minute_begins() {
    let bench = bench(Limits { messages_per_minute: 2, penalty: Duration::ZERO, ..Limits::default() }).await;

    let mut drawn = Vec::new();
    // Seconds 0, 40, 59, 60, 61, 100: a fixed minute from 0 would let the one at 61 through.
    for wait in [0, 40, 19, 1, 1, 39] {
        bench.advance(wait * SECOND);
        drawn.push(bench.robot("send", &markdown("cid")).await.status);
    }

    assert_eq!(drawn, [200, 200, 400, 200, 400, 200]);
}

#[tokio::test]
async fn a_group_that_was_overrun_is_closed_for_the_penalty_and_no_longer() {
    let penalty = 90 * SECOND;
    let bench = bench(Limits { messages_per_minute: 1, penalty, ..Limits::default() }).await;
    bench.robot("send", &markdown("cid")).await;

    let over = bench.robot("send", &markdown("cid")).await;
    bench.advance(89 * SECOND);
    let closed = bench.robot("send", &markdown("cid")).await;
    let elsewhere = bench.robot("send", &markdown("another")).await;
    bench.advance(SECOND);
    let open = bench.robot("send", &markdown("cid")).await;

    assert_eq!((over.status, over.code()), (400, "send.too.fast"));
    assert_eq!(closed.code(), "send.too.fast", "the window is empty, the penalty is not over");
    assert_eq!(elsewhere.status, 200, "another group is another matter");
    assert_eq!(open.status, 200, "trying while closed does not prolong the penalty");
}

#[tokio::test]
async fn robots_in_one_group_do_not_use_up_each_others_minute() {
    let bench = bench(Limits { messages_per_minute: 1, ..Limits::default() }).await;
    let mut other = markdown("cid");
    other["robotCode"] = json!("other");

    assert_eq!(bench.robot("send", &markdown("cid")).await.status, 200);
    assert_eq!(bench.robot("send", &other).await.status, 200);
}

#[tokio::test]
async fn an_app_that_calls_too_often_in_a_second_waits_for_the_next() {
    let bench = bench(Limits { calls_per_second: 2, ..Limits::default() }).await;
    let recall = json!({ "robotCode": "robot", "openConversationId": "a", "processQueryKeys": ["k"] });

    let drawn = [
        bench.robot("send", &markdown("a")).await.status,
        bench.robot("send", &markdown("b")).await.status,
        bench.robot("send", &markdown("c")).await.status,
    ];
    let over = bench.robot("send", &markdown("c")).await;
    let other_api = bench.robot("recall", &recall).await;
    bench.advance(SECOND);
    let later = bench.robot("send", &markdown("c")).await;

    assert_eq!(drawn, [200, 200, 403]);
    assert_eq!((over.status, over.code()), (403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"));
    assert_eq!(other_api.status, 200, "each API has a second of its own");
    assert_eq!(later.status, 200);
}

#[tokio::test]
async fn a_month_counts_what_was_called_and_not_what_was_throttled() {
    let bench = bench(Limits { messages_per_minute: 1, calls_per_month: 3, ..Limits::default() }).await;
    bench.robot("send", &markdown("a")).await;
    for _ in 0..5 {
        assert_eq!(bench.robot("send", &markdown("a")).await.code(), "send.too.fast");
    }
    assert_eq!(bench.robot("send", &json!({})).await.status, 400, "refused for what it says: a call all the same");

    let last = bench.robot("send", &markdown("b")).await;
    let over = bench.robot("send", &markdown("c")).await;
    let query = json!({ "robotCode": "robot", "openConversationId": "b", "processQueryKey": "k" });
    let also_over = bench.robot("query", &query).await;
    // From the first of March in UTC to the first of April in Shanghai.
    bench.advance(Duration::from_secs(31 * 24 * 3600) - 8 * 3600 * SECOND);
    let next_month = bench.robot("send", &markdown("c")).await;

    assert_eq!(last.status, 200);
    for answer in [over, also_over] {
        assert_eq!((answer.status, answer.code()), (403, "Forbidden.AccessDenied.ApiCountLimitForOrg"));
    }
    assert_eq!(next_month.status, 200);
}

#[tokio::test]
async fn limits_are_changed_one_by_one_while_it_runs() {
    let bench = Bench::start().await;

    let shown = bench.control("POST", "/sim/limits", Some(json!({ "messages_per_minute": 1, "penalty": 5 }))).await;
    bench.robot("send", &markdown("cid")).await;
    let over = bench.robot("send", &markdown("cid")).await;

    let whole = json!({
        "messages_per_minute": 1, "calls_per_second": 20, "calls_per_month": 5000, "penalty": "5s", "token_lifetime": "2h"
    });
    assert_eq!(shown.body, whole);
    assert_eq!(over.code(), "send.too.fast");
}

async fn bench(limits: Limits) -> Bench {
    Bench::start_with(|options| options.limits = limits).await
}
