//! A relay without loops and a DingTalk simulator, under one clock that jumps to whatever comes next.
//!
//! A lane is stepped when something was accepted for it or when the time has come that it waits for; so a month of
//! forty lanes takes minutes. Nothing is asked of the machine's clock.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context, anyhow};
use dingtalk_relay::app::check::{Compiled, check, compile};
use dingtalk_relay::app::lanes::Plan;
use dingtalk_relay::app::warnings::Surroundings;
use dingtalk_relay::config::{self, Config, SecretsRead};
use dingtalk_relay::dispatch::lane::{Lane, Step};
use dingtalk_relay::ingest::{Ingest, Way, Webhook};
use dingtalk_relay::model::budget::Budget;
use dingtalk_relay::model::delivery::Delivery;
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::simulator::{Options, Simulator};
use dingtalk_relay::sources::{Decoded, Sources};
use dingtalk_relay::store::{Filter, Store, sqlite};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

/// The instant every run begins at: the first of a month in Shanghai.
pub(crate) const BEGIN: &str = "2026-11-30T16:00:00Z";

/// One notification of Alertmanager's, as it will come.
pub(crate) struct Notification {
    /// When it comes.
    pub(crate) at: Timestamp,
    /// Which lane it is for.
    pub(crate) lane: usize,
    /// The webhook's body.
    pub(crate) body: Vec<u8>,
}

/// A clock that only the bench moves.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(begin().as_millisecond())))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }

    /// Moves it on, never back.
    pub(crate) fn move_to(&self, at: Timestamp) {
        self.0.fetch_max(at.as_millisecond(), Ordering::SeqCst);
    }
}

/// When every run begins.
pub(crate) fn begin() -> Timestamp {
    BEGIN.parse().unwrap_or_default()
}

/// A DingTalk with the real limits of a minute and a second, which lives by this clock.
pub(crate) async fn simulator(clock: &Clock, calls_per_month: u64) -> anyhow::Result<Simulator> {
    let clock = clock.clone();
    let limits = Limits { calls_per_month, ..Limits::default() };
    let options = Options { clock: Arc::new(move || clock.now()), limits, ..Options::default() };
    Simulator::start(options).await.context("cannot start the simulator")
}

/// A relay whose lanes are stepped.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
    clock: Clock,
    store: Arc<dyn Store>,
    sources: Sources,
    ingest: Ingest,
    lanes: Vec<Lane>,
    /// When each lane is to be stepped next.
    agenda: BTreeSet<(Timestamp, usize)>,
    _folder: TempDir,
}

impl World {
    /// A relay with so many lanes, each for a DingTalk group of its own; `defaults` is that section of its settings.
    pub(crate) async fn new(lanes: usize, calls_per_month: u64, defaults: &str) -> anyhow::Result<Self> {
        let clock = Clock::new();
        let simulator = simulator(&clock, calls_per_month).await?;
        let folder = folder()?;
        let config = settings(&simulator.base_url(), folder.path(), lanes, calls_per_month, defaults)?;
        let Compiled { routes, renderer, .. } = compile(&config).map_err(|problems| anyhow!("{problems:?}"))?;
        let sources = Sources::compile(&config.sources).map_err(|problems| anyhow!("{problems:?}"))?;
        let store: Arc<dyn Store> = sqlite::open(&folder.path().join("relay.db"), config.store.max_queued)?;
        let receivers = config.receivers.clone();
        let plan = Plan::new(None, &Arc::new(config))?;
        let opened = plan.open(&[], &store, "bench", clock.now()).await?;
        let mut lanes = opened.lanes;
        lanes.sort_by_key(|lane| lane.receiver().clone());
        let ingest = Ingest { routes, receivers, renderer, store: Arc::clone(&store) };
        Ok(Self { simulator, clock, store, sources, ingest, lanes, agenda: BTreeSet::new(), _folder: folder })
    }

