//! The month that an app shares with its organisation: what is left of it, and when the next message may go.
//!
//! The store counts the calls, `model::budget` does the sums, `turns` says which lane is next. Nothing is remembered
//! here that another start could not ask the store for. What is critical is never spaced out, and has calls of its own
//! when the rest has none; the claim decides that, and here it is known before a permit and a claim are wasted on it.
//! Receipts rest before anything else has to wait.

use std::time::Duration;

use jiff::Timestamp;

use crate::dingtalk::codes;
use crate::gate::Gate;
use crate::model::budget::{Budget, Calls, Spacing, Used};
use crate::model::health::{Block, Cause, Health, earlier, later};
use crate::model::language::Language;
use crate::model::month::Month;
use crate::model::name::Name;
use crate::store::StoreError;

/// From this spacing on it is told that there is one: what is shorter, nobody notices.
const WORTH_TELLING: Duration = Duration::from_secs(60);

/// What a month still has calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// For nothing.
    Nothing,
    /// For what is critical.
    Critical,
    /// For every message.
    Everything,
}

/// When a lane may say what is not critical, as the month's pace has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paced {
    /// As it comes.
    Free,
    /// When its turn comes.
    InTurn {
        /// When that is; if it is not later than now, it is its turn.
        at: Timestamp,
        /// How long a turn of all that stand in line with it takes.
        round: Duration,
    },
    /// Not in this month any more, unless something critical takes it along.
    UsedUp {
        /// When the next month begins.
        until: Timestamp,
    },
}

impl Paced {
    /// Before when nothing may go that is not critical; `None`: it may go as it comes.
    pub fn until(&self) -> Option<Timestamp> {
        match *self {
            Self::Free => None,
            Self::InTurn { at, .. } => Some(at),
            Self::UsedUp { until } => Some(until),
        }
    }

    /// Whether it is the lane's turn at `now`.
    pub fn is_turn(&self, now: Timestamp) -> bool {
        matches!(self, Self::InTurn { at, .. } if *at <= now)
    }

    /// Whether nothing may go at `now` that is not critical.
    pub fn is_early(&self, now: Timestamp) -> bool {
        self.until().is_some_and(|until| now < until)
    }

    /// What was accepted before this is late at `now`, where that is so of what is older than `stale_after`. What gathers
    /// on purpose is not late by that: what could not have had its turn yet, and in a month that is used up nothing.
    pub fn late_before(&self, stale_after: Duration, now: Timestamp) -> Timestamp {
        match self {
            Self::Free => earlier(now, stale_after),
            Self::InTurn { round, .. } => earlier(now, stale_after.saturating_add(*round)),
            Self::UsedUp { .. } => Timestamp::MIN,
        }
    }
}

/// A month that has no calls left, for some or for all, and since when: since the last one was taken.
#[derive(Debug, Clone, Copy)]
pub(in crate::gate) struct UsedUp {
    month: Month,
    left: Left,
    since: Timestamp,
}

impl Gate {
    /// What the organisation's month is made of; `None`: no quota.
    pub fn budget(&self) -> Option<Budget> {
        self.budget
    }

    /// How far the count of the organisation's month may go; `None`: no quota.
    pub fn calls(&self) -> Option<Calls> {
        self.budget.map(|budget| budget.calls())
    }

    /// What the month that `now` falls into has calls left for. A call that DingTalk did not count is given back, so
    /// even a month that was used up may have one again.
    pub async fn left(&self, now: Timestamp) -> Result<Left, StoreError> {
        let (month, Some(limits)) = (Month::of(now), self.calls()) else { return Ok(Left::Everything) };
        let left = match self.store.calls(&self.organisation, month).await? {
            calls if calls < limits.others => Left::Everything,
            calls if calls < limits.critical => Left::Critical,
            _ => Left::Nothing,
        };
        if left == Left::Everything {
            self.inner().used_up = None;
        } else if !self.inner().used_up.is_some_and(|known| (known.month, known.left) == (month, left)) {
            // Since the last call, and not since somebody found it out, which another start would not know.
            let last = self.store.last_call(&self.organisation, month).await?;
            let since = last.map_or(now, |last| last.min(now));
            self.inner().used_up = Some(UsedUp { month, left, since });
            let (app, organisation, kept) = (&self.app, &self.organisation, left == Left::Critical);
            tracing::warn!(%app, %organisation, %month, kept_for_critical = kept, "the month's calls are used up; what waits is kept");
        }
        Ok(left)
    }

