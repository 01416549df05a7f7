//! One code, one sentence: the attempt, the lane, the page, the log and `explain` say the same of it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use dingtalk_relay::dingtalk::codes::explain;
use dingtalk_relay::model::language::Language;
use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::Value;

use crate::bad_days::{BEGIN, SECOND, app, begin, only, record, simulated};
use crate::harness::{Bench, fixture};
use crate::troubled::Trouble;

fn hint(code: &str) -> String {
    explain(code).unwrap_or_else(|| panic!("{code} is not explained")).hint(Language::En).to_owned()
}

/// A page writes some signs in another way.
fn unescaped(html: &str) -> String {
    html.replace("&#x27;", "'").replace("&#x2f;", "/").replace("&amp;", "&").replace("&#43;", "+")
}

#[tokio::test]
async fn attempt_lane_app_page_and_log_say_the_same_hint_as_explain() {
    let log = Log::begin();
    for (code, answer, of_the_app) in [
        ("group.disbanded", Answer::code(400, "group.disbanded"), false),
        ("bot.stopped", Answer::code(400, "bot.stopped"), false),
        ("auth.error", Answer::code(400, "auth.error"), true),
        ("Forbidden.AccessDenied.IpNotInWhiteList", Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"), true),
        ("redirect", Answer::Redirect, true),
        ("errcode_404", Answer::Errcode404, true),
    ] {
        let mut bench = Bench::new(BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 1, answer);
        bench.accept("oncall", &fixture("one-firing.json")).await;
        bench.work(begin() + SECOND).await;

        let hint = hint(code);
        let lane = bench.lane("oncall").await;
        assert_eq!((&lane["blocked"]["code"], &lane["blocked"]["reason"]), (&code.into(), &hint.clone().into()));
        let delivery = only(&bench, "oncall").await;
        assert_eq!(record(&bench, &delivery).await["attempt_log"][0]["hint"], hint, "{code}");
        if of_the_app {
            assert_eq!(app(&bench, "ops").await["blocked"]["reason"], hint, "{code}");
        }
        for page in ["/".to_owned(), format!("/deliveries/{}", delivery["id"].as_str().unwrap())] {
            let shown = unescaped(&bench.read(&page).await);
            assert!(shown.contains(&hint) && shown.contains(code), "{code} on {page}: {shown}");
        }
        let lines = log.lines(code);
        assert!(lines.iter().any(|line| line.contains("ERROR") && line.contains(&hint)), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("an attempt was not sent") && line.contains(&hint)));
    }
}

#[tokio::test]
async fn an_app_that_is_down_says_why_and_since_when_on_its_lanes_too() {
    let log = Log::begin();
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Token, u32::MAX, Answer::ResetBefore);
    bench.accept("oncall", &fixture("one-firing.json")).await;
    bench.work(begin() + SECOND * 40).await;

    let hint = hint("connection_lost");
    for shown in [bench.lane("team").await, app(&bench, "ops").await] {
        let down = &shown["down"];
        assert_eq!(
            (&shown["state"], &down["code"], &down["reason"]),
            (&"down".into(), &"connection_lost".into(), &hint.clone().into())
        );
        assert!(down["since"].is_string() && down["next_probe_at"].is_string(), "{shown}");
        assert_eq!(shown["blocked"], Value::Null);
    }
    assert!(unescaped(&bench.read("/").await).contains(&hint));
    let lines = log.lines("DingTalk cannot be reached");
    assert_eq!(lines.len(), 1, "told once, however often it is probed: {lines:#?}");
    assert!(lines[0].contains("WARN") && lines[0].contains(&hint), "{lines:#?}");
}

#[tokio::test]
async fn an_attempt_that_the_relay_did_not_outlive_is_explained_as_well() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.accept("oncall", &fixture("one-firing.json")).await;
    bench.store.fail(Trouble::NoFinish);
    bench.step("oncall").await.unwrap();
    bench.step("oncall").await.unwrap_err();
    bench.store.fail(None);

    let bench = bench.restart().await;

    let first = record(&bench, &only(&bench, "oncall").await).await["attempt_log"][0].clone();
    assert_eq!((&first["code"], &first["hint"]), (&"interrupted".into(), &hint("interrupted").into()));
}

#[tokio::test]
async fn a_queue_without_a_receiver_is_explained_as_well() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.accept("night", &fixture("one-firing.json")).await;
    bench = bench.restart_with(|config| drop(config.receivers.remove("night"))).await;
    assert_eq!(bench.lane("night").await["blocked"]["reason"], hint("not_configured"));
}

/// What this thread logs, from the beginning of the test on.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

struct Listening {
    log: Log,
    /// While there is one subscriber only, tracing asks that of whichever thread comes to a log line first, and other
    /// tests, which have none, would switch our lines off. So there are two.
    _second: tracing::Dispatch,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    fn begin() -> Listening {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        Listening { log, _second: second, _guard: tracing::subscriber::set_default(subscriber) }
    }
}

impl Listening {
    /// The lines that hold this.
    fn lines(&self, part: &str) -> Vec<String> {
        let text = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
