//! What a person configures, as plain data in the shape of the file.
//!
//! [`draft()`] reads files and environment, merges them, fills in `defaults`, and reports every problem at once. It
//! builds nothing and checks nothing that another room knows better: matchers are compiled by `routing`, templates
//! by `render`. The keys, their meaning and their defaults stand in `config/default.yaml`, which is embedded and
//! *is* the defaults.
//!
//! The way of a value: `tree` keeps the text a person wrote, `files` lays file over file, `section` asks for it
//! in layers, `scalar` makes it a duration or an address, and one file for each part of the configuration puts
//! the plain data together.

mod apps;
pub mod digest;
pub mod draft;
mod fallback;
mod files;
pub mod problem;
mod receivers;
mod reference;
pub mod region;
mod route;
pub(crate) mod scalar;
pub mod secret;
mod section;
mod service;
mod sources;
mod tree;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::config::digest::{Digest, SendResolved};
use crate::config::draft::Draft;
use crate::config::problem::Problem;
use crate::config::reference::References;
use crate::config::region::Region;
use crate::config::secret::Secret;
use crate::config::section::{Layer, Reading, Section};
use crate::config::tree::{Format, Map, Node};
use crate::model::budget::{Budget, Percent};
use crate::model::event::Severity;
use crate::model::form::Style;
use crate::model::health::Backoff;
use crate::model::name::Name;

/// Whether `*_file` secrets are opened while loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretsRead {
    /// A secret file that cannot be read, or is empty, is a problem.
    Read,
    /// They are not touched: `check --skip-secrets`, for CI, where they do not exist.
    Skip,
}

/// Reads what the files and folders at `paths` say over the embedded defaults, and what `RELAY__SECTION__KEY`
/// variables of the `environment` say over those. Notes every problem there is; only a file that cannot be read or
/// parsed keeps the rest from being judged, since the rest would miss what it holds.
pub fn draft(paths: &[PathBuf], environment: impl Iterator<Item = (String, String)>, secrets: SecretsRead) -> Draft {
    let reading = Reading::new(secrets);
    match files::gather(paths, environment, &reading) {
        Some(tree) => draft_of(&tree, reading),
        None => Draft::unreadable(reading),
    }
}

/// Like [`draft()`], for whoever needs a configuration that is right or nothing.
pub fn load(
    paths: &[PathBuf],
    environment: impl Iterator<Item = (String, String)>,
    secrets: SecretsRead,
) -> Result<Config, Vec<Problem>> {
    draft(paths, environment, secrets).finish()
}

/// Loads one YAML text over the embedded defaults, without environment: for the demo and for tests.
pub fn from_text(yaml: &str) -> Result<Config, Vec<Problem>> {
    draft_from_text(yaml).finish()
}

/// Reads one YAML text over the embedded defaults, without environment.
pub fn draft_from_text(yaml: &str) -> Draft {
    let reading = Reading::new(SecretsRead::Read);
    let node = match Node::read(yaml, Format::Yaml) {
        Ok(node) => node,
        Err(broken) => {
            reading.note("", broken.to_string());
            return Draft::unreadable(reading);
        }
    };
    let mut tree = files::defaults();
    files::lay_over(&mut tree, node, "", &reading);
    draft_of(&tree, reading)
}

fn draft_of(tree: &Map, reading: Reading) -> Draft {
    let references = References::of(tree);
    let root = vec![Layer { path: String::new(), map: tree }];
    let draft = Section::read("", root, &reading, |root| read(root, &references, &reading));
    let (problems, places) = reading.ended();
    Draft { matchers: route::matchers(tree), problems, places, ..draft }
}

