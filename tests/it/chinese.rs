//! What a group sees whose receiver has `language: zh`: the captured payloads, and not one word of ours in English.
//!
//! The snapshots are the messages; whoever changes one reads it as somebody on call in China does. A hard break is
//! shown as `␠␠`.

pub mod ours;

use dingtalk_relay::compose::{self, BUDGET};
use dingtalk_relay::config::{self, Config};
use dingtalk_relay::model::content::Content;
use dingtalk_relay::model::event::{Event, Item};
use dingtalk_relay::model::form::{Form, Length, Shape};
use dingtalk_relay::model::name::Name;
use dingtalk_relay::render::Renderer;
use dingtalk_relay::sources::{Decoded, Sources};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::chinese::ours::{all_in_chinese, latin};

const SETTINGS: &str = "
apps: { ops: { base_url: 'http://127.0.0.1:1', app_key: ding-test, app_secret: not-a-secret } }
receivers:
  text: { app: ops, open_conversation_id: cid-1==, language: zh }
  card: { app: ops, open_conversation_id: cid-2==, language: zh, message: action_card }
sources:
  alertmanager: { kind: alertmanager, auth: { none: true } }
  github: { kind: github, secret: not-a-secret }
  open: { kind: generic, auth: { none: true } }
  states: { kind: generic, auth: { none: true }, fields: { title: payload.title, status: payload.status } }
route: { receiver: text }
";

/// Every captured payload: source, event of GitHub, file.
const PAYLOADS: &[(&str, &str, &str)] = &[
    ("alertmanager", "", "alertmanager/fifty-firing"),
    ("alertmanager", "", "alertmanager/fifty-mixed"),
    ("alertmanager", "", "alertmanager/from-prometheus"),
    ("alertmanager", "", "alertmanager/no-group-labels"),
    ("alertmanager", "", "alertmanager/one-firing"),
    ("alertmanager", "", "alertmanager/one-resolved"),
    ("alertmanager", "", "alertmanager/thirty-resolved"),
    ("alertmanager", "", "alertmanager/truncated-by-max-alerts"),
    ("alertmanager", "", "alertmanager/two-thousand"),
    ("alertmanager", "", "alertmanager/watchdog"),
    ("github", "dependabot_alert", "github/dependabot_alert"),
    ("github", "issues", "github/issues"),
    ("github", "pull_request", "github/pull_request"),
    ("github", "push", "github/push"),
    ("github", "release", "github/release"),
    ("github", "star", "github/star"),
    ("github", "workflow_run", "github/workflow_run"),
];

/// What decodes, renders and composes, as the relay does it.
struct Bench {
    config: Config,
    sources: Sources,
    renderer: Renderer,
}

impl Bench {
    fn new() -> Self {
        let config = config::from_text(SETTINGS).unwrap();
        let sources = Sources::compile(&config.sources).unwrap();
        let renderer = Renderer::compile(&config).unwrap();
        Self { config, sources, renderer }
    }

    fn event(&self, source: &str, event: &str, payload: &Value) -> Event {
        let mut headers = HeaderMap::new();
        headers.insert("x-github-event", HeaderValue::from_str(event).unwrap());
        let received_at = "2026-11-21T19:31:00Z".parse().unwrap();
        let source = self.sources.named(source).unwrap();
        match source.decode(&headers, payload.to_string().as_bytes(), received_at).unwrap() {
            Decoded::Event(event) => event,
            Decoded::Ping => panic!("a ping"),
        }
    }

    fn content(&self, event: &Event, receiver: &str) -> Content {
        let items: Vec<&Item> = event.items.iter().collect();
        self.renderer.render(event, &items, &receiver.parse().unwrap())
    }

    /// All that a group sees of it in that form: title, text, captions of the buttons.
    fn shown(&self, content: &Content, receiver: &str, form: &Form) -> String {
        let style = &self.config.receivers[&receiver.parse::<Name>().unwrap()].style;
        let message = compose::single(content, style, form, BUDGET);
        let fields: Value = serde_json::from_str(&message.msg_param).unwrap();
        let field = |name: &str| fields[name].as_str().map(str::to_owned);
        let captions = compose::buttons(&message).into_iter().map(|button| format!("[ {} ]", button.title));
        let banner = field("title").map(|title| format!("banner: {title}\n"));
        let text = field("text").or(field("content")).unwrap().replace("  \n", "␠␠\n");
        [banner.unwrap_or_default(), text].into_iter().chain(captions).collect::<Vec<_>>().join("\n")
    }

    /// The first message of a payload.
    fn page(&self, source: &str, event: &str, payload: &Value, receiver: &str) -> String {
        let event = self.event(source, event, payload);
        self.shown(&self.content(&event, receiver), receiver, &Form::default())
    }
}

