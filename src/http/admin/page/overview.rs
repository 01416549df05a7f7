//! What the template of lanes and apps is given: how they stand, what is wrong, and what follows from it.
//!
//! Whoever opens the page at night wants to see what is wrong, so what does not flow comes first. The hint beside a
//! state is ours; the reason beside a block is what the code table or the gate says.

use std::cmp::Reverse;

use jiff::Timestamp;
use minijinja::{Value, context};

use crate::http::admin::page::listing::Query;
use crate::http::admin::page::moment::{grouped, moment};
use crate::http::admin::page::rows;
use crate::model::delivery::State;
use crate::model::view::{AppState, AppView, BlockView, Fullness, LaneView, Standing, WaitsFor};
use crate::operator::deliveries::Listed;

/// From here on it is told how many may wait, in percent of them.
const WORTH_A_WORD: u64 = 50;
/// So many lanes are named of a queue that is full: what is in the others would not help.
const FULLEST: usize = 3;

/// What was found to show.
pub(super) struct Overview {
    /// Every lane.
    pub(super) lanes: Vec<LaneView>,
    /// Every app.
    pub(super) apps: Vec<AppView>,
    /// The deliveries asked for.
    pub(super) listed: Listed,
    /// How many deliveries may wait.
    pub(super) max_queued: u64,
    /// Why webhooks are not taken, if they are not.
    pub(super) not_ready: Option<String>,
}

/// The page of lanes, apps and deliveries.
pub(super) fn page(seen: &Overview, query: &Query<'_>, now: Timestamp) -> Value {
    let deliveries = seen.listed.deliveries.iter();
    let (to_look_at, other_apps): (Vec<_>, Vec<_>) = sorted(&seen.apps).into_iter().partition(|view| holds(view));
    let apps = |apps: Vec<&AppView>| apps.into_iter().map(|view| app(view, now)).collect::<Vec<_>>();
    context! {
        notice => query.notice(),
        not_ready => seen.not_ready.as_deref(),
        summary => summary(&seen.lanes, Fullness::of(&seen.lanes, seen.max_queued)),
        full => full(&seen.lanes, Fullness::of(&seen.lanes, seen.max_queued)),
        lanes => lanes(&seen.lanes, &seen.apps, now),
        apps => apps(to_look_at),
        other_apps => apps(other_apps),
        states => State::ALL.map(State::as_str),
        filter => query.shown(&seen.listed),
        deliveries => deliveries.map(|delivery| rows::row(delivery, now)).collect::<Vec<_>>(),
    }
}

/// The lanes: those with a trouble of their own first, then those in which something waits, then by name. Of a trouble
/// that a lane shares with its app only the app says more than its name, or ten lanes would say the same.
fn lanes(lanes: &[LaneView], apps: &[AppView], now: Timestamp) -> Vec<Value> {
    let place = |view: &LaneView| {
        let own = if of_app(view, apps).is_some() { 0 } else { trouble(view.lane.state) };
        (Reverse(own), Reverse(view.queued > 0 || view.paused_until.is_some()))
    };
    let mut sorted: Vec<_> = lanes.iter().collect();
    sorted.sort_by_key(|view| (place(view), &view.lane.receiver));
    let shown = |view: &LaneView| match of_app(view, apps) {
        Some(of_app) => context! { shares => of_app.app.app.as_str(), why => (), hint => (), ..lane(view, now) },
        None => lane(view, now),
    };
    sorted.into_iter().map(shown).collect()
}

/// The app whose trouble is all that a lane has.
fn of_app<'a>(view: &LaneView, apps: &'a [AppView]) -> Option<&'a AppView> {
    let (lane, app) = (&view.lane, apps.iter().find(|app| Some(&app.app.app) == view.lane.app.as_ref())?);
    let of_lane = (lane.state, &lane.blocked, &lane.down, lane.cooling_until);
    let of_app = (app.app.state, &app.app.blocked, &app.app.down, app.app.cooling_until);
    (lane.state != Standing::Flowing && of_lane == of_app).then_some(app)
}

/// The apps, those in trouble first, then by name.
fn sorted(apps: &[AppView]) -> Vec<&AppView> {
    let mut sorted: Vec<_> = apps.iter().collect();
    sorted.sort_by_key(|view| (Reverse(trouble(view.app.state)), &view.app.app));
    sorted
}

/// Whether an app, or its month, holds something up.
fn holds(view: &AppView) -> bool {
    view.app.state != Standing::Flowing || view.paced.is_some()
}

/// One line over all of it.
fn summary(lanes: &[LaneView], queue: Fullness) -> String {
    let all = lanes.len();
    let held = lanes.iter().filter(|view| is_held(view)).count();
    let troubled = lanes.iter().filter(|view| !flows(view)).count() - held;
    let counts =
        [(troubled, "does not flow", "do not flow"), (held, "is held for the month", "are held for the month")];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let mut parts: Vec<_> = counts
        .map(|(count, one, more)| format!("{count} of {all} lanes {}", if count == 1 { one } else { more }))
        .collect();
    match (all, parts.is_empty()) {
        (0, _) => return String::new(),
        (1, true) => parts.push("the lane flows".to_owned()),
        (_, true) => parts.push(format!("all {all} lanes flow")),
        (_, false) => {}
    }
    parts.push(match queue.queued {
        0 => "nothing waits".to_owned(),
        queued if queue.is_at_least(WORTH_A_WORD) => format!("{} of {} queued", grouped(queued), grouped(queue.limit)),
        queued => format!("{} queued", grouped(queued)),
    });
    parts.join(" · ")
}

