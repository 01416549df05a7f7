//! Event → routes → contents → `store.accept`: what happens between a decoded webhook and its 202.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::delivery::NewDelivery;
use crate::model::event::{Event, Item};
use crate::model::name::{DeliveryId, Name};
use crate::render::Renderer;
use crate::routing::Routes;
use crate::store::{Accepted, NewEvent, Store, StoreError};

/// What an event passes on its way into the store.
pub struct Ingest {
    /// Decides who gets what; without it only direct paths work.
    pub routes: Option<Routes>,
    /// Makes the contents.
    pub renderer: Renderer,
    /// Keeps them.
    pub store: Arc<dyn Store>,
}

/// Which way an event goes.
#[derive(Debug, Clone)]
pub enum Way {
    /// The route tree decides.
    Routed,
    /// Straight to a receiver: the sender has routed already.
    Direct(Name),
}

impl Ingest {
    /// Keeps an event for its receivers. Returns once it is durable.
    pub async fn accept(
        &self,
        event: Event,
        way: Way,
        payload: Bytes,
        dedup_window: std::time::Duration,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        let (path, parts) = match &way {
            Way::Direct(receiver) => (receiver.to_string(), vec![(receiver.clone(), event.items.iter().collect())]),
            Way::Routed => (String::new(), self.routes.as_ref().map(|r| r.regroup(&event)).unwrap_or_default()),
        };
        let deliveries = parts.into_iter().map(|(receiver, items)| self.delivery(&event, &items, receiver)).collect();
        self.store.accept(NewEvent { event, path, payload, dedup_window, deliveries }, now).await
    }

    fn delivery(&self, event: &Event, items: &[&Item], receiver: Name) -> NewDelivery {
        let severity = items.iter().map(|item| item.severity).max().unwrap_or(crate::model::event::Severity::Info);
        let content = self.renderer.render(event, items, &receiver);
        NewDelivery { id: DeliveryId::fresh(), receiver, severity, content }
    }
}
