//! What a human may do and see: whether the relay is ready, how lanes and apps stand, which deliveries there are; and a
//! hand on them ([`actions`]), and on messages ([`messages`], [`recall`]); what a payload would become ([`preview`]), and
//! a message by hand ([`send`]).
//!
//! It stands between the admin port and the store: `http` turns these answers into JSON and HTML and knows no store.
//! [`Operator`] joins what the gate knows (states, from a function it is given) with what the store counts, and passes
//! the gate itself where DingTalk is to be called. It knows neither HTTP nor how the gate came to its view.

pub mod actions;
pub mod alerts;
pub mod deliveries;
pub mod members;
pub mod messages;
pub mod notices;
pub mod preview;
pub mod readiness;
pub mod recall;
pub mod reload;
pub mod selection;
pub mod send;
pub mod waits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::dingtalk::codes;
use crate::gate::Gate;
use crate::model::budget::{Spacing, Used, projected};
use crate::model::delivery::DeliveryRecord;
use crate::model::language::Language;
use crate::model::month::Month;
use crate::model::name::{DeliveryId, Name};
use crate::model::view::{AppState, AppView, BlockView, LaneState, LaneView, Paced, Standing};
use crate::operator::deliveries::{Listed, Listing};
use crate::operator::readiness::Readiness;
use crate::operator::reload::{By, Outcome, Refused, Reloading};
use crate::store::action::PauseRow;
use crate::store::queue::LaneRow;
use crate::store::{Store, StoreError};

/// What is spaced out by less is not worth a word.
const SHORTEST_SPACING: Duration = Duration::from_secs(1);

/// What the gate knows of every configured lane, asked for at each look.
pub type Lanes = Box<dyn Fn() -> Vec<LaneState> + Send + Sync>;

/// What the gate knows of every configured app, asked for at each look.
pub type Apps = Box<dyn Fn() -> Vec<AppState> + Send + Sync>;

/// The gate of a configured app, asked for at each call.
pub type Gates = Box<dyn Fn(&Name) -> Option<Arc<Gate>> + Send + Sync>;

/// The operator's view of the relay.
pub struct Operator {
    store: Arc<dyn Store>,
    max_queued: u64,
    lanes: Lanes,
    apps: Apps,
    gates: Gates,
    readiness: Readiness,
    reloading: Option<Reloading>,
}

impl Operator {
    /// The view of a relay with this store, which holds so many open deliveries, and whose gate answers these two
    /// questions.
    pub fn new(store: Arc<dyn Store>, max_queued: u64, lanes: Lanes, apps: Apps, readiness: Readiness) -> Self {
        Self { store, max_queued, lanes, apps, gates: Box::new(|_no_app| None), readiness, reloading: None }
    }

    /// The same, with a way to DingTalk: without one, no app is configured.
    pub fn reaching(self, gates: Gates) -> Self {
        Self { gates, ..self }
    }

    /// The same, with a handle to have the configuration read again.
    pub fn with(self, reloading: Reloading) -> Self {
        Self { reloading: Some(reloading), ..self }
    }

    /// Has the configuration read again.
    pub async fn reload(&self) -> Outcome {
        match &self.reloading {
            Some(reloading) => reloading.ask(By::Request).await,
            None => Err(Refused::Stopping),
        }
    }

    /// Whether the relay takes webhooks.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Every configured lane as it stands at `now`, and every lane that still holds deliveries of a receiver that is
    /// configured no more; with what holds those that flow.
    pub async fn lanes(&self, now: Timestamp) -> Result<Vec<LaneView>, StoreError> {
        let mut views = self.queues(now).await?;
        self.tell_waits(&mut views, now).await?;
        Ok(views)
    }

    /// The same without what holds those that flow, which nobody wants to know at every scrape.
    pub async fn queues(&self, now: Timestamp) -> Result<Vec<LaneView>, StoreError> {
        let waiting = self.store.lanes().await?;
        let mut views = join((self.lanes)(), waiting);
        for PauseRow { receiver, until } in self.store.pauses().await? {
            let paused = views.iter_mut().find(|view| view.lane.receiver == receiver && until > now);
            paused.into_iter().for_each(|view| view.paused_until = Some(until));
        }
        Ok(views)
    }

    /// Every configured app with its organisation's calls of the month that `now` falls into.
    pub async fn apps(&self, now: Timestamp) -> Result<Vec<AppView>, StoreError> {
        let mut views = Vec::new();
        for app in (self.apps)() {
            let used = self.used(&app.organisation, now).await?;
            let (projected_calls, paced) = (projected(used.calls, now), paced(&app, used, now));
            views.push(AppView { app, calls_this_month: used.calls, projected_calls, paced });
        }
        self.count_held(&mut views, now).await?;
        Ok(views)
    }

