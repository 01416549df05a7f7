//! What is kept: events, deliveries, messages, attempts, and the state of apps and channels.
//!
//! [`Store`] is the only trait of ours, because it has two real implementations: SQLite in [`sqlite`], and
//! PostgreSQL to come. Law 1 lives here: [`Store::accept`] returns only when the commit has been synced. Law 4 too: a
//! claim and a finish carry an [`Ownership`], and fail when its epoch is gone. The store gives `seq` and keeps the
//! ownership clock; every other time is an argument. It knows nothing of HTTP, of DingTalk or of the configuration.

pub mod action;
pub mod handing;
pub mod notices;
pub mod queue;
pub mod receipts;
pub mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::model::budget::Calls;
use crate::model::content::{Content, Seen};
use crate::model::delivery::{Delivery, DeliveryRecord, NewDelivery, State};
use crate::model::event::Event;
use crate::model::form::Form;
use crate::model::health::Health;
use crate::model::message::Composed;
use crate::model::month::Month;
use crate::model::name::{AttemptId, ChannelKey, DeliveryId, EventId, MessageId, Name};
use crate::model::outcome::Outcome;
use crate::model::record::{MessageRecord, Reader};
use crate::store::action::{Acted, Action, PauseRow, Place, Selection, Stretch};
use crate::store::handing::{HandOver, Heir};
use crate::store::notices::{Book, Entry};
use crate::store::queue::{Beginner, LaneRow, Take, Unsaid, Waiting};
use crate::store::receipts::{Learned, Purse, Question, TakenBack};

/// Why the store did not do what it was asked to, named by what the caller must do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// More deliveries wait than `store.max_queued`: ask the sender to come again.
    #[error("the queue is full")]
    QueueFull,
    /// There is no room on the disk: ask the sender to come again, and do not be ready until there is.
    #[error("there is no room left on the disk")]
    NoRoom,
    /// The store is busy, closing, or broken: ask the sender to come again.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The ownership's epoch is gone: drop the work, another one does it.
    #[error("another process has taken over this app")]
    StaleEpoch,
}

impl StoreError {
    /// What whoever asked may know of it: its own words may hold a path.
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::QueueFull => "the queue is full (store.max_queued)",
            Self::NoRoom => "there is no room left on the disk",
            Self::Unavailable(_) | Self::StaleEpoch => "the store cannot be asked now",
        }
    }
}

/// What `accept` is to keep, in one transaction.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The event. Its items live in the deliveries' contents and in the payload.
    pub event: Event,
    /// The path behind `/hooks/{source}`: empty, or the receiver of a direct path. Twins share it.
    pub path: String,
    /// The body as received.
    pub payload: bytes::Bytes,
    /// How long a twin of this event is a duplicate, from the first one on.
    pub dedup_window: Duration,
    /// One for each receiver; may be empty.
    pub deliveries: Vec<NewDelivery>,
}

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The event that is stored: of a duplicate, the first one.
    pub event: EventId,
    /// Whether a twin was accepted before.
    pub duplicate: bool,
    /// Its deliveries, as they stand.
    pub deliveries: Vec<(DeliveryId, String, State)>,
}

/// The right to send for an app. A later ownership of the same app ends an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The app it is for.
    pub app: Name,
    /// Grows with every new owner.
    pub epoch: i64,
}

/// What a lane asks for when it has a permit.
#[derive(Debug, Clone)]
pub struct Want {
    /// The lane.
    pub receiver: Name,
    /// The channel the message will go through.
    pub channel: ChannelKey,
    /// Whose month pays for the call.
    pub organisation: Name,
    /// The month that pays.
    pub month: Month,
    /// How far that month's count may go; `None`: no quota. A message that is as urgent as critical may go further, and
    /// with it goes whatever it takes along.
    pub calls: Option<Calls>,
    /// Whether deliveries whose outcome is unknown are held for a human instead of being sent again.
    pub hold: bool,
    /// Whether the call is to find out if the app or channel works again: takes the head of the order key that was
    /// tried least recently; of those that never were, the worst and newest.
    pub probe: bool,
    /// How much to take.
    pub take: Take,
    /// Whether it is to say what the receiver was told last: not where everything is told again.
    pub known: bool,
    /// Whose turn it is to begin, if something has waited long enough; if nothing has, the worst begins.
    pub begins: Beginner,
    /// What was accepted before this has waited long enough: it begins every other message, whatever its severity.
    /// `None`: nothing has.
    pub overdue_before: Option<Timestamp>,
    /// What was accepted before this is late: if it is neither critical nor overdue it goes after what is not, and those
    /// that are late go together.
    pub stale_before: Timestamp,
}