    /// When the lane of `receiver` may say something that is not critical at `now`. Where messages are spaced out, a lane
    /// that asks stands in line until [`Gate::went`], and has its turn when it has gathered.
    pub async fn paced(&self, receiver: &Name, gathered_at: Timestamp, now: Timestamp) -> Result<Paced, StoreError> {
        let Some(budget) = self.budget else { return Ok(Paced::Free) };
        let spacing = budget.spacing(self.used(now).await?, now);
        self.tell_pace(spacing);
        Ok(match spacing {
            Spacing::Free => {
                self.turns.disperse();
                Paced::Free
            }
            Spacing::Every(gap) => {
                let at = self.turns.ask(receiver, gap, gathered_at, now).err().unwrap_or(now);
                Paced::InTurn { at, round: self.turns.round(receiver) }
            }
            Spacing::UsedUp => Paced::UsedUp { until: Month::of(now).end() },
        })
    }

    /// A message of this lane goes at `now`, with what gathered there; `in_turn`: it takes the turn that
    /// [`Gate::paced`] gave to the lane.
    pub fn went(&self, receiver: &Name, in_turn: bool, now: Timestamp) {
        self.turns.went(receiver, in_turn, now);
    }

    /// What went last from this lane goes again: if that was its turn, the turn is still its own.
    pub fn goes_again(&self, receiver: &Name, now: Timestamp) {
        self.turns.goes_again(receiver, now);
    }

    /// About when the turn of a lane that stands in line comes, if messages stay so far apart; `None`: it stands in none.
    pub fn turn_at(&self, receiver: &Name, spacing: Duration, now: Timestamp) -> Option<Timestamp> {
        let (before, last) = self.turns.before(receiver)?;
        let due = last.map_or(now, |last| later(last.min(now), spacing)).max(now);
        let theirs = spacing.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        Some(later(due, theirs))
    }

    /// Until when the relay asks nobody who has read what, if that must rest at `now`.
    pub(in crate::gate) async fn receipts_rest_until(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let Some(budget) = self.budget else { return Ok(None) };
        Ok(budget.receipts_rest_until(self.used(now).await?, now))
    }

    async fn used(&self, now: Timestamp) -> Result<Used, StoreError> {
        let month = Month::of(now);
        Ok(Used {
            calls: self.store.calls(&self.organisation, month).await?,
            critical: self.store.critical_calls(&self.organisation, month).await?,
        })
    }

    /// Says once that messages are spaced out, and once that they are no more.
    fn tell_pace(&self, spacing: Spacing) {
        let (app, organisation) = (&self.app, &self.organisation);
        let mut inner = self.inner();
        match spacing {
            Spacing::Every(gap) if gap >= WORTH_TELLING && !inner.paced => {
                inner.paced = true;
                let seconds = gap.as_secs();
                tracing::info!(%app, %organisation, seconds, "the month runs ahead of the calendar: what is not critical gathers for longer");
            }
            Spacing::Free if inner.paced => {
                inner.paced = false;
                tracing::info!(%app, %organisation, "the calendar has caught up: nothing gathers for the month's sake");
            }
            Spacing::Free | Spacing::Every(_) | Spacing::UsedUp => {}
        }
    }

    /// What keeps the app from sending at `now`, or that nothing does: its state, or a month that is used up by our
    /// own count. While what is critical goes, the app flows.
    pub fn standing(&self, now: Timestamp) -> Health {
        match (self.health(), self.month(true, now)) {
            (health, Health::Flowing) | (health @ Health::Blocked(_), _) => health,
            (_, used_up) => used_up,
        }
    }

    /// Blocked if the month that `now` falls into is used up by our own count, and has no call left for what is critical,
    /// or for what is not; else flowing.
    pub fn month(&self, critical: bool, now: Timestamp) -> Health {
        let used_up = self.inner().used_up.filter(|used_up| !critical || used_up.left == Left::Nothing);
        used_up.map_or(Health::Flowing, |used_up| used_up.at(now))
    }
}

impl UsedUp {
    fn at(&self, now: Timestamp) -> Health {
        if self.month != Month::of(now) {
            return Health::Flowing;
        }
        let code = if self.left == Left::Nothing { "month_used_up" } else { "month_kept_for_critical" };
        let reason = codes::explain(code).map(|known| known.hint(Language::En).to_owned()).unwrap_or_default();
        let (since, probe_at, code) = (self.since, self.month.end(), code.to_owned());
        Health::Blocked(Block { since, probe_at, times: 0, code, reason, cause: Cause::Month })
    }
}
