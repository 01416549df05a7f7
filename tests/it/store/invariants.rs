//! Whatever happens in whatever order: nothing is lost, nothing is overtaken, and states move along their ways only.
//!
//! A sequence of random steps is done to the store and to a model of a few lines; what the store claims must be what
//! the model says goes next, and in the end every delivery must stand where the model has it.

use std::collections::BTreeMap;

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity;
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::action::{Acted, Action};
use dingtalk_relay::store::{Claimed, Filter, Next, Ownership, Want};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::store::{Fresh, at, ended, event, is_stale, name, want};

const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    Accept { key: usize, severity: Severity },
    Claim,
    Probe { hold: bool },
    Finish { which: usize, how: How },
    TakeOver,
    Act { which: usize, how: Hand },
    Wait(i64),
}

/// What a human does.
#[derive(Debug, Clone, Copy)]
enum Hand {
    Redrive,
    Cancel,
    /// To a lane of its own, beside this story.
    Elsewhere,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Deliver,
    PutBack { wait: i64 },
    GiveUp,
}

fn step() -> impl Strategy<Value = Step> {
    let severity = prop::sample::select(Severity::ALL.to_vec());
    let how = prop_oneof![
        3 => Just(How::Deliver),
        2 => (0..40_i64).prop_map(|wait| How::PutBack { wait }),
        1 => Just(How::GiveUp),
    ];
    prop_oneof![
        6 => (0..KEYS.len(), severity).prop_map(|(key, severity)| Step::Accept { key, severity }),
        5 => Just(Step::Claim),
        1 => any::<bool>().prop_map(|hold| Step::Probe { hold }),
        5 => (0..8_usize, how).prop_map(|(which, how)| Step::Finish { which, how }),
        1 => Just(Step::TakeOver),
        4 => (0..12_usize, hand()).prop_map(|(which, how)| Step::Act { which, how }),
        2 => (1..30_i64).prop_map(Step::Wait),
    ]
}

fn hand() -> impl Strategy<Value = Hand> {
    prop_oneof![3 => Just(Hand::Redrive), 2 => Just(Hand::Cancel), 1 => Just(Hand::Elsewhere)]
}

/// One delivery as the model has it.
#[derive(Debug)]
struct Held {
    id: DeliveryId,
    key: usize,
    severity: Severity,
    state: State,
    due: Timestamp,
    /// Another delivery has taken it over, and waits.
    taken_over: bool,
}

/// A call under way.
struct Call {
    claimed: Claimed,
    hold: bool,
}

struct Model {
    lane: Vec<Held>,
    /// When each key was tried last, as long as it has something open.
    tried: BTreeMap<usize, Timestamp>,
    calls: Vec<Call>,
    epochs: u32,
    now: Timestamp,
}

impl Model {
    /// The earliest open delivery of every key.
    fn heads(&self) -> impl Iterator<Item = &Held> {
        (0..KEYS.len()).filter_map(|key| self.lane.iter().find(|d| d.key == key && d.state.is_open()))
    }

    fn rank(&self, head: &Held) -> Severity {
        self.lane.iter().filter(|d| d.key == head.key && d.state.is_open()).map(|d| d.severity).max().unwrap()
    }

    fn place(&self, head: &Held) -> usize {
        self.lane.iter().position(|d| d.id == head.id).unwrap()
    }

    fn next(&self, probe: bool) -> Option<usize> {
        let waiting = self.heads().filter(|head| head.state == State::Queued);
        let head = if probe {
            waiting.min_by_key(|head| (self.tried.get(&head.key), self.place(head)))
        } else {
            let due = waiting.filter(|head| head.due <= self.now);
            due.min_by_key(|head| (std::cmp::Reverse(self.rank(head)), self.place(head)))
        };
        head.map(|head| self.place(head))
    }

    /// Somebody comes to a key who does not wait: nothing of it waits any longer.
    fn free(&mut self, key: usize) {
        let now = self.now;
        self.lane.iter_mut().filter(|d| d.key == key && d.state == State::Queued).for_each(|d| d.due = d.due.min(now));
    }

    fn become_state(&mut self, id: &DeliveryId, state: State, due: Timestamp) {
        let held = self.lane.iter_mut().find(|d| d.id == *id).unwrap();
        assert!(held.state.may_become(state), "{} may not become {state}", held.state);
        (held.state, held.due) = (state, due);
        let key = held.key;
        if !self.lane.iter().any(|d| d.key == key && d.state.is_open()) {
            self.tried.remove(&key);
        }
    }
}

async fn run(store: &Fresh, steps: Vec<Step>) {
    let mut model = Model { lane: vec![], tried: BTreeMap::new(), calls: vec![], epochs: 0, now: at(0) };
    let mut ownership = store.owned_by("0").await;
    for step in steps {
        match step {
            Step::Accept { key, severity } => accept(store, &mut model, key, severity).await,
            Step::Claim => claim(store, &mut model, &ownership, want()).await,
            Step::Probe { hold } => {
                claim(store, &mut model, &ownership, Want { probe: true, hold, ..want() }).await;
            }
            Step::Finish { which, how } => finish(store, &mut model, &ownership, which, how).await,
            Step::Act { which, how } => act(store, &mut model, which, how).await,
            Step::TakeOver => ownership = take_over(store, &mut model, ownership).await,
            Step::Wait(seconds) => model.now += jiff::SignedDuration::from_secs(seconds),
        }
        check(store, &model).await;
    }
}

