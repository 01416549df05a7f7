//! What a long queue costs: `cargo bench --bench queue [-- DELIVERIES]` (1,000,000 unless said otherwise).
//!
//! It fills two stores through their own `accept`, one with 1,000 deliveries, and measures on both in turn what a lane does
//! before and after each call: to see what waits, to claim one, to claim a digest, to finish them. Medians of several
//! rounds; what was claimed goes back each time, so every round meets the same queue. It ends with a failure if a claim,
//! by itself or with the look at the queue that comes before it, is slower by more than half with the long queue, or if
//! the process holds 64 MiB or more.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dingtalk_relay::model::content::{Content, ContentItem};
use dingtalk_relay::model::delivery::NewDelivery;
use dingtalk_relay::model::event::{Event, Severity, Status};
use dingtalk_relay::model::message::{Composed, MsgKey};
use dingtalk_relay::model::month::Month;
use dingtalk_relay::model::name::{ChannelKey, DeliveryId, EventId, Name};
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::queue::{Beginner, MOST_DELIVERIES, Take};
use dingtalk_relay::store::{Claim, Claimed, Finish, NewEvent, Next, Ownership, Store, Want, sqlite};
use jiff::Timestamp;
use tokio::task::JoinSet;

type Done = Result<(), Box<dyn Error>>;

/// The queue everything is compared with.
const SHORT: usize = 1_000;
/// How many deliveries one order key has waiting.
const OF_ONE_KEY: usize = 4;
/// How many events are accepted at a time: those that arrive together share a sync.
const AT_ONCE: usize = 200;
/// How often each thing is measured.
const ROUNDS: usize = 15;
/// And how often to finish a digest, which has to be replaced each time.
const FEW_ROUNDS: usize = 5;
/// What the process may hold, in kB.
const MEMORY: u64 = 64 * 1024;

/// What the steps of a lane took.
struct Figures {
    see: Duration,
    claim_one: Duration,
    finish_one: Duration,
    claim_digest: Duration,
    finish_digest: Duration,
    put_back_digest: Duration,
}

fn main() -> Done {
    let long: usize = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(measure(long))
}

async fn measure(long: usize) -> Done {
    let folder = tempfile::tempdir()?;
    let mut short = Queue::open(&folder.path().join("short.db")).await?;
    let mut of_long = Queue::open(&folder.path().join("long.db")).await?;
    fill(&short.store, SHORT).await?;
    let begun = Instant::now();
    fill(&of_long.store, long).await?;
    let (took, filled) = (begun.elapsed(), resident()?);
    // In turn, so that whatever else the machine does is felt by both.
    for _ in 0..ROUNDS {
        short.round().await?;
        of_long.round().await?;
    }
    for _ in 0..FEW_ROUNDS {
        short.deliver().await?;
        of_long.deliver().await?;
    }
    let resident = filled.max(resident()?);
    let (of_short, of_long) = (short.close().await, of_long.close().await);

    println!("{:>28} {SHORT:>12} {long:>12}", "waiting deliveries");
    let row = |what: &str, short: Duration, long: Duration| {
        let ratio = long.as_secs_f64() / short.as_secs_f64();
        println!("{what:>28} {:>9.2} ms {:>9.2} ms  ratio {ratio:.2}", millis(short), millis(long));
        ratio
    };
    row("to see what waits", of_short.see, of_long.see);
    let one = row("to claim one", of_short.claim_one, of_long.claim_one);
    row("to finish one", of_short.finish_one, of_long.finish_one);
    let both = row("to see and to claim one", of_short.see + of_short.claim_one, of_long.see + of_long.claim_one);
    let digest = row(&format!("to claim {MOST_DELIVERIES} together"), of_short.claim_digest, of_long.claim_digest);
    row("to finish them", of_short.finish_digest, of_long.finish_digest);
    row("to put them back", of_short.put_back_digest, of_long.put_back_digest);
    println!("accepted in {:.1} s; resident memory {:.1} MiB", took.as_secs_f64(), resident as f64 / 1024.0);
    if one.max(both).max(digest) > 1.5 || resident >= MEMORY {
        return Err("more than 1.5 times as slow, or 64 MiB of memory or more".into());
    }
    Ok(())
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

/// Accepts so many deliveries more.
async fn fill(store: &Arc<dyn Store>, count: usize) -> Done {
    let mut arriving = JoinSet::new();
    for first in (0..count).step_by(OF_ONE_KEY) {
        if arriving.len() >= AT_ONCE {
            arriving.join_next().await.ok_or("nothing arrives")???;
        }
        let (store, event) = (Arc::clone(store), event(OF_ONE_KEY.min(count - first))?);
        arriving.spawn(async move { store.accept(event, now()).await.map(drop) });
    }
    while let Some(accepted) = arriving.join_next().await {
        accepted??;
    }
    Ok(())
}

/// A webhook with an order key of its own. In service one brings at most one delivery to each receiver; for the store's
/// work it is the same as if its group had been repeated.
fn event(deliveries: usize) -> Result<NewEvent, Box<dyn Error>> {
    let id = EventId::fresh();
    let event = Event {
        source: name("alertmanager")?,
        kind: "alertmanager",
        title: "Disk full on db-1".into(),
        title_in_chinese: None,
        url: Some("https://alertmanager.example.com/".into()),
        received_at: now(),
        order_key: id.0.clone(),
        dedup_key: id.0.clone(),
        dedup_state: String::new(),
        facts: Default::default(),
        group: Default::default(),
        items: Vec::new(),
        truncated: 0,
        id,
    };
    let deliveries = (0..deliveries).map(delivery).collect::<Result<_, _>>()?;
    let (path, payload, dedup_window) = (String::new(), "{}".into(), Duration::from_secs(360));
    Ok(NewEvent { event, path, payload, dedup_window, deliveries })
}

fn delivery(number: usize) -> Result<NewDelivery, Box<dyn Error>> {
    let item = ContentItem {
        fingerprint: format!("{number:016x}"),
        name: "DiskFull".into(),
        status: Status::Firing,
        severity: Severity::Warning,
        since: now(),
        until: None,
        url: Some("https://prometheus.example.com/graph".into()),
        short: "**DiskFull** db-1 /var 97 % since 12:00".into(),
        body: "**DiskFull**\n\ninstance: db-1\n\nThe volume /var is 97 % full.".into(),
        labels: vec![("instance".into(), "db-1".into())],
    };
    let content = Content {
        v: Content::VERSION,
        title: "[FIRING:1] DiskFull db-1".into(),
        header: "### [FIRING:1] DiskFull".into(),
        items: vec![item],
        footer: String::new(),
        buttons: Vec::new(),
        truncated: 0,
        note: String::new(),
    };
    let (id, receiver) = (DeliveryId::fresh(), name("oncall")?);
    Ok(NewDelivery { id, receiver, severity: Severity::Warning, content, gather: Duration::ZERO, express: false })
}

/// A store with its queue, and what was measured on it.
struct Queue {
    store: Arc<dyn Store>,
    ownership: Ownership,
    rounds: [Vec<Duration>; 6],
}

impl Queue {
    async fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let store = sqlite::open(path, u64::MAX)?;
        let ownership = store.own(&name("ops")?, "bench", Duration::from_secs(600), now()).await?.ok_or("not ours")?;
        Ok(Self { store, ownership, rounds: Default::default() })
    }

    async fn round(&mut self) -> Done {
        let (store, rounds, receiver) = (&self.store, &mut self.rounds, name("oncall")?);
        rounds[0].push(timed(async || store.waiting(&receiver, 20, now()).await.map(drop)).await?);
        let (claim, one) = claimed(store, &self.ownership, Take::One).await?;
        rounds[1].push(claim);
        rounds[2].push(finished(store, &self.ownership, &one, &Next::Delivered).await?);
        fill(store, one.deliveries.len()).await?;
        let (claim, digest) = claimed(store, &self.ownership, Take::Digest).await?;
        rounds[3].push(claim);
        let again = Next::Queued { at: now(), counted: false, possibly_duplicate: false };
        rounds[5].push(finished(store, &self.ownership, &digest, &again).await?);
        Ok(())
    }

    /// Delivered at last, and replaced by as many, so that the queue is as long as before.
    async fn deliver(&mut self) -> Done {
        let (_, digest) = claimed(&self.store, &self.ownership, Take::Digest).await?;
        self.rounds[4].push(finished(&self.store, &self.ownership, &digest, &Next::Delivered).await?);
        fill(&self.store, digest.deliveries.len()).await
    }

    async fn close(self) -> Figures {
        self.store.close().await;
        let [see, claim_one, finish_one, claim_digest, finish_digest, put_back_digest] = self.rounds.map(median);
        Figures { see, claim_one, finish_one, claim_digest, finish_digest, put_back_digest }
    }
}

