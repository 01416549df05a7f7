//! The real store, and trouble on order: what a full disk, a full queue or a slow writer looks like from outside.
//!
//! [`Troubled`] hands everything on to the store it wraps and keeps nothing itself, so what these tests see stored is
//! what a relay would have stored. Only the trouble is made up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dingtalk_relay::model::delivery::DeliveryRecord;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::model::name::{ChannelKey, DeliveryId, MessageId, Name};
use dingtalk_relay::model::record::{MessageRecord, Reader};
use dingtalk_relay::store::action::{Acted, Action, PauseRow, Place, Selection, Stretch};
use dingtalk_relay::store::handing::HandOver;
use dingtalk_relay::store::notices::{Book, Entry};
use dingtalk_relay::store::queue::{LaneRow, Unsaid, Waiting};
use dingtalk_relay::store::receipts::{Learned, Purse, Question, TakenBack};
use dingtalk_relay::store::{
    Accepted, AppRow, ChannelRow, Claim, Filter, Finish, NewEvent, Ownership, Page, Store, StoreError, Want,
};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

/// How the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    QueueFull,
    NoRoom,
    Unavailable,
    StaleEpoch,
    /// It never answers.
    Hangs,
    /// It does not take how an attempt ended; everything else works.
    NoFinish,
    /// A mistake of its own, once.
    Panics,
    /// The same, where an attempt ends.
    PanicsAtFinish,
    /// The same, when something is claimed and nobody was told what.
    PanicsAfterClaim,
    /// It does not take the state of an app; everything else works.
    NoSave,
}

/// A store that fails when it is told to.
pub struct Troubled {
    inner: Arc<dyn Store>,
    trouble: Mutex<Option<Trouble>>,
    asked: AtomicUsize,
    hanging: watch::Sender<usize>,
}

