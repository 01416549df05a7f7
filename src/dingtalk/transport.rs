//! One HTTP call to DingTalk: from a request body to an [`Exchange`], whatever happens on the way.
//!
//! Here stand the rules of the wire: no redirect is followed (it would carry the token to another host), the whole
//! call has one time limit, an answer has a size limit, and what could not be connected is told from what was cut
//! off, because only the latter may have arrived. What an answer means is decided in `verdict`.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use jiff::Timestamp;
use reqwest::{Response, redirect};
use serde::Serialize;
use url::{Host, Url};

use crate::config;
use crate::dingtalk::wire::{self, Api, Body, Exchange, Reply, Step};
use crate::model::name::Name;
use crate::telemetry::metrics::API_CALLS;

/// An answer of DingTalk's has a few hundred bytes; a page of readers, the longest, some ten thousand.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How long a connection waits for the next call. Kept below what servers usually allow: a call written to a
/// connection that is just being closed has an unknown outcome, and a new handshake costs less than a duplicate.
const IDLE: Duration = Duration::from_secs(15);

/// DingTalk as seen from one app: the base URL and the connections to it.
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
    app: Name,
    timeout: Duration,
}

impl Transport {
    /// Connects nothing yet.
    ///
    /// # Errors
    /// Only for `https`: when this machine has no CA certificates.
    pub(crate) fn new(app: &Name, config: &config::App) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("dingtalk-relay/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            // Not HTTP/2: calls of all lanes would share one connection, and its loss would leave the outcome of
            // each of them unknown.
            .http1_only()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(4)
            // Shorter than the whole, so that the failure to connect is seen as such: then nothing has arrived.
            .connect_timeout(config.timeout / 2);
        if is_loopback(&config.base_url) {
            builder = builder.no_proxy();
        }
        builder = match config.base_url.scheme() {
            "https" => with_ring(builder),
            _ => builder.tls_backend_preconfigured(trusting_nobody()),
        };
        let (base, app, timeout) = (config.base_url.clone(), app.clone(), config.timeout);
        Ok(Self { http: builder.build()?, base, app, timeout })
    }

    /// How long one attempt, or one call for a token, may take in all.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The host, for logs; without what else the base URL may hold.
    pub(crate) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Who is called.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Makes one call, which ends within that time, its answer included. It is made once: what follows from a failure is for others to decide.
    pub(crate) async fn post(
        &self,
        api: Api,
        token: Option<&HeaderValue>,
        body: &impl Serialize,
        within: Duration,
        now: Timestamp,
    ) -> Exchange {
        let body = serde_json::to_vec(body).expect("request bodies hold nothing but strings and numbers");
        let mut request = self
            .http
            .post(self.url(api))
            .timeout(within)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body);
        if let Some(token) = token {
            request = request.header("x-acs-dingtalk-access-token", token);
        }
        metrics::counter!(API_CALLS, "app" => self.app.to_string(), "api" => api.as_str()).increment(1);
        let exchange = match request.send().await {
            Ok(response) => read(response, now).await,
            Err(error) => failed(&error, None),
        };
        self.log(api, &exchange);
        exchange
    }

    fn url(&self, api: Api) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), api.path()));
        url
    }

    fn log(&self, api: Api, exchange: &Exchange) {
        let (app, api) = (&self.app, api.as_str());
        let Exchange::Answered(reply) = exchange else {
            tracing::debug!(%app, "call {api} ended without an answer: {exchange:?}");
            return;
        };
        let (code, id) = (reply.body.code().unwrap_or_default(), reply.body.request_id().unwrap_or("none"));
        tracing::debug!(%app, code, "call {api} was answered with HTTP {}, request id {id}", reply.http_status);
    }
}

/// reqwest takes the process's TLS provider and brings none of its own.
fn with_ring(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    // An error says that a provider is there already, which is all we want.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    builder
}

/// For plain http, which goes to this machine only: reqwest wants a TLS set-up all the same, and its own reads the
/// CA certificates of the system. This one needs none, so a demo runs in an empty image.
fn trusting_nobody() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

async fn read(mut response: Response, now: Timestamp) -> Exchange {
    let http_status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let retry_after = wire::retry_after(header(RETRY_AFTER), now);
    let content_type = header(CONTENT_TYPE).to_owned();
    let mut bytes = Vec::new();
    let whole = loop {
        match response.chunk().await {
            Ok(None) => break true,
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= LONGEST_ANSWER => bytes.extend_from_slice(&chunk),
            Ok(Some(chunk)) => {
                bytes.extend_from_slice(&chunk[..LONGEST_ANSWER - bytes.len()]);
                break false;
            }
            Err(error) => return failed(&error, Some(http_status)),
        }
    };
    Exchange::Answered(Reply { http_status, retry_after, body: Body::read(&content_type, &bytes, whole) })
}

fn failed(error: &reqwest::Error, http_status: Option<u16>) -> Exchange {
    if !error.is_connect() {
        return Exchange::CutOff { timed_out: error.is_timeout(), http_status };
    }
    let chain: Vec<_> = std::iter::successors(error.source(), |cause| (*cause).source()).collect();
    let step = match () {
        () if error.is_dns() => Step::Dns,
        () if chain.iter().any(|cause| is_tls(*cause)) => Step::Tls,
        () => Step::Connect,
    };
    let cause = chain.last().map(ToString::to_string).unwrap_or_default();
    Exchange::NotConnected { step, cause: cause.escape_debug().take(160).collect() }
}

/// rustls hands its errors on inside of one or two `io::Error`s, which hide them from `source`.
fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}