    /// Accepts everything at its time, and works until nothing waits.
    pub(crate) async fn live_through(&mut self, notifications: &[Notification]) -> anyhow::Result<()> {
        let mut coming = notifications.iter().peekable();
        loop {
            let next_arrival = coming.peek().map(|next| next.at);
            let next_step = self.agenda.first().copied();
            match (next_arrival, next_step) {
                (None, None) => return Ok(()),
                (Some(at), step) if step.is_none_or(|(step, _)| at <= step) => {
                    self.clock.move_to(at);
                    if let Some(notification) = coming.next() {
                        self.accept(notification).await?;
                    }
                }
                (_, Some((at, lane))) => {
                    self.agenda.remove(&(at, lane));
                    self.clock.move_to(at);
                    self.work(lane).await?;
                }
                (Some(_), None) => {}
            }
        }
    }

    async fn accept(&mut self, notification: &Notification) -> anyhow::Result<()> {
        let (now, lane) = (self.clock.now(), notification.lane);
        let source = self.sources.named("alertmanager").context("no source")?;
        let decoded = source.decode(&http::HeaderMap::new(), &notification.body, now);
        let Ok(Decoded::Event(event)) = decoded else { return Err(anyhow!("not Alertmanager's")) };
        let webhook = Webhook {
            event,
            way: Way::Direct(self.lanes[lane].receiver().clone()),
            payload: bytes::Bytes::copy_from_slice(&notification.body),
            dedup_window: source.dedup_window(),
            gather: source.gather(),
        };
        self.ingest.accept(webhook, now).await?;
        self.is_next(lane, now);
        Ok(())
    }

    /// A lane is looked at then, and no later.
    fn is_next(&mut self, lane: usize, at: Timestamp) {
        self.agenda.retain(|(_, other)| *other != lane);
        self.agenda.insert((at, lane));
    }

    /// Steps a lane until it has to wait.
    async fn work(&mut self, place: usize) -> anyhow::Result<()> {
        loop {
            let now = self.clock.now();
            let lane = &mut self.lanes[place];
            let channel = Arc::clone(lane.channel());
            let turn = channel.turn().await;
            match lane.step(&turn, now).await? {
                Step::Idle => return Ok(()),
                Step::Wait(until) => {
                    // What is due within a millisecond is due at its end: the clock knows nothing finer.
                    let until = until + jiff::SignedDuration::from_millis(1);
                    self.is_next(place, until.max(now + jiff::SignedDuration::from_millis(1)));
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// What the month is made of, which all lanes share.
    pub(crate) fn budget(&self) -> Option<Budget> {
        self.lanes.first().and_then(|lane| lane.gate().budget())
    }

    /// Every delivery as it stands.
    pub(crate) async fn deliveries(&self) -> anyhow::Result<Vec<Delivery>> {
        let mut filter = Filter { limit: 500, ..Filter::default() };
        let mut all = Vec::new();
        loop {
            let page = self.store.deliveries(filter.clone()).await?;
            all.extend(page.deliveries);
            match page.next {
                Some(next) => filter.cursor = Some(next),
                None => return Ok(all),
            }
        }
    }
}

/// Where the database lies: in memory if this machine has a place for that, since no one waits for the disk here.
fn folder() -> anyhow::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    place.context("no folder for the database")
}

fn settings(
    base_url: &str,
    folder: &Path,
    lanes: usize,
    calls_per_month: u64,
    defaults: &str,
) -> anyhow::Result<Config> {
    let receivers_of =
        |n: usize| (format!("r{n:03}"), json!({"app": "ops", "open_conversation_id": format!("cid{n}")}));
    let defaults: serde_json::Value = serde_json::from_str(defaults)?;
    let settings = json!({
        "store": {"url": format!("sqlite:{}/relay.db", folder.display())},
        "organisations": {"main": {"calls_per_month": calls_per_month}},
        "apps": {"ops": {"organisation": "main", "base_url": base_url, "app_key": "ding-bench", "app_secret": "none"}},
        "receivers": (0..lanes).map(receivers_of).collect::<serde_json::Map<_, _>>(),
        "sources": {"alertmanager": {"kind": "alertmanager", "auth": {"none": true}}},
        "defaults": defaults,
    });
    let file = folder.join("config.json");
    std::fs::write(&file, settings.to_string())?;
    let draft = config::draft(&[file], std::iter::empty(), SecretsRead::Read);
    let checked = check(draft, Surroundings::Unknown);
    checked.outcome.map(|(config, _)| config).map_err(|problems| anyhow!("{problems:?}"))
}
