//! The ports over a real store that can be given trouble: one app, the receivers `oncall` and `dev`, the source `am`
//! with a bearer token, a route that sends everything to `oncall`. Nothing sends here: what arrives stays queued.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Request, StatusCode};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use dingtalk_relay::config::digest::SendResolved;
use dingtalk_relay::config::secret::Secret;
use dingtalk_relay::config::{self, Config};
use dingtalk_relay::http::hooks::{Hooks, Live, Patience};
use dingtalk_relay::http::{self, Limits};
use dingtalk_relay::ingest::Ingest;
use dingtalk_relay::model::budget::{Calls, Percent};
use dingtalk_relay::model::event::Severity;
use dingtalk_relay::model::form::Style;
use dingtalk_relay::model::health::Backoff;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::model::name::{ChannelKey, Name};
use dingtalk_relay::model::view::{AppState, BlockView, LaneState, Standing};
use dingtalk_relay::operator::Operator;
use dingtalk_relay::operator::readiness::Readiness;
use dingtalk_relay::render::Renderer;
use dingtalk_relay::routing::Routes;
use dingtalk_relay::sources::Sources;
use dingtalk_relay::store::queue::{Beginner, Take};
use dingtalk_relay::store::{Claim, Filter, Store, Want, sqlite};
use http_body_util::BodyExt;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::troubled::Troubled;

/// What the senders of `am` must show.
pub(crate) const AUTHORISED: (&str, &str) = ("authorization", "Bearer opensesame");
/// What the operator must show, where there is a token.
pub(crate) const OPERATOR: (&str, &str) = ("authorization", "Bearer admin-token");
/// One firing alert.
pub(crate) const ONE_FIRING: &str = include_str!("../../fixtures/alertmanager/one-firing.json");

/// A relay without lanes: what its ports do, and what they put into the store.
pub(crate) struct Relay {
    pub(crate) store: Arc<Troubled>,
    pub(crate) readiness: Readiness,
    pub(crate) config: Config,
    pub(crate) patience: Patience,
    pub(crate) limits: Limits,
    _folder: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A port that listens. Dropping it leaves it serving; [`Port::stop`] ends it.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Relay {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config();
        let store = Troubled::over(sqlite::open(&folder.path().join("relay.db"), config.store.max_queued).unwrap());
        let readiness = Readiness::new(store.clone());
        let (patience, limits) = (Patience::default(), Limits::default());
        Self { store, readiness, config, patience, limits, _folder: folder }
    }

    /// How many events are stored that bring something to somebody.
    pub(crate) async fn stored(&self) -> usize {
        let all = Filter { limit: 500, ..Filter::default() };
        let page = self.store.inner().deliveries(all).await.unwrap();
        page.deliveries.into_iter().map(|delivery| delivery.event.0).collect::<BTreeSet<_>>().len()
    }

    /// The webhook port's paths.
    pub(crate) fn hooks(&self) -> Router {
        http::hooks::router(Hooks::new(self.live(), self.readiness.clone(), self.patience.clone()))
    }

    fn live(&self) -> Arc<ArcSwap<Live>> {
        let config = &self.config;
        let route = config.route.as_ref();
        Arc::new(ArcSwap::from_pointee(Live {
            sources: Sources::compile(&config.sources).unwrap(),
            ingest: Ingest {
                routes: route.map(|route| Routes::compile(route, &config.receivers).unwrap()),
                receivers: config.receivers.clone(),
                renderer: Renderer::compile(config).unwrap(),
                store: self.store.clone(),
            },
            max_body: config.http.max_body,
            dingtalk_path: config.http.dingtalk_path.clone(),
        }))
    }

    /// The admin port's paths.
    pub(crate) fn admin(&self) -> Router {
        let (lanes, apps) = (Box::new(lanes), Box::new(apps));
        let operator =
            Operator::new(self.store.clone(), self.config.store.max_queued, lanes, apps, self.readiness.clone());
        http::admin::router(Arc::new(operator), self.live(), &self.config.admin, self.config.admin.listen)
    }

