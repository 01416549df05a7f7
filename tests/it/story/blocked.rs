//! What is told of a delivery whose group takes nothing: that it was handed over to the fallback, or that it waits, in a
//! lane and then in an app that is blocked, each with its reason.

use std::time::Duration;

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::json;

use crate::harness::fixture_of_group;
use crate::story::told::time;
use crate::story::{MINUTE, Story, hint};

/// The group of `branch` is gone: its fallback `night` takes over.
pub async fn is_handed_over(story: &mut Story) {
    let accepted = story.alert("branch", &fixture_of_group("one-firing.json", 5)).await;
    story.fail_and_work(Api::Send, Answer::code(400, "group.disbanded"), Duration::from_secs(1)).await;
    let since = time(&story.bench.lane("branch").await["blocked"]["since"]);
    story.bench.work_for(MINUTE / 3).await;

    let left = story.delivery(accepted["id"].as_str().unwrap()).await;
    let heir = story.delivery(left["handed_to"].as_str().unwrap()).await;
    let reason =
        format!("blocked since {}: group.disbanded ({})", since.strftime("%F %H:%M UTC"), hint("group.disbanded"));
    story.delivery_says(
        &left,
        &json!({"state": "handed_over", "receiver": "branch", "handed_to": heir["id"], "fallback_of": null,
        "reason": reason, "attempts": 1, "delivered_at": null, "next_attempt_at": null,
        "message": {"process_query_key": null}}),
    );
    story.delivery_says(
        &heir,
        &json!({"state": "delivered", "receiver": "night", "handed_to": null, "fallback_of": left["id"],
        "reason": null, "attempts": 1, "event": left["event"], "title": left["title"],
        "message": {"process_query_key": story.admitted().process_query_key}}),
    );
    story.told.says_when("delivery.created_at", &heir, since, 10..=12);
    let text = story.admitted().msg_param["text"].to_string();
    assert!(text.contains("branch"), "the message says whom it was meant for: {text}");
}

/// A group that is gone and has no fallback, and then an app that may not send.
pub async fn waits(story: &mut Story) {
    let now = story.now();
    let accepted = story.alert("team", &fixture_of_group("one-firing.json", 7)).await;
    story.fail_and_work(Api::Send, Answer::code(400, "group.disbanded"), Duration::from_secs(2)).await;
    let lane = story.bench.lane("team").await;
    story.told.says(
        "lane",
        &lane,
        &json!({"receiver": "team", "state": "blocked", "queued": 1, "oldest_at": accepted["created_at"],
        "blocked": {"code": "group.disbanded", "reason": hint("group.disbanded")}}),
    );
    story.told.says_when("lane.blocked.since", &lane["blocked"], now, 0..=1);
    // A minute, jittered by half of it either way.
    story.told.says_when("lane.blocked.next_probe_at", &lane["blocked"], now, 30..=91);

    let probe = time(&lane["blocked"]["next_probe_at"]);
    story.bench.clock.move_to(probe);
    story.fail_and_work(Api::Send, Answer::code(400, "auth.error"), Duration::from_secs(2)).await;
    let app = story.app().await;
    let blocked = json!({"state": "blocked", "blocked": {"code": "auth.error", "reason": hint("auth.error")}});
    story.told.says("app", &app, &blocked);
    story.told.says_when("app.blocked.since", &app["blocked"], probe, 0..=1);
    // Half a minute, jittered by half of it either way.
    story.told.says_when("app.blocked.next_probe_at", &app["blocked"], probe, 15..=46);
    let waiting = story.delivery(accepted["id"].as_str().unwrap()).await;
    story.delivery_says(&waiting, &json!({"state": "queued", "attempts": 2, "handed_to": null}));
}
