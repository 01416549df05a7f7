//! The lane in a few lines: what the store has to agree with, whatever happened to it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity;
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::store::queue::{Beginner, Take, Waiting};
use dingtalk_relay::store::{Claimed, Want};
use jiff::Timestamp;

/// How far the tests have the store count.
pub(super) const UP_TO: usize = 5;

/// One delivery as the model has it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: DeliveryId,
    pub(super) key: usize,
    pub(super) severity: Severity,
    pub(super) state: State,
    pub(super) created_at: Timestamp,
    pub(super) due: Timestamp,
    /// Until it is due it waits for company.
    pub(super) gathers: bool,
    /// It goes by itself since it was put back so.
    pub(super) alone: bool,
    /// It goes by itself, and before what gathers.
    pub(super) express: bool,
    /// It goes in a plainer form.
    pub(super) plainer: bool,
    /// Another delivery has taken it over, and waits.
    pub(super) taken_over: bool,
}

/// A call under way.
pub(super) struct Call {
    pub(super) claimed: Claimed,
    pub(super) hold: bool,
}

pub(super) struct Model {
    /// In the order they were accepted.
    pub(super) lane: Vec<Held>,
    /// When each key was tried last, as long as it has something open.
    pub(super) tried: BTreeMap<usize, Timestamp>,
    pub(super) calls: Vec<Call>,
    pub(super) epochs: u32,
    pub(super) now: Timestamp,
}

impl Model {
    /// The earliest open delivery of every key, by its place, if it may be claimed at all.
    fn heads(&self) -> Vec<usize> {
        let first = |key| self.lane.iter().position(|d| d.key == key && d.state.is_open());
        let keys = self.lane.iter().map(|d| d.key).max().map_or(0, |last| last + 1);
        (0..keys).filter_map(first).filter(|&head| self.lane[head].state == State::Queued).collect()
    }

    fn ready(&self) -> Vec<usize> {
        self.heads().into_iter().filter(|&head| self.lane[head].due <= self.now).collect()
    }

    fn gathering(&self) -> Vec<usize> {
        let gathers = |&head: &usize| self.lane[head].gathers && self.lane[head].due > self.now;
        let mut heads: Vec<_> = self.heads().into_iter().filter(gathers).collect();
        heads.sort_by_key(|&head| (self.lane[head].due, head));
        heads
    }

    fn express_ready(&self) -> Vec<usize> {
        self.ready().into_iter().filter(|&head| self.lane[head].express).collect()
    }

    fn open_of(&self, head: usize) -> impl Iterator<Item = (usize, &Held)> {
        let key = self.lane[head].key;
        self.lane.iter().enumerate().filter(move |(_, d)| d.key == key && d.state.is_open())
    }

    fn rank(&self, head: usize) -> Severity {
        self.open_of(head).map(|(_, d)| d.severity).max().unwrap()
    }

    /// What a claim takes, in order, and whose turn that was.
    pub(super) fn next(&self, want: &Want) -> (Vec<DeliveryId>, Option<Beginner>) {
        let (places, by) = self.places(want);
        (places.into_iter().map(|place| self.lane[place].id.clone()).collect(), by)
    }

    fn places(&self, want: &Want) -> (Vec<usize>, Option<Beginner>) {
        if want.probe {
            let tried = |head: usize| self.tried.get(&self.lane[head].key);
            let probed = self.heads().into_iter().min_by_key(|&h| (tried(h), Reverse(self.rank(h)), Reverse(h)));
            return (probed.into_iter().collect(), None);
        }
        let Some((begins, by)) = self.beginning(want) else { return (vec![], None) };
        let express = self.express_ready().into_iter().min_by_key(|&head| (Reverse(self.rank(head)), head));
        if let Some(express) = express.filter(|_| want.take == Take::Express && !self.is_critical(begins)) {
            return (vec![express], None);
        }
        let is_late = self.is_late(begins, want);
        if !(want.take == Take::Digest || want.take == Take::OneUnlessLate && is_late) {
            return (vec![begins], Some(by));
        }
        let mut heads: Vec<_> = self.ready().into_iter().filter(|&head| self.is_late(head, want) == is_late).collect();
        heads.sort_by_key(|&head| match by {
            _ if head == begins => (None, None, head),
            Beginner::Overdue if self.is_overdue(head, want) => (None, Some(self.lane[head].created_at), head),
            Beginner::Overdue | Beginner::Worst => (Some(Reverse(self.rank(head))), None, head),
        });
        let company = if is_late { vec![] } else { self.gathering() };
        (self.together(&[heads, company].concat()), Some(by))
    }

