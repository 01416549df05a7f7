//! `sources`: who may post, and how what they say is read.
//!
//! A source must say what its senders show; that nothing is shown has to be said out loud (`none: true`). What it
//! leaves out is taken from the defaults of its kind (`defaults.github`), then from `defaults.source`. How a body
//! is decoded and a credential compared is the business of `crate::sources`.

use std::collections::BTreeMap;

use crate::config::reference::References;
use crate::config::scalar::{Scalar, duration, flag, header_name, one_of, text};
use crate::config::section::{Layer, Reading, Section};
use crate::config::tree::Node;
use crate::config::{Auth, Fields, LabelFields, SeverityRules, Source, SourceKind};
use crate::model::event::Severity;
use crate::model::name::Name;

/// What a source may speak.
const KINDS: [(&str, SourceKind); 3] =
    [("alertmanager", SourceKind::Alertmanager), ("github", SourceKind::Github), ("generic", SourceKind::Generic)];

/// The header in which GitHub signs, see
/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.
const GITHUB_SIGNS_IN: http::HeaderName = http::HeaderName::from_static("x-hub-signature-256");

/// `sources`.
pub(crate) fn sources(root: &Section<'_>, references: &References<'_>, reading: &Reading) -> BTreeMap<Name, Source> {
    references.check_defaults("source", reading, source);
    references.check_defaults("github", reading, |section| {
        section.refuse("kind", "must not stand here: these are the defaults of kind `github`");
        content(section, Some(SourceKind::Github))
    });
    root.named("sources", |name| below(name, references), source)
}

/// The layers below a source: the defaults of its kind, if that has some, then those of every source.
fn below<'a>(name: &str, references: &References<'a>) -> Vec<Layer<'a>> {
    let all = references.defaults("source");
    let own = references.sources.map(name);
    let mut maps = own.into_iter().chain(all.as_ref().map(|layer| layer.map));
    let kind = maps.find_map(|map| match map.get("kind") {
        Some(Node::Text(text)) => Some(text.value.as_str()),
        _ => None,
    });
    let of_kind = references.defaults("github").filter(|_| kind == Some("github"));
    of_kind.into_iter().chain(all).collect()
}

fn source(section: &Section<'_>) -> Option<Source> {
    let kind = section.required("kind", one_of(&KINDS));
    content(section, kind)
}

/// Everything but the kind; what has no place in this kind is told.
fn content(section: &Section<'_>, kind: Option<SourceKind>) -> Option<Source> {
    let auth = credentials(section, kind);
    let dedup_window = section.required("dedup_window", duration);
    let gather = section.required("gather", duration);
    let severity = section.section("severity", severity_rules);
    let fields = match kind {
        Some(SourceKind::Alertmanager | SourceKind::Github) => {
            section.refuse("fields", "has a place in kind `generic` only: what this kind sends is known");
            Some(Fields::default())
        }
        Some(SourceKind::Generic) | None => fields(section),
    };
    Some(Source {
        kind: kind?,
        auth: auth?,
        dedup_window: dedup_window?,
        gather: gather?,
        severity: severity?,
        fields: fields?,
    })
}

/// What senders show: for GitHub the signature its webhooks have, for all others `auth`. Where the kind is not known
/// (it is wrong, or these are defaults) both have a place.
fn credentials(section: &Section<'_>, kind: Option<SourceKind>) -> Option<Auth> {
    // Without layers: credentials of the defaults must never open a source that names its own.
    let own = || section.section_alone("auth", auth);
    match kind {
        Some(SourceKind::Github) => {
            section
                .refuse("auth", "has no place in kind `github`: what GitHub shows is a signature made with `secret`");
            signed_by_github(section)
        }
        Some(SourceKind::Alertmanager | SourceKind::Generic) => {
            for key in ["secret", "secret_file"] {
                section.refuse(key, "has a place in kind `github` only; what this kind shows stands in `auth`");
            }
            own()
        }
        None => match section.one_of(&["secret", "secret_file"]) {
            Some(_) if section.says("auth") => signed_by_github(section).and(own()),
            Some(_) => signed_by_github(section),
            None => own(),
        },
    }
}

fn signed_by_github(section: &Section<'_>) -> Option<Auth> {
    let secret = section.required_secret(["secret", "secret_file"])?;
    Some(Auth::Hmac { secret, header: GITHUB_SIGNS_IN })
}

fn auth(section: &Section<'_>) -> Option<Auth> {
    match section.exactly_one_of(&["bearer_token", "bearer_token_file", "basic", "header", "hmac", "none"])? {
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
        "hmac" => section.section("hmac", |hmac| {
            let secret = hmac.required_secret(["secret", "secret_file"]);
            let header = hmac.required("header", header_name);
            Some(Auth::Hmac { secret: secret?, header: header? })
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

/// `fields` of a generic source. Whether an expression is one is asked where it is compiled.
fn fields(section: &Section<'_>) -> Option<Fields> {
    section.section("fields", |fields| {
        let expression = |key| fields.optional(key, text);
        Some(Fields {
            title: expression("title"),
            text: expression("text"),
            severity: expression("severity"),
            dedup_key: expression("dedup_key"),
            status: expression("status"),
            url: expression("url"),
            labels: labels(fields),
        })
    })
}

/// An expression for each label, or one for all of them.
fn labels(fields: &Section<'_>) -> Option<LabelFields> {
    if fields.is_map("labels") {
        return fields.names("labels", text).map(LabelFields::Each);
    }
    fields.optional("labels", text).map(LabelFields::All)
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
