//! The two ports: webhooks come in at [`hooks`], the operator looks in at [`admin`]; refusals are [`problem`]s.
//!
//! [`serve`] stands between the socket and a router, and is where the process defends itself against connections:
//! how many there are, how long one may take for its headers, how long it may live. `axum::serve` knows none of these
//! limits. Nothing here ever answers 408 or 429: Alertmanager takes any 4xx as final (law 2). This file knows nothing
//! of what is served.

pub mod admin;
pub mod health;
pub mod hooks;
pub mod problem;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// The greatest head of a request, in bytes: the request line and its headers.
const GREATEST_HEAD: usize = 64 * 1024;

/// How long to wait when the system has no file descriptor left for one more connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_secs(1);

/// What connections to one port may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many may be open at once. The next ones wait in the system's backlog, where they cost us nothing: at
    /// about 10 kB for each idle one, more of them would be memory that strangers spend.
    pub connections: usize,
    /// How long a client may take for the head of a request, and how long an idle connection is kept for the next.
    pub head: Duration,
    /// How long a connection may live. Afterwards it ends with the request it is at, so that a client that never
    /// reads its answers cannot keep its place for ever.
    pub life: Duration,
    /// How long a request that is under way may take to end, when its connection has been told to.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(10),
            life: Duration::from_secs(10 * 60),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves until `shutdown` resolves: then no connection is accepted any more, idle ones are closed, and it returns
/// when the requests under way have been answered, or `limits.drain` has passed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stop, stopped) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            // The place first: a connection that is accepted is served.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, stream) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        let (router, stopped, limits) = (router.clone(), stopped.clone(), limits.clone());
        tokio::spawn(async move {
            converse(stream, router, stopped, limits).await;
            drop(place);
        });
    }
    drop(listener);
    drop(stop);
    // Every place is free again when every connection has ended, which each does within `limits.drain`.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _never_closed = places.acquire_many(all).await;
}

/// The next connection, whatever goes wrong before it.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One connection, from its first byte to its end.
async fn converse(stream: TcpStream, router: Router, mut stopped: watch::Receiver<()>, limits: Limits) {
    // An answer is written at once and whole, there is nothing to gather; without it, little is lost.
    let _best_effort = stream.set_nodelay(true);
    // The builder of HTTP/1 alone: the one that guesses the version first reads without a timeout.
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(GREATEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // What has arrived is heard before anything else is.
        biased;
        _ended = connection.as_mut() => return,
        _ = stopped.changed() => {}
        () = tokio::time::sleep(limits.life) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _too_late = tokio::time::timeout(limits.drain, connection).await;
}
