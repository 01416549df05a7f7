//! A delivery of GitHub as a phone shows it: decoded, rendered and composed as the relay does it, without the relay.

use std::collections::BTreeMap;
use std::time::Duration;

use dingtalk_relay::compose::{self, BUDGET};
use dingtalk_relay::config::{self, Auth, Fields, SeverityRules, Source, SourceKind};
use dingtalk_relay::model::event::{Event, Item, Severity};
use dingtalk_relay::model::form::{Form, Style};
use dingtalk_relay::render::Renderer;
use dingtalk_relay::sources::{BadBody, Decoded, Sources};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;

/// What DingTalk is given.
pub struct Shown {
    pub title: String,
    pub text: String,
    pub bytes: usize,
}

/// What the relay makes of deliveries.
pub struct Bench {
    sources: Sources,
    renderer: Renderer,
}

impl Bench {
    pub fn new() -> Self {
        // Nothing mapped, as in the defaults: GitHub's own judgement counts.
        let severity = SeverityRules { labels: Vec::new(), map: BTreeMap::new(), default: Severity::Info };
        let (dedup_window, gather) = (Duration::from_secs(1), Duration::ZERO);
        let (kind, auth, fields) = (SourceKind::Github, Auth::None, Fields::default());
        let source = Source { kind, auth, dedup_window, gather, severity, fields };
        let receivers = "
apps: { ops: { base_url: 'http://127.0.0.1:1', app_key: ding-test, app_secret: not-a-secret } }
receivers:
  dev: { app: ops, open_conversation_id: cid-dev== }
  zh: { app: ops, open_conversation_id: cid-zh==, language: zh }
route: { receiver: dev }
";
        Self {
            sources: Sources::compile(&BTreeMap::from([("github".parse().unwrap(), source)])).unwrap(),
            renderer: Renderer::compile(&config::from_text(receivers).unwrap()).unwrap(),
        }
    }

    /// Decodes a body with these headers, received at a fixed time.
    pub fn decode(&self, headers: &[(&'static str, &str)], body: &[u8]) -> Result<Decoded, BadBody> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let received_at: Timestamp = "2026-11-21T19:31:00Z".parse().unwrap();
        self.sources.named("github").unwrap().decode(&map, body, received_at)
    }

    /// The event of a payload; `None` for a ping.
    pub fn event(&self, event: &str, payload: &Value) -> Option<Event> {
        let headers = [("x-github-event", event), ("x-github-delivery", "8c0d4a54-0000-11f1-8000-000000000000")];
        match self.decode(&headers, payload.to_string().as_bytes()).unwrap() {
            Decoded::Event(event) => Some(event),
            Decoded::Ping => None,
        }
    }

    /// The message of an event.
    pub fn message(&self, event: &Event) -> Shown {
        self.message_to("dev", event)
    }

    /// The message to one of the two receivers.
    pub fn message_to(&self, receiver: &str, event: &Event) -> Shown {
        let items: Vec<&Item> = event.items.iter().collect();
        let content = self.renderer.render(event, &items, &receiver.parse().unwrap());
        let param = compose::single(&content, &Style::default(), &Form::default(), BUDGET).msg_param;
        let fields: Value = serde_json::from_str(&param).unwrap();
        let text = |field: &str| fields[field].as_str().unwrap().to_owned();
        Shown { title: text("title"), text: text("text"), bytes: param.len() }
    }
}
