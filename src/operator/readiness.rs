//! Whether webhooks are taken: the store is open and has room, and the process is not about to end.
//!
//! Both ports answer `/-/ready` from it. `app` calls [`Readiness::stop`] when the process is told to end, before it
//! closes the ports, so that whoever balances the load sees it in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::{Store, StoreError};

/// A handle on readiness. Clones share it.
#[derive(Clone)]
pub struct Readiness {
    store: Arc<dyn Store>,
    stopping: Arc<AtomicBool>,
}

/// Why the relay is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The process was told to end.
    #[error("the relay is shutting down")]
    Stopping,
    /// The store says no.
    #[error("the store is not ready")]
    Store(#[from] StoreError),
}

impl Readiness {
    /// As ready as this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, stopping: Arc::default() }
    }

    /// From now on the relay is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the process was told to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether webhooks are taken now.
    pub async fn check(&self) -> Result<(), NotReady> {
        if self.is_stopping() {
            return Err(NotReady::Stopping);
        }
        Ok(self.store.ready().await?)
    }
}
