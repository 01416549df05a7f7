//! A DingTalk on this machine, for demos, tests and benches.
//!
//! It speaks DingTalk's paths (token, send to a group, query, recall) as the documentation describes them, keeps what
//! it admits, holds its callers to limits, and misbehaves on request. Under `/sim` it is watched and steered (see
//! `control`). Everything is kept until `DELETE /sim`: memory grows with what it is sent.
//!
//! A call's way: `connection` (TCP, hyper) → `paths` (one handler per API, reads the clock) → `world` (faults, token,
//! limits, one decision under one lock) → `requests` and `templates` (field by field) → `moderation` → `messages` → `wire`
//! (the answer).
//!
//! It imports no other room and shares no code with `dingtalk`: a mistake in reading the documentation must not agree
//! with itself. What real DingTalk does that no document says (the order of checks, the limit of a group) is a guess
//! here too, and settable where a setting can help.

pub mod calls;
pub mod clock;
pub mod faults;
pub mod limits;
pub mod messages;
pub mod moderation;
pub mod strict;

mod connection;
mod control;
mod paths;
mod refusal;
mod requests;
mod templates;
mod tokens;
mod wire;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::simulator::calls::{Call, Tally};
use crate::simulator::clock::Clock;
use crate::simulator::faults::{Answer, Api, Fault};
use crate::simulator::limits::Limits;
use crate::simulator::messages::{Admitted, Moments};
use crate::simulator::moderation::Rule;
use crate::simulator::strict::Strict;
use crate::simulator::world::World;

/// How a simulator begins.
pub struct Options {
    /// The apps, robots and groups that exist. Without it any will do.
    pub strict: Option<Strict>,
    /// What callers may do.
    pub limits: Limits,
    /// When a query's answer changes.
    pub moments: Moments,
    /// What tells the time.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self { strict: None, limits: Limits::default(), moments: Moments::default(), clock: clock::real() }
    }
}

/// Serves a simulator on `listener` until `shutdown` ends; connections that are open then are closed at once.
///
/// # Errors
/// When the listener has no address, so that it cannot be listening.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    tracing::debug!(%address, "the simulator listens");
    tokio::select! {
        () = connection::accept(listener, router(Arc::new(World::new(options)))) => {}
        () = shutdown => {}
    }
    Ok(())
}

fn router(world: Arc<World>) -> Router {
    control::routes().merge(paths::routes()).with_state(world)
}

/// A simulator in this process, on a free port of 127.0.0.1. Dropping it closes the port and every connection.
pub struct Simulator {
    world: Arc<World>,
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Simulator {
    /// Starts one; it answers as soon as this returns.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Self::start_on(listener, options)
    }

    /// Starts one on a listener of the caller's choice: a host that comes back at the address it had.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start_on(listener: TcpListener, options: Options) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let world = Arc::new(World::new(options));
        let accepting = tokio::spawn(connection::accept(listener, router(world.clone()))).abort_handle();
        Ok(Self { world, address, accepting })
    }

    /// What an app's `base_url` is set to: `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every message that was admitted, in order.
    pub fn messages(&self) -> Vec<Admitted> {
        let now = self.world.now();
        let state = self.world.state();
        state.messages.show(&state.moments, now)
    }

    /// Waits until at least `count` messages have been admitted, and gives them.
    pub async fn arrived(&self, count: usize) -> Vec<Admitted> {
        self.wait(|tally| tally.messages >= count).await;
        self.messages()
    }

    /// Every call that was made, in order, those that were refused or drew a fault included.
    pub fn calls(&self) -> Vec<Call> {
        self.world.state().calls.clone()
    }

    /// How many calls of an API were made, those that were refused or drew a fault included.
    pub fn count(&self, api: Api) -> usize {
        self.world.watch().borrow().calls(api)
    }

    /// Waits until at least `count` calls of an API were made, refused ones and faults included.
    pub async fn called(&self, api: Api, count: usize) {
        self.wait(|tally| tally.calls(api) >= count).await;
    }

    async fn wait(&self, enough: impl Fn(&Tally) -> bool) {
        let waited = self.world.watch().wait_for(enough).await.map(drop);
        // The sender lives in `self.world`, which outlives this call: the wait cannot be called off.
        debug_assert!(waited.is_ok());
    }

    /// Lets the next `times` calls of `api` draw `answer`, after the faults ordered before.
    pub fn fault(&self, api: Api, times: u32, answer: Answer) {
        self.world.state().faults.order(Fault { api, times, answer });
    }

    /// Adds a rule that every message is looked at by, behind those that are there.
    pub fn moderate(&self, rule: Rule) {
        self.world.state().moderation.add(rule);
    }

    /// Sets the limits; what has been used of the earlier ones counts against these.
    pub fn limits(&self, limits: Limits) {
        self.world.state().limits = limits;
    }

    /// Makes every access token invalid.
    pub fn revoke_tokens(&self) {
        self.world.state().tokens.revoke();
    }

    /// Lets somebody read a message; false if there is no such message.
    pub fn read(&self, process_query_key: &str, user_id: &str) -> bool {
        self.world.state().messages.read(process_query_key, user_id)
    }

    /// Forgets everything that happened and was ordered, as `DELETE /sim` does.
    pub fn forget(&self) {
        self.world.forget();
    }
}
