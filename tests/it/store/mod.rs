//! What every store must do, asked from outside through the trait.
//!
//! Each law is a function that takes a fresh store; `on_every_store!` runs it on each kind there is. What is true of
//! one kind only has a file of its own ([`sqlite`]). Times are passed: nothing here sleeps or reads a clock.

#![allow(clippy::unwrap_used)] // Clippy knows functions marked as tests only, and laws are plain functions.

/// Runs laws on every kind of store.
macro_rules! on_every_store {
    ($($law:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $law() {
                    super::$law(crate::store::Fresh::sqlite()).await;
                }
            )*
        }
    };
}

mod accepting;
mod acting;
mod claiming;
mod company;
mod digests;
mod express;
mod finishing;
mod forgetting;
mod handing;
mod invariants;
mod knowing;
mod late;
mod many;
mod moving;
mod owning;
mod pausing;
mod recalling;
mod receipts;
mod refusing;
mod seeing;
mod sqlite;
mod telling;
mod urgency;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::model::budget::Calls;
use dingtalk_relay::model::content::{Content, ContentItem};
use dingtalk_relay::model::delivery::{Delivery, NewDelivery};
use dingtalk_relay::model::event::{Event, Severity, Status};
use dingtalk_relay::model::message::{Composed, MsgKey};
use dingtalk_relay::model::month::Month;
use dingtalk_relay::model::name::{ChannelKey, DeliveryId, EventId, Name};
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::queue::{Beginner, Take, Waiting};
use dingtalk_relay::store::{
    Accepted, Claim, Claimed, Finish, NewEvent, Next, Ownership, Store, StoreError, Want, sqlite as sqlite_store,
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::Notify;

/// How many deliveries may be open in a store of these tests: more than one digest takes.
const ROOM: u64 = 1_100;

/// A store nobody has used yet. It is gone when this value is.
pub(crate) struct Fresh {
    store: Arc<dyn Store>,
    folder: TempDir,
}

impl Deref for Fresh {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl Fresh {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = sqlite_store::open(&folder.path().join("relay.db"), ROOM).unwrap();
        Self { store, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("relay.db")
    }

    /// The store as a new process finds it whose predecessor was killed: the files as they are now, while the store
    /// is open and its log was not put into the database. Another process copies them, because SQLite would lose its
    /// locks if this one did.
    fn killed(self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in ["relay.db", "relay.db-wal", "relay.db-shm"] {
            let copy = Command::new("cp").arg(self.folder.path().join(file)).arg(folder.path()).status();
            assert!(copy.unwrap().success(), "{file}");
        }
        let store = sqlite_store::open(&folder.path().join("relay.db"), ROOM).unwrap();
        Self { store, folder }
    }

    /// Accepts one delivery for the lane `oncall` and returns its id.
    async fn wait(&self, order_key: &str, severity: Severity, now: Timestamp) -> DeliveryId {
        let accepted = self.accept(event(order_key).to("oncall", severity).0, now).await.unwrap();
        accepted.deliveries[0].0.clone()
    }

    async fn owned_by(&self, owner: &str) -> Ownership {
        self.own(&name("ops"), owner, Duration::from_secs(30), at(0)).await.unwrap().unwrap()
    }

    async fn take(&self, ownership: &Ownership, want: Want, now: Timestamp) -> Option<Claimed> {
        match self.claim(ownership, want, now).await.unwrap() {
            Claim::Taken(claimed) => Some(claimed),
            Claim::Nothing => None,
            Claim::MonthUsedUp => panic!("the month is used up"),
        }
    }

    /// The delivery that goes next in `oncall`, claimed.
    async fn next(&self, ownership: &Ownership, now: Timestamp) -> Option<Claimed> {
        self.take(ownership, want(), now).await
    }

    /// Claims and sends all that may go now; the ids in order.
    async fn drain(&self, ownership: &Ownership, now: Timestamp) -> Vec<DeliveryId> {
        let mut gone = Vec::new();
        while let Some(claimed) = self.next(ownership, now).await {
            self.finish(ownership, sent(&claimed), now).await.unwrap();
            gone.push(claimed.deliveries[0].id.clone());
        }
        gone
    }

    /// Accepts one that waits so many seconds for company.
    async fn gather(&self, order_key: &str, seconds: u64, now: Timestamp) -> DeliveryId {
        let post = event(order_key).to("oncall", Severity::Info).gathering(seconds);
        self.accept(post.0, now).await.unwrap().deliveries[0].0.clone()
    }

    /// What goes together next in `oncall`.
    async fn digest(&self, ownership: &Ownership, now: Timestamp) -> Option<Claimed> {
        self.take(ownership, Want { take: Take::Digest, ..want() }, now).await
    }

    /// What waits in `oncall`, counted up to nine.
    async fn queue(&self, now: Timestamp) -> Option<Waiting> {
        self.waiting(&name("oncall"), 9, now).await.unwrap()
    }

    /// When anything of `oncall` may go.
    async fn due(&self, now: Timestamp) -> Option<Timestamp> {
        self.waiting(&name("oncall"), 1, now).await.unwrap().map(|waiting| waiting.due_at)
    }

    async fn shown(&self, id: &DeliveryId) -> Delivery {
        self.delivery(id).await.unwrap().unwrap().delivery
    }

    async fn calls_in(&self, month: &str) -> u64 {
        self.calls(&name("main"), month_of(month)).await.unwrap()
    }
}

/// So many seconds into the story.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn month_of(day: &str) -> Month {
    Month::of(format!("{day}-15T00:00:00Z").parse().unwrap())
}

fn channel() -> ChannelKey {
    ChannelKey::app_robot(&name("ops"), "robot", "group")
}

/// A claim of the lane `oncall`.
fn want() -> Want {
    want_of("oncall")
}

fn want_of(receiver: &str) -> Want {
    Want {
        receiver: name(receiver),
        channel: channel(),
        organisation: name("main"),
        month: month_of("2026-11"),
        calls: None,
        hold: false,
        probe: false,
        take: Take::One,
        known: true,
        begins: Beginner::Worst,
        overdue_before: None,
        stale_before: Timestamp::MIN,
    }
}

/// A month that takes so many calls, whatever they are for.
fn up_to(calls: u64) -> Option<Calls> {
    Some(Calls { critical: calls, others: calls })
}

/// An event about to be accepted.
#[derive(Clone)]
struct Post(NewEvent);

/// An event unlike any other, with that order key and no deliveries yet.
fn event(order_key: &str) -> Post {
    let id = EventId::fresh();
    let event = Event {
        dedup_key: id.0.clone(),
        dedup_state: String::new(),
        id,
        source: name("alertmanager"),
        kind: "alertmanager",
        title: "Disk full on db-1".into(),
        title_in_chinese: None,
        url: Some("https://am.example.com/".into()),
        received_at: at(0),
        order_key: order_key.into(),
        facts: BTreeMap::new(),
        group: BTreeMap::new(),
        items: Vec::new(),
        truncated: 0,
    };
    let (path, payload, dedup_window) = (String::new(), "{}".into(), Duration::from_secs(360));
    Post(NewEvent { event, path, payload, dedup_window, deliveries: Vec::new() })
}

impl Post {
    fn to(mut self, receiver: &str, severity: Severity) -> Self {
        let content = Content {
            v: Content::VERSION,
            title: format!("to {receiver}"),
            header: "**Disk full**".into(),
            items: Vec::new(),
            footer: String::new(),
            buttons: Vec::new(),
            truncated: 0,
            note: String::new(),
        };
        let (id, receiver) = (DeliveryId::fresh(), name(receiver));
        self.0.deliveries.push(NewDelivery { id, receiver, severity, content, gather: Duration::ZERO, express: false });
        self
    }

    /// Its deliveries wait so many seconds for company.
    fn gathering(mut self, seconds: u64) -> Self {
        self.0.deliveries.iter_mut().for_each(|d| d.gather = Duration::from_secs(seconds));
        self
    }

    /// Its deliveries are express.
    fn express(mut self) -> Self {
        self.0.deliveries.iter_mut().for_each(|d| d.express = true);
        self
    }

    /// Its deliveries tell of these items.
    fn telling(mut self, items: &[(&str, Status)]) -> Self {
        let items: Vec<_> = items.iter().map(|(fingerprint, status)| item(fingerprint, *status)).collect();
        self.0.deliveries.iter_mut().for_each(|d| d.content.items.clone_from(&items));
        self
    }

    fn twin_key(mut self, key: &str) -> Self {
        self.0.event.dedup_key = key.into();
        self
    }

    fn received(mut self, at: Timestamp) -> Self {
        self.0.event.received_at = at;
        self
    }

    fn through(mut self, source: &str, path: &str) -> Self {
        self.0.event.source = name(source);
        self.0.path = path.into();
        self
    }
}

fn item(fingerprint: &str, status: Status) -> ContentItem {
    ContentItem {
        fingerprint: fingerprint.into(),
        name: "DiskFull".into(),
        status,
        severity: Severity::Warning,
        since: at(0),
        until: None,
        url: None,
        short: "s".into(),
        body: "b".into(),
        labels: Vec::new(),
    }
}

/// The ids of what was claimed, in order.
fn ids(claimed: &Claimed) -> Vec<DeliveryId> {
    claimed.deliveries.iter().map(|d| d.id.clone()).collect()
}

/// DingTalk admitted the message.
fn sent(claimed: &Claimed) -> Finish {
    let finish = ended(claimed, Outcome::Sent, Next::Delivered);
    Finish { code: None, http_status: Some(200), process_query_key: Some("pqk".into()), ..finish }
}

/// The attempt failed in a way that sends the delivery back into the queue.
fn put_back(claimed: &Claimed, until: Timestamp, counted: bool) -> Finish {
    ended(claimed, Outcome::Unavailable, Next::Queued { at: until, counted, possibly_duplicate: false })
}

fn given_up(claimed: &Claimed) -> Finish {
    ended(claimed, Outcome::Refused, Next::Dead { reason: "refused".into(), possibly_duplicate: false, heir: None })
}

fn ended(claimed: &Claimed, outcome: Outcome, next: Next) -> Finish {
    Finish {
        message: claimed.message.clone(),
        attempt: claimed.attempt.clone(),
        composed: Some(Composed { msg_key: MsgKey::Markdown, msg_param: r#"{"title":"满"}"#.into() }),
        outcome,
        code: Some("code".into()),
        http_status: Some(400),
        took: Duration::from_millis(120),
        may_have_arrived: false,
        hint: None,
        process_query_key: None,
        ask_receipts_at: None,
        uncounted: false,
        next: claimed.deliveries.iter().map(|d| (d.id.clone(), next.clone())).collect(),
        app: None,
        channel: None,
    }
}

/// Whether a bell is rung; a store that does not ring it fails the test instead of stopping it.
async fn rings(bell: &Notify) -> bool {
    tokio::time::timeout(Duration::from_secs(10), bell.notified()).await.is_ok()
}

fn is_stale<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::StaleEpoch))
}

fn first(accepted: &Accepted) -> &DeliveryId {
    &accepted.deliveries[0].0
}