/// What a claim came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// Nothing is due.
    Nothing,
    /// The month's calls that what is due may use are used up; nothing was claimed.
    MonthUsedUp,
    /// These deliveries are `sending` now; a message and an attempt were written.
    Taken(Claimed),
}

/// Deliveries taken for one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The message they will go in.
    pub message: MessageId,
    /// The attempt about to be made.
    pub attempt: AttemptId,
    /// The deliveries, in order: those of one order key one after the other.
    pub deliveries: Vec<ClaimedDelivery>,
    /// What began the message; `None` if nobody's turn was taken: a probe, or what is express.
    pub begun_by: Option<Beginner>,
    /// Whether they are late, by what the claim said.
    pub late: bool,
    /// Whether one of them is as urgent as critical, or stands before such a one of its order key: the call was counted
    /// so.
    pub critical: bool,
    /// Whether this is one that is express: it took nothing along.
    pub express: bool,
}

/// One claimed delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// What must stay in order inside the lane: those of a claim with the same one tell of the same.
    pub order_key: String,
    /// What it says.
    pub content: Content,
    /// What its receiver was told last under this order key: what fires or is over. `None`: nothing, nobody knows, or
    /// the claim did not want to know.
    pub known: Option<Arc<[Seen]>>,
    /// How plain it has become.
    pub form: Form,
    /// How many of its attempts counted against `retry.max_attempts`.
    pub failures: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its event came: earlier, if it took over a delivery to another receiver.
    pub received_at: Timestamp,
    /// Whether another lane may still take it over: it has not been, and it took over none itself.
    pub may_be_handed_over: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The message.
    pub message: MessageId,
    /// The attempt.
    pub attempt: AttemptId,
    /// What was sent; `None` where it broke off before there was anything to send.
    pub composed: Option<Composed>,
    /// What came of it.
    pub outcome: Outcome,
    /// DingTalk's code, or our word for what happened on the way; `None` when sent.
    pub code: Option<String>,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// From the call to its answer.
    pub took: Duration,
    /// Whether DingTalk may have shown the message although it did not say so.
    pub may_have_arrived: bool,
    /// What the code means and how to mend it.
    pub hint: Option<String>,
    /// DingTalk's receipt of admission, when sent.
    pub process_query_key: Option<String>,
    /// When DingTalk is to be asked first who has read it, if there is a receipt of admission; `None`: never.
    pub ask_receipts_at: Option<Timestamp>,
    /// Whether DingTalk did not count the call: the unit of the month is given back.
    pub uncounted: bool,
    /// What becomes of each delivery.
    pub next: Vec<(DeliveryId, Next)>,
    /// The state of the app afterwards, if it changed.
    pub app: Option<AppRow>,
    /// The state of the channel afterwards, if it changed.
    pub channel: Option<ChannelRow>,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// DingTalk admitted it.
    Delivered,
    /// It waits again.
    Queued {
        /// Until then.
        at: Timestamp,
        /// Whether the attempt counts against `retry.max_attempts`.
        counted: bool,
        /// Whether it may have been shown.
        possibly_duplicate: bool,
    },
    /// DingTalk refused it as it was. It waits again, for no time and uncounted, and goes in this plainer form then.
    Plainer(Form),
    /// The digest it was in was refused in every form, or failed to the end. It waits again, for no time and uncounted, in
    /// its full form, and goes by itself; marked as a possible duplicate if the digest may have arrived.
    Alone,
    /// It is given up.
    Dead {
        /// Why, for a person.
        reason: String,
        /// Whether it may have been shown.
        possibly_duplicate: bool,
        /// Who takes it over, unless it was handed over before.
        heir: Option<Heir>,
    },
}

