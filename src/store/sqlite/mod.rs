//! The store in a SQLite file.
//!
//! One thread owns the only connection that writes (`writer`); a bounded channel brings it commands, each in a file
//! of its own: `accept`, `own`, `claim`, `finish`, `handing`, `receipts`, `actions`, `forget`. Views are read through
//! small connections beside it (`readers`). Law 1 rests on `connection` (every commit is synced), on the writer, which answers after its commit,
//! and on `checkpoint` (nothing is built on what may not be on the disk); law 4 on `own`. The file is ours alone as
//! long as it is open (`place`).

mod accept;
mod actions;
mod checkpoint;
mod claim;
mod columns;
mod command;
mod connection;
mod failure;
mod finish;
mod forget;
mod handing;
mod list;
mod messages;
mod moves;
mod notices;
pub mod opening;
mod own;
mod pauses;
mod place;
mod quota;
mod readers;
mod receipts;
mod schema;
mod told;
mod views;
mod waiting;
mod work;
mod writer;

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, watch};

use crate::model::delivery::DeliveryRecord;
use crate::model::month::Month;
use crate::model::name::{ChannelKey, DeliveryId, MessageId, Name};
use crate::model::record::{MessageRecord, Reader};
use crate::store::action::{Acted, Action, PauseRow, Place as Reached, Selection, Stretch};
use crate::store::handing::HandOver;
use crate::store::notices::{Book, Entry};
use crate::store::queue::{LaneRow, Unsaid, Waiting};
use crate::store::receipts::{Learned, Purse, Question, TakenBack};
use crate::store::sqlite::command::{Asked, Command};
use crate::store::sqlite::opening::OpenError;
use crate::store::sqlite::place::{Place, Room};
use crate::store::sqlite::readers::{Readers, closed};
use crate::store::sqlite::work::Work;
use crate::store::sqlite::writer::{Condition, Writer};
use crate::store::{
    Accepted, AppRow, ChannelRow, Claim, Filter, Finish, NewEvent, Ownership, Page, Store, StoreError, Want,
};

/// How many commands may wait for the writer: two full batches.
const WAITING: usize = 512;

/// Opens the database at `path`, or makes a new one; the folder too, if it is missing. At most `max_queued` deliveries
/// may be open. What a process that was killed left under way is put back here, before anything else happens.
pub fn open(path: &Path, max_queued: u64) -> Result<Arc<dyn Store>, OpenError> {
    connection::check_version(rusqlite::version_number())?;
    let place = Place::take(path)?;
    let mut conn = connection::that_writes(&place.path)?;
    checkpoint::write_anew(&conn)?;
    schema::migrate(&mut conn)?;
    let open = views::open(&conn)?;
    let room = Room::around(&place.path, place::FLOOR);
    let mut work = Work { conn, room, max_queued, open, rung: Vec::new(), entered: Vec::new() };
    interrupt_all(&mut work)?;
    let (sqlite, waiting) = (rusqlite::version(), work.open);
    tracing::info!(path = %place.path.display(), "the store is open: SQLite {sqlite}, {waiting} deliveries wait");
    let readers = [Readers::of(place.path.clone()), Readers::of(place.path.clone())];
    Ok(Arc::new(Sqlite::start(work, readers, Some(place)).map_err(|source| OpenError::file(path, source))?))
}

fn interrupt_all(work: &mut Work) -> Result<(), OpenError> {
    work.conn.execute_batch("begin immediate")?;
    own::interrupt(work, None)?;
    work.conn.execute_batch("commit")?;
    // Nobody listens for arrivals yet: lanes look at the table when they start.
    work.rung.clear();
    work.count_entered();
    Ok(())
}

/// The store in a SQLite file.
struct Sqlite {
    /// `None` once it is closed.
    inbox: Mutex<Option<mpsc::Sender<Command>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    /// For lanes alone: whoever looks at long lists must not make them wait.
    lane_readers: Arc<Readers>,
    room: Room,
    condition: Arc<Condition>,
}