/// Reads every part, whatever is wrong with the ones before.
fn read(root: &Section<'_>, references: &References<'_>, reading: &Reading) -> Draft {
    let http = root.section("http", |section| service::http(section, references));
    let admin = root.section("admin", service::admin);
    let store = root.section("store", service::store);
    let organisations = apps::organisations(root, references, reading);
    let apps = apps::apps(root, references, reading);
    let receivers = receivers::receivers(root, &apps, references, reading);
    let sources = sources::sources(root, references, reading);
    let route = route::route(root, references);
    let retry = root.section("retry", service::retry);
    let templates = root.paths("templates");
    let operator = service::operator(root, references);
    templates.iter().flatten().for_each(|place| reading.looked_at(place));
    references.leave_defaults(root);
    if let (Some(http), Some(admin)) = (&http, &admin)
        && http.listen == admin.listen
        && http.listen.port() != 0
    {
        reading.note("admin.listen", "must not be the same as http.listen");
    }
    let empty = Draft::default();
    Draft { http, admin, store, organisations, apps, receivers, sources, route, retry, templates, operator, ..empty }
}

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The webhook port.
    pub http: Http,
    /// The operator's port.
    pub admin: Admin,
    /// The database.
    pub store: Store,
    /// Who shares a month of calls. Always holds what the apps name.
    pub organisations: BTreeMap<Name, Organisation>,
    /// DingTalk apps.
    pub apps: BTreeMap<Name, App>,
    /// Groups, each reached through one robot.
    pub receivers: BTreeMap<Name, Receiver>,
    /// Senders of webhooks.
    pub sources: BTreeMap<Name, Source>,
    /// Which receivers get which items. Without one only direct paths work.
    pub route: Option<Route>,
    /// When a failed delivery is tried again.
    pub retry: Retry,
    /// Folders or files of the operator's own `*.md.j2`.
    pub templates: Vec<PathBuf>,
    /// The receiver that is told what is wrong with the relay, if one is.
    pub operator: Option<Name>,
}

/// `http`: where webhooks come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// The address.
    pub listen: SocketAddr,
    /// The largest body, in bytes.
    pub max_body: u64,
    /// The source behind `/dingtalk/{receiver}/send`, if that path is served.
    pub dingtalk_path: Option<Name>,
}

/// `admin`: page, API, metrics, health.
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// The address.
    pub listen: SocketAddr,
    /// What callers must show, if anything.
    pub token: Option<Secret>,
    /// What links to the page begin with.
    pub external_url: Option<Url>,
}

/// `store`: the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// The SQLite file (`sqlite:` was taken off).
    pub path: PathBuf,
    /// How long an event is remembered.
    pub retention: Duration,
    /// More waiting deliveries than this: 503.
    pub max_queued: u64,
}

/// One organisation.
#[derive(Debug, Clone, PartialEq)]
pub struct Organisation {
    /// Calls a month of the whole organisation; `None`: no quota (0 in the file).
    pub calls_per_month: Option<u64>,
    /// How many of them other programs need. Below `calls_per_month`.
    pub kept_for_others: u64,
    /// Which part of all is kept for what is critical. Leaves a call to what is not.
    pub critical_reserve: Percent,
    /// How many of them may ask who has read a message.
    pub receipt_calls_per_month: u64,
}

impl Organisation {
    /// What its month is made of; `None`: no quota.
    pub fn budget(&self) -> Option<Budget> {
        let Self { kept_for_others, critical_reserve, .. } = *self;
        Some(Budget { calls_per_month: self.calls_per_month?, kept_for_others, critical_reserve })
    }
}

/// One app.
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    /// Whose month it shares.
    pub organisation: Name,
    /// Which of DingTalk's worlds, if the file says `region`.
    pub region: Option<Region>,
    /// Where DingTalk is: from `region` or `base_url`. Plain http only on loopback. Without a trailing slash.
    pub base_url: Url,
    /// The app's key.
    pub app_key: String,
    /// The app's secret.
    pub app_secret: Secret,
    /// The robot; the `app_key` if the file names none.
    pub robot_code: String,
    /// Of one whole call.
    pub timeout: Duration,
    /// Calls a second of the whole app.
    pub calls_per_second: NonZeroU32,
}