/// The stored state of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRow {
    /// The app.
    pub app: Name,
    /// Its state.
    pub health: Health,
    /// Calls a second, as lowered by throttling; `None`: the configured rate.
    pub rate: Option<u32>,
}

/// The stored state of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// The channel.
    pub channel: ChannelKey,
    /// Its state.
    pub health: Health,
    /// Messages a minute, where it is below the configured rate; `None`: the configured one.
    pub rate: Option<u32>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this state.
    pub state: Option<State>,
    /// Only this receiver.
    pub receiver: Option<String>,
    /// Only this source.
    pub source: Option<String>,
    /// Only this event.
    pub event: Option<String>,
    /// Only those before this place in the list.
    pub cursor: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// A place in the list of deliveries: the `seq` of the last one shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub i64);

/// One page of the list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// The store.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Fails unless the store is open, migrated, and has room.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Keeps an event and its deliveries, or finds its twin. Returns after the commit has been synced (law 1), and
    /// wakes the lanes. How urgent each delivery is ([`queue`]) is decided here.
    async fn accept(&self, new: NewEvent, now: Timestamp) -> Result<Accepted, StoreError>;

    /// Rung whenever something new may wait in this lane. Register before looking at the table.
    fn arrivals(&self, receiver: &Name) -> Arc<Notify>;

    /// Changes whenever a delivery that is kept may have moved on: an attempt ended, somebody called it off. Subscribe
    /// before looking at the table.
    fn moves(&self) -> watch::Receiver<()>;

    /// Takes or renews the right to send for an app. A new owner gets a new epoch, and whatever an older epoch left
    /// `sending` is put back at once, possibly duplicated (or held). `None`: another owner has it.
    async fn own(
        &self,
        app: &Name,
        owner: &str,
        until: Duration,
        now: Timestamp,
    ) -> Result<Option<Ownership>, StoreError>;

    /// What waits in a lane at `now`, counted up to `up_to`; `None` if nothing does. Costs the same whatever waits.
    async fn waiting(&self, receiver: &Name, up_to: usize, now: Timestamp) -> Result<Option<Waiting>, StoreError>;

    /// Takes what goes next in a lane, writes its message and attempt, and takes one unit of the month. The worst goes
    /// first, then the oldest, what is late after what is not, and nothing while an earlier one of its lane and order
    /// key is open, except together with it. Costs as much as it takes. Hear the answer out: what was claimed for one
    /// who went away stays `sending` until the app has a new owner.
    async fn claim(&self, ownership: &Ownership, want: Want, now: Timestamp) -> Result<Claim, StoreError>;

    /// Writes how an attempt ended and what follows. To repeat it changes nothing; a delivery that `next` does not name
    /// goes back into the queue.
    async fn finish(&self, ownership: &Ownership, finish: Finish, now: Timestamp) -> Result<(), StoreError>;

    /// Ends a claim for which no call was made, because there was nothing to say: its deliveries are delivered with that
    /// reason, its message and attempt were never made, and the unit of the month is given back. To repeat it changes
    /// nothing.
    async fn finish_unsaid(&self, ownership: &Ownership, unsaid: Unsaid, now: Timestamp) -> Result<(), StoreError>;

    /// Hands over what waits in a lane, due or not, in the order it was accepted, and wakes the other lane; says how
    /// many. Each is `handed_over` and names the delivery that took it over, which names it in turn. What took over
    /// another delivery, or was taken over before, stays, and what is to: only where nothing else waits this says 0.
    async fn hand_over_queue(&self, ownership: &Ownership, wanted: HandOver, now: Timestamp)
    -> Result<u64, StoreError>;

    /// Writes the state of an app that changed without an attempt (the token was refused).
    async fn save_app(&self, ownership: &Ownership, row: AppRow, now: Timestamp) -> Result<(), StoreError>;

    /// The message of an app whose readers are to be asked for next, maybe in the future. `None`: none is.
    async fn receipts_due(&self, app: &Name) -> Result<Option<Question>, StoreError>;

    /// Takes one unit of the month for a query or a recall that is about to be made. False if the month, or the share of
    /// it that such calls have, is used up.
    async fn take_call(&self, ownership: &Ownership, purse: Purse, now: Timestamp) -> Result<bool, StoreError>;

    /// Writes what was learned of a message at `now`.
    async fn save_receipts(&self, ownership: &Ownership, learned: Learned, now: Timestamp) -> Result<(), StoreError>;

    /// Writes which messages were taken back. Their deliveries stay delivered: they were.
    async fn save_recall(&self, ownership: &Ownership, taken_back: TakenBack) -> Result<(), StoreError>;

    /// The stored states of all apps.
    async fn apps(&self) -> Result<Vec<AppRow>, StoreError>;

    /// The stored states of all channels.
    async fn channels(&self) -> Result<Vec<ChannelRow>, StoreError>;

    /// When the attempts of a channel since `since` were started, the first one first.
    async fn attempts_since(&self, channel: &ChannelKey, since: Timestamp) -> Result<Vec<Timestamp>, StoreError>;

    /// How many calls an organisation has made in a month.
    async fn calls(&self, organisation: &Name, month: Month) -> Result<u64, StoreError>;

    /// How many of them sent messages that were as urgent as critical.
    async fn critical_calls(&self, organisation: &Name, month: Month) -> Result<u64, StoreError>;

    /// When the last of these calls was taken. `None`: none was, or before the store wrote it down.
    async fn last_call(&self, organisation: &Name, month: Month) -> Result<Option<Timestamp>, StoreError>;

    /// What waits in every lane that has something waiting.
    async fn lanes(&self) -> Result<Vec<LaneRow>, StoreError>;

    /// One page of deliveries.
    async fn deliveries(&self, filter: Filter) -> Result<Page, StoreError>;

    /// One delivery with its event, message and attempts.
    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRecord>, StoreError>;

    /// One message with its deliveries and attempts.
    async fn message(&self, id: &MessageId) -> Result<Option<MessageRecord>, StoreError>;

    /// Who has read a message, as far as asked, those we learned of first before the others.
    async fn readers(&self, id: &MessageId) -> Result<Vec<Reader>, StoreError>;

    /// Does something to a delivery beside the journey, if its state allows it at that moment, and wakes the lanes. A
    /// human's redrive is [`StoreError::QueueFull`] where there is no place.
    async fn act(&self, id: &DeliveryId, action: Action, now: Timestamp) -> Result<Acted, StoreError>;

    /// Does it to the next few of many, the first accepted first, in one short transaction; go on from where it says.
    /// Those that are in another state by then are passed over.
    async fn act_on_some(
        &self,
        which: &Selection,
        from: Option<Place>,
        action: Action,
        now: Timestamp,
    ) -> Result<Stretch, StoreError>;

    /// How many deliveries a selection holds.
    async fn count(&self, which: &Selection) -> Result<u64, StoreError>;

    /// Pauses a lane until then, or ends its pause, and wakes it. While it is paused nothing of it is claimed.
    async fn pause(&self, receiver: &Name, until: Option<Timestamp>) -> Result<(), StoreError>;

    /// When the pause of a lane ends, if there is one at `now`.
    async fn paused_until(&self, receiver: &Name, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// Every lane that was paused and not resumed; a pause may be over.
    async fn pauses(&self) -> Result<Vec<PauseRow>, StoreError>;

    /// What the operator has been told, and what was counted for him.
    async fn book(&self) -> Result<Book, StoreError>;

    /// Writes down what was told: all of it, or nothing.
    async fn enter(&self, entries: Vec<Entry>) -> Result<(), StoreError>;

    /// Forgets events (and what belongs to them) that were received before `before` and have nothing open, at most
    /// `limit` of them; says how many. A twin of a forgotten event is a new event.
    async fn forget(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;

    /// Resolves when the store is broken for good (a sync failed): the process must end, non-zero.
    async fn broken(&self) -> String;

    /// Finishes what was handed to it and closes. Later calls are [`StoreError::Unavailable`].
    async fn close(&self);
}