fn fixture(name: &str) -> Value {
    let file = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    if let Ok(plain) = std::fs::read(&file) {
        return serde_json::from_slice(&plain).unwrap();
    }
    serde_json::from_reader(flate2::read::GzDecoder::new(std::fs::File::open(file + ".gz").unwrap())).unwrap()
}

#[test]
fn alerts() {
    let bench = Bench::new();
    let page = |name: &str| bench.page("alertmanager", "", &fixture(&format!("alertmanager/{name}")), "text");
    let names = ["one-firing", "one-resolved", "from-prometheus", "truncated-by-max-alerts"];
    insta::assert_snapshot!(names.map(page).join("\n────\n"));
}

#[test]
fn a_storm() {
    let bench = Bench::new();
    let page = bench.page("alertmanager", "", &fixture("alertmanager/two-thousand"), "text");
    let lines: Vec<_> = page.lines().collect();
    let (head, tail) = (lines[..9].join("\n"), lines[lines.len() - 6..].join("\n"));
    insta::assert_snapshot!(format!("{head}\n[…]\n{tail}"));
}

#[test]
fn a_card() {
    let bench = Bench::new();
    insta::assert_snapshot!(bench.page("alertmanager", "", &fixture("alertmanager/from-prometheus"), "card"));
}

#[test]
fn deliveries_of_github() {
    let bench = Bench::new();
    let page = |name| bench.page("github", name, &fixture(&format!("github/{name}")), "text");
    let names = ["push", "pull_request", "issues", "workflow_run", "release", "dependabot_alert", "star"];
    insta::assert_snapshot!(names.map(page).join("\n────\n"));
}

#[test]
fn any_json() {
    let bench = Bench::new();
    let page = |source, payload: Value| bench.page(source, "", &payload, "text");
    let pages = [
        page("open", json!({ "subject": "db-1 备份失败", "host": "db-1", "error": "磁盘已满", "tries": 3 })),
        page("states", json!({ "title": "支付 API 超时", "status": "firing", "level": "critical", "region": "hz" })),
        page("states", json!({ "title": "支付 API 超时", "status": "resolved" })),
        page("open", json!({})),
    ];
    insta::assert_snapshot!(pages.join("\n────\n"));
}

#[test]
fn no_word_of_ours_is_english_whatever_the_payload_and_however_plain_the_form() {
    let bench = Bench::new();
    let forms = [
        Form::default(),
        Form { shape: Shape::Markdown, without_links: true, without_pictures: true, ..Form::default() },
        Form { shape: Shape::Text, length: Length::Eighth, ..Form::default() },
        Form { shape: Shape::Text, length: Length::Title, ..Form::default() },
    ];
    for (source, event, name) in PAYLOADS {
        let payload = all_in_chinese(&fixture(name));
        let told = bench.event(source, event, &payload);
        for receiver in ["text", "card"] {
            let content = bench.content(&told, receiver);
            // A digest shows an item on one line.
            let shorts: String = content.items.iter().map(|item| format!("{}\n", item.short)).collect();
            assert_eq!(latin(&shorts), [""; 0], "{name}: {shorts}");
            for form in &forms {
                let shown = bench.shown(&content, receiver, form).replacen("banner", "", 1);
                assert_eq!(latin(&shown), [""; 0], "{name} as {form:?}: {shown}");
            }
        }
    }
}

#[test]
fn nothing_to_say_is_said_in_chinese_too() {
    let bench = Bench::new();
    let alert = json!({ "status": "resolved", "labels": {}, "startsAt": "2026-11-21T19:00:00Z", "fingerprint": "1" });
    let group = json!({ "version": "4", "groupKey": "{}", "alerts": [alert, alert], "truncatedAlerts": 3 });
    let shown = bench.page("alertmanager", "", &group, "text").replacen("banner", "", 1);
    assert_eq!(latin(&shown), [""; 0], "{shown}");
}

/// Where a template fails, the plain built-in speaks the same language.
#[test]
fn what_stands_in_for_a_template_speaks_chinese() {
    let bench = Bench::new();
    for (source, event, name) in PAYLOADS {
        let told = bench.event(source, event, &all_in_chinese(&fixture(name)));
        let items: Vec<&Item> = told.items.iter().collect();
        let rendered = bench.renderer.try_out(&told, &items, &"text".parse().unwrap(), Some("nowhere"));
        assert!(rendered.failure.is_some());
        let shown = bench.shown(&rendered.content, "text", &Form::default()).replacen("banner", "", 1);
        // An item of GitHub is called like the event.
        let ours: Vec<_> = latin(&shown).into_iter().filter(|word| !event.split('_').any(|of| of == word)).collect();
        assert_eq!(ours, [""; 0], "{name}: {shown}");
    }
}
