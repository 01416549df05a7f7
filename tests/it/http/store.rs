//! A store for the ports' tests: in memory, and able to fail in every way a store can.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dingtalk_relay::model::delivery::{Delivery, DeliveryRecord, State};
use dingtalk_relay::model::month::Month;
use dingtalk_relay::model::name::{ChannelKey, DeliveryId, Name};
use dingtalk_relay::store::{
    Accepted, AppRow, ChannelRow, Claim, Cursor, Filter, Finish, LaneRow, NewEvent, Ownership, Page, Store, StoreError,
    Want,
};
use jiff::Timestamp;
use tokio::sync::Notify;

/// How the store fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    QueueFull,
    NoRoom,
    Unavailable,
    StaleEpoch,
    Hangs,
}

/// What was put in, the first one first.
#[derive(Default)]
pub(crate) struct MemoryStore {
    pub(crate) trouble: Mutex<Option<Trouble>>,
    events: Mutex<Vec<(NewEvent, Timestamp)>>,
}

impl MemoryStore {
    pub(crate) fn fail(&self, how: impl Into<Option<Trouble>>) {
        *self.trouble.lock().unwrap() = how.into();
    }

    /// How many events were stored.
    pub(crate) fn stored(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    async fn works(&self) -> Result<(), StoreError> {
        let trouble = *self.trouble.lock().unwrap();
        match trouble {
            None => Ok(()),
            Some(Trouble::QueueFull) => Err(StoreError::QueueFull),
            Some(Trouble::NoRoom) => Err(StoreError::NoRoom),
            Some(Trouble::Unavailable) => Err(StoreError::Unavailable("/srv/planted/relay.db is locked".into())),
            Some(Trouble::StaleEpoch) => Err(StoreError::StaleEpoch),
            Some(Trouble::Hangs) => std::future::pending().await,
        }
    }

    /// Every delivery with its `seq`, newest first.
    fn records(&self) -> Vec<(i64, DeliveryRecord)> {
        let events = self.events.lock().unwrap();
        let all = events.iter().flat_map(|(new, at)| new.deliveries.iter().map(move |delivery| (new, delivery, *at)));
        let records = all.enumerate().map(|(seq, (new, delivery, at))| {
            let record = DeliveryRecord {
                delivery: Delivery {
                    id: delivery.id.clone(),
                    event: new.event.id.clone(),
                    source: new.event.source.to_string(),
                    receiver: delivery.receiver.to_string(),
                    state: State::Queued,
                    title: delivery.content.title.clone(),
                    severity: delivery.severity,
                    created_at: at,
                    delivered_at: None,
                    next_attempt_at: None,
                    attempts: 0,
                    reason: None,
                    possibly_duplicate: false,
                    fallback_of: None,
                    handed_to: None,
                    message: None,
                },
                received_at: new.event.received_at,
                kind: new.event.kind.to_owned(),
                event_title: new.event.title.clone(),
                event_url: new.event.url.clone(),
                attempt_log: vec![],
            };
            (i64::try_from(seq).unwrap(), record)
        });
        let mut records: Vec<_> = records.collect();
        records.reverse();
        records
    }
}

fn told(new: &NewEvent, duplicate: bool) -> Accepted {
    let deliveries = new.deliveries.iter().map(|d| (d.id.clone(), d.receiver.to_string(), State::Queued)).collect();
    Accepted { event: new.event.id.clone(), duplicate, deliveries }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ready(&self) -> Result<(), StoreError> {
        self.works().await
    }

    async fn accept(&self, new: NewEvent, now: Timestamp) -> Result<Accepted, StoreError> {
        self.works().await?;
        let mut events = self.events.lock().unwrap();
        let twin = |(old, _): &&(NewEvent, _)| {
            (&old.event.source, &old.path, &old.event.dedup_key) == (&new.event.source, &new.path, &new.event.dedup_key)
        };
        if let Some((first, _)) = events.iter().find(twin) {
            return Ok(told(first, true));
        }
        let accepted = told(&new, false);
        events.push((new, now));
        Ok(accepted)
    }

    async fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        self.works().await?;
        let mut rows: Vec<LaneRow> = vec![];
        for (_, record) in self.records().into_iter().rev() {
            let Delivery { receiver, created_at, .. } = record.delivery;
            match rows.iter_mut().find(|row| row.receiver == receiver) {
                Some(row) => row.queued += 1,
                None => rows.push(LaneRow { receiver, queued: 1, oldest_at: Some(created_at) }),
            }
        }
        Ok(rows)
    }

    async fn deliveries(&self, filter: Filter) -> Result<Page, StoreError> {
        self.works().await?;
        let same = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let mut found = self.records();
        found.retain(|(seq, DeliveryRecord { delivery, .. })| {
            filter.cursor.is_none_or(|Cursor(before)| *seq < before)
                && filter.state.is_none_or(|state| state == delivery.state)
                && same(&filter.receiver, &delivery.receiver)
                && same(&filter.source, &delivery.source)
                && same(&filter.event, &delivery.event.0)
        });
        let next = found.get(filter.limit).and(found.get(filter.limit - 1)).map(|(seq, _)| Cursor(*seq));
        let deliveries = found.into_iter().take(filter.limit).map(|(_, record)| record.delivery).collect();
        Ok(Page { deliveries, next })
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        self.works().await?;
        Ok(self.records().into_iter().map(|(_, record)| record).find(|record| record.delivery.id == *id))
    }

    async fn calls(&self, _organisation: &Name, _month: Month) -> Result<u64, StoreError> {
        self.works().await?;
        Ok(1234)
    }

    // The ports ask for nothing below.

    fn arrivals(&self, _receiver: &Name) -> Arc<Notify> {
        Arc::default()
    }

    async fn own(&self, _: &Name, _: &str, _: Duration, _: Timestamp) -> Result<Option<Ownership>, StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn due(&self, _receiver: &Name) -> Result<Option<Timestamp>, StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn claim(&self, _: &Ownership, _: Want, _: Timestamp) -> Result<Claim, StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn finish(&self, _: &Ownership, _: Finish, _: Timestamp) -> Result<(), StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn save_app(&self, _: &Ownership, _: AppRow, _: Timestamp) -> Result<(), StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn apps(&self) -> Result<Vec<AppRow>, StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn channels(&self) -> Result<Vec<ChannelRow>, StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn attempts_since(&self, _: &ChannelKey, _: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn forget(&self, _before: Timestamp, _limit: usize) -> Result<u64, StoreError> {
        Err(StoreError::StaleEpoch)
    }

    async fn broken(&self) -> String {
        std::future::pending().await
    }

    async fn close(&self) {}
}
