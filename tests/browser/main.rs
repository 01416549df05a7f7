//! The operator's page in a real browser (Debian's `chromium`, driven by its `chromium-driver`): that it shows what is
//! true, on a phone and on a desk, in the light and in the dark, with nothing to scroll sideways and nothing for the
//! page's policy to refuse; that its buttons work as a browser sends them; and that a foreign page can do nothing.
//!
//! The relay and the simulator run in this process. `scripts/test` installs the browser; without it the test says so.
//! The pictures are left in `target/tmp/page`, for whoever wants to look.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "nothing is outside of a test binary")]

mod buttons;
mod chrome;
mod night;
mod stage;
mod strangers;

use std::path::PathBuf;

use crate::chrome::{Chrome, DESK, PHONE, Screen};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_readable_on_every_screen_and_does_nothing_its_policy_forbids() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    let dead = stage.delivery("dead").await;
    let delivered = stage.delivery("delivered").await;
    let card = stage.delivery_of("oncall", "delivered").await;
    let views = [
        ("index", "/".to_owned(), vec!["值班群 🚨", "blocked", "of 5,000 calls this month", "🔥 支付服务错误率过高"]),
        ("narrowed", "/?state=dead&receiver=team".to_owned(), vec!["Show all", "dead"]),
        ("nothing", "/?state=cancelled".to_owned(), vec!["No delivery is like that."]),
        ("dead", format!("/deliveries/{dead}"), vec!["contain.notAllowed.content", "refused", "当前值 42%"]),
        ("delivered", format!("/deliveries/{delivered}"), vec!["processQueryKey", "sent", "As it was sent"]),
        ("card", format!("/deliveries/{card}"), vec!["sampleActionCard", "Runbook"]),
    ];
    for screen in [PHONE, DESK] {
        for scheme in ["light", "dark"] {
            chrome.look_with(screen, scheme).await;
            for (name, path, words) in &views {
                chrome.open(&stage.url(path)).await;
                let text = chrome.text().await;
                for word in words {
                    assert!(text.contains(word), "{name} on a {} does not say {word}:\n{text}", screen.name);
                }
                is_sound(&chrome, name, screen).await;
                assert_eq!(chrome.console().await, Vec::<String>::new(), "{name}");
                chrome.picture(&picture(name, screen, scheme)).await;
            }
        }
    }
    chrome.end().await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_lost_is_told_so_in_words() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    chrome.look_with(PHONE, "dark").await;
    for (name, url, words) in [
        ("lost", stage.url("/deliveries/nothing"), "no delivery has this id"),
        ("wrong-query", stage.url("/?state=lost"), "state must be one of queued"),
    ] {
        chrome.open(&url).await;
        let text = chrome.text().await;
        assert!(text.contains(words) && text.contains("To the lanes and deliveries"), "{name}: {text}");
        is_sound(&chrome, name, PHONE).await;
        chrome.picture(&picture(name, PHONE, "dark")).await;
    }
    chrome.end().await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_narrowed_by_its_form() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    chrome.look_with(PHONE, "light").await;
    chrome.open(&stage.url("/")).await;

    chrome.click("select[name=state] option[value=dead]").await;
    chrome.follow(".filter button").await;

    assert_eq!(chrome.path().await, "/?state=dead&receiver=&source=&event=");
    let states = "return [...document.querySelectorAll('.rows .badge')].map(badge => badge.innerText)";
    assert_eq!(chrome.eval(states).await, serde_json::json!(["dead"]));
    chrome.end().await;
    stage.clear().await;
}

/// No script, nothing to scroll sideways, and on a phone nothing too small for a thumb.
async fn is_sound(chrome: &Chrome, name: &str, screen: Screen) {
    // Not the window's own width: a phone's browser widens it for a page that is too wide.
    let width = chrome.eval("return document.documentElement.scrollWidth").await.as_u64().unwrap();
    assert!(width <= u64::from(screen.width), "{name} on a {} is {width} wide", screen.name);
    assert_eq!(chrome.eval("return document.scripts.length").await, 0, "{name}");
    assert_eq!(chrome.eval("return document.styleSheets[0].cssRules.length > 20").await, true, "{name} has its style");
    let small =
        "return [...document.querySelectorAll('button, .button, .row, select, input:not([type=hidden]), summary')]
        .filter(it => it.getBoundingClientRect().height < 44).map(it => it.outerHTML)";
    assert_eq!(chrome.eval(small).await, serde_json::json!([]), "{name} has something too small for a thumb");
}

fn picture(name: &str, screen: Screen, scheme: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{name}-{}-{scheme}.png", screen.name))
}
