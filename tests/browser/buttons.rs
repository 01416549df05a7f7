//! Every button of the page, pressed in a browser that sends `Origin` and `Sec-Fetch-Site` as browsers do.

use serde_json::{Value, json};

use crate::chrome::{Chrome, DESK, PHONE};
use crate::stage::Stage;
use crate::{is_sound, picture};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_delivery_is_redriven_and_arrives() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    chrome.look_with(PHONE, "light").await;
    let dead = stage.delivery("dead").await;
    let before = stage.simulator.messages().len();
    chrome.open(&stage.url(&format!("/deliveries/{dead}"))).await;

    chrome.follow("#buttons form[action$='/redrive'] button").await;

    assert_eq!(chrome.path().await, format!("/deliveries/{dead}?done=redriven"));
    assert!(chrome.text().await.contains("The delivery is back in the queue."));
    is_sound(&chrome, "redriven", PHONE).await;
    chrome.picture(&picture("redriven", PHONE, "light")).await;
    stage.simulator.arrived(before + 1).await;
    stage.wait_for("team", "delivered", 2).await;
    chrome.end().await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_a_blocked_lane_is_handed_over_or_cancelled() {
    let stage = Stage::set().await;
    stage.post("gone", "备份失败 💾", "info").await;
    stage.wait_for("gone", "queued", 2).await;
    let chrome = Chrome::start().await;
    chrome.look_with(PHONE, "dark").await;
    chrome.open(&stage.url("/?receiver=gone&state=queued")).await;
    chrome.follow(".rows li:last-child .row").await;
    let waiting = chrome.path().await;
    is_sound(&chrome, "waiting", PHONE).await;
    chrome.picture(&picture("waiting", PHONE, "dark")).await;

    chrome.click("#buttons select option:last-child").await;
    chrome.follow("#buttons form[action$='/redrive'] button").await;

    assert_ne!(chrome.path().await, format!("{waiting}?done=handed_over"), "the delivery that took over is shown");
    let text = chrome.text().await;
    assert!(text.contains("This delivery has taken over") && text.contains("Other deliveries"), "{text}");
    stage.wait_for("team", "delivered", 2).await;
    stage.wait_for("gone", "handed_over", 1).await;

    chrome.open(&stage.url("/?receiver=gone&state=queued")).await;
    chrome.follow(".rows .row").await;
    chrome.follow("#buttons form[action$='/cancel'] button").await;
    let text = chrome.text().await;
    assert!(text.contains("The delivery was cancelled."), "{text}");
    stage.wait_for("gone", "cancelled", 1).await;
    chrome.end().await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_that_comes_too_late_is_answered_with_a_page() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    chrome.look_with(PHONE, "light").await;
    let dead = stage.delivery("dead").await;
    chrome.open(&stage.url(&format!("/deliveries/{dead}"))).await;
    stage.act(&format!("/api/v1/deliveries/{dead}/redrive"), json!({})).await;
    stage.wait_for("team", "delivered", 2).await;

    chrome.follow("#buttons form[action$='/redrive'] button").await;

    let text = chrome.text().await;
    assert!(text.contains("it is delivered") && text.contains("HTTP 409"), "{text}");
    is_sound(&chrome, "too-late", PHONE).await;
    chrome.picture(&picture("too-late", PHONE, "light")).await;
    chrome.follow("a[href^='/deliveries/']").await;
    assert_eq!(chrome.path().await, format!("/deliveries/{dead}"));
    chrome.end().await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_is_paused_and_resumed_and_its_dead_are_redriven_at_once() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    chrome.look_with(DESK, "light").await;
    chrome.open(&stage.url("/")).await;
    chrome.follow("#lanes a.name[href='/lanes/team']").await;

    chrome.click("#pause select option[value='4h']").await;
    chrome.follow("#pause form[action$='/pause'] button").await;
    assert!(chrome.text().await.contains("The lane is paused. What arrives for it waits."));
    assert_ne!(stage.lane("team").await["paused_until"], Value::Null);

    assert!(chrome.text().await.contains("Redrive 1 dead delivery"));
    chrome.follow("#dead form button").await;
    assert!(chrome.text().await.contains("The deliveries are in the queue."));
    stage.wait_for("team", "queued", 1).await;
    for (screen, scheme) in [(PHONE, "dark"), (DESK, "light")] {
        chrome.look_with(screen, scheme).await;
        chrome.open(&stage.url("/lanes/team")).await;
        is_sound(&chrome, "lane", screen).await;
        chrome.picture(&picture("lane", screen, scheme)).await;
    }

    chrome.follow("#pause form[action$='/resume'] button").await;
    assert_eq!(chrome.path().await, "/lanes/team?done=resumed");
    assert_eq!(stage.lane("team").await["paused_until"], Value::Null);
    stage.wait_for("team", "delivered", 2).await;
    chrome.end().await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_says_who_has_read_it_and_is_taken_back() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    chrome.look_with(PHONE, "light").await;
    let delivered = stage.delivery("delivered").await;
    chrome.open(&stage.url(&format!("/deliveries/{delivered}"))).await;
    let message = stage.simulator.messages().into_iter().find(|message| message.open_conversation_id == "cid-team==");
    stage.simulator.read(&message.unwrap().process_query_key, "manager4320");
    chrome.follow("#message a[href^='/messages/']").await;
    assert!(chrome.text().await.contains("DingTalk has not been asked who has read it."));
    is_sound(&chrome, "unread", PHONE).await;

    chrome.follow("#readers button").await;
    let text = chrome.text().await;
    assert!(text.contains("manager4320") && text.contains("DingTalk was asked"), "{text}");
    for (screen, scheme) in [(PHONE, "dark"), (DESK, "light")] {
        chrome.look_with(screen, scheme).await;
        is_sound(&chrome, "message", screen).await;
        chrome.picture(&picture("message", screen, scheme)).await;
    }

    chrome.click("#recall summary").await;
    chrome.follow("#recall button").await;
    let text = chrome.text().await;
    assert!(text.contains("The message was taken back.") && text.contains("RECALLED"), "{text}");
    assert_eq!(chrome.eval("return document.querySelector('#recall')").await, Value::Null);
    chrome.end().await;
    stage.clear().await;
}
