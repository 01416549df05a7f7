//! The public port: webhooks come in here and are answered when they are durable (law 1).
//!
//! One webhook passes, in this order: source (404), method (405), credentials (401), receiver (404), type and
//! encoding (415), size (413), the whole body (503 when it comes too slowly), decoding (400), `ingest` (503). The
//! credentials come before anything is read, so a stranger learns which sources exist and nothing else. Where the
//! credentials are a signature of the body, the body is read first, within its size, and receiver and type are judged
//! behind it. Whatever is our own fault or state is a 503 (law 2). This file knows no wire format, no route and no
//! store.

mod body;
mod budget;
mod quiet;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::http::health;
use crate::http::problem::{self, ProblemAnswer};
use crate::ingest::{Ingest, Way, Webhook};
use crate::model::delivery;
use crate::model::name::{DeliveryId, EventId, Name};
use crate::operator::preview::Configured;
use crate::operator::readiness::Readiness;
use crate::sources::auth::Unauthorised;
use crate::sources::{Decoded, Source, Sources};
use crate::telemetry::metrics;

/// What takes so long to decode that others would notice, in bytes.
const LARGE: usize = 256 * 1024;

/// What a source may ask its senders for. Both are named whatever it asks for: a stranger need not know.
const SCHEMES: [&str; 2] = ["Bearer", "Basic realm=\"dingtalk-relay\""];

/// What a configuration makes of the webhook port. A reload swaps the whole of it.
pub struct Live {
    /// Who may post, and what they speak.
    pub sources: Sources,
    /// Where events go.
    pub ingest: Ingest,
    /// The largest body, in bytes.
    pub max_body: u64,
    /// The source behind `/dingtalk/{receiver}/send`, if that path is served.
    pub dingtalk_path: Option<Name>,
}

/// How long a client may take, and we.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a whole body.
    pub body: Duration,
    /// From the whole body to our answer: less than the 10 s that senders commonly wait.
    pub answer: Duration,
    /// For what is left of a body that was refused. It is read and thrown away: a connection closed while the client
    /// still writes is reset, and the client would not see why.
    pub linger: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { body: Duration::from_secs(30), answer: Duration::from_secs(9), linger: Duration::from_secs(2) }
    }
}

/// What the webhook port needs.
#[derive(Clone)]
pub struct Hooks {
    live: Arc<ArcSwap<Live>>,
    readiness: Readiness,
    patience: Patience,
    quiet: Arc<quiet::Quiet>,
    budget: budget::Budget,
    strangers: budget::Budget,
    /// Who may decode a large body: one at a time, since a tree of values takes many times its text.
    large: Arc<Semaphore>,
}

impl Hooks {
    /// A port that serves what is live at the time of each webhook.
    pub fn new(live: Arc<ArcSwap<Live>>, readiness: Readiness, patience: Patience) -> Self {
        let (budget, strangers) = (budget::Budget::of_the_known(), budget::Budget::of_strangers());
        let (quiet, large) = (Arc::default(), Arc::new(Semaphore::new(1)));
        Self { live, readiness, patience, quiet, budget, strangers, large }
    }
}

/// The paths of the webhook port.
pub fn router(hooks: Hooks) -> Router {
    Router::new()
        .merge(health::router(hooks.readiness.clone()))
        .method_not_allowed_fallback(problem::only_for_reading)
        // Every method, because an unknown source is 404 before a wrong method is 405.
        .route("/hooks/{source}", any(routed))
        .route("/hooks/{source}/{receiver}", any(direct))
        .route("/dingtalk/{receiver}/send", any(dingtalk_path))
        .fallback(problem::no_such_path)
        .with_state(hooks)
}

async fn routed(State(hooks): State<Hooks>, path: Result<Path<String>, PathRejection>, request: Request) -> Response {
    let Ok(Path(source)) = path else { return problem::no_such_path().await.into_response() };
    let live = hooks.live.load_full();
    hooks.take(&live, Some(&source), None, request, accepted).await
}

