//! `sources` of every kind: what each may say, what it must not, and where its defaults come from.

use std::time::Duration;

use dingtalk_relay::config::secret::Secret;
use dingtalk_relay::config::{self, Auth, Config, LabelFields, SourceKind};
use dingtalk_relay::model::event::Severity;
use secrecy::ExposeSecret;

#[test]
fn githubs_secret_is_the_key_of_its_signature() {
    let config = config::from_text("sources: { gh: { kind: github, secret: planted } }").unwrap();
    let source = &config.sources["gh"];
    assert_eq!(source.kind, SourceKind::Github);
    let Auth::Hmac { secret, header } = &source.auth else { panic!("{:?}", source.auth) };
    assert_eq!((revealed(secret).as_str(), header.as_str()), ("planted", "x-hub-signature-256"));
}

#[test]
fn a_kinds_own_defaults_come_before_those_of_every_source() {
    let of = |more: &str| {
        let sources = "sources: { gh: { kind: github, secret: s }, am: { kind: alertmanager, auth: { none: true } } }";
        let config = config::from_text(&format!("{sources}\n{more}")).unwrap();
        ["gh", "am"].map(|name| (config.sources[name].dedup_window.as_secs(), config.sources[name].severity.default))
    };
    let day = 24 * 3600;
    assert_eq!(of(""), [(3 * day, Severity::Info), (360, Severity::Warning)]);
    let all = "defaults: { source: { dedup_window: 10m, severity: { default: critical } } }";
    assert_eq!(of(all), [(3 * day, Severity::Info), (600, Severity::Critical)]);
    assert_eq!(of("defaults: { github: { dedup_window: 1d } }"), [(day, Severity::Info), (360, Severity::Warning)]);
    let config = config::from_text("sources: { gh: { kind: github, secret: s, dedup_window: 1h } }").unwrap();
    assert_eq!(config.sources["gh"].dedup_window, Duration::from_secs(3600), "its own");
    assert_eq!(config.sources["gh"].severity.map["page"], Severity::Critical, "of every source");
}

#[test]
fn what_waits_for_company_is_said_for_a_source_a_kind_or_all() {
    let of = |more: &str| {
        let sources = "sources: { gh: { kind: github, secret: s }, am: { kind: alertmanager, auth: { none: true } } }";
        let config = config::from_text(&format!("{sources}\n{more}")).unwrap();
        ["gh", "am"].map(|name| config.sources[name].gather.as_secs())
    };
    assert_eq!(of(""), [0, 0]);
    assert_eq!(of("defaults: { github: { gather: 10m } }"), [600, 0]);
    assert_eq!(of("defaults: { source: { gather: 1m } }"), [60, 60]);
}

#[test]
fn what_the_defaults_say_for_one_kind_does_not_trouble_another() {
    let config = config::from_text(
        "
defaults:
  source: { auth: { bearer_token: everyone }, fields: { title: payload.t, url: payload.u } }
  github: { secret: of-all-of-github }
sources:
  gh: { kind: github }
  own: { kind: github, secret: of-this-one }
  am: { kind: alertmanager }
  any: { kind: generic, fields: { title: payload.mine } }
",
    )
    .unwrap();
    let key = |name: &str| match &config.sources[name].auth {
        Auth::Hmac { secret, .. } => revealed(secret),
        Auth::Bearer(token) => revealed(token),
        other => panic!("{other:?}"),
    };
    assert_eq!([key("gh"), key("own"), key("am")], ["of-all-of-github", "of-this-one", "everyone"]);
    let fields = &config.sources["any"].fields;
    assert_eq!((fields.title.as_deref(), fields.url.as_deref()), (Some("payload.mine"), Some("payload.u")));
    assert!(config.sources["am"].fields.title.is_none());
}

