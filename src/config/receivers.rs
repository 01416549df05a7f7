//! `receivers`: groups, each reached through one robot.
//!
//! A receiver's key comes from the receiver itself, else from the receiver it extends, and so on, else from
//! `defaults.receiver`. Following `extends` is done on the tree, before anything is read, so a circle is one problem
//! and not an endless walk.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::digest::{digest, send_resolved};
use crate::config::fallback;
use crate::config::problem::inside;
use crate::config::reference::References;
use crate::config::scalar::{Scalar, flag, one_of, positive_u32, text, time_zone, wait};
use crate::config::section::{Layer, Reading, Section};
use crate::config::tree::{Map, Node};
use crate::config::{App, OnUnknownOutcome, Receipts, Receiver};
use crate::model::form::{Buttons, Look, Style};
use crate::model::health::Backoff;
use crate::model::language::Language;
use crate::model::name::Name;

/// The latest that DingTalk is asked who has read a message: it forgets after a day, and the asking may have to wait.
const LAST_ASK: Duration = Duration::from_secs(23 * 60 * 60);

/// `receivers`.
pub(crate) fn receivers(
    root: &Section<'_>,
    apps: &BTreeMap<Name, App>,
    references: &References<'_>,
    reading: &Reading,
) -> BTreeMap<Name, Receiver> {
    references.check_defaults("receiver", reading, |section| {
        if section.says("extends") {
            section.note("extends", "must not stand here: defaults are what is left when nothing is extended");
        }
        receiver(section, apps, references)
    });
    fallback::check(references, reading);
    let mut receivers = root.named(
        "receivers",
        |name| extended(name, references, reading).into_iter().chain(references.defaults("receiver")).collect(),
        |section| receiver(section, apps, references),
    );
    for (name, receiver) in &mut receivers {
        receiver.fallback.take_if(|fallback| fallback == name);
    }
    receivers
}

/// The layers a receiver extends, the nearest first.
pub(crate) fn extended<'a>(name: &str, references: &References<'a>, reading: &Reading) -> Vec<Layer<'a>> {
    let mut chain: Vec<&str> = vec![name];
    let mut layers: Vec<Layer<'a>> = Vec::new();
    let mut map = references.receivers.map(name);
    while let Some(next) = map.and_then(extends) {
        if next == name {
            chain.push(next);
            reading.note(
                inside(&inside("receivers", name), "extends"),
                format!("goes in a circle: {}", chain.join(" → ")),
            );
        }
        if chain.contains(&next) {
            break;
        }
        chain.push(next);
        map = references.receivers.map(next);
        layers.extend(map.map(|map| Layer { path: inside("receivers", next), map }));
    }
    layers
}

fn extends(map: &Map) -> Option<&str> {
    match map.get("extends") {
        Some(Node::Text(text)) => Some(&text.value),
        _ => None,
    }
}

fn receiver(section: &Section<'_>, apps: &BTreeMap<Name, App>, references: &References<'_>) -> Option<Receiver> {
    section.required("kind", one_of(&[("app_robot", ())]));
    section.optional("extends", |name| references.receivers.named(name));
    let display_name = section.optional("display_name", text);
    let app = section.required("app", |name| references.apps.named(name));
    let robot_code = section.optional("robot_code", text);
    let open_conversation_id = section.required("open_conversation_id", text);
    let cool_app_code = section.optional("cool_app_code", text);
    let is_card = section.required("message", one_of(&[("markdown", false), ("action_card", true)]));
    let buttons = [("vertical", Buttons::Vertical), ("horizontal", Buttons::Horizontal)];
    let buttons = section.required("buttons", one_of(&buttons));
    let template = section.optional("template", text);
    let language = section.required("language", one_of(&Language::ALL.map(|language| (language.as_str(), language))));
    let timezone = section.optional("timezone", time_zone);
    let (send_resolved, digest) = (send_resolved(section), digest(section));
    let limits = section.section("limits", |limits| {
        (limits.required("messages_per_minute", positive_u32), limits.section("cooldown", cooldown))
    });
    let outcomes = [("resend", OnUnknownOutcome::Resend), ("hold", OnUnknownOutcome::Hold)];
    let on_unknown_outcome = section.required("on_unknown_outcome", one_of(&outcomes));
    let fallback = section.optional("fallback", |name| references.receivers.named(name));
    let fallback_after = section.required("fallback_after", wait);
    let receipts = section.section("receipts", receipts);
    let (app, language) = (app?, language?);
    Some(Receiver {
        display_name,
        robot_code: robot_code.or_else(|| apps.get(&app).map(|app| app.robot_code.clone()))?,
        app,
        open_conversation_id: open_conversation_id?,
        cool_app_code,
        style: Style {
            look: if is_card? { Look::Card(buttons?) } else { Look::Markdown },
            language,
            timezone: timezone.or_else(|| time_zone(language.of("UTC", "Asia/Shanghai")).ok())?,
        },
        template,
        send_resolved: send_resolved?,
        digest: digest?,
        messages_per_minute: limits.0?,
        cooldown: limits.1?,
        on_unknown_outcome: on_unknown_outcome?,
        fallback,
        fallback_after: fallback_after?,
        receipts: receipts?,
    })
}

fn receipts(section: &Section<'_>) -> Option<Receipts> {
    let enabled = section.required("enabled", flag);
    let ask_after = section.list("ask_after", ask_after);
    if ask_after.as_ref().is_some_and(Vec::is_empty) {
        section.note("ask_after", "must hold at least one wait");
    }
    if ask_after.as_ref().is_some_and(|waits| waits.windows(2).any(|pair| pair[0] >= pair[1])) {
        section.note("ask_after", "must ascend: each wait is counted from the send");
    }
    Some(Receipts { enabled: enabled?, ask_after: ask_after? })
}

fn ask_after(text: &str) -> Scalar<Duration> {
    match wait(text)? {
        wait if wait > LAST_ASK => Err("must not be longer than 23h: DingTalk forgets after a day".to_owned()),
        wait => Ok(wait),
    }
}

fn cooldown(section: &Section<'_>) -> Option<Backoff> {
    let first = section.required("initial", wait);
    let last = section.required("max", wait);
    let (first, last) = (first?, last?);
    if first > last {
        section.note("initial", "must not be longer than `max`");
    }
    Some(Backoff { first, last })
}