async fn direct(
    State(hooks): State<Hooks>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let Ok(Path((source, receiver))) = path else { return problem::no_such_path().await.into_response() };
    let live = hooks.live.load_full();
    hooks.take(&live, Some(&source), Some(&receiver), request, accepted).await
}

async fn dingtalk_path(
    State(hooks): State<Hooks>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let Ok(Path(receiver)) = path else { return problem::no_such_path().await.into_response() };
    let live = hooks.live.load_full();
    let source = live.dingtalk_path.as_ref();
    hooks.take(&live, source.map(Name::as_str), Some(&receiver), request, ok).await
}

fn not_admitted(why: Unauthorised) -> ProblemAnswer {
    match why {
        Unauthorised::WrongCredentials => ProblemAnswer::unauthorised(&SCHEMES),
        Unauthorised::SecretUnreadable => ProblemAnswer::unavailable("nobody can be told right from wrong now"),
    }
}

/// What the sender is told of what was stored.
fn told(event: &EventId, duplicate: bool, deliveries: &[(DeliveryId, String, delivery::State)]) -> Value {
    let deliveries = deliveries.iter();
    let deliveries = deliveries.map(|(id, receiver, state)| json!({"id": id, "receiver": receiver, "state": state}));
    json!({"event": event, "duplicate": duplicate, "deliveries": deliveries.collect::<Vec<_>>()})
}

/// What the contract's paths answer.
fn accepted(told: Value) -> Response {
    (StatusCode::ACCEPTED, Json(told)).into_response()
}

/// What prometheus-webhook-dingtalk answers.
fn ok(_told: Value) -> Response {
    "OK".into_response()
}

impl Hooks {
    /// What was live when it came is live for all of it.
    async fn take(
        &self,
        live: &Arc<Live>,
        source: Option<&str>,
        receiver: Option<&str>,
        request: Request,
        say: fn(Value) -> Response,
    ) -> Response {
        let began = Instant::now();
        let source = source.and_then(|name| live.sources.named(name));
        let label = source.map_or(String::new(), |source| source.name().to_string());
        let (parts, body) = request.into_parts();
        let response = match self.receive(live, source, receiver, &parts, body).await {
            Ok(told) => {
                ::metrics::histogram!(metrics::ACCEPT_SECONDS).record(began.elapsed());
                say(told)
            }
            Err(problem) => {
                self.tell(&label, &parts, &problem);
                problem.into_response()
            }
        };
        let code = response.status().as_str().to_owned();
        ::metrics::counter!(metrics::WEBHOOKS, "source" => label, "code" => code).increment(1);
        response
    }

    async fn receive(
        &self,
        live: &Arc<Live>,
        source: Option<&Source>,
        receiver: Option<&str>,
        parts: &Parts,
        body: Body,
    ) -> Result<Value, ProblemAnswer> {
        let known = live.admit(source, parts).and_then(|source| {
            if !source.is_signed() {
                live.way(source, receiver, parts)?;
            }
            body::small_enough(&body, live.max_body)?;
            Ok(source)
        });
        let source = match known {
            Ok(source) => source,
            Err(problem) => {
                body::discard(&parts.headers, body, self.patience.linger).await;
                return Err(problem);
            }
        };
        // The share is held until the answer: what is decoded of a body costs memory as the body does.
        let budget = if source.is_signed() { &self.strangers } else { &self.budget };
        let (body, _share) = body::read(body, live.max_body, budget, &self.patience).await?;
        if self.readiness.is_stopping() {
            return Err(ProblemAnswer::unavailable("the relay is shutting down; send it again").and_close());
        }
        source.verify(&parts.headers, &body).map_err(not_admitted)?;
        let way = live.way(source, receiver, parts)?;
        // When the time is over the commit may still come: the sender's next try is then its twin.
        let no_answer = |_| ProblemAnswer::unavailable("it could not be stored in time; send it again");
        let keeping = self.keep(live, source, way, &parts.headers, body);
        tokio::time::timeout(self.patience.answer, keeping).await.map_err(no_answer)?
    }

