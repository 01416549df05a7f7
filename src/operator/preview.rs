//! What would be sent, to whom, and how many bytes it takes: nothing is kept, nothing is sent, nobody is told.
//!
//! A payload goes the way of a webhook, through the very same functions: the source decodes it, the routes take it
//! apart, the templates render it, and it is composed. Beside the messages stands what a person would wonder about:
//! by which route they go there, and what is not as it was meant. The admin port and `render` both ask here. The time
//! is told; credentials are not asked for, whoever may ask here has shown others.

mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::ptr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::compose::{self, Part, Setting};
use crate::config::Receiver;
use crate::config::problem::hint;
use crate::ingest::{self, Way};
use crate::model::content::Button;
use crate::model::form::{Form, Style};
use crate::model::message::{Composed, MsgKey};
use crate::model::name::Name;
use crate::operator::members::{BadAsk, Members};
use crate::operator::preview::warnings::Warnings;
use crate::render::Renderer;
use crate::routing::{Group, Routes};
use crate::sources::{BadBody, Decoded, Source, Sources};

/// What of a configuration a payload passes.
#[derive(Clone, Copy)]
pub struct Configured<'c> {
    /// Who may send, and what they speak.
    pub sources: &'c Sources,
    /// Who gets what, if there is a tree.
    pub routes: Option<&'c Routes>,
    /// The templates.
    pub renderer: &'c Renderer,
    /// The groups.
    pub receivers: &'c BTreeMap<Name, Receiver>,
}

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The source it would come through.
    pub source: String,
    /// Straight to this receiver; `None`: the routes decide.
    pub receiver: Option<String>,
    /// This template and not the receiver's own.
    pub template: Option<String>,
    /// Which event it is, where a header says so (GitHub).
    pub event: Option<String>,
    /// The body.
    pub payload: Bytes,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum NoPreview {
    /// The request cannot be understood.
    #[error(transparent)]
    BadAsk(#[from] BadAsk),
    /// It names something that is not configured; says what is.
    #[error("{0}")]
    NoSuch(String),
    /// It is understood, and cannot be done with this configuration.
    #[error("{0}")]
    Impossible(String),
    /// The payload is not what this source sends; says where.
    #[error("{0}")]
    BadPayload(#[from] BadBody),
}

/// What would be sent. Field names are the API's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Who would get something, in the order of the routes.
    pub receivers: Vec<Received>,
    /// How many items the payload tells of.
    pub items: usize,
    /// How many of them nobody would get: no route wants them, or nobody who is there wants to hear of them.
    pub dropped: usize,
    /// Whether the payload only asks if somebody is there (GitHub's `ping`), which is answered and not told.
    pub ping: bool,
}

/// What one receiver would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Its name.
    pub receiver: Name,
    /// How it is called beside its name.
    pub display_name: Option<String>,
    /// Which route it comes by: `route.routes[0]: severity="critical"`.
    pub route: String,
    /// The messages, in order; none if it does not want to hear of anything that came.
    pub messages: Vec<Shown>,
    /// What is not as it was meant, in finished sentences without their full stop.
    pub warnings: Vec<String>,
}

/// A message as the group would see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// DingTalk's template.
    pub msg_key: MsgKey,
    /// The push banner.
    pub title: String,
    /// The markdown.
    pub text: String,
    /// The buttons; none where the template has none.
    pub buttons: Vec<Button>,
    /// UTF-8 bytes of the `msgParam` it travels as.
    pub bytes: usize,
}

impl Asked {
    /// What a request of the API asks for. `payload` is JSON as it is, or a text that holds the body.
    pub fn read(body: &[u8]) -> Result<Self, BadAsk> {
        let members = Members::read(body, &["source", "receiver", "template", "event", "payload"])?;
        let missing =
            || BadAsk("`payload` is missing: the body as the sender posts it, as JSON or as a text".to_owned());
        let raw = members.raw("payload").ok_or_else(missing)?;
        let payload = if raw.starts_with('"') { members.required("payload")? } else { raw.to_owned() };
        Ok(Self {
            source: members.required("source")?,
            receiver: members.text("receiver")?,
            template: members.text("template")?,
            event: members.text("event")?,
            payload: Bytes::from(payload),
        })
    }
}