async fn accept(store: &Fresh, model: &mut Model, key: usize, severity: Severity) {
    let accepted = store.accept(event(KEYS[key]).to("oncall", severity).0, model.now).await.unwrap();
    let id = accepted.deliveries[0].0.clone();
    model.free(key);
    model.lane.push(Held { id, key, severity, state: State::Queued, due: model.now, taken_over: false });
}

async fn claim(store: &Fresh, model: &mut Model, ownership: &Ownership, want: Want) {
    let (probe, hold) = (want.probe, want.hold);
    let claimed = store.take(ownership, want, model.now).await;
    let expected = model.next(probe).map(|place| model.lane[place].id.clone());
    assert_eq!(claimed.as_ref().map(|c| c.deliveries[0].id.clone()), expected);
    if let Some(claimed) = claimed {
        let id = claimed.deliveries[0].id.clone();
        let key = model.lane.iter().find(|d| d.id == id).unwrap().key;
        model.tried.insert(key, model.now);
        model.become_state(&id, State::Sending, model.now);
        model.calls.push(Call { claimed, hold });
    }
}

async fn finish(store: &Fresh, model: &mut Model, ownership: &Ownership, which: usize, how: How) {
    if model.calls.is_empty() {
        return;
    }
    let call = model.calls.remove(which % model.calls.len());
    let (outcome, next, state, wait) = match how {
        How::Deliver => (Outcome::Sent, Next::Delivered, State::Delivered, 0),
        How::PutBack { wait } => {
            let until = model.now + jiff::SignedDuration::from_secs(wait);
            let next = Next::Queued { at: until, counted: true, possibly_duplicate: false };
            (Outcome::Unavailable, next, State::Queued, wait)
        }
        How::GiveUp => {
            (Outcome::Refused, Next::Dead { reason: "r".into(), possibly_duplicate: false, heir: None }, State::Dead, 0)
        }
    };
    store.finish(ownership, ended(&call.claimed, outcome, next), model.now).await.unwrap();
    let due = model.now + jiff::SignedDuration::from_secs(wait);
    model.become_state(&call.claimed.deliveries[0].id, state, due);
}

/// A human lays a hand on one of the latest: it is done where its state allows it, and nowhere else.
async fn act(store: &Fresh, model: &mut Model, which: usize, how: Hand) {
    let Some(place) = model.lane.len().checked_sub(which + 1) else { return };
    let (id, state) = (model.lane[place].id.clone(), model.lane[place].state);
    let elsewhere = Action::HandOver { to: name("dev") };
    let (action, allowed, then) = match how {
        Hand::Redrive => (Action::Redrive, [State::Dead, State::Cancelled].contains(&state), State::Queued),
        Hand::Cancel => (Action::Cancel, state == State::Queued, State::Cancelled),
        Hand::Elsewhere if state == State::Queued => (elsewhere, true, State::HandedOver),
        Hand::Elsewhere => (elsewhere, [State::Dead, State::Cancelled].contains(&state), state),
    };

    let acted = store.act(&id, action, model.now).await.unwrap();

    if !allowed {
        assert_eq!(acted, Acted::WrongState(state));
        return;
    }
    if matches!(how, Hand::Elsewhere) && std::mem::replace(&mut model.lane[place].taken_over, true) {
        assert!(matches!(acted, Acted::TakenOver(_)), "{acted:?}");
        return;
    }
    assert!(matches!(acted, Acted::Done { .. }), "{acted:?}");
    if then != state {
        model.become_state(&id, then, model.now);
    }
    if then == State::Queued {
        model.free(model.lane[place].key);
    }
}

/// Another owner comes: everything under way goes back, and the one before can do nothing any more.
async fn take_over(store: &Fresh, model: &mut Model, before: Ownership) -> Ownership {
    model.epochs += 1;
    let after = store.owned_by(&model.epochs.to_string()).await;
    for call in std::mem::take(&mut model.calls) {
        let state = if call.hold { State::Dead } else { State::Queued };
        model.become_state(&call.claimed.deliveries[0].id, state, model.now);
        let late = ended(&call.claimed, Outcome::Sent, Next::Delivered);
        assert!(is_stale(store.finish(&before, late, model.now).await));
    }
    after
}

/// Every delivery stands where the model has it, and what is due is what may go.
async fn check(store: &Fresh, model: &Model) {
    let of_the_lane = Filter { receiver: Some("oncall".into()), limit: 500, ..Filter::default() };
    let page = store.deliveries(of_the_lane).await.unwrap();
    let shown: Vec<_> = page.deliveries.iter().rev().map(|d| (&d.id, d.state)).collect();
    let held: Vec<_> = model.lane.iter().map(|d| (&d.id, d.state)).collect();
    assert_eq!(shown, held);
    let due = store.due(model.now).await;
    assert_eq!(due.is_some_and(|at| at <= model.now), model.next(false).is_some());
    let earliest = model.heads().filter(|d| d.state == State::Queued).map(|d| d.due).min();
    assert_eq!(due.filter(|at| *at > model.now), earliest.filter(|at| *at > model.now));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_overtaken_and_no_state_jumps(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { run(&Fresh::sqlite(), steps).await });
    }
}
