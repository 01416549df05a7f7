//! Whether webhooks are taken: the store is open and has room, and the process is not about to end.
//!
//! Both ports answer `/-/ready` from it. `app` calls [`Readiness::stop`] when the process is told to end, before it
//! closes the ports, so that whoever balances the load sees it in time.

use std::sync::Arc;

use tokio::sync::watch;

use crate::store::{Store, StoreError};

/// A handle on readiness. Clones share it.
#[derive(Clone)]
pub struct Readiness {
    store: Arc<dyn Store>,
    stopping: Arc<watch::Sender<bool>>,
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
        Self { store, stopping: Arc::new(watch::Sender::new(false)) }
    }

    /// From now on the relay is not ready.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether the process was told to end.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when the process has been told to end.
    pub async fn stopped(&self) {
        // The sender lives as long as this handle, so the wait ends with a stop only.
        let mut stopping = self.stopping.subscribe();
        let _told = stopping.wait_for(|stopping| *stopping).await;
    }

    /// Whether webhooks are taken now.
    pub async fn check(&self) -> Result<(), NotReady> {
        if self.is_stopping() {
            return Err(NotReady::Stopping);
        }
        Ok(self.store.ready().await?)
    }
}
