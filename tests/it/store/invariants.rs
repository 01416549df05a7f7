//! Whatever happens in whatever order: nothing is lost, nothing is overtaken, and states move along their ways only.
//!
//! A sequence of random steps is done to the store and to a model of a few lines; what the store claims, alone or
//! together, must be what the model says goes next, and after every step every delivery must stand where the model has
//! it, and the lane must see of its queue what the model sees.

mod model;

use std::collections::BTreeMap;

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity;
use dingtalk_relay::model::form::{Form, Shape};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::action::{Acted, Action};
use dingtalk_relay::store::queue::{Beginner, Take, Unsaid};
use dingtalk_relay::store::{Claimed, Filter, Finish, Next, Ownership, Want};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::store::invariants::model::{Call, Held, Model, UP_TO};
use crate::store::{Fresh, at, ended, event, ids, is_stale, name, want};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
enum Step {
    Accept { key: usize, severity: Severity, manner: Manner },
    Claim { take: Take, begins: Beginner, overdue: Option<i64>, stale: i64, hold: bool },
    Probe { hold: bool },
    Finish { which: usize, how: How },
    TakeOver,
    Act { which: usize, how: Hand },
    Wait(i64),
}

/// How one that is accepted goes.
#[derive(Debug, Clone, Copy)]
enum Manner {
    AtOnce,
    /// It waits so many seconds for company.
    Gathers(u64),
    Express,
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
    /// There was nothing to say.
    Unsaid,
    PutBack {
        wait: i64,
    },
    /// The first order key of it was delivered, the rest goes back.
    DeliverFirstKey {
        wait: i64,
    },
    Plainer,
    Alone,
    GiveUp,
}

fn step() -> impl Strategy<Value = Step> {
    let severity = prop::sample::select(Severity::ALL.to_vec());
    let manner =
        prop_oneof![6 => Just(Manner::AtOnce), 2 => (1..30_u64).prop_map(Manner::Gathers), 1 => Just(Manner::Express)];
    prop_oneof![
        6 => (0..KEYS.len(), severity, manner)
            .prop_map(|(key, severity, manner)| Step::Accept { key, severity, manner }),
        5 => claim_step(),
        1 => any::<bool>().prop_map(|hold| Step::Probe { hold }),
        5 => (0..8_usize, how()).prop_map(|(which, how)| Step::Finish { which, how }),
        1 => Just(Step::TakeOver),
        4 => (0..12_usize, hand()).prop_map(|(which, how)| Step::Act { which, how }),
        2 => (1..30_i64).prop_map(Step::Wait),
    ]
}

fn claim_step() -> impl Strategy<Value = Step> {
    let take = prop::sample::select(vec![Take::One, Take::OneUnlessLate, Take::Express, Take::Digest, Take::Digest]);
    let overdue = prop::option::of(0..60_i64);
    let begins = prop::sample::select(vec![Beginner::Worst, Beginner::Overdue]);
    (take, begins, overdue, 0..90_i64, any::<bool>()).prop_map(|(take, begins, overdue, stale, hold)| Step::Claim {
        take,
        begins,
        overdue,
        stale,
        hold,
    })
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Deliver),
        1 => Just(How::Unsaid),
        2 => (0..40_i64).prop_map(|wait| How::PutBack { wait }),
        2 => (0..40_i64).prop_map(|wait| How::DeliverFirstKey { wait }),
        1 => Just(How::Plainer),
        1 => Just(How::Alone),
        1 => Just(How::GiveUp),
    ]
}

fn hand() -> impl Strategy<Value = Hand> {
    prop_oneof![3 => Just(Hand::Redrive), 2 => Just(Hand::Cancel), 1 => Just(Hand::Elsewhere)]
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now + SignedDuration::from_secs(seconds)
}

async fn run(store: &Fresh, steps: Vec<Step>) {
    let mut model = Model { lane: vec![], tried: BTreeMap::new(), calls: vec![], epochs: 0, now: at(0) };
    let mut ownership = store.owned_by("0").await;
    for step in steps {
        match step {
            Step::Accept { key, severity, manner } => accept(store, &mut model, key, severity, manner).await,
            Step::Claim { take, begins, overdue, stale, hold } => {
                let overdue_before = overdue.map(|age| later(model.now, -age));
                let stale_before = later(model.now, -stale);
                let want = Want { take, begins, overdue_before, stale_before, hold, ..want() };
                claim(store, &mut model, &ownership, want).await;
            }
            Step::Probe { hold } => {
                let want = Want { probe: true, take: Take::Digest, hold, ..want() };
                claim(store, &mut model, &ownership, want).await;
            }
            Step::Finish { which, how } => finish(store, &mut model, &ownership, which, how).await,
            Step::Act { which, how } => act(store, &mut model, which, how).await,
            Step::TakeOver => ownership = take_over(store, &mut model, ownership).await,
            Step::Wait(seconds) => model.now = later(model.now, seconds),
        }
        check(store, &model).await;
    }
}

async fn accept(store: &Fresh, model: &mut Model, key: usize, severity: Severity, manner: Manner) {
    let post = event(KEYS[key]).to("oncall", severity);
    let (post, gather, express) = match manner {
        Manner::AtOnce => (post, 0, false),
        Manner::Gathers(seconds) => (post.gathering(seconds), seconds, false),
        Manner::Express => (post.express(), 0, true),
    };
    let accepted = store.accept(post.0, model.now).await.unwrap();
    let gathers = gather > 0;
    if !gathers {
        model.free(key);
    }
    model.lane.push(Held {
        id: accepted.deliveries[0].0.clone(),
        key,
        severity,
        state: State::Queued,
        created_at: model.now,
        due: later(model.now, gather.cast_signed()),
        gathers,
        alone: false,
        express,
        plainer: false,
        taken_over: false,
    });
}

