//! A message that a human sends by hand.
//!
//! It goes the way of everything else: kept durably as an event of a source of our own, then sent by its lane, within
//! all limits. Whoever sent it may wait for what becomes of it, and is woken when its lane has tried; the store is not
//! asked in a loop. Knows no clock: it is told when the message came, and waits for a span.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::config::scalar;
use crate::ingest::Ingest;
use crate::model::delivery::{DeliveryRecord, NewDelivery};
use crate::model::event::{Event, Labels, Severity};
use crate::model::name::{DeliveryId, EventId, Name};
use crate::operator::Operator;
use crate::operator::members::{BadAsk, Members};
use crate::operator::preview::{Configured, NoPreview};
use crate::render::written;
use crate::store::{NewEvent, StoreError};

/// The kind of the event, as the API shows it.
pub const KIND: &str = "send";

/// How long one waits for what becomes of a message when nobody says.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// How long one may wait. A proxy commonly gives up after a minute, and what is longer is better asked for by the
/// delivery's id.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often the store is looked at while one waits, beside whenever something has moved: another process may send.
const LOOK: Duration = Duration::from_secs(2);

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct Letter {
    /// To whom.
    pub receiver: String,
    /// The push banner: plain text.
    pub title: String,
    /// Markdown.
    pub text: String,
    /// How long to wait for what becomes of it.
    pub wait: Duration,
}

impl Letter {
    /// What a request of the API asks for.
    pub fn read(body: &[u8]) -> Result<Self, BadAsk> {
        let members = Members::read(body, &["receiver", "title", "text", "wait"])?;
        let visible = |name: &str| {
            let text = members.required(name)?;
            if written::says_something(&text) { Ok(text) } else { Err(BadAsk(format!("`{name}` shows nothing"))) }
        };
        Ok(Self {
            receiver: members.required("receiver")?,
            title: visible("title")?,
            text: visible("text")?,
            wait: members.text("wait")?.map_or(Ok(DEFAULT_WAIT), |text| wait(&text).map_err(BadAsk))?,
        })
    }
}

/// How long to wait, or what would be right.
pub fn wait(text: &str) -> Result<Duration, String> {
    match scalar::duration(text) {
        Ok(wait) if wait <= LONGEST_WAIT => Ok(wait),
        Ok(_) => Err(format!("`wait` must not be longer than {}s", LONGEST_WAIT.as_secs())),
        Err(_) => Err("`wait` must be a duration such as 10s".to_owned()),
    }
}

impl Operator {
    /// Keeps the message for its receiver. `payload` is what asked for it, kept with the event. Returns once it is
    /// durable; from then on it is sent, whether anybody waits or not.
    pub async fn send(
        &self,
        letter: &Letter,
        configured: Configured<'_>,
        ingest: &Ingest,
        payload: Bytes,
        now: Timestamp,
    ) -> Result<DeliveryId, NotKept> {
        let receiver = configured.receiver(&letter.receiver).map_err(NotKept::NoReceiver)?.clone();
        let event = event(&letter.title, now);
        let content = written::content(&letter.title, &letter.text, &event.id.0, now);
        let delivery = NewDelivery {
            id: DeliveryId::fresh(),
            receiver,
            severity: Severity::Info,
            content,
            gather: Duration::ZERO,
            express: true,
        };
        let id = delivery.id.clone();
        // Nobody sends by hand twice the same by accident: it is no twin of anything.
        let (path, dedup_window) = (delivery.receiver.to_string(), Duration::ZERO);
        let new = NewEvent { event, path, payload, dedup_window, deliveries: vec![delivery] };
        ingest.keep(new, now).await?;
        Ok(id)
    }

    /// The delivery as it stands when nothing more will come of it without a human, or after so long, or when the
    /// process is told to end; whichever comes first.
    pub async fn await_end(&self, id: &DeliveryId, wait: Duration) -> Result<Option<DeliveryRecord>, StoreError> {
        let mut moves = self.store.moves();
        let is_over = async {
            loop {
                moves.mark_unchanged();
                let record = self.store.delivery(id).await?;
                if !record.as_ref().is_some_and(|record| record.delivery.state.is_open()) {
                    return Ok(record);
                }
                let _moved_or_time_to_look = tokio::time::timeout(LOOK, moves.changed()).await;
            }
        };
        tokio::select! {
            over = tokio::time::timeout(wait, is_over) => if let Ok(record) = over { return record },
            () = self.readiness.stopped() => {}
        }
        self.store.delivery(id).await
    }
}

/// Why a message was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// Nobody is called so.
    #[error(transparent)]
    NoReceiver(NoPreview),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn event(title: &str, now: Timestamp) -> Event {
    let id = EventId::fresh();
    Event {
        source: Name::of_send(),
        kind: KIND,
        title: title.to_owned(),
        title_in_chinese: None,
        url: None,
        received_at: now,
        // Each by itself: none waits for an earlier one that cannot be sent.
        order_key: id.0.clone(),
        dedup_key: id.0.clone(),
        dedup_state: String::new(),
        facts: Labels::new(),
        group: Labels::new(),
        items: Vec::new(),
        truncated: 0,
        id,
    }
}
