//! A page of another origin, opened by somebody whose browser knows the token: it may post what it likes and frame what
//! it likes, and nothing comes of it. What a browser says of such a request, only a browser can tell.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::chrome::{Chrome, DESK};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_can_press_no_button() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    chrome.look_with(DESK, "light").await;
    let dead = stage.delivery("dead").await;
    // The browser remembers the token from here on, and would show it for anybody.
    chrome.open(&stage.url("/")).await;
    for form in [format!("/deliveries/{dead}/redrive"), "/lanes/team/pause".to_owned()] {
        let action = format!("http://{}{form}", stage.address());
        let foreign = serve(format!("<form method=post action='{action}'><button>Win a prize</button></form>")).await;
        chrome.open(&foreign).await;

        chrome.follow("button").await;

        let told = chrome.text().await;
        assert!(told.contains("a page of another origin may change nothing here"), "{form}: {told}");
    }
    assert_eq!(stage.delivery("dead").await, dead);
    assert_eq!(stage.lane("team").await["paused_until"], serde_json::Value::Null);
    chrome.end().await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_can_frame_and_load_nothing() {
    let stage = Stage::set().await;
    let chrome = Chrome::start().await;
    chrome.look_with(DESK, "light").await;
    chrome.open(&stage.url("/")).await;
    let page = format!("http://{}/", stage.address());
    let foreign = serve(format!("<iframe src='{page}'></iframe><link rel=stylesheet href='{page}style.css'>")).await;

    chrome.open(&foreign).await;

    let console = chrome.console().await.join("\n");
    for refused in ["frame-ancestors 'none'", "style.css - Failed to load resource: net::ERR_BLOCKED_BY_RESPONSE"] {
        assert!(console.contains(refused), "{console}");
    }
    chrome.end().await;
    stage.clear().await;
}

/// A page somewhere else; gives its address. `localhost` is another site than `127.0.0.1`.
async fn serve(html: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = Router::new().route("/", get(move || std::future::ready(Html(html.clone()))));
    tokio::spawn(async move { axum::serve(listener, page).await });
    format!("http://localhost:{port}/")
}