impl Sqlite {
    fn start(work: Work, [readers, lane_readers]: [Arc<Readers>; 2], place: Option<Place>) -> io::Result<Self> {
        let (inbox, commands) = mpsc::channel(WAITING);
        let condition = Arc::new(Condition::new());
        let room = work.room.clone();
        let writer = Writer::new(work, commands, Arc::clone(&condition), place);
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run())?;
        Ok(Self {
            inbox: Mutex::new(Some(inbox)),
            writer: Mutex::new(Some(thread)),
            readers,
            lane_readers,
            room,
            condition,
        })
    }

    fn inbox(&self) -> Result<mpsc::Sender<Command>, StoreError> {
        self.condition.check()?;
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    /// Hands a command over as soon as there is a place, and waits for its answer. For lanes: what they have to say
    /// of a call that was made must not be turned away because many webhooks arrive.
    async fn write<T>(&self, command: impl FnOnce(Asked<T>) -> Command) -> Result<T, StoreError> {
        let (asked, answer) = Asked::new();
        self.inbox()?.send(command(asked)).await.map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    /// Hands a command over if there is a place right now, and waits for its answer. For webhooks: their senders come
    /// again.
    async fn write_now<T>(&self, command: impl FnOnce(Asked<T>) -> Command) -> Result<T, StoreError> {
        let (asked, answer) = Asked::new();
        self.inbox()?.try_send(command(asked)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too much waits to be written".to_owned()),
            TrySendError::Closed(_) => self.gone(),
        })?;
        answer.await.map_err(|_| self.gone())?
    }

    fn gone(&self) -> StoreError {
        self.condition.check().err().unwrap_or_else(closed)
    }

    /// Lets the writer end when it has written what waits.
    fn hang_up(&self) -> Option<JoinHandle<()>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn ready(&self) -> Result<(), StoreError> {
        self.inbox()?;
        if !self.room.is_enough() {
            return Err(StoreError::NoRoom);
        }
        if self.condition.full.load(Ordering::Relaxed) {
            self.write(|asked| Command::FindRoom { asked }).await?;
            self.condition.full.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn accept(&self, new: NewEvent, now: Timestamp) -> Result<Accepted, StoreError> {
        self.write_now(|asked| Command::Accept { new: Box::new(new), now, asked }).await
    }

    fn arrivals(&self, receiver: &Name) -> Arc<Notify> {
        self.condition.bell(receiver)
    }

    fn moves(&self) -> watch::Receiver<()> {
        self.condition.moved.subscribe()
    }

    /// Always granted, for as long as nobody else asks: the lock file makes this process the only one.
    async fn own(
        &self,
        app: &Name,
        owner: &str,
        _until: Duration,
        _now: Timestamp,
    ) -> Result<Option<Ownership>, StoreError> {
        let (app, owner) = (app.clone(), owner.to_owned());
        self.write(|asked| Command::Own { app, owner, asked }).await.map(Some)
    }

    async fn waiting(&self, receiver: &Name, up_to: usize, now: Timestamp) -> Result<Option<Waiting>, StoreError> {
        let receiver = receiver.clone();
        self.lane_readers.read(move |conn| waiting::waiting(conn, receiver.as_str(), up_to, now)).await
    }

    async fn claim(&self, ownership: &Ownership, want: Want, now: Timestamp) -> Result<Claim, StoreError> {
        let ownership = ownership.clone();
        self.write(|asked| Command::Claim { ownership, want, now, asked }).await
    }

    async fn finish(&self, ownership: &Ownership, finish: Finish, now: Timestamp) -> Result<(), StoreError> {
        let ownership = ownership.clone();
        self.write(|asked| Command::Finish { ownership, end: Box::new(finish), now, asked }).await
    }

    async fn finish_unsaid(&self, ownership: &Ownership, unsaid: Unsaid, now: Timestamp) -> Result<(), StoreError> {
        let ownership = ownership.clone();
        self.write(|asked| Command::FinishUnsaid { ownership, unsaid, now, asked }).await
    }

    async fn hand_over_queue(
        &self,
        ownership: &Ownership,
        wanted: HandOver,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let ownership = ownership.clone();
        self.write(|asked| Command::HandOver { ownership, wanted: Box::new(wanted), now, asked }).await
    }

    async fn save_app(&self, ownership: &Ownership, row: AppRow, _now: Timestamp) -> Result<(), StoreError> {
        let ownership = ownership.clone();
        self.write(|asked| Command::SaveApp { ownership, row, asked }).await
    }

    async fn receipts_due(&self, app: &Name) -> Result<Option<Question>, StoreError> {
        let app = app.clone();
        self.readers.read(move |conn| receipts::due(conn, app.as_str())).await
    }

    async fn take_call(&self, ownership: &Ownership, purse: Purse, now: Timestamp) -> Result<bool, StoreError> {
        let ownership = ownership.clone();
        self.write(|asked| Command::TakeCall { ownership, purse, now, asked }).await
    }

    async fn save_receipts(&self, ownership: &Ownership, learned: Learned, now: Timestamp) -> Result<(), StoreError> {
        let ownership = ownership.clone();
        self.write(|asked| Command::SaveReceipts { ownership, learned, now, asked }).await
    }

    async fn save_recall(&self, ownership: &Ownership, taken_back: TakenBack) -> Result<(), StoreError> {
        let ownership = ownership.clone();
        self.write(|asked| Command::SaveRecall { ownership, taken_back, asked }).await
    }

    async fn apps(&self) -> Result<Vec<AppRow>, StoreError> {
        self.readers.read(views::apps).await
    }

    async fn channels(&self) -> Result<Vec<ChannelRow>, StoreError> {
        self.readers.read(views::channels).await
    }

    async fn attempts_since(&self, channel: &ChannelKey, since: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
        let channel = channel.clone();
        self.readers.read(move |conn| views::attempts_since(conn, channel.as_str(), since)).await
    }

    async fn calls(&self, organisation: &Name, month: Month) -> Result<u64, StoreError> {
        let organisation = organisation.clone();
        self.readers.read(move |conn| quota::calls(conn, organisation.as_str(), &month.to_string())).await
    }

    async fn critical_calls(&self, organisation: &Name, month: Month) -> Result<u64, StoreError> {
        let organisation = organisation.clone();
        self.readers.read(move |conn| quota::critical_calls(conn, organisation.as_str(), &month.to_string())).await
    }

    async fn last_call(&self, organisation: &Name, month: Month) -> Result<Option<Timestamp>, StoreError> {
        let organisation = organisation.clone();
        self.readers.read(move |conn| quota::last_call(conn, organisation.as_str(), &month.to_string())).await
    }

    async fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        self.readers.read(views::lanes).await
    }

    async fn deliveries(&self, filter: Filter) -> Result<Page, StoreError> {
        self.readers.read(move |conn| list::deliveries(conn, &filter)).await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        let id = id.clone();
        self.readers.read(move |conn| list::delivery(conn, &id.0)).await
    }

    async fn message(&self, id: &MessageId) -> Result<Option<MessageRecord>, StoreError> {
        let id = id.clone();
        self.readers.read(move |conn| messages::message(conn, &id.0)).await
    }

    async fn readers(&self, id: &MessageId) -> Result<Vec<Reader>, StoreError> {
        let id = id.clone();
        self.readers.read(move |conn| messages::readers(conn, &id.0)).await
    }

    async fn act(&self, id: &DeliveryId, action: Action, now: Timestamp) -> Result<Acted, StoreError> {
        let id = id.clone();
        self.write(|asked| Command::Act { id, action, now, asked }).await
    }

    async fn act_on_some(
        &self,
        which: &Selection,
        from: Option<Reached>,
        action: Action,
        now: Timestamp,
    ) -> Result<Stretch, StoreError> {
        let (selection, state) = (which.clone(), which.state);
        let finding = move |conn: &_| actions::find(conn, &selection, from, actions::SOME);
        let (rows, next) = self.readers.read(finding).await?;
        let (done, entered) = self.write(|asked| Command::ActOnSome { rows, state, action, now, asked }).await?;
        Ok(Stretch { done, entered, next })
    }

    async fn count(&self, which: &Selection) -> Result<u64, StoreError> {
        let (mut count, mut from) = (0, None);
        loop {
            let selection = which.clone();
            let finding = move |conn: &_| actions::find(conn, &selection, from, actions::COUNTED);
            let (rows, next) = self.readers.read(finding).await?;
            count += rows.len() as u64;
            if next.is_none() {
                return Ok(count);
            }
            from = next;
        }
    }

    async fn pause(&self, receiver: &Name, until: Option<Timestamp>) -> Result<(), StoreError> {
        let receiver = receiver.clone();
        self.write(|asked| Command::Pause { receiver, until, asked }).await
    }

    async fn paused_until(&self, receiver: &Name, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let receiver = receiver.clone();
        self.lane_readers.read(move |conn| pauses::paused_until(conn, receiver.as_str(), now)).await
    }

    async fn pauses(&self) -> Result<Vec<PauseRow>, StoreError> {
        self.readers.read(pauses::pauses).await
    }

    async fn book(&self) -> Result<Book, StoreError> {
        self.readers.read(notices::book).await
    }

    async fn enter(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.write(|asked| Command::Enter { entries, asked }).await
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let events = self.readers.read(move |conn| forget::old(conn, before, limit)).await?;
        self.write(|asked| Command::Forget { events, asked }).await
    }

    async fn broken(&self) -> String {
        let mut broken = self.condition.broken.subscribe();
        let reason = broken.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        // The sender lives as long as this store, so the wait ends with a reason only.
        reason.unwrap_or_default()
    }

    async fn close(&self) {
        // Readers first: the last connection to go tidies the log away, and only one that writes can.
        self.readers.close().await;
        self.lane_readers.close().await;
        if let Some(writer) = self.hang_up() {
            let _ended = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }
}

impl Drop for Sqlite {
    /// Waits for the batch that is being written, so that the lock is free when the store is gone.
    fn drop(&mut self) {
        self.readers.leave();
        self.lane_readers.leave();
        if let Some(writer) = self.hang_up() {
            let _ended = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