#[test]
fn a_generic_source_takes_every_kind_of_credentials() {
    for (auth, expected) in [
        ("bearer_token: t", "Bearer"),
        ("basic: { username: u, password: p }", "Basic"),
        ("header: { name: X-Token, value: v }", "Header"),
        ("hmac: { secret: s, header: X-Signature }", "Hmac"),
        ("none: true", "None"),
    ] {
        let config = generic(&format!("auth: {{ {auth} }}"));
        assert!(format!("{:?}", config.sources["any"].auth).starts_with(expected), "{auth}");
    }
}

#[test]
fn labels_are_an_expression_for_each_or_one_for_all() {
    let labels = |text: &str| generic(&format!("auth: {{ none: true }}, fields: {{ labels: {text} }}"));
    let each = labels("{ App: payload.app, team: payload.owner.team }").sources["any"].fields.labels.clone();
    let Some(LabelFields::Each(each)) = each else { panic!("{each:?}") };
    assert_eq!(
        each.into_iter().collect::<Vec<_>>(),
        [("App", "payload.app"), ("team", "payload.owner.team")].map(owned)
    );
    let all = labels("payload.labels").sources["any"].fields.labels.clone();
    assert!(matches!(&all, Some(LabelFields::All(all)) if all == "payload.labels"), "{all:?}");
}

#[test]
fn what_has_no_place_in_a_kind_is_told_with_its_place_and_a_way_out() {
    let mistakes = [
        "x: { kind: gitbuh, secret: planted }",
        "x: { secret: planted }",
        "x: { kind: github }",
        "x: { kind: github, secret: '' }",
        "x: { kind: github, secret: planted, secret_file: /nowhere }",
        "x: { kind: github, secret_file: /nowhere }",
        "x: { kind: github, secret: planted, auth: { none: true } }",
        "x: { kind: github, auth: { bearer_token: planted } }",
        "x: { kind: github, secret: planted, fields: { title: payload.x } }",
        "x: { kind: github, secret: planted, sekret: planted }",
        "x: { kind: alertmanager, secret: planted }",
        "x: { kind: alertmanager, auth: { none: true }, fields: { title: payload.x } }",
        "x: { kind: alertmanager, auth: { none: true }, feilds: {} }",
        "x: { kind: generic, auth: { none: true }, secret: planted }",
        "x: { kind: generic }",
        "x: { kind: generic, auth: { hmac: { secret: planted } } }",
        "x: { kind: generic, auth: { hmac: { header: X-Signature } } }",
        "x: { kind: generic, auth: { hmac: { header: 'X Y', secret: planted, algorithm: sha1 } } }",
        "x: { kind: generic, auth: { hmac: planted } }",
        "x: { kind: generic, auth: { hmac: { header: X, secret: planted }, none: true } }",
        "x: { kind: generic, auth: { none: true }, fields: { titel: payload.x, text: '', url: [payload.x] } }",
        "x: { kind: generic, auth: { none: true }, fields: { labels: { app: [payload.x], env: } } }",
        "x: { kind: generic, auth: { none: true }, fields: payload }",
    ];
    let told = mistakes.map(|mistake| {
        let problems = config::from_text(&format!("sources: {{ {mistake} }}")).expect_err(mistake);
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(!problems.iter().any(|problem| problem.contains("planted")), "a secret is told: {problems:#?}");
        format!("{mistake}\n    {}", problems.join("\n    "))
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn defaults_of_a_kind_are_judged_even_if_nothing_uses_them() {
    let problems = config::from_text(
        "defaults: { github: { kind: github, auth: { none: true }, dedup_window: soon, secrt: x }, generic: {} }",
    );
    let told: Vec<_> = problems.unwrap_err().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
}

fn generic(more: &str) -> Config {
    config::from_text(&format!("sources: {{ any: {{ kind: generic, {more} }} }}")).unwrap()
}

fn owned((name, expression): (&str, &str)) -> (String, String) {
    (name.to_owned(), expression.to_owned())
}

fn revealed(secret: &Secret) -> String {
    secret.reveal().unwrap().expose_secret().to_owned()
}
