//! The TCP side: accepting, serving one connection, and resetting it when a fault wants that.
//!
//! Connections are served through hyper and not through `axum::serve`, because a reset must come *before* a byte of
//! the answer is written, and only whoever holds the connection can do that: the service fails with [`Cut`], hyper
//! hands the socket back, and the socket is closed with zero linger, which sends RST. The end of the accept loop is
//! the end of every connection, as when a host disappears.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::simulator::wire::Cut;

/// How long accepting pauses after it failed, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for ever. Dropping the future closes the port and every connection.
pub(crate) async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, router.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "the simulator cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // Finished connections are taken out as they end, or the set would grow for ever.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, router: Router) {
    // Without it, a small answer may wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| answer(router.call(request)));
    // No timer, so no limit on idling: a connection that the server closes while the client takes it from its pool
    // looks like a lost answer, which must only happen here when it was ordered.
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if ended.is_err_and(|error| error.source().is_some_and(|it| it.is::<Cut>())) {
        let _ = stream.set_zero_linger();
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is reset on request")
    }
}

impl Error for Cut {}

/// Boxed, because hyper wants to move it.
type Answering = Pin<Box<dyn Future<Output = Result<Response, Cut>> + Send>>;

/// Waits for a response and lets it through unless it carries the mark of a reset.
fn answer(response: impl Future<Output = Result<Response, Infallible>> + Send + 'static) -> Answering {
    Box::pin(async move {
        let Ok(response) = response.await;
        match response.extensions().get::<Cut>() {
            Some(cut) => Err(*cut),
            None => Ok(response),
        }
    })
}