/// One receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// Shown beside the name.
    pub display_name: Option<String>,
    /// The app whose robot it is.
    pub app: Name,
    /// The robot: the receiver's own, or the app's.
    pub robot_code: String,
    /// The group.
    pub open_conversation_id: String,
    /// Needed if the robot was installed through a group cool app.
    pub cool_app_code: Option<String>,
    /// What its messages are made for: the look from `message` and `buttons`; the time zone by the language where none
    /// is named.
    pub style: Style,
    /// The operator's own template; `None`: the built-in one of the source's kind.
    pub template: Option<String>,
    /// What it is told of what is over.
    pub send_resolved: SendResolved,
    /// What it is told together.
    pub digest: Digest,
    /// Never more than so many in any 60 s.
    pub messages_per_minute: NonZeroU32,
    /// After DingTalk says "too fast".
    pub cooldown: Backoff,
    /// What becomes of a delivery when nobody knows whether it arrived.
    pub on_unknown_outcome: OnUnknownOutcome,
    /// Who takes over when this one has been blocked for `fallback_after`, or a delivery died. Never itself.
    pub fallback: Option<Name>,
    /// How long it may be blocked until its fallback takes over.
    pub fallback_after: Duration,
    /// Whether and when DingTalk is asked who has read a message.
    pub receipts: Receipts,
}

/// Whether and when DingTalk is asked who has read a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipts {
    /// Whether it is asked at all.
    pub enabled: bool,
    /// How long after the send: at least one wait, ascending.
    pub ask_after: Vec<Duration>,
}

/// What becomes of a delivery when nobody knows whether it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknownOutcome {
    /// It is sent again, marked as possibly duplicated.
    Resend,
    /// It is dead with a reason, and a human redrives it.
    Hold,
}

/// One source.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// What it speaks.
    pub kind: SourceKind,
    /// What its senders must show.
    pub auth: Auth,
    /// How long a twin is a duplicate.
    pub dedup_window: Duration,
    /// How long what is not critical waits for company.
    pub gather: Duration,
    /// How its severities are mapped.
    pub severity: SeverityRules,
    /// Where a `generic` body says what; empty for the other kinds.
    pub fields: Fields,
}

/// `fields` of a `generic` source: minijinja expressions over the body, which they see as `payload`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    /// What it is about.
    pub title: Option<String>,
    /// What it says, as plain text.
    pub text: Option<String>,
    /// How bad it is: a word that the source's severity rules know.
    pub severity: Option<String>,
    /// What tells twins.
    pub dedup_key: Option<String>,
    /// `firing`, `resolved`, or anything else for neither.
    pub status: Option<String>,
    /// Where the sender shows it.
    pub url: Option<String>,
    /// Labels for matchers and the message.
    pub labels: Option<LabelFields>,
}

/// Where the labels of a `generic` source come from.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelFields {
    /// One expression that yields a map.
    All(String),
    /// An expression for each label.
    Each(BTreeMap<String, String>),
}

/// What a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// Alertmanager's webhook, version 4.
    Alertmanager,
    /// GitHub's webhooks, every event.
    Github,
    /// Any JSON object.
    Generic,
}

/// What a sender must show.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer(Secret),
    /// `Authorization: Basic …`
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A header of its own.
    Header {
        /// Its name.
        name: http::HeaderName,
        /// What it must hold.
        value: Secret,
    },
    /// An HMAC-SHA256 of the body, in hex, with or without `sha256=` before it.
    Hmac {
        /// The key.
        secret: Secret,
        /// The header that carries it: `X-Hub-Signature-256` for GitHub.
        header: http::HeaderName,
    },
    /// Nothing, said out loud.
    None,
}

/// How a source's severities are mapped.
#[derive(Debug, Clone, PartialEq)]
pub struct SeverityRules {
    /// The labels asked for, the first present one wins.
    pub labels: Vec<String>,
    /// What a label's value means, beside the severities' own names; keys are compared without case and stand here in
    /// lower case.
    pub map: BTreeMap<String, Severity>,
    /// Where no label says anything known.
    pub default: Severity,
}

/// One node of the routing tree, as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Route {
    /// Who gets what matches; empty: the parent's.
    pub receivers: Vec<Name>,
    /// A label or annotation that names the receiver itself (root only).
    pub receiver_label: Option<String>,
    /// All must match.
    pub matchers: Vec<String>,
    /// Whether the next sibling is asked too.
    pub goes_on: bool,
    /// Whether what matches is dropped.
    pub drop: bool,
    /// The children.
    pub routes: Vec<Route>,
}

/// When a failed delivery is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// The waits; the last repeats.
    pub schedule: Vec<Duration>,
    /// After so many counted attempts a delivery is dead.
    pub max_attempts: NonZeroU32,
}
