//! What an operator is told without asking: what is blocked, down, dead, nearly used up, and that it is over.
//!
//! ```text
//! how it stands ─▶ finding ─▶ told before? ─▶ words ─▶ an event like any other ─▶ the book
//! ```
//!
//! A notice is a delivery to the operator's receiver: durable, in order, within its limits, handed to its fallback if
//! need be. Only when it is stored is it noted as told, and its key makes a second one of the same a twin: so a process
//! that is killed anywhere tells it once. Each trouble is told once, and its end once; one that comes and goes is told
//! again after [`FOLD`] at the earliest. What dies or is handed over is summed up.
//!
//! Never in a loop with itself: what concerns the way to the operator is an error in the log, and a notice only where
//! that receiver has a fallback that can take it over; when it is over, the operator is told what was. That a notice
//! died is never told. It knows no clock.

mod finding;
pub mod run;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::config::{Config, Receiver};
use crate::ingest;
use crate::model::delivery::{NewDelivery, State};
use crate::model::event::{Event, Labels, Severity};
use crate::model::health::later;
use crate::model::name::{DeliveryId, EventId, Name};
use crate::operator::Operator;
use crate::operator::notices::finding::{Finding, Trouble, findings};
use crate::operator::notices::words::{Voice, Wording};
use crate::render::failing::FailingTemplate;
use crate::render::written;
use crate::store::notices::{Book, Entry, Told, Toll};
use crate::store::{NewEvent, StoreError};

/// The kind of the event, as the API shows it.
pub const KIND: &str = "notice";

/// How soon after something was told of a subject its trouble is told again; and how often deaths are summed up.
pub const FOLD: Duration = Duration::from_secs(10 * 60);
/// How often what a fallback takes over is summed up: it was told when it began, and is as it should be.
pub const FALLBACK_FOLD: Duration = Duration::from_secs(6 * 60 * 60);

/// How long a notice that is stored and not noted as told would be known for a twin.
const TWINS: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known beside how lanes and apps stand.
pub struct Known {
    /// The configuration that runs.
    pub config: Arc<Config>,
    /// The templates that have failed.
    pub templates: Vec<FailingTemplate>,
    /// Why the last reload was refused; empty: it was not.
    pub refused: Vec<String>,
}

/// Tells the operator.
pub struct Notices {
    operator: Arc<Operator>,
    known: Box<dyn Fn() -> Known + Send + Sync>,
}

/// Whom it is told.
struct Addressee<'c> {
    name: &'c Name,
    settings: &'c Receiver,
    voice: Voice<'c>,
}

impl Notices {
    /// Tells of what the operator can see. `known` is asked at each look.
    pub fn new(operator: Arc<Operator>, known: Box<dyn Fn() -> Known + Send + Sync>) -> Self {
        Self { operator, known }
    }

    /// Tells what there is to tell at `now`.
    pub async fn step(&self, now: Timestamp) -> Result<(), StoreError> {
        let known = (self.known)();
        let to = known.config.operator.as_ref().map(|name| {
            let settings = &known.config.receivers[name];
            let page = known.config.admin.external_url.as_ref();
            Addressee {
                name,
                settings,
                voice: Voice { language: settings.style.language, zone: &settings.style.timezone, page },
            }
        });
        let (apps, lanes) = (self.operator.apps(now).await?, self.operator.queues(now).await?);
        let Book { told, tolls } = self.operator.store.book().await?;
        let mut open: BTreeMap<String, Told> = told.into_iter().map(|told| (told.subject.clone(), told)).collect();
        for toll in tolls {
            let before = open.remove(&subject_of(&toll));
            if toll.count > toll.told {
                let told = self.toll(&toll, before.as_ref(), &known.config, to.as_ref(), now).await;
                told.or_else(unless_full)?;
            }
        }
        for finding in findings(&known, to.as_ref().map(|to| to.name), &apps, &lanes, now) {
            let before = open.remove(&finding.subject);
            self.trouble(&finding, before.as_ref(), to.as_ref(), now).await.or_else(unless_full)?;
        }
        for before in open.into_values() {
            if !is_undecided(&known, &before.subject) {
                self.end(before, to.as_ref(), now).await.or_else(unless_full)?;
            }
        }
        Ok(())
    }

