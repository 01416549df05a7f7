//! `sources`: who may post, and how what they say is read.
//!
//! A source must say what its senders show; that nothing is shown has to be said out loud (`none: true`). How a body
//! is decoded and a credential compared is the business of `crate::sources`.

use std::collections::BTreeMap;

use crate::config::reference::References;
use crate::config::scalar::{Scalar, duration, flag, header_name, one_of, text};
use crate::config::section::{Reading, Section};
use crate::config::{Auth, SeverityRules, Source, SourceKind};
use crate::model::event::Severity;
use crate::model::name::Name;

/// `sources`.
pub(crate) fn sources(root: &Section<'_>, references: &References<'_>, reading: &Reading) -> BTreeMap<Name, Source> {
    references.check_defaults("source", reading, source);
    root.named("sources", |_| references.defaults("source").into_iter().collect(), source)
}

fn source(section: &Section<'_>) -> Option<Source> {
    let kind = section.required("kind", one_of(&[("alertmanager", SourceKind::Alertmanager)]));
    // Without layers: credentials of the defaults must never open a source that names its own.
    let auth = section.section_alone("auth", auth);
    let dedup_window = section.required("dedup_window", duration);
    let severity = section.section("severity", severity_rules);
    Some(Source { kind: kind?, auth: auth?, dedup_window: dedup_window?, severity: severity? })
}

fn auth(section: &Section<'_>) -> Option<Auth> {
    match section.exactly_one_of(&["bearer_token", "bearer_token_file", "basic", "header", "none"])? {
        "basic" => section.section("basic", |basic| {
            let username = basic.required("username", text);
            let password = basic.required_secret(["password", "password_file"]);
            Some(Auth::Basic { username: username?, password: password? })
        }),
        "header" => section.section("header", |header| {
            let name = header.required("name", header_name);
            let value = header.required_secret(["value", "value_file"]);
            Some(Auth::Header { name: name?, value: value? })
        }),
        "none" => {
            section.optional("none", |text| match flag(text)? {
                true => Ok(()),
                false => Err("must be true, said out loud, or left out".to_owned()),
            })?;
            Some(Auth::None)
        }
        _ => Some(Auth::Bearer(section.secret(["bearer_token", "bearer_token_file"])?)),
    }
}

fn severity_rules(section: &Section<'_>) -> Option<SeverityRules> {
    let labels = section.list("labels", text);
    let map = section.words("map", severity);
    let default = section.required("default", severity);
    Some(SeverityRules { labels: labels?, map: map?, default: default? })
}

fn severity(text: &str) -> Scalar<Severity> {
    one_of(&[("critical", Severity::Critical), ("warning", Severity::Warning), ("info", Severity::Info)])(text)
}