    /// How many deliveries may be open, over all lanes.
    pub fn max_queued(&self) -> u64 {
        self.max_queued
    }

    /// One page of deliveries, newest first.
    pub async fn deliveries(&self, listing: Listing) -> Result<Listed, StoreError> {
        let page = self.store.deliveries(listing.into_filter()).await?;
        Ok(Listed::from(page))
    }

    /// One delivery with its event, message and attempts.
    pub async fn delivery(&self, id: &str) -> Result<Option<DeliveryRecord>, StoreError> {
        self.store.delivery(&DeliveryId(id.to_owned())).await
    }
}

fn join(lanes: Vec<LaneState>, waiting: Vec<LaneRow>) -> Vec<LaneView> {
    let mut waiting: BTreeMap<String, LaneRow> = waiting.into_iter().map(|row| (row.receiver.clone(), row)).collect();
    let mut views = Vec::new();
    for lane in lanes {
        let row = waiting.remove(&lane.receiver);
        let (queued, oldest_at) = row.map(|row| (row.queued, row.oldest_at)).unwrap_or_default();
        views.push(LaneView { lane, queued, oldest_at, paused_until: None, waits_for: None });
    }
    views.extend(waiting.into_values().map(left_behind));
    views
}

/// A queue without a receiver is kept, and must be seen, or nobody would ever miss it.
fn left_behind(row: LaneRow) -> LaneView {
    let code = BlockView::NOT_CONFIGURED;
    let blocked = BlockView {
        code: code.to_owned(),
        reason: codes::explain(code).map(|known| known.hint(Language::En).to_owned()).unwrap_or_default(),
        since: None,
        next_probe_at: None,
    };
    let lane = LaneState {
        receiver: row.receiver,
        display_name: None,
        app: None,
        state: Standing::Blocked,
        messages_per_minute: None,
        slowed_down_from: None,
        cooling_until: None,
        down: None,
        blocked: Some(blocked),
        fallback: None,
    };
    LaneView { lane, queued: row.queued, oldest_at: row.oldest_at, paused_until: None, waits_for: None }
}

/// What holds back what is not critical, if the month does; in how many lanes is counted later.
fn paced(app: &AppState, used: Used, now: Timestamp) -> Option<Paced> {
    let (lanes, kept) = (0, "month_kept_for_critical");
    match app.budget?.spacing(used, now) {
        Spacing::Every(gap) if gap >= SHORTEST_SPACING => Some(Paced {
            every_seconds: Some(gap.as_secs()),
            lanes,
            until: None,
            reason:
                "The month's calls run ahead of the calendar, so what is not critical gathers for longer and goes in \
                     fewer messages. What is critical, or sent by hand, goes at once."
                    .to_owned(),
        }),
        // What holds back everything is the app's own state.
        Spacing::UsedUp if used.calls < app.calls_allowed?.critical => Some(Paced {
            every_seconds: None,
            lanes,
            until: Some(Month::of(now).end()),
            reason: codes::explain(kept).map(|known| known.hint(Language::En).to_owned()).unwrap_or_default(),
        }),
        Spacing::Free | Spacing::Every(_) | Spacing::UsedUp => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(receiver: &str) -> LaneState {
        LaneState {
            receiver: receiver.into(),
            display_name: None,
            app: None,
            state: Standing::Flowing,
            messages_per_minute: Some(20),
            slowed_down_from: None,
            cooling_until: None,
            down: None,
            blocked: None,
            fallback: None,
        }
    }

    #[test]
    fn a_lane_with_nothing_waiting_is_listed_with_zero() {
        let views = join(vec![lane("oncall")], vec![]);
        assert_eq!((views[0].queued, views[0].oldest_at), (0, None));
    }

    #[test]
    fn a_queue_whose_receiver_is_gone_is_seen_as_blocked() {
        let row = LaneRow { receiver: "gone".into(), queued: 3, oldest_at: Some(Timestamp::UNIX_EPOCH) };
        let views = join(vec![lane("oncall")], vec![row]);
        let gone = &views[1];
        assert_eq!((gone.lane.receiver.as_str(), gone.queued, gone.lane.state), ("gone", 3, Standing::Blocked));
        assert_eq!(gone.lane.blocked.as_ref().unwrap().code, "not_configured");
    }
}