    async fn keep(
        &self,
        live: &Arc<Live>,
        source: &Source,
        way: Way,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Value, ProblemAnswer> {
        let now = Timestamp::now();
        let decoded = self.decode(live, source, headers, &body, now).await?;
        let Decoded::Event(event) = decoded else {
            return Ok(json!({"event": null, "duplicate": false, "deliveries": []}));
        };
        let (dedup_window, gather) = (source.dedup_window(), source.gather());
        let webhook = Webhook { event, way, payload: body, dedup_window, gather };
        let accepting = live.ingest.accept(webhook, now).await;
        let kept = accepting.map_err(|error| ProblemAnswer::not_stored(error.in_words()).because(error))?;

        let name = source.name().as_str();
        tracing::info!(source = name, event = %kept.event, duplicate = kept.duplicate, "webhook accepted");
        Ok(told(&kept.event, kept.duplicate, &kept.deliveries))
    }

    /// What the body says. A large one is decoded beside the runtime, so that nobody else waits for it.
    async fn decode(
        &self,
        live: &Arc<Live>,
        source: &Source,
        headers: &HeaderMap,
        body: &Bytes,
        now: Timestamp,
    ) -> Result<Decoded, ProblemAnswer> {
        let decoded = if body.len() <= LARGE {
            source.decode(headers, body, now)
        } else {
            let _turn = self.large.acquire().await;
            let (live, name) = (Arc::clone(live), source.name().clone());
            let (headers, body) = (headers.clone(), body.clone());
            let decoding = move || live.sources.named(name.as_str()).map(|source| source.decode(&headers, &body, now));
            let decoded = tokio::task::spawn_blocking(decoding).await;
            let not_decoded = || ProblemAnswer::unavailable("it could not be decoded; send it again");
            decoded.ok().flatten().ok_or_else(not_decoded)?
        };
        decoded.map_err(|bad| ProblemAnswer::bad_request(bad.to_string()))
    }

    /// One line a minute for each source and status. What comes from outside is written escaped.
    fn tell(&self, source: &str, parts: &Parts, problem: &ProblemAnswer) {
        let (status, path) = (problem.status(), parts.uri.path());
        if !self.quiet.is_news(source, status, Instant::now()) {
            return;
        }
        let (code, error) = (status.as_u16(), problem.cause());
        if status.is_server_error() {
            tracing::warn!(source, code, ?path, error, "a webhook was put off");
        } else {
            tracing::info!(source, code, ?path, error, "a webhook was refused");
        }
    }
}

impl Live {
    /// What a preview needs of it: the same as a webhook, but nobody who keeps or sends.
    pub fn configured(&self) -> Configured<'_> {
        Configured {
            sources: &self.sources,
            routes: self.ingest.routes.as_ref(),
            renderer: &self.ingest.renderer,
            receivers: &self.ingest.receivers,
        }
    }

    /// The source, if there is one and the headers do not show a stranger.
    fn admit<'l>(&self, source: Option<&'l Source>, parts: &Parts) -> Result<&'l Source, ProblemAnswer> {
        let source = source.ok_or_else(|| ProblemAnswer::not_found("no source of this name is configured"))?;
        if parts.method != Method::POST {
            return Err(ProblemAnswer::wrong_method("POST"));
        }
        source.authenticate(&parts.headers).map_err(not_admitted)?;
        Ok(source)
    }

    /// Where the webhook goes, for a sender who is known, if its body can be read at all.
    fn way(&self, source: &Source, receiver: Option<&str>, parts: &Parts) -> Result<Way, ProblemAnswer> {
        let way = match receiver {
            None => {
                let no_route = "no route is configured; post straight to /hooks/{source}/{receiver}";
                self.ingest.routes.as_ref().map(|_| Way::Routed).ok_or(ProblemAnswer::not_found(no_route))?
            }
            Some(name) => {
                let no_receiver = ProblemAnswer::not_found("no receiver of this name is configured");
                Way::Direct(self.ingest.receivers.get_key_value(name).ok_or(no_receiver)?.0.clone())
            }
        };
        body::readable(&parts.headers, source.takes_forms())?;
        Ok(way)
    }
}
