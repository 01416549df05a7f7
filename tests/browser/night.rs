//! A bad night on a small phone: DingTalk cannot be reached and ten lanes wait, one group is paused and fills the queue;
//! and the digest afterwards, whose "Show all" leads to all of it.

use serde_json::{Value, json};

use crate::chrome::{Chrome, DESK, PHONE};
use crate::stage::Stage;
use crate::{is_sound, picture};

/// Three screens of a small phone.
const THREE_SCREENS: u64 = 3 * 740;

#[tokio::test(flavor = "multi_thread")]
async fn with_dingtalk_away_a_phone_shows_why_once_and_what_waits_before_what_does_not() {
    let stage = Stage::of_lanes(10, 100).await;
    stage.cut();
    for n in 0..5 {
        stage.post(&format!("lane-{n}"), "DiskFills", "warning").await;
    }
    stage.wait_for_state("lane-1", "down").await;
    let chrome = Chrome::start().await;
    for screen in [PHONE, DESK] {
        chrome.look_with(screen, "light").await;
        chrome.open(&stage.url("/")).await;
        is_sound(&chrome, "down", screen).await;
        chrome.picture(&picture("down", screen, "light")).await;
    }

    chrome.look_with(PHONE, "dark").await;
    chrome.open(&stage.url("/")).await;

    let reasons = "return document.querySelectorAll('.why').length";
    assert_eq!(chrome.eval(reasons).await, 1, "once, where the app stands: {}", chrome.text().await);
    let names = "return [...document.querySelectorAll('#lanes .name')].map(name => name.innerText)";
    assert_eq!(chrome.eval(names).await, json!((0..10).map(|n| format!("lane-{n}")).collect::<Vec<_>>()));
    let tall = "return Math.round(document.querySelector('#deliveries').getBoundingClientRect().top)";
    let tall = chrome.eval(tall).await.as_u64().unwrap();
    assert!(tall < THREE_SCREENS, "the lanes and the app are {tall} px tall");
    chrome.end().await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_and_all_of_a_digest_are_readable_on_every_screen() {
    let stage = Stage::of_lanes(3, 12).await;
    stage.act("/api/v1/lanes/lane-0/pause", json!({"for": "1h"})).await;
    for n in 0..11 {
        stage.post("lane-0", &format!("DiskFills-{n}"), "warning").await;
    }
    stage.post("lane-0", "🔥 支付服务错误率过高", "critical").await;
    let chrome = Chrome::start().await;
    chrome.look_with(PHONE, "light").await;
    chrome.open(&stage.url("/")).await;
    let text = chrome.text().await;
    assert!(text.contains("The queue is full: 12 of 12 places") && text.contains("lane-0 (paused) has 12"), "{text}");
    is_sound(&chrome, "full", PHONE).await;
    chrome.picture(&picture("full", PHONE, "light")).await;
    chrome.follow(".alarm a").await;
    assert_eq!(chrome.path().await, "/lanes/lane-0");
    assert!(!chrome.text().await.contains("flowing"), "a paused lane does not flow");
    chrome.picture(&picture("paused", PHONE, "light")).await;

    stage.act("/api/v1/lanes/lane-0/resume", json!({})).await;
    stage.wait_for("lane-0", "delivered", 12).await;
    let message = stage.message_of("lane-0").await;
    for (screen, scheme) in [(PHONE, "dark"), (DESK, "light")] {
        chrome.look_with(screen, scheme).await;
        chrome.open(&stage.url(&format!("/messages/{message}"))).await;
        is_sound(&chrome, "all", screen).await;
        chrome.picture(&picture("all", screen, scheme)).await;
    }
    let first = "return document.querySelector('#alerts li').innerText";
    let first = chrome.eval(first).await;
    assert!(first.as_str().unwrap().contains("🔥 支付服务错误率过高"), "{first}");
    assert_ne!(chrome.eval("return document.querySelector('#alerts li a.title')").await, Value::Null);
    chrome.end().await;
    stage.clear().await;
}