    /// Who begins the next message, and why.
    fn beginning(&self, want: &Want) -> Option<(usize, Beginner)> {
        let overdue = self.ready().into_iter().filter(|&head| self.is_overdue(head, want));
        let oldest = overdue.min_by_key(|&head| (self.lane[head].created_at, head));
        let is_express = |head: usize| self.lane[head].express;
        let worse = |head| {
            (is_express(head), !self.is_critical(head), self.is_late(head, want), Reverse(self.rank(head)), head)
        };
        let worst = self.ready().into_iter().min_by_key(|&head| worse(head));
        let oldest = oldest.filter(|_| want.begins == Beginner::Overdue);
        oldest.map(|head| (head, Beginner::Overdue)).or(worst.map(|head| (head, Beginner::Worst)))
    }

    fn is_overdue(&self, head: usize, want: &Want) -> bool {
        want.overdue_before.is_some_and(|before| self.lane[head].created_at < before)
    }

    fn is_late(&self, head: usize, want: &Want) -> bool {
        self.lane[head].created_at < want.stale_before
    }

    fn is_critical(&self, head: usize) -> bool {
        self.rank(head) == Severity::Critical
    }

    fn together(&self, heads: &[usize]) -> Vec<usize> {
        let mut taken: Vec<usize> = vec![];
        for &head in heads {
            for (place, held) in self.open_of(head) {
                let first = taken.first().map(|&first| &self.lane[first]);
                let by_itself = |held: &Held| held.alone || held.express;
                let fits =
                    first.is_none_or(|first| !by_itself(first) && !by_itself(held) && first.plainer == held.plainer);
                if held.state != State::Queued || !fits {
                    break;
                }
                taken.push(place);
            }
        }
        taken
    }

    /// What a lane sees of its queue.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        let (ready, heads) = (self.ready(), self.heads());
        let oldest_ready_at = ready.iter().map(|&head| self.lane[head].created_at).min();
        let soonest = heads.iter().map(|&head| self.lane[head].due).min();
        let retries_urgent =
            |head: usize| self.lane[head].due > self.now && (self.lane[head].express || self.is_critical(head));
        let queued = |&head: &usize| self.open_of(head).filter(|(_, d)| d.state == State::Queued).count();
        Some(Waiting {
            due_at: oldest_ready_at.or(soonest)?,
            ready: ready.iter().map(queued).sum::<usize>().min(UP_TO),
            gathering: !self.gathering().is_empty(),
            critical: ready.iter().any(|&head| !self.lane[head].express && self.is_critical(head)),
            next_urgent_at: heads.iter().filter(|&&head| retries_urgent(head)).map(|&head| self.lane[head].due).min(),
            express: self.express_ready().into_iter().map(|head| self.rank(head)).max(),
            oldest_ready_at,
        })
    }

    /// Somebody comes to a key who does not wait: nothing of it waits any longer.
    pub(super) fn free(&mut self, key: usize) {
        let now = self.now;
        self.lane.iter_mut().filter(|d| d.key == key && d.state == State::Queued).for_each(|d| d.due = d.due.min(now));
    }

    pub(super) fn held(&mut self, id: &DeliveryId) -> &mut Held {
        self.lane.iter_mut().find(|d| d.id == *id).unwrap()
    }

    pub(super) fn become_state(&mut self, id: &DeliveryId, state: State, due: Timestamp) {
        let held = self.held(id);
        assert!(held.state.may_become(state), "{} may not become {state}", held.state);
        (held.state, held.due, held.gathers) = (state, due, false);
        let key = held.key;
        if !self.lane.iter().any(|d| d.key == key && d.state.is_open()) {
            self.tried.remove(&key);
        }
    }
}