fn median(mut rounds: Vec<Duration>) -> Duration {
    rounds.sort();
    rounds[rounds.len() / 2]
}

async fn timed<E>(work: impl AsyncFnOnce() -> Result<(), E>) -> Result<Duration, E> {
    let begun = Instant::now();
    work().await?;
    Ok(begun.elapsed())
}

async fn claimed(
    store: &Arc<dyn Store>,
    ownership: &Ownership,
    take: Take,
) -> Result<(Duration, Claimed), Box<dyn Error>> {
    let want = Want {
        receiver: name("oncall")?,
        channel: ChannelKey::app_robot(&name("ops")?, "robot", "group"),
        organisation: name("main")?,
        month: Month::of(now()),
        calls: None,
        hold: false,
        probe: false,
        take,
        known: true,
        begins: Beginner::Worst,
        overdue_before: None,
        stale_before: Timestamp::MIN,
    };
    let begun = Instant::now();
    match store.claim(ownership, want, now()).await? {
        Claim::Taken(claimed) => Ok((begun.elapsed(), claimed)),
        other => Err(format!("nothing was claimed: {other:?}").into()),
    }
}

async fn finished(
    store: &Arc<dyn Store>,
    ownership: &Ownership,
    claimed: &Claimed,
    next: &Next,
) -> Result<Duration, Box<dyn Error>> {
    let end = Finish {
        message: claimed.message.clone(),
        attempt: claimed.attempt.clone(),
        composed: Some(Composed { msg_key: MsgKey::Markdown, msg_param: "x".repeat(8_000) }),
        outcome: Outcome::Sent,
        code: None,
        http_status: Some(200),
        took: Duration::from_millis(120),
        may_have_arrived: false,
        hint: None,
        process_query_key: Some("key".into()),
        ask_receipts_at: None,
        uncounted: false,
        next: claimed.deliveries.iter().map(|delivery| (delivery.id.clone(), next.clone())).collect(),
        app: None,
        channel: None,
    };
    Ok(timed(async || store.finish(ownership, end, now()).await).await?)
}

/// What the process holds, in kB.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn now() -> Timestamp {
    Timestamp::now()
}

fn name(text: &str) -> Result<Name, Box<dyn Error>> {
    Ok(text.parse()?)
}
