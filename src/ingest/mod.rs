//! Event → routes → contents → `store.accept`: what happens between a decoded webhook and its 202.
//!
//! [`parts`] says who gets which items, by the routes and by what each receiver wants to hear ([`hearing`]); a preview
//! asks it too, so that what is shown before is what happens then.
//! What is kept is counted here, once, whichever door it came through.

pub mod hearing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::config::Receiver;
use crate::model::delivery::NewDelivery;
use crate::model::event::{Event, Severity};
use crate::model::name::{DeliveryId, Name};
use crate::render::Renderer;
use crate::routing::{Group, Regrouped, Routes};
use crate::store::{Accepted, NewEvent, Store, StoreError};
use crate::telemetry::metrics;

/// What an event passes on its way into the store.
pub struct Ingest {
    /// Decides who gets what; without it only direct paths work.
    pub routes: Option<Routes>,
    /// Who may be told, and of what.
    pub receivers: BTreeMap<Name, Receiver>,
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

/// A webhook that was understood.
#[derive(Debug)]
pub struct Webhook {
    /// What it says.
    pub event: Event,
    /// Where it goes.
    pub way: Way,
    /// The body as received.
    pub payload: Bytes,
    /// How long a twin of it is a duplicate.
    pub dedup_window: Duration,
    /// How long what is not critical in it waits for company.
    pub gather: Duration,
}

/// Who gets which items of an event that goes this way, and who does not want to hear of which. Without routes, a
/// routed event goes nowhere. A group may have nothing left to hear: then it gets no delivery.
pub fn parts<'e>(
    routes: Option<&'e Routes>,
    receivers: &BTreeMap<Name, Receiver>,
    event: &'e Event,
    way: &'e Way,
) -> Regrouped<'e> {
    let mut parts = match (way, routes) {
        (Way::Routed, Some(routes)) => routes.regroup(event),
        (Way::Routed, None) => Regrouped { groups: Vec::new(), unknown: Default::default() },
        (Way::Direct(receiver), _) => {
            let (items, route) = (event.items.iter().collect(), "direct: the receiver is named, no route is asked");
            let group = Group { receiver, items, unheard: Vec::new(), routes: vec![(route, event.items.len())] };
            Regrouped { groups: vec![group], unknown: Default::default() }
        }
    };
    parts.groups = parts.groups.into_iter().map(|group| hearing::heard(group, receivers)).collect();
    parts
}

impl Ingest {
    /// Keeps an event for its receivers. Returns once it is durable.
    pub async fn accept(&self, webhook: Webhook, now: Timestamp) -> Result<Accepted, StoreError> {
        let Webhook { event, way, payload, dedup_window, gather } = webhook;
        let path = match &way {
            Way::Direct(receiver) => receiver.to_string(),
            Way::Routed => String::new(),
        };
        let parts = parts(self.routes.as_ref(), &self.receivers, &event, &way);
        parts.tell(&event);
        let told = parts.groups.iter().filter(|group| !group.items.is_empty());
        let deliveries = told.map(|group| self.delivery(&event, group, gather)).collect();
        self.keep(NewEvent { event, path, payload, dedup_window, deliveries }, now).await
    }

    /// Keeps an event whose contents are made already. Returns once it is durable.
    pub async fn keep(&self, new: NewEvent, now: Timestamp) -> Result<Accepted, StoreError> {
        keep(self.store.as_ref(), new, now).await
    }

    fn delivery(&self, event: &Event, group: &Group<'_>, gather: Duration) -> NewDelivery {
        let (receiver, items) = (group.receiver, &group.items);
        NewDelivery {
            id: DeliveryId::fresh(),
            receiver: receiver.clone(),
            severity: items.iter().map(|item| item.severity).max().unwrap_or(Severity::Info),
            content: self.renderer.render(event, items, receiver),
            gather: hearing::gathers(self.receivers.get(receiver), items, gather),
            express: false,
        }
    }
}

/// Keeps an event whose contents are made already, for whoever renders nothing. Returns once it is durable.
pub async fn keep(store: &dyn Store, new: NewEvent, now: Timestamp) -> Result<Accepted, StoreError> {
    let source = new.event.source.clone();
    let accepted = store.accept(new, now).await?;
    count(&source, &accepted);
    Ok(accepted)
}

fn count(source: &Name, accepted: &Accepted) {
    if accepted.duplicate {
        ::metrics::counter!(metrics::DUPLICATES, "source" => source.to_string()).increment(1);
        return;
    }
    for (_, receiver, state) in &accepted.deliveries {
        let labels = [("receiver", receiver.clone()), ("state", state.to_string())];
        ::metrics::counter!(metrics::DELIVERIES, &labels).increment(1);
    }
}