    /// A trouble lasts: it is told, unless it has been, or its end was told a moment ago.
    async fn trouble(
        &self,
        finding: &Finding,
        before: Option<&Told>,
        to: Option<&Addressee<'_>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if before.is_some_and(|told| !told.is_over || now < later(told.told_at, FOLD)) {
            return Ok(());
        }
        let since = finding.since.unwrap_or(now);
        let told = Told { subject: finding.subject.clone(), since, told_at: now, is_over: false };
        // A month that is used up before it was nearly so needs no second warning.
        let is_told_by_another =
            matches!(finding.trouble, Trouble::NearlyUsedUp { calls, limit, .. } if calls >= limit);
        match to {
            _ if is_told_by_another => {}
            Some(to) if !finding.is_own || may_go_to_the_fallback(finding, to) => {
                let wording = to.voice.trouble(&finding.trouble, since);
                self.send(to, wording, &told, finding.trouble.severity(), now).await?;
            }
            _ => log(finding, to),
        }
        self.operator.store.enter(vec![Entry::Told(told)]).await
    }

    /// A trouble is over, if it had not been told already that it is.
    async fn end(&self, before: Told, to: Option<&Addressee<'_>>, now: Timestamp) -> Result<(), StoreError> {
        if before.is_over {
            // Kept until it could fold nothing any more.
            let is_old = now >= later(before.told_at, FOLD);
            let entries = if is_old { vec![Entry::Forgotten(before.subject)] } else { Vec::new() };
            return if entries.is_empty() { Ok(()) } else { self.operator.store.enter(entries).await };
        }
        let wording = to.and_then(|to| Some((to, to.voice.end(&before.subject, before.since, now)?)));
        let told = Told { told_at: now, is_over: true, ..before };
        if let Some((to, wording)) = wording {
            self.send(to, wording, &told, Severity::Info, now).await?;
        }
        self.operator.store.enter(vec![Entry::Told(told)]).await
    }

    /// Deliveries died or were handed over since the operator was told last.
    async fn toll(
        &self,
        toll: &Toll,
        before: Option<&Told>,
        config: &Config,
        to: Option<&Addressee<'_>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let fold = if toll.state == State::HandedOver { FALLBACK_FOLD } else { FOLD };
        if before.is_some_and(|told| now < later(told.told_at, fold)) {
            return Ok(());
        }
        let subject = subject_of(toll);
        let told = Told { subject, since: now, told_at: now, is_over: false };
        // The lane has logged each; the operator's own are no notices, or each would make another one.
        if let Some(to) = to.filter(|to| to.name.as_str() != toll.receiver) {
            let fallback = toll.receiver.parse::<Name>().ok();
            let fallback = fallback.and_then(|name| config.receivers.get(&name)?.fallback.as_ref());
            let wording = to.voice.toll(toll, fallback.map(Name::as_str));
            let key = format!("{} {}", told.subject, toll.count);
            // What died may be critical; a fallback is as it should be.
            let severity = if toll.state == State::Dead { Severity::Critical } else { Severity::Warning };
            self.post(to, wording, (&told.subject, key), severity, now).await?;
        }
        let tolled = Entry::Tolled { receiver: toll.receiver.clone(), state: toll.state, told: toll.count };
        self.operator.store.enter(vec![Entry::Told(told), tolled]).await
    }

    async fn send(
        &self,
        to: &Addressee<'_>,
        wording: Wording,
        told: &Told,
        severity: Severity,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = format!("{} {} {}", told.subject, told.since.as_millisecond(), told.is_over);
        self.post(to, wording, (&told.subject, key), severity, now).await
    }

    /// Keeps a notice for the operator's receiver. Two with one key are twins; those of one subject stay in order.
    async fn post(
        &self,
        to: &Addressee<'_>,
        wording: Wording,
        (subject, key): (&str, String),
        severity: Severity,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Wording { title, text } = wording;
        let event = event(&title, subject, key, now);
        let mut content = written::content(&title, &text, &event.id.0, now);
        content.items.iter_mut().for_each(|item| item.severity = severity);
        let delivery = NewDelivery {
            id: DeliveryId::fresh(),
            receiver: to.name.clone(),
            severity,
            content,
            gather: Duration::ZERO,
            express: true,
        };
        let payload = Bytes::from(serde_json::json!({ "subject": subject, "title": title, "text": text }).to_string());
        let (path, deliveries) = (to.name.to_string(), vec![delivery]);
        let new = NewEvent { event, path, payload, dedup_window: TWINS, deliveries };
        ingest::keep(self.operator.store.as_ref(), new, now).await.map(drop)
    }
}

/// What concerns the way to the operator goes to the receiver's fallback, if it has one: by the ordinary way, which
/// hands over what is blocked and keeps what is only down.
fn may_go_to_the_fallback(finding: &Finding, to: &Addressee<'_>) -> bool {
    to.settings.fallback.is_some() && !matches!(finding.trouble, Trouble::AppDown { .. })
}

/// A notice for which the queue has no place comes when there is one; the others are told, if only in the log.
fn unless_full(error: StoreError) -> Result<(), StoreError> {
    if error != StoreError::QueueFull {
        return Err(error);
    }
    tracing::warn!("the operator cannot be told yet: the queue is full (store.max_queued)");
    Ok(())
}

/// Nobody can be told but whoever reads the log.
fn log(finding: &Finding, to: Option<&Addressee<'_>>) {
    let (subject, trouble) = (&finding.subject, &finding.trouble);
    match (to, trouble) {
        (Some(to), _) => {
            let receiver = to.name.as_str();
            tracing::error!(subject, receiver, "the way to the operator does not work, so this can be read here only");
        }
        (None, Trouble::NearlyUsedUp { organisation, calls, limit, .. }) => {
            tracing::warn!(organisation, calls, limit, "the month's calls are nearly used up");
        }
        (None, Trouble::QueueFills { queue, .. }) => {
            tracing::warn!(queued = queue.queued, limit = queue.limit, "the queue is nearly full (store.max_queued)");
        }
        // Whoever found it has logged it.
        (None, _) => {}
    }
}

/// What the tellings of a toll are noted under.
fn subject_of(toll: &Toll) -> String {
    format!("{}/{}", toll.state.as_str(), toll.receiver)
}

/// A template that has not been used since the start may fail or not.
fn is_undecided(known: &Known, subject: &str) -> bool {
    let Some(name) = subject.strip_prefix("template/") else { return false };
    let is_known = known.templates.iter().any(|template| template.name == name);
    let is_taken = known.config.receivers.values().any(|receiver| receiver.template.as_deref() == Some(name));
    !is_known && is_taken
}

fn event(title: &str, subject: &str, key: String, now: Timestamp) -> Event {
    Event {
        id: EventId::fresh(),
        source: Name::of_notices(),
        kind: KIND,
        title: title.to_owned(),
        title_in_chinese: None,
        url: None,
        received_at: now,
        order_key: subject.to_owned(),
        dedup_key: key,
        dedup_state: String::new(),
        facts: Labels::new(),
        group: Labels::new(),
        items: Vec::new(),
        truncated: 0,
    }
}