async fn claim(store: &Fresh, model: &mut Model, ownership: &Ownership, want: Want) {
    let ((expected, by), hold, stale_before) = (model.next(&want), want.hold, want.stale_before);
    let worst_first = want.begins == Beginner::Worst && !want.probe;
    let seen = store.waiting(&want.receiver, UP_TO, model.now).await.unwrap();
    let claimed = store.take(ownership, want, model.now).await;
    assert_eq!(claimed.as_ref().map(ids).unwrap_or_default(), expected);
    let Some(claimed) = claimed else { return };
    assert_eq!(claimed.begun_by, by);
    if worst_first && seen.is_some_and(|waiting| waiting.critical) {
        assert!(claimed.critical, "a lane that hurries because of what is critical takes it");
    }
    assert_eq!(claimed.late, claimed.deliveries[0].created_at < stale_before);
    assert_eq!(claimed.express, model.held(&claimed.deliveries[0].id).express);
    for delivery in &claimed.deliveries {
        let key = model.held(&delivery.id).key;
        model.tried.insert(key, model.now);
        model.become_state(&delivery.id, State::Sending, model.now);
    }
    model.calls.push(Call { claimed, hold });
}

async fn finish(store: &Fresh, model: &mut Model, ownership: &Ownership, which: usize, how: How) {
    if model.calls.is_empty() {
        return;
    }
    let claimed = model.calls.remove(which % model.calls.len()).claimed;
    if let How::Unsaid = how {
        let (message, attempt) = (claimed.message.clone(), claimed.attempt.clone());
        let unsaid = Unsaid { message, attempt, reason: "r".into() };
        store.finish_unsaid(ownership, unsaid, model.now).await.unwrap();
        ids(&claimed).iter().for_each(|id| model.become_state(id, State::Delivered, model.now));
        return;
    }
    let next = what_follows(model.now, &claimed, how);
    for (id, next) in &next {
        follow(model, id, next);
    }
    let end = Finish { next, ..ended(&claimed, Outcome::Unavailable, Next::Delivered) };
    store.finish(ownership, end, model.now).await.unwrap();
}

fn what_follows(now: Timestamp, claimed: &Claimed, how: How) -> Vec<(DeliveryId, Next)> {
    let first_key = &claimed.deliveries[0].order_key;
    let queued = |wait| Next::Queued { at: later(now, wait), counted: true, possibly_duplicate: false };
    let of = |key: &String| match how {
        How::Deliver | How::Unsaid => Next::Delivered,
        How::DeliverFirstKey { .. } if key == first_key => Next::Delivered,
        How::PutBack { wait } | How::DeliverFirstKey { wait } => queued(wait),
        How::Plainer => Next::Plainer(Form { shape: Shape::Text, ..Form::default() }),
        How::Alone => Next::Alone,
        How::GiveUp => Next::Dead { reason: "r".into(), possibly_duplicate: false, heir: None },
    };
    claimed.deliveries.iter().map(|d| (d.id.clone(), of(&d.order_key))).collect()
}

fn follow(model: &mut Model, id: &DeliveryId, next: &Next) {
    let now = model.now;
    match next {
        Next::Delivered => model.become_state(id, State::Delivered, now),
        Next::Queued { at, .. } => model.become_state(id, State::Queued, *at),
        Next::Dead { .. } => model.become_state(id, State::Dead, now),
        Next::Plainer(_) => {
            model.held(id).plainer = true;
            model.become_state(id, State::Queued, now);
        }
        Next::Alone => {
            (model.held(id).alone, model.held(id).plainer) = (true, false);
            model.become_state(id, State::Queued, now);
        }
    }
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
        (model.held(&id).alone, model.held(&id).plainer) = (false, false);
        model.free(model.lane[place].key);
    }
}

/// Another owner comes: everything under way goes back, and the one before can do nothing any more.
async fn take_over(store: &Fresh, model: &mut Model, before: Ownership) -> Ownership {
    model.epochs += 1;
    let after = store.owned_by(&model.epochs.to_string()).await;
    for call in std::mem::take(&mut model.calls) {
        let state = if call.hold { State::Dead } else { State::Queued };
        ids(&call.claimed).iter().for_each(|id| model.become_state(id, state, model.now));
        let late = ended(&call.claimed, Outcome::Sent, Next::Delivered);
        assert!(is_stale(store.finish(&before, late, model.now).await));
    }
    after
}

/// Every delivery stands where the model has it, and the lane sees what the model sees.
async fn check(store: &Fresh, model: &Model) {
    let of_the_lane = Filter { receiver: Some("oncall".into()), limit: 500, ..Filter::default() };
    let page = store.deliveries(of_the_lane).await.unwrap();
    let shown: Vec<_> = page.deliveries.iter().rev().map(|d| (&d.id, d.state)).collect();
    let held: Vec<_> = model.lane.iter().map(|d| (&d.id, d.state)).collect();
    assert_eq!(shown, held);
    let waiting = store.waiting(&want().receiver, UP_TO, model.now).await.unwrap();
    assert_eq!(waiting, model.waiting());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_overtaken_and_no_state_jumps(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { run(&Fresh::sqlite(), steps).await });
    }
}
