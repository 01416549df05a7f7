//! Reading: a few connections of their own, short statements.
//!
//! Each view runs in one read transaction on a thread that may block, so it sees one moment of the database and never
//! waits for the writer. It must be short: while it lasts the log cannot be reused and grows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::store::StoreError;
use crate::store::sqlite::connection;
use crate::store::sqlite::failure::to_store_error;

/// How many views run at the same time.
const READERS: u32 = 4;

/// The connections that read. They are opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
}

impl Readers {
    /// Readers of a database.
    pub(super) fn of(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, idle: Mutex::default(), places: Semaphore::new(READERS as usize) })
    }

    /// What a view of the database shows.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        view: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _place = self.places.acquire().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || readers.see(view));
        match reading.await {
            Ok(seen) => seen.map_err(|error| to_store_error(&error)),
            Err(_) => Err(StoreError::Unavailable("a view of the database panicked".to_owned())),
        }
    }

    /// Lets what is being read end, and closes.
    pub(super) async fn close(&self) {
        let all = self.places.acquire_many(READERS).await;
        self.places.close();
        drop(all);
        self.leave();
    }

    /// Closes the connections nobody reads through.
    pub(super) fn leave(&self) {
        self.idle().clear();
    }

    fn see<T>(&self, view: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle().pop();
        let mut conn = idle.map_or_else(|| connection::that_reads(&self.path), Ok)?;
        let moment = conn.transaction()?;
        let seen = view(&moment)?;
        moment.finish()?;
        self.idle().push(conn);
        Ok(seen)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said after closing.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".to_owned())
}
