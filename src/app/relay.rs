//! A running relay: both ports, the lanes, the receipts, the janitor.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::alarm::Alarm;
use crate::app::check::Compiled;
use crate::app::counted;
use crate::app::lanes::Watch;
use crate::app::reload::{Origin, Reloader, live};
use crate::app::running::Running;
use crate::config::Config;
use crate::http::hooks::{Hooks, Live, Patience};
use crate::http::{self, Limits, admin, hooks};
use crate::janitor;
use crate::model::name::Name;
use crate::operator::Operator;
use crate::operator::notices::{self, Known, Notices};
use crate::operator::readiness::Readiness;
use crate::operator::reload::Reloading;
use crate::store::{Store, sqlite};
use crate::telemetry::metrics;

/// Histograms are folded this often, so that they stay small where nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where the relay listens. They are bound before anything else starts, so a port that is taken is told at once.
pub struct Listeners {
    /// For webhooks.
    pub hooks: TcpListener,
    /// For page, API, metrics and health.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds what the configuration names.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = |key: &str, address: SocketAddr| {
            http::listen(address).with_context(|| format!("cannot listen on {address} ({key})"))
        };
        Ok(Self { hooks: bind("http.listen", config.http.listen)?, admin: bind("admin.listen", config.admin.listen)? })
    }
}

/// A running relay. [`Relay::stop`] ends it well; dropping it ends it as a kill would.
pub struct Relay {
    hooks: SocketAddr,
    admin: SocketAddr,
    store: Arc<dyn Store>,
    readiness: Readiness,
    reloading: Reloading,
    /// Rings when a task has panicked without which the relay is none.
    alarm: Alarm,
    /// Ends the loops, and then the ports: until a call in flight is noted, whoever asks is still answered.
    stop_loops: watch::Sender<bool>,
    stop_ports: watch::Sender<bool>,
    ports: JoinSet<()>,
    loops: JoinSet<()>,
}

impl Relay {
    /// Opens the store, takes the apps, and starts the ports and the loops. `origin` is where the configuration is read
    /// again.
    pub async fn start(
        config: Config,
        compiled: Compiled,
        origin: Origin,
        listeners: Listeners,
    ) -> anyhow::Result<Self> {
        // Installs the recorder, so that what happens from here on is counted.
        metrics::handle();
        counted::begin(&config, &compiled);
        let config = Arc::new(config);
        let store = sqlite::open(&config.store.path, config.store.max_queued)?;
        let alarm = Alarm::default();
        let running = Running::start(&config, Arc::clone(&store), alarm.clone()).await?;
        let readiness = Readiness::new(Arc::clone(&store));
        let (reloading, asked) = Reloading::channel();
        let (hooks, admin) = (listeners.hooks.local_addr()?, listeners.admin.local_addr()?);
        let mut relay = Self {
            hooks,
            admin,
            store: Arc::clone(&store),
            readiness: readiness.clone(),
            reloading: reloading.clone(),
            alarm,
            stop_loops: watch::Sender::new(false),
            stop_ports: watch::Sender::new(false),
            ports: JoinSet::new(),
            loops: JoinSet::new(),
        };
        let retention = watch::Sender::new(config.store.retention);
        let cleaning = janitor::run(Arc::clone(&store), retention.subscribe(), relay.stop_loops.subscribe());
        relay.keep("the janitor", cleaning);
        relay.keep("the upkeep of metrics", upkeep(relay.stop_loops.subscribe()));
        let live = Arc::new(ArcSwap::from_pointee(live(&config, compiled, Arc::clone(&store))));
        let router = hooks::router(Hooks::new(Arc::clone(&live), readiness.clone(), Patience::default()));
        relay.serve(listeners.hooks, router);
        let watch = running.watch().clone();
        let operator = Arc::new(operator(
            Arc::clone(&store),
            config.store.max_queued,
            watch.clone(),
            readiness.clone(),
            reloading,
        ));
        relay.serve(listeners.admin, admin::router(Arc::clone(&operator), Arc::clone(&live), &config.admin, admin));
        let refused = watch::Sender::new(Vec::new());
        let notices = notices_of(operator, watch, Arc::clone(&live), refused.subscribe());
        relay.keep("notices", notices::run::run(notices, relay.stop_loops.subscribe()));
        let reloader = Reloader::new(origin, running, live, store, retention, readiness, refused);
        relay.keep("reloading", reloader.run(asked, relay.stop_loops.subscribe()));
        Ok(relay)
    }

    /// Runs a loop until the relay stops.
    fn keep(&mut self, part: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.loops.spawn(self.alarm.clone().over(part, task));
    }

    fn serve(&mut self, listener: TcpListener, router: axum::Router) {
        let mut stop = self.stop_ports.subscribe();
        let told = async move {
            let _told = stop.wait_for(|stop| *stop).await;
        };
        let serving = http::serve(listener, router, told, Limits::default());
        self.ports.spawn(self.alarm.clone().over("a port", serving));
    }

    /// Where webhooks are taken.
    pub fn hooks(&self) -> SocketAddr {
        self.hooks
    }

    /// Where the operator's page is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Has the configuration read again.
    pub fn reloading(&self) -> &Reloading {
        &self.reloading
    }

    /// Resolves with the reason when nothing can go on: the store is broken for good, or something has panicked that must
    /// run as long as the process. It must end at once.
    pub async fn broken(&self) -> String {
        tokio::select! {
            reason = self.store.broken() => format!("the store is broken: {reason}"),
            part = self.alarm.rung() => format!("{part} has panicked"),
        }
    }

    /// Stops accepting (webhooks are answered 503, `/-/ready` too), finishes what is in flight, and leaves the rest
    /// stored.
    pub async fn stop(mut self) {
        self.readiness.stop();
        self.stop_loops.send_replace(true);
        while self.loops.join_next().await.is_some() {}
        self.stop_ports.send_replace(true);
        while self.ports.join_next().await.is_some() {}
        self.store.close().await;
    }
}

fn operator(
    store: Arc<dyn Store>,
    max_queued: u64,
    view: Watch,
    readiness: Readiness,
    reloading: Reloading,
) -> Operator {
    let (apps, gates) = (view.clone(), view.clone());
    let lanes = Box::new(move || view.lanes(Timestamp::now()));
    let apps = Box::new(move || apps.apps(Timestamp::now()));
    let gates = Box::new(move |app: &Name| gates.gate(app));
    Operator::new(store, max_queued, lanes, apps, readiness).reaching(gates).with(reloading)
}

/// What the operator is told, of whatever configuration runs.
fn notices_of(
    operator: Arc<Operator>,
    watch: Watch,
    live: Arc<ArcSwap<Live>>,
    refused: watch::Receiver<Vec<String>>,
) -> Notices {
    let known = move || Known {
        config: Arc::clone(&watch.parts().config),
        templates: live.load().ingest.renderer.failing(),
        refused: refused.borrow().clone(),
    };
    Notices::new(operator, Box::new(known))
}

async fn upkeep(mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(UPKEEP) => metrics::handle().run_upkeep(),
        }
    }
}