impl Troubled {
    /// The same store, without trouble yet.
    pub fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, trouble: Mutex::default(), asked: AtomicUsize::new(0), hanging: watch::Sender::new(0) })
    }

    /// How often lanes have asked what is due.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Waits until so many calls hang.
    pub async fn hanging(&self, calls: usize) {
        self.hanging.subscribe().wait_for(|hanging| *hanging >= calls).await.unwrap();
    }

    /// From now on everything fails in this way; `None`: it works again.
    pub fn fail(&self, how: impl Into<Option<Trouble>>) {
        *self.trouble.lock().unwrap() = how.into();
    }

    /// The store itself, whatever the trouble.
    pub fn inner(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    fn trouble(&self) -> Option<Trouble> {
        *self.trouble.lock().unwrap()
    }

    async fn works(&self) -> Result<&dyn Store, StoreError> {
        match self.trouble() {
            None | Some(Trouble::NoFinish | Trouble::NoSave | Trouble::PanicsAtFinish | Trouble::PanicsAfterClaim) => {
                Ok(self.inner.as_ref())
            }
            Some(Trouble::Panics) => {
                self.fail(None);
                panic!("on purpose")
            }
            Some(Trouble::QueueFull) => Err(StoreError::QueueFull),
            Some(Trouble::NoRoom) => Err(StoreError::NoRoom),
            Some(Trouble::Unavailable) => Err(StoreError::Unavailable("/srv/planted/relay.db is locked".into())),
            Some(Trouble::StaleEpoch) => Err(StoreError::StaleEpoch),
            Some(Trouble::Hangs) => {
                self.hanging.send_modify(|hanging| *hanging += 1);
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl Store for Troubled {
    async fn ready(&self) -> Result<(), StoreError> {
        self.works().await?.ready().await
    }

    async fn accept(&self, new: NewEvent, now: Timestamp) -> Result<Accepted, StoreError> {
        self.works().await?.accept(new, now).await
    }

    fn arrivals(&self, receiver: &Name) -> Arc<Notify> {
        self.inner.arrivals(receiver)
    }

    fn moves(&self) -> watch::Receiver<()> {
        self.inner.moves()
    }

    async fn own(
        &self,
        app: &Name,
        owner: &str,
        until: Duration,
        now: Timestamp,
    ) -> Result<Option<Ownership>, StoreError> {
        self.works().await?.own(app, owner, until, now).await
    }

    async fn receipts_due(&self, app: &Name) -> Result<Option<Question>, StoreError> {
        self.works().await?.receipts_due(app).await
    }

    async fn take_call(&self, ownership: &Ownership, purse: Purse, now: Timestamp) -> Result<bool, StoreError> {
        self.works().await?.take_call(ownership, purse, now).await
    }

    async fn save_recall(&self, ownership: &Ownership, taken_back: TakenBack) -> Result<(), StoreError> {
        self.works().await?.save_recall(ownership, taken_back).await
    }

    async fn save_receipts(&self, ownership: &Ownership, learned: Learned, now: Timestamp) -> Result<(), StoreError> {
        self.works().await?.save_receipts(ownership, learned, now).await
    }

    async fn waiting(&self, receiver: &Name, up_to: usize, now: Timestamp) -> Result<Option<Waiting>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.works().await?.waiting(receiver, up_to, now).await
    }

    async fn claim(&self, ownership: &Ownership, want: Want, now: Timestamp) -> Result<Claim, StoreError> {
        let claim = self.works().await?.claim(ownership, want, now).await;
        if self.trouble() == Some(Trouble::PanicsAfterClaim) {
            self.fail(None);
            panic!("on purpose");
        }
        claim
    }

    async fn finish(&self, ownership: &Ownership, finish: Finish, now: Timestamp) -> Result<(), StoreError> {
        if self.trouble() == Some(Trouble::PanicsAtFinish) {
            self.fail(None);
            panic!("on purpose");
        }
        if self.trouble() == Some(Trouble::NoFinish) {
            return Err(StoreError::Unavailable("the end of an attempt cannot be written".into()));
        }
        self.works().await?.finish(ownership, finish, now).await
    }

    async fn finish_unsaid(&self, ownership: &Ownership, unsaid: Unsaid, now: Timestamp) -> Result<(), StoreError> {
        self.works().await?.finish_unsaid(ownership, unsaid, now).await
    }

    async fn hand_over_queue(
        &self,
        ownership: &Ownership,
        wanted: HandOver,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.works().await?.hand_over_queue(ownership, wanted, now).await
    }

    async fn save_app(&self, ownership: &Ownership, row: AppRow, now: Timestamp) -> Result<(), StoreError> {
        if self.trouble() == Some(Trouble::NoSave) {
            return Err(StoreError::Unavailable("the state of an app cannot be written".into()));
        }
        self.works().await?.save_app(ownership, row, now).await
    }

    async fn apps(&self) -> Result<Vec<AppRow>, StoreError> {
        self.works().await?.apps().await
    }

    async fn channels(&self) -> Result<Vec<ChannelRow>, StoreError> {
        self.works().await?.channels().await
    }

    async fn attempts_since(&self, channel: &ChannelKey, since: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
        self.works().await?.attempts_since(channel, since).await
    }

    async fn calls(&self, organisation: &Name, month: Month) -> Result<u64, StoreError> {
        self.works().await?.calls(organisation, month).await
    }

    async fn critical_calls(&self, organisation: &Name, month: Month) -> Result<u64, StoreError> {
        self.works().await?.critical_calls(organisation, month).await
    }

    async fn last_call(&self, organisation: &Name, month: Month) -> Result<Option<Timestamp>, StoreError> {
        self.works().await?.last_call(organisation, month).await
    }

    async fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        self.works().await?.lanes().await
    }

    async fn deliveries(&self, filter: Filter) -> Result<Page, StoreError> {
        self.works().await?.deliveries(filter).await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        self.works().await?.delivery(id).await
    }

    async fn message(&self, id: &MessageId) -> Result<Option<MessageRecord>, StoreError> {
        self.works().await?.message(id).await
    }

    async fn readers(&self, id: &MessageId) -> Result<Vec<Reader>, StoreError> {
        self.works().await?.readers(id).await
    }

    async fn act(&self, id: &DeliveryId, action: Action, now: Timestamp) -> Result<Acted, StoreError> {
        self.works().await?.act(id, action, now).await
    }

    async fn act_on_some(
        &self,
        which: &Selection,
        from: Option<Place>,
        action: Action,
        now: Timestamp,
    ) -> Result<Stretch, StoreError> {
        self.works().await?.act_on_some(which, from, action, now).await
    }

    async fn count(&self, which: &Selection) -> Result<u64, StoreError> {
        self.works().await?.count(which).await
    }

    async fn pause(&self, receiver: &Name, until: Option<Timestamp>) -> Result<(), StoreError> {
        self.works().await?.pause(receiver, until).await
    }

    async fn paused_until(&self, receiver: &Name, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.works().await?.paused_until(receiver, now).await
    }

    async fn pauses(&self) -> Result<Vec<PauseRow>, StoreError> {
        self.works().await?.pauses().await
    }

    async fn book(&self) -> Result<Book, StoreError> {
        self.works().await?.book().await
    }

    async fn enter(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.works().await?.enter(entries).await
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.works().await?.forget(before, limit).await
    }

    async fn broken(&self) -> String {
        self.inner.broken().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