/// What would become of a payload that is received `now`.
pub fn preview(configured: Configured<'_>, asked: &Asked, now: Timestamp) -> Result<Preview, NoPreview> {
    let source = configured.source(&asked.source)?;
    let way = configured.way(asked.receiver.as_deref())?;
    let template = asked.template.as_deref().map(|name| configured.template(name)).transpose()?;
    let event = match decoded(source, asked, now)? {
        Decoded::Event(event) => event,
        Decoded::Ping => return Ok(Preview { receivers: Vec::new(), items: 0, dropped: 0, ping: true }),
    };
    let parts = ingest::parts(configured.routes, configured.receivers, &event, &way);
    let doubts = source.doubts(&asked.payload, &event);
    let told: BTreeSet<_> =
        parts.groups.iter().flat_map(|group| &group.items).map(|item| ptr::from_ref(*item)).collect();
    let decided = configured.routes.filter(|_| matches!(way, Way::Routed));
    let unknown = Style::default();
    let receives = |group: &Group<'_>| {
        let style = configured.receivers.get(group.receiver).map_or(&unknown, |receiver| &receiver.style);
        let renderer = configured.renderer;
        let warnings = Warnings { renderer, routes: decided, event: &event, group, style, doubts: &doubts };
        configured.received(&warnings, template)
    };
    Ok(Preview {
        receivers: parts.groups.iter().map(receives).collect(),
        items: event.items.len(),
        dropped: event.items.len() - told.len(),
        ping: false,
    })
}

fn decoded(source: &Source, asked: &Asked, now: Timestamp) -> Result<Decoded, NoPreview> {
    if asked.event.is_some() && !source.names_events() {
        let message = format!(
            "source `{}` takes no `event`: only GitHub's webhooks say it in a header; leave it out",
            source.name()
        );
        return Err(NoPreview::Impossible(message));
    }
    let no_event = || {
        let message = "`event` is missing: which event it is (push, issues, …) stands in GitHub's header \
                       X-GitHub-Event and not in the payload";
        NoPreview::BadAsk(BadAsk(message.to_owned()))
    };
    let headers = source.headers(asked.event.as_deref(), &asked.payload).ok_or_else(no_event)?;
    Ok(source.decode(&headers, &asked.payload, now)?)
}

impl<'c> Configured<'c> {
    fn source(self, name: &str) -> Result<&'c Source, NoPreview> {
        let no_such =
            || NoPreview::NoSuch(format!("no such source is configured; {}", hint(name, self.sources.names())));
        self.sources.named(name).ok_or_else(no_such)
    }

    /// The receiver of that name, if it is configured.
    pub(in crate::operator) fn receiver(self, name: &str) -> Result<&'c Name, NoPreview> {
        let names = self.receivers.keys().map(Name::as_str);
        let no_such = || NoPreview::NoSuch(format!("no such receiver is configured; {}", hint(name, names)));
        self.receivers.get_key_value(name).map(|(name, _)| name).ok_or_else(no_such)
    }

    fn template(self, name: &str) -> Result<&str, NoPreview> {
        let names = self.renderer.templates();
        if names.contains(name) {
            return Ok(name);
        }
        Err(NoPreview::NoSuch(format!("there is no such template; {}", hint(name, names.iter().copied()))))
    }

    fn way(self, receiver: Option<&str>) -> Result<Way, NoPreview> {
        match receiver {
            Some(name) => Ok(Way::Direct(self.receiver(name)?.clone())),
            None if self.routes.is_some() => Ok(Way::Routed),
            None => Err(NoPreview::Impossible("no route is configured: name a receiver".to_owned())),
        }
    }

    fn received(self, part: &Warnings<'_>, template: Option<&str>) -> Received {
        let group = part.group;
        let (messages, mut warnings) = if group.items.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            let rendered = self.renderer.try_out(part.event, &group.items, group.receiver, template);
            let (form, now) = (Form::default(), part.event.received_at);
            let setting = Setting::of(part.style, &form, now);
            let made = compose::message(&[Part::of(&rendered.content, now)], &setting, compose::BUDGET);
            (vec![shown(&made.composed)], part.of(template, &rendered, &made))
        };
        let receiver = self.receivers.get(group.receiver);
        warnings.extend(receiver.and_then(|receiver| warnings::unheard(group, receiver.send_resolved)));
        Received {
            receiver: group.receiver.clone(),
            display_name: receiver.and_then(|receiver| receiver.display_name.clone()),
            route: route(group),
            messages,
            warnings,
        }
    }
}

/// One route, or several with how many items each brought.
fn route(group: &Group<'_>) -> String {
    match group.routes.as_slice() {
        [(only, _)] => (*only).to_owned(),
        several => {
            let all = group.items.len() + group.unheard.len();
            let several: Vec<_> = several.iter().map(|(route, items)| format!("{route} ({items} of {all})")).collect();
            several.join("; ")
        }
    }
}

/// The message, read from what would go over the wire.
fn shown(composed: &Composed) -> Shown {
    let fields: Value = serde_json::from_str(&composed.msg_param).unwrap_or_default();
    let field = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let buttons = compose::buttons(composed);
    let bytes = composed.msg_param.len();
    Shown { msg_key: composed.msg_key, title: field("title"), text: field("text"), buttons, bytes }
}