/// What is told of a queue that takes no more webhooks, or soon will not: what follows, and who has most of it.
fn full(lanes: &[LaneView], queue: Fullness) -> Option<Value> {
    if !queue.is_at_least(Fullness::NEARLY) {
        return None;
    }
    let mut fullest: Vec<_> = lanes.iter().filter(|view| view.queued > 0).collect();
    fullest.sort_by_key(|view| (Reverse(view.queued), &view.lane.receiver));
    let lane = |view: &&LaneView| {
        let state = (view.lane.state != Standing::Flowing).then_some(view.lane.state.as_str());
        let stands = if view.paused_until.is_some() { Some("paused") } else { state };
        let stands = stands.or(is_held(view).then_some("held for the month"));
        context! { name => view.lane.receiver.as_str(), stands, queued => grouped(view.queued) }
    };
    Some(context! {
        is_all => queue.queued >= queue.limit,
        queued => grouped(queue.queued),
        limit => grouped(queue.limit),
        fullest => fullest.iter().take(FULLEST).map(lane).collect::<Vec<_>>(),
    })
}

/// Whether what waits in a lane goes by itself before long.
pub(super) fn flows(view: &LaneView) -> bool {
    view.lane.state == Standing::Flowing && view.paused_until.is_none() && !is_held(view)
}

/// Whether what waits in a lane that could send is held for the month's sake.
pub(super) fn is_held(view: &LaneView) -> bool {
    view.waits_for.as_ref().is_some_and(|wait| wait.why == WaitsFor::Month)
}

/// Whether the lane's receiver is configured.
pub(super) fn is_configured(view: &LaneView) -> bool {
    // Only then somebody knows its rate.
    view.lane.messages_per_minute.is_some()
}

/// The receivers that could take something over from this one: its fallback first, then those whose lane flows.
pub(super) fn others(lanes: &[LaneView], receiver: &str) -> Vec<String> {
    let own = lanes.iter().find(|view| view.lane.receiver == receiver);
    let fallback = own.and_then(|view| view.lane.fallback.as_deref());
    let mut others: Vec<_> =
        lanes.iter().filter(|view| is_configured(view) && view.lane.receiver != receiver).collect();
    others.sort_by_key(|view| (fallback != Some(&view.lane.receiver), !flows(view)));
    others.into_iter().map(|view| view.lane.receiver.clone()).collect()
}

/// A lane as its card shows it.
pub(super) fn lane(view: &LaneView, now: Timestamp) -> Value {
    context! {
        name => view.lane.receiver.as_str(),
        display_name => view.lane.display_name.as_deref(),
        state => view.lane.state.as_str(),
        hint => hint(view.lane.state),
        shares => (),
        queued => grouped(view.queued),
        oldest => view.oldest_at.map(|at| moment(at, now)),
        rate => view.lane.messages_per_minute,
        slowed_down_from => view.lane.slowed_down_from,
        is_held => is_held(view),
        waits_for => view.waits_for.as_ref().map(|wait| context! {
            reason => wait.reason.as_str(),
            until => moment(wait.until, now),
        }),
        paused_until => view.paused_until.map(|at| moment(at, now)),
        fallback => view.lane.fallback.as_deref(),
        cooling_until => view.lane.cooling_until.map(|at| moment(at, now)),
        why => view.lane.blocked.as_ref().or(view.lane.down.as_ref()).map(|why| block(why, now)),
    }
}

fn app(view: &AppView, now: Timestamp) -> Value {
    let AppState { app, organisation, state, token_expires_at, calls_per_month, blocked, down, .. } = &view.app;
    context! {
        name => app.as_str(),
        organisation => organisation.as_str(),
        state => state.as_str(),
        hint => hint(*state),
        token_expires => token_expires_at.map(|at| moment(at, now)),
        token_is_over => token_expires_at.is_some_and(|at| at <= now),
        calls => view.calls_this_month,
        calls_in_words => grouped(view.calls_this_month),
        quota => calls_per_month,
        // Where the operator is told, and the bar says so too.
        nearly => calls_per_month.map(|quota| quota / 5 * 4),
        quota_in_words => calls_per_month.map(grouped),
        projected => grouped(view.projected_calls),
        too_many => calls_per_month.is_some_and(|quota| view.projected_calls > quota),
        paced => view.paced.as_ref().map(|paced| context! {
            every => paced.every_seconds.map(span),
            lanes => paced.lanes,
            until => paced.until.map(|at| moment(at, now)),
            reason => paced.reason.as_str(),
        }),
        rate => view.app.calls_per_second,
        cooling_until => view.app.cooling_until.map(|at| moment(at, now)),
        why => blocked.as_ref().or(down.as_ref()).map(|why| block(why, now)),
    }
}

fn block(block: &BlockView, now: Timestamp) -> Value {
    context! {
        code => block.code.as_str(),
        reason => block.reason.as_str(),
        since => block.since.map(|at| moment(at, now)),
        next => block.next_probe_at.map(|at| moment(at, now)),
    }
}

/// A spacing as people say it: `40 s`, `14 min`, `3 h`.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1_800) / 3_600),
    }
}

/// What follows from a state, where nothing else on the page says it.
fn hint(state: Standing) -> Option<&'static str> {
    match state {
        Standing::Flowing | Standing::Blocked => None,
        Standing::Cooling => Some("DingTalk said \"too fast\". It goes on by itself, slower."),
        Standing::Down => Some("The app's calls fail one after another. One at a time is tried until one succeeds."),
    }
}

fn trouble(state: Standing) -> u8 {
    match state {
        Standing::Flowing => 0,
        Standing::Cooling => 1,
        Standing::Down => 2,
        Standing::Blocked => 3,
    }
}
