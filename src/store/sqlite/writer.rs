//! The one thread that writes.
//!
//! It takes one command, then whatever else waits, writes all of it in one transaction, and answers after the commit
//! has been synced (law 1). Under load the commands of many callers share a sync; a lone one waits for nobody, since
//! there is no timer. Each command has a savepoint of its own, so a bad one does not sink its batch. A caller that
//! goes away undoes nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, watch};

use crate::model::name::Name;
use crate::store::StoreError;
use crate::store::sqlite::checkpoint;
use crate::store::sqlite::command::Command;
use crate::store::sqlite::failure::{self, Extent, Failure};
use crate::store::sqlite::place::Place;
use crate::store::sqlite::work::Work;

/// The most commands that share a commit.
const BATCH: usize = 256;

/// What everybody may know of the writer.
#[derive(Debug)]
pub(super) struct Condition {
    /// Why the store is broken, once it is.
    pub(super) broken: watch::Sender<Option<String>>,
    /// Whether the last write failed for want of room.
    pub(super) full: AtomicBool,
    /// Told after every commit that may have moved a delivery.
    pub(super) moved: watch::Sender<()>,
    bells: Mutex<HashMap<String, Arc<Notify>>>,
}

/// The thread's belongings. The connection goes before the place, whose lock lets the next relay in.
pub(super) struct Writer {
    work: Work,
    inbox: mpsc::Receiver<Command>,
    condition: Arc<Condition>,
    _place: Option<Place>,
}

impl Condition {
    /// A whole store with room.
    pub(super) fn new() -> Self {
        let (broken, moved) = (watch::Sender::new(None), watch::Sender::new(()));
        Self { broken, full: AtomicBool::new(false), moved, bells: Mutex::default() }
    }

    /// The bell of a lane.
    pub(super) fn bell(&self, receiver: &Name) -> Arc<Notify> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(bells.entry(receiver.as_str().to_owned()).or_default())
    }

    /// Fails once the store is broken.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.broken.borrow() {
            Some(reason) => Err(StoreError::Unavailable(reason.clone())),
            None => Ok(()),
        }
    }

    fn ring(&self, receivers: impl Iterator<Item = String>) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        // A lane has one waiter, and `notify_one` keeps the ring for it if it is not waiting right now.
        receivers.filter_map(|receiver| bells.get(&receiver)).for_each(|bell| bell.notify_one());
    }

    fn break_for_good(&self, reason: String) {
        tracing::error!(error = reason, "the store is broken: look at the disk before the relay is started again");
        self.broken.send_replace(Some(reason));
    }

    /// Draws what follows from a failure for those that come later.
    fn learn(&self, extent: Extent, what: &str) {
        match extent {
            Extent::Passing => {}
            Extent::Full => self.full.store(true, Ordering::Relaxed),
            Extent::Broken => self.break_for_good(what.to_owned()),
        }
    }
}

impl Writer {
    /// A writer that is ready to run. `place` is kept until it has ended.
    pub(super) fn new(
        work: Work,
        inbox: mpsc::Receiver<Command>,
        condition: Arc<Condition>,
        place: Option<Place>,
    ) -> Self {
        Self { work, inbox, condition, _place: place }
    }

    /// Writes until nobody can ask for anything any more.
    pub(super) fn run(mut self) {
        let _alarm = Alarm(Arc::clone(&self.condition));
        while let Some(first) = self.inbox.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = self.inbox.try_recv()
            {
                batch.push(next);
            }
            self.write(batch);
            self.keep_log_short();
        }
    }

    /// After the answers: the commits are durable without it, so nobody waits for it.
    fn keep_log_short(&self) {
        if self.condition.check().is_ok()
            && let Err(error) = checkpoint::keep_short(&self.work.conn)
        {
            let what = format!("a checkpoint failed: {error}");
            self.condition.learn(Failure::Sqlite(error).extent(), &what);
        }
    }

    /// Writes a batch and answers it.
    pub(super) fn write(&mut self, mut batch: Vec<Command>) {
        if let Err(error) = self.begin() {
            return batch.into_iter().for_each(|command| command.answer(Err(error.clone())));
        }
        let committed = self.write_together(&mut batch);
        if committed.is_err() && self.condition.check().is_ok() && batch.len() > 1 {
            // One of them may have taken the others down (an event too big for what is left of the disk makes SQLite
            // roll everything back), so each goes again by itself.
            return batch.into_iter().for_each(|command| self.write(vec![command]));
        }
        if committed.is_ok() {
            self.condition.ring(self.work.rung.drain(..));
            self.work.count_entered();
            if batch.iter().any(Command::moves_deliveries) {
                self.condition.moved.send_replace(());
            }
        }
        batch.into_iter().for_each(|command| command.answer(committed.clone()));
    }

    /// All of it in the transaction that is open, or nothing.
    fn write_together(&mut self, batch: &mut [Command]) -> Result<(), StoreError> {
        let open = self.work.open;
        batch.iter_mut().for_each(|command| self.apply(command));
        self.commit().inspect_err(|_| {
            self.work.open = open;
            self.work.rung.clear();
            self.work.entered.clear();
        })
    }

    fn begin(&self) -> Result<(), StoreError> {
        self.condition.check()?;
        self.work.conn.execute_batch("begin immediate").map_err(|error| self.failed(Failure::Sqlite(error)))
    }

    /// A command that fails is undone by itself.
    fn apply(&mut self, command: &mut Command) {
        // After some errors SQLite rolls the whole transaction back. What comes then must not run outside one; the
        // commit will find that there is nothing to commit.
        if self.work.conn.is_autocommit() {
            return;
        }
        let (open, rung, entered) = (self.work.open, self.work.rung.len(), self.work.entered.len());
        self.mark("savepoint command");
        if let Err(failure) = command.apply(&mut self.work) {
            self.failed(failure);
            self.mark("rollback to command");
            self.work.open = open;
            self.work.rung.truncate(rung);
            self.work.entered.truncate(entered);
        }
        self.mark("release command");
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.work.conn.is_autocommit() {
            let rolled_back = || StoreError::Unavailable("the transaction was rolled back".to_owned());
            return Err(self.condition.check().err().unwrap_or_else(rolled_back));
        }
        if let Err(broken) = self.condition.check() {
            self.roll_back();
            return Err(broken);
        }
        self.work.conn.execute_batch("commit").map_err(|error| {
            self.condition.learn(failure::extent_of_commit(&error), &format!("a commit failed: {error}"));
            self.roll_back();
            self.condition.check().err().unwrap_or_else(|| failure::to_store_error(&error))
        })
    }

    /// Learns from a failure, and says what the caller is told.
    fn failed(&self, failure: Failure) -> StoreError {
        if let Failure::Sqlite(cause) = &failure {
            self.condition.learn(failure.extent(), &format!("a write failed: {cause}"));
        }
        failure.to_store_error()
    }

    /// Without its savepoint half a command could be committed, so a failure here costs the whole batch.
    fn mark(&self, savepoint: &str) {
        if self.work.conn.prepare_cached(savepoint).and_then(|mut statement| statement.execute([])).is_err() {
            self.roll_back();
        }
    }

    fn roll_back(&self) {
        if !self.work.conn.is_autocommit() {
            // What cannot be rolled back now is when the file is opened next: it was not committed.
            let _undone = self.work.conn.execute_batch("rollback");
        }
    }
}

/// Tells everybody if the thread ends by a panic: nobody would write any more, and nobody would know.
struct Alarm(Arc<Condition>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.break_for_good("the thread that writes has panicked".to_owned());
        }
    }
}
