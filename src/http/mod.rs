//! The two ports: webhooks come in at [`hooks`], the operator looks in at [`admin`]; refusals are [`problem`]s.
//!
//! [`serve`] stands between the socket and a router, and is where the process defends itself against connections:
//! how many there are and who goes when there are too many (`places`), how long one may take for its headers, how
//! long it may live. `axum::serve` knows none of these limits. Nothing here ever answers 408 or 429: Alertmanager
//! takes any 4xx as final (law 2). This file knows nothing of what is served.

pub mod admin;
pub mod health;
pub mod hooks;
mod places;
pub mod problem;

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::http::places::{Place, Places};
use crate::http::problem::ProblemAnswer;

/// The greatest head of a request, in bytes: the request line and its headers.
const GREATEST_HEAD: usize = 64 * 1024;

/// How many connections may stand before the door; the system may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// How long to wait for a file descriptor to become free, when the system has none left for one more connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_secs(1);

/// How often it is told that descriptors are short.
const SELDOM: Duration = Duration::from_secs(60);

/// What connections to one port may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many may be open at once, at about 10 kB for each idle one. When all places are taken, a newcomer gets
    /// that of a client that has sent no whole head, or else of one whose body has stood still longest; while every
    /// one is at work, it waits.
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

/// Listens at an address, with a backlog that a burst does not overflow: the standard library's 128 makes the system
/// drop the next connection, whose client tries again after a second.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As every server does: a restart need not wait for what is left of the last run's connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown` resolves: then no connection is accepted any more, idle ones are closed, and it returns
/// when the requests under way have been answered, or `limits.drain` has passed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>, limits: Limits) {
    let places = Places::new(limits.connections);
    let (stop, stopped) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    let mut door = Door { listener, places: Arc::clone(&places), told: None };
    loop {
        let (stream, place) = tokio::select! {
            next = door.next() => next,
            () = &mut shutdown => break,
        };
        tokio::spawn(converse(stream, place, router.clone(), stopped.clone(), limits.clone()));
    }
    drop(door);
    drop(stop);
    // Every connection ends within `limits.drain`.
    places.empty().await;
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    places: Arc<Places>,
    /// When it was last told that descriptors are short.
    told: Option<Instant>,
}

impl Door {
    /// The next connection and its place, whatever goes wrong before it.
    async fn next(&mut self) -> (TcpStream, Arc<Place>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, self.places.take().await),
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => self.wait_for_descriptors(&error).await,
            }
        }
    }

    /// A descriptor becomes free where somebody leaves, so the one that is first to go has to.
    async fn wait_for_descriptors(&mut self, error: &io::Error) {
        if self.told.is_none_or(|told| told.elapsed() >= SELDOM) {
            self.told = Some(Instant::now());
            tracing::warn!(%error, "a connection could not be accepted: those that say nothing are closed for it");
        }
        let somebody_leaves = self.places.changed();
        self.places.put_one_out();
        let _or_nobody_does = tokio::time::timeout(OUT_OF_DESCRIPTORS, somebody_leaves).await;
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One connection, from its first byte to its end.
async fn converse(
    stream: TcpStream,
    place: Arc<Place>,
    router: Router,
    mut stopped: watch::Receiver<()>,
    limits: Limits,
) {
    // An answer is written at once and whole, there is nothing to gather; without it, little is lost.
    let _best_effort = stream.set_nodelay(true);
    // The builder of HTTP/1 alone: the one that guesses the version first reads without a timeout.
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(GREATEST_HEAD)
        .max_buf_size(GREATEST_HEAD)
        .serve_connection(TokioIo::new(stream), in_turns(router, Arc::clone(&place)));
    let keeps_us_waiting = tokio::select! {
        // What has arrived is heard before anything else is.
        biased;
        ended = &mut connection => match ended {
            Err(error) if error.is_timeout() => true,
            _ended => return,
        },
        () = place.needed() => true,
        _ = stopped.changed() => false,
        () = tokio::time::sleep(limits.life) => false,
    };
    if keeps_us_waiting {
        let parts = connection.into_parts();
        if place.owes_an_answer() || !parts.read_buf.is_empty() {
            put_off(&parts.io.into_inner());
        }
    } else {
        Pin::new(&mut connection).graceful_shutdown();
        tokio::select! {
            _ended_or_too_late = tokio::time::timeout(limits.drain, connection) => {}
            () = place.needed() => {}
        }
    }
}

/// A client that began a request and did not finish it in time is told to come again, as far as the socket takes the
/// words at once: whoever does not listen is not waited for.
fn put_off(stream: &TcpStream) {
    let words = ProblemAnswer::unavailable("the request came too slowly").and_close().in_words();
    let _whoever_listens = stream.try_write(words.as_bytes());
}

/// The router as a connection asks it, telling the connection's place whose turn it is.
fn in_turns(
    router: Router,
    place: Arc<Place>,
) -> impl Service<Request<Incoming>, Response = axum::response::Response, Error = std::convert::Infallible, Future: Send>
{
    let router = TowerToHyperService::new(router);
    service_fn(move |request: Request<Incoming>| {
        place.asked();
        if request.body().is_end_stream() {
            place.works();
        }
        let answer = router.call(request.map(|body| Arriving { body, place: Arc::clone(&place) }));
        let place = Arc::clone(&place);
        async move {
            let answer = answer.await;
            place.answered();
            answer
        }
    })
}

/// A body on its way in. When all of it is here, or nobody wants the rest, it is our turn.
struct Arriving {
    body: Incoming,
    place: Arc<Place>,
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if self.body.is_end_stream() {
            self.place.works();
        } else if let Some(Ok(_)) = frame {
            self.place.progressed();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.place.works();
    }
}