    /// Posts a body to the webhook port, with the right credentials.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        ask(self.hooks(), "POST", path, &[AUTHORISED], body).await
    }

    /// Asks the admin port as somebody at this machine who shows the token.
    pub(crate) async fn look(&self, path: &str) -> Answer {
        ask(self.admin(), "GET", path, &[OPERATOR, ("host", "localhost")], "").await
    }

    /// Takes what goes next to `oncall`, as its lane would before the call: one unit of the month goes with it.
    pub(crate) async fn claim_one(&self) {
        let now = Timestamp::now();
        let ownership = self.store.own(&name("ops"), "test", Duration::ZERO, now).await.unwrap().unwrap();
        let want = Want {
            receiver: name("oncall"),
            channel: ChannelKey::app_robot(&name("ops"), "ding", "oncall"),
            organisation: name("main"),
            month: Month::of(now),
            calls: None,
            hold: false,
            probe: false,
            take: Take::One,
            known: true,
            begins: Beginner::Worst,
            overdue_before: None,
            stale_before: Timestamp::MIN,
        };
        assert!(matches!(self.store.claim(&ownership, want, now).await, Ok(Claim::Taken(_))));
    }

    /// The webhook port on a socket.
    pub(crate) async fn listen(&self) -> Port {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            if stopped.await.is_err() {
                std::future::pending().await
            }
        };
        let served = tokio::spawn(http::serve(listener, self.hooks(), shutdown, self.limits.clone()));
        Port { address, stop, served }
    }
}

impl Port {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Tells it to stop. The task ends when it has.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.served
    }
}

/// One request, answered without a socket.
pub(crate) async fn ask(
    router: Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn name(name: &str) -> Name {
    name.parse().unwrap()
}

fn config() -> Config {
    let receivers = ["oncall", "dev"].map(|receiver_name| (name(receiver_name), receiver(receiver_name)));
    let am = config::Source {
        kind: config::SourceKind::Alertmanager,
        auth: config::Auth::Bearer(Secret::given("opensesame")),
        dedup_window: Duration::from_secs(360),
        gather: Duration::ZERO,
        severity: config::SeverityRules {
            labels: vec!["severity".into()],
            map: BTreeMap::new(),
            default: Severity::Warning,
        },
        fields: Default::default(),
    };
    Config {
        http: config::Http {
            listen: "127.0.0.1:0".parse().unwrap(),
            max_body: 4 * 1024 * 1024,
            dingtalk_path: Some(name("am")),
        },
        admin: config::Admin {
            listen: "127.0.0.1:8061".parse().unwrap(),
            token: Some(Secret::given("admin-token")),
            external_url: None,
        },
        store: config::Store { path: "unused".into(), retention: Duration::MAX, max_queued: 1_000_000 },
        organisations: BTreeMap::from([(
            name("main"),
            config::Organisation {
                calls_per_month: Some(5000),
                kept_for_others: 0,
                critical_reserve: Percent::new(20).unwrap(),
                receipt_calls_per_month: 500,
            },
        )]),
        apps: BTreeMap::new(),
        receivers: BTreeMap::from(receivers),
        sources: BTreeMap::from([(name("am"), am)]),
        route: Some(config::Route { receivers: vec![name("oncall")], ..config::Route::default() }),
        retry: config::Retry { schedule: vec![Duration::from_secs(1)], max_attempts: NonZeroU32::MIN },
        templates: vec![],
        operator: None,
    }
}

fn receiver(receiver: &str) -> config::Receiver {
    config::Receiver {
        display_name: None,
        app: name("ops"),
        robot_code: "ding".into(),
        open_conversation_id: receiver.into(),
        cool_app_code: None,
        style: Style::default(),
        template: None,
        send_resolved: SendResolved::Always,
        digest: crate::storm::one_by_one(),
        messages_per_minute: NonZeroU32::MIN,
        cooldown: Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) },
        on_unknown_outcome: config::OnUnknownOutcome::Resend,
        fallback: None,
        fallback_after: Duration::from_secs(120),
        receipts: config::Receipts { enabled: false, ask_after: vec![] },
    }
}

fn lanes() -> Vec<LaneState> {
    let flowing = LaneState {
        receiver: "oncall".into(),
        display_name: Some("支付告警群".into()),
        state: Standing::Flowing,
        app: Some(name("ops")),
        messages_per_minute: Some(20),
        slowed_down_from: None,
        cooling_until: None,
        down: None,
        blocked: None,
        fallback: None,
    };
    let blocked = BlockView {
        code: "robot.missing".into(),
        reason: "the robot is not in the group".into(),
        since: Some("2026-11-21T12:00:00Z".parse().unwrap()),
        next_probe_at: Some("2026-11-21T12:30:00Z".parse().unwrap()),
    };
    let shut = LaneState {
        receiver: "dev".into(),
        display_name: None,
        state: Standing::Blocked,
        blocked: Some(blocked),
        fallback: None,
        ..flowing.clone()
    };
    vec![flowing, shut]
}

fn apps() -> Vec<AppState> {
    vec![AppState {
        app: name("ops"),
        organisation: name("main"),
        state: Standing::Flowing,
        calls_per_second: 15,
        cooling_until: None,
        token_expires_at: None,
        calls_per_month: Some(5000),
        calls_allowed: Some(Calls { critical: 5000, others: 4000 }),
        budget: None,
        down: None,
        blocked: None,
    }]
}
