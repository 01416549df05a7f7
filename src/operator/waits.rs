//! What holds the queue of a lane that flows, and until when: a month, company, a retry.
//!
//! A lane whose app and channel work is `flowing`, and may wait for days all the same: whoever looks must not take that
//! for health. It is told from what the store counts and the gate remembers, at the moment of the look and without a
//! call; the lane asks the same before it sends. A digest's window and the limits of the group hold for seconds and are
//! not told. It changes nothing and reads no clock.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::budget::{Budget, Spacing, Used};
use crate::model::delivery::{Delivery, State};
use crate::model::event::Severity;
use crate::model::month::Month;
use crate::model::name::Name;
use crate::model::view::{AppState, AppView, LaneView, Standing, Wait, WaitsFor};
use crate::operator::{Operator, SHORTEST_SPACING};
use crate::store::StoreError;
use crate::store::queue::Waiting;

impl Operator {
    /// What holds a delivery that waits: see [`of`].
    pub async fn waits_for(&self, delivery: &Delivery, now: Timestamp) -> Result<Option<Wait>, StoreError> {
        if delivery.state != State::Queued {
            return Ok(None);
        }
        let lanes = self.lanes(now).await?;
        Ok(of(delivery, &lanes).cloned())
    }

    /// Fills in what holds each lane.
    pub(in crate::operator) async fn tell_waits(
        &self,
        views: &mut [LaneView],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let apps: BTreeMap<Name, AppState> = (self.apps)().into_iter().map(|app| (app.app.clone(), app)).collect();
        for view in views.iter_mut().filter(|view| view.queued > 0 && is_free(view)) {
            let app = view.lane.app.as_ref().and_then(|app| apps.get(app));
            view.waits_for = self.hold(&view.lane.receiver, app, now).await?;
        }
        Ok(())
    }

    /// Fills in how many lanes of its organisation each month holds.
    pub(in crate::operator) async fn count_held(
        &self,
        views: &mut [AppView],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if views.iter().all(|view| view.paced.is_none()) {
            return Ok(());
        }
        let organisations: BTreeMap<_, _> =
            views.iter().map(|view| (view.app.app.clone(), view.app.organisation.clone())).collect();
        let lanes = self.lanes(now).await?;
        let held = lanes.iter().filter(|lane| lane.waits_for.as_ref().is_some_and(|wait| wait.why == WaitsFor::Month));
        let mut counts: BTreeMap<&Name, usize> = BTreeMap::new();
        for organisation in held.filter_map(|lane| organisations.get(lane.lane.app.as_ref()?)) {
            *counts.entry(organisation).or_default() += 1;
        }
        for view in views {
            if let Some(paced) = &mut view.paced {
                paced.lanes = counts.get(&view.app.organisation).copied().unwrap_or_default();
            }
        }
        Ok(())
    }

    /// The calls an organisation has made in the month that `now` falls into.
    pub(in crate::operator) async fn used(&self, organisation: &Name, now: Timestamp) -> Result<Used, StoreError> {
        let month = Month::of(now);
        Ok(Used {
            calls: self.store.calls(organisation, month).await?,
            critical: self.store.critical_calls(organisation, month).await?,
        })
    }

    async fn hold(&self, receiver: &str, app: Option<&AppState>, now: Timestamp) -> Result<Option<Wait>, StoreError> {
        let (Ok(receiver), Some(app)) = (receiver.parse::<Name>(), app) else { return Ok(None) };
        match self.store.waiting(&receiver, 1, now).await? {
            // What is under way is not held, and what is critical takes the rest along.
            None | Some(Waiting { critical: true, .. }) => Ok(None),
            Some(waiting) if waiting.ready == 0 && waiting.due_at > now => Ok(Some(later(&waiting))),
            Some(_) => self.month(&receiver, app, now).await,
        }
    }

    /// What the month holds back in a lane that has something to say, and nothing critical.
    async fn month(&self, receiver: &Name, app: &AppState, now: Timestamp) -> Result<Option<Wait>, StoreError> {
        let Some(budget) = app.budget else { return Ok(None) };
        let used = self.used(&app.organisation, now).await?;
        Ok(match budget.spacing(used, now) {
            Spacing::UsedUp if used.calls < budget.calls().critical => Some(kept(&budget, used, now)),
            Spacing::Every(gap) if gap >= SHORTEST_SPACING => {
                let at = (self.gates)(&app.app).and_then(|gate| gate.turn_at(receiver, gap, now));
                at.filter(|at| *at > now).map(|at| in_turn(&budget, used, at))
            }
            // What holds back everything is the app's own state.
            Spacing::UsedUp | Spacing::Every(_) | Spacing::Free => None,
        })
    }
}

/// What holds a delivery that waits in one of these lanes, where that is the month. Anything else its lane and its
/// `next_attempt_at` say.
pub fn of<'l>(delivery: &Delivery, lanes: &'l [LaneView]) -> Option<&'l Wait> {
    // News of something critical is never held for the month, unless all of it is used up, and then its lane is blocked.
    // Where it is ready its lane is not held; where it waits for its next try the others of its lane may be.
    let waits_for_its_try = delivery.severity == Severity::Critical && delivery.next_attempt_at.is_some();
    if delivery.state != State::Queued || waits_for_its_try {
        return None;
    }
    let own = lanes.iter().find(|view| view.lane.receiver == delivery.receiver)?;
    let needs_no_turn = [Name::of_send().as_str(), Name::of_notices().as_str()].contains(&delivery.source.as_str());
    own.waits_for.as_ref().filter(|wait| wait.why == WaitsFor::Month && !(wait.by_turns && needs_no_turn))
}

/// Whether its state and its pause let a lane send.
fn is_free(view: &LaneView) -> bool {
    view.lane.state == Standing::Flowing && view.paused_until.is_none()
}

fn later(waiting: &Waiting) -> Wait {
    let is_retry = waiting.next_urgent_at == Some(waiting.due_at);
    let (why, reason) = if waiting.gathering && !is_retry {
        (WaitsFor::Company, "What waits here need not ring by itself: it goes along with the first message that goes.")
    } else {
        (WaitsFor::Retry, "What waits here was tried and waits for its next try.")
    };
    Wait { why, until: waiting.due_at, reason: reason.to_owned(), by_turns: false }
}

fn kept(budget: &Budget, used: Used, now: Timestamp) -> Wait {
    let (calls, of) = (used.calls, budget.calls_per_month);
    let reason = format!(
        "Held for the month: no critical news, and {calls} of {of} calls are used; what is left is kept for that. \
         It goes when the month turns, or along with a critical message before."
    );
    Wait { why: WaitsFor::Month, until: Month::of(now).end(), reason, by_turns: false }
}

fn in_turn(budget: &Budget, used: Used, until: Timestamp) -> Wait {
    let (calls, of) = (used.calls, budget.calls_per_month);
    let reason = format!(
        "Held for the month: no critical news, and {calls} of {of} calls are used, which is ahead of the calendar. It goes in \
         one message when its turn comes about, or along with a critical message before."
    );
    Wait { why: WaitsFor::Month, until, reason, by_turns: true }
}
