//! What is legal in a configuration and will hurt: told by `check`, and once by `serve`; never a reason to refuse.
//!
//! Few, and each of them true whatever arrives later: a person who reads a warning that is none will read no other.
//! So nobody is warned of what had to be said out loud (`none: true`), nor of what only the sender's configuration
//! could tell (a `dedup_window` above its `repeat_interval`). What could not be read is not judged.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::digest::{Digest, Mode, SendResolved};
use crate::config::draft::Draft;
use crate::config::problem::{Problem, hint};
use crate::config::{App, Organisation, Receiver, Route, SourceKind};
use crate::ingest::hearing;
use crate::model::event::{Severity, Status};
use crate::model::name::{ChannelKey, Name};
use crate::routing::doubts;
use crate::sources::{alertmanager, generic, github};

/// Where a configuration is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surroundings {
    /// In a container: its loopback is its own.
    Container,
    /// On a machine, or nobody knows.
    Unknown,
}

/// What DingTalk takes of one robot in one group, a minute. It publishes no figure.
const GROUP_TAKES: u32 = 20;
/// What DingTalk takes of one app at most, a second: of a paid organisation. The standard edition has 20.
const APP_TAKES: u32 = 60;
/// A call that hangs for longer does more harm than a second try could.
const LONG_CALL: Duration = Duration::from_secs(30);

/// Every warning about what could be read.
pub fn warnings(draft: &Draft, surroundings: Surroundings) -> Vec<Problem> {
    let mut all = Vec::new();
    nothing_to_do(draft, &mut all);
    admin(draft, surroundings, &mut all);
    for (name, app) in &draft.apps {
        busy_app(name, app, &mut all);
    }
    for (name, receiver) in &draft.receivers {
        busy_receiver(name, receiver, draft, &mut all);
        falls_together(name, receiver, draft, &mut all);
        gathers_too_long(name, receiver, &mut all);
    }
    waits_for_nobody(draft, &mut all);
    for (name, organisation) in &draft.organisations {
        thin_month(name, organisation, draft, &mut all);
        lavish(name, organisation, draft, &mut all);
    }
    told_through_the_same(draft, &mut all);
    forgotten_early(draft, &mut all);
    matchers(draft, &mut all);
    if let Some(route) = &draft.route {
        all.extend(doubts::unreachable(route));
        told_twice(route, "route", &draft.receivers, &mut all);
    }
    all
}

/// Most likely the wrong file.
fn nothing_to_do(draft: &Draft, all: &mut Vec<Problem>) {
    if !draft.problems.is_empty() {
        return;
    }
    if draft.sources.is_empty() {
        all.push(Problem::at("sources", "there is none, so no webhook is taken"));
    }
    if draft.receivers.is_empty() {
        all.push(Problem::at("receivers", "there is none, so nothing can be sent"));
    }
}

fn admin(draft: &Draft, surroundings: Surroundings, all: &mut Vec<Problem>) {
    let Some(admin) = &draft.admin else { return };
    let is_loopback = admin.listen.ip().is_loopback();
    if is_loopback && surroundings == Surroundings::Container {
        let message = format!(
            "{} is reached from inside this container alone: no probe and no scrape gets there; listen on 0.0.0.0:{} \
             and set a token",
            admin.listen,
            admin.listen.port()
        );
        all.push(Problem::at("admin.listen", message));
    }
    if !is_loopback && admin.token.is_none() {
        let message = "is missing: others can reach this port, so it shows health and metrics only";
        all.push(Problem::at("admin.token", message));
    }
}

fn busy_app(name: &Name, app: &App, all: &mut Vec<Problem>) {
    if app.calls_per_second.get() > APP_TAKES && is_dingtalk(app) {
        let message = format!("is above the {APP_TAKES} a second that DingTalk takes of one app at most");
        all.push(Problem::at(format!("apps.{name}.limits.calls_per_second"), message));
    }
    if app.timeout > LONG_CALL {
        let message = "a call that hangs holds its group up for so long, and a group's limit is kept for a minute and \
                       this: it gets fewer messages than the limit says; 10s is enough";
        all.push(Problem::at(format!("apps.{name}.timeout"), message));
    }
}

fn busy_receiver(name: &Name, receiver: &Receiver, draft: &Draft, all: &mut Vec<Problem>) {
    let path = format!("receivers.{name}.limits.messages_per_minute");
    let rate = receiver.messages_per_minute;
    if rate.get() > GROUP_TAKES && draft.apps.get(&receiver.app).is_some_and(is_dingtalk) {
        let message = format!("expect DingTalk to say \"too fast\" at more than {GROUP_TAKES} a minute in one group");
        all.push(Problem::at(&path, message));
    }
    if let Some((stricter, limit)) = strictest(receiver, &draft.receivers).filter(|(_, limit)| *limit < rate) {
        let message = format!(
            "`{stricter}` is the same robot in the same group and may send {limit} a minute: this holds here too"
        );
        all.push(Problem::at(path, message));
    }
}

/// Times that undo each other.
fn gathers_too_long(name: &Name, receiver: &Receiver, all: &mut Vec<Problem>) {
    let Digest { mode, window, max_wait, stale_after, .. } = receiver.digest;
    let mut warn = |key: &str, message: &str| all.push(Problem::at(format!("receivers.{name}.{key}"), message));
    let merges = receiver.send_resolved == SendResolved::Merged;
    if mode == Mode::Never && merges {
        warn("send_resolved", "`digest` is `never`, so there is no company to wait for: what is over goes at once");
        return;
    }
    if mode != Mode::Never && window >= stale_after {
        warn("stale_after", "is not longer than `digest_window`: whatever gathers is told as late");
    }
    if mode != Mode::Never && window >= max_wait {
        warn(
            "max_wait",
            "is not longer than `digest_window`: of what gathers the oldest begins every other message, not the worst",
        );
    }
    if merges && hearing::MERGED >= stale_after {
        warn(
            "send_resolved",
            "what is over waits for company up to 10 minutes: by `stale_after` it is told as late then",
        );
    }
}

/// Sources whose deliveries wait for company that cannot come, or wait until they are late.
fn waits_for_nobody(draft: &Draft, all: &mut Vec<Problem>) {
    let merging = |receiver: &&Receiver| receiver.digest.mode != Mode::Never;
    let shortest = draft.receivers.iter().filter(|(_, receiver)| merging(receiver));
    let shortest = shortest.min_by_key(|(_, receiver)| receiver.digest.stale_after);
    for (name, source) in draft.sources.iter().filter(|(_, source)| !source.gather.is_zero()) {
        let message = match shortest {
            None if draft.receivers.is_empty() => continue,
            None => "no receiver tells several deliveries together (`digest: never`), so nothing waits".to_owned(),
            Some((late, receiver)) if source.gather >= receiver.digest.stale_after => {
                format!("is not shorter than `stale_after` of `{late}`: what waits so long is told there as late")
            }
            Some(_) => continue,
        };
        all.push(Problem::at(format!("sources.{name}.gather"), message));
    }
}

/// A month that is too small for its groups, or that may go to receipts.
fn thin_month(name: &Name, organisation: &Organisation, draft: &Draft, all: &mut Vec<Problem>) {
    let Some(budget) = organisation.budget() else { return };
    let is_ours = |receiver: &&Receiver| draft.apps.get(&receiver.app).is_some_and(|app| app.organisation == *name);
    let receivers = || draft.receivers.values().filter(is_ours);
    let groups: BTreeSet<_> = receivers().map(|receiver| channel(receiver).as_str().to_owned()).collect();
    if !groups.is_empty() && budget.a_group_and_day(groups.len()) < 1.0 {
        let each = if groups.len() == 1 { "its group".to_owned() } else { format!("each of {} groups", groups.len()) };
        let message = format!("leaves {each} less than one message a day that is not critical: they gather for days");
        all.push(Problem::at(format!("organisations.{name}.calls_per_month"), message));
    }
    let (share, others) = (organisation.receipt_calls_per_month, budget.calls().others);
    if share > others / 2 && receivers().any(|receiver| receiver.receipts.enabled) {
        let message = format!(
            "is more than half of the {others} calls a month for what is not critical: messages may gather because \
             receipts were asked for"
        );
        all.push(Problem::at(format!("organisations.{name}.receipt_calls_per_month"), message));
    }
}

/// Groups that never merge, beside others that share their month; and a share of a month that has no end.
fn lavish(name: &Name, organisation: &Organisation, draft: &Draft, all: &mut Vec<Problem>) {
    if organisation.budget().is_none() && organisation.kept_for_others > 0 {
        let message = "`calls_per_month` is 0, no quota: there is nothing to keep any of";
        all.push(Problem::at(format!("organisations.{name}.kept_for_others"), message));
    }
    let is_ours = |receiver: &Receiver| draft.apps.get(&receiver.app).is_some_and(|app| app.organisation == *name);
    let receivers: Vec<_> = draft.receivers.iter().filter(|(_, receiver)| is_ours(receiver)).collect();
    let groups: BTreeSet<_> = receivers.iter().map(|(_, receiver)| channel(receiver).as_str().to_owned()).collect();
    let Some(budget) = organisation.budget().filter(|_| groups.len() > 1) else { return };
    for (receiver, _) in receivers.into_iter().filter(|(_, receiver)| receiver.digest.mode == Mode::Never) {
        let message = format!(
            "`never` makes a call for each webhook, also where the month runs short: a storm here takes what the {} \
             groups of organisation `{name}` share, {} calls a month",
            groups.len(),
            budget.calls().others
        );
        all.push(Problem::at(format!("receivers.{receiver}.digest"), message));
    }
}

/// A fallback that would fall with what it guards: the closest thing they share is told, the rest follows from it.
fn falls_together(name: &Name, receiver: &Receiver, draft: &Draft, all: &mut Vec<Problem>) {
    let Some(guard) = &receiver.fallback else { return };
    let Some(other) = draft.receivers.get(guard) else { return };
    let organisation = |receiver: &Receiver| draft.apps.get(&receiver.app).map(|app| app.organisation.clone());
    let message = if channel(other) == channel(receiver) {
        format!("`{guard}` is the same robot in the same group: whatever blocks this one blocks its fallback")
    } else if other.app == receiver.app {
        format!(
            "`{guard}` is reached through the same app `{}`: it helps if the robot is gone from the group, and not if \
             the app's credentials, a permission or the address is wrong, or the month's calls are used up",
            other.app
        )
    } else if let Some(shared) = organisation(other).filter(|_| organisation(other) == organisation(receiver)) {
        format!(
            "`{guard}` belongs to the same organisation `{shared}`: once its calls of the month are used up, both wait"
        )
    } else {
        return;
    };
    all.push(Problem::at(format!("receivers.{name}.fallback"), message));
}

/// The operator would be told of an app or a group through itself. A fallback in another app is way enough.
fn told_through_the_same(draft: &Draft, all: &mut Vec<Problem>) {
    let Some((name, own)) = draft.operator.as_ref().and_then(|name| draft.receivers.get_key_value(name)) else {
        return;
    };
    let other_app =
        own.fallback.as_ref().and_then(|name| draft.receivers.get(name)).is_some_and(|to| to.app != own.app);
    let others = || draft.receivers.iter().filter(|(other, _)| *other != name);
    let message = if other_app {
        return;
    } else if let Some((other, _)) = others().find(|(_, receiver)| channel(receiver) == channel(own)) {
        format!(
            "`{name}` is the same robot in the same group as `{other}`: what blocks that is told in the log only; name \
             another group in another app, or give `{name}` a fallback there"
        )
    } else if let Some((other, _)) = others().find(|(_, receiver)| receiver.app == own.app) {
        format!(
            "`{name}` is reached through the app `{}`, as `{other}` is: that it is blocked or down is told in the log \
             only; name a receiver in another app, or give `{name}` a fallback there",
            own.app
        )
    } else {
        return;
    };
    all.push(Problem::at("operator.receiver", message));
}

/// The receiver with the lowest limit of those that share this one's channel.
fn strictest<'d>(receiver: &Receiver, receivers: &'d BTreeMap<Name, Receiver>) -> Option<(&'d Name, NonZeroU32)> {
    let same = receivers.iter().filter(|(_, other)| channel(other) == channel(receiver));
    same.map(|(name, other)| (name, other.messages_per_minute)).min_by_key(|(_, limit)| *limit)
}

fn channel(receiver: &Receiver) -> ChannelKey {
    ChannelKey::app_robot(&receiver.app, &receiver.robot_code, &receiver.open_conversation_id)
}

fn is_dingtalk(app: &App) -> bool {
    app.base_url.host_str().is_some_and(|host| host.ends_with(".dingtalk.com") || host.ends_with(".dingtalk.io"))
}

/// Retention counts from when an event came, so it must be longer than everything that still asks for the event.
fn forgotten_early(draft: &Draft, all: &mut Vec<Problem>) {
    let Some(store) = &draft.store else { return };
    if let Some(retry) = &draft.retry {
        let tries = usize::try_from(retry.max_attempts.get()).unwrap_or(usize::MAX);
        let last = retry.schedule.last().copied().unwrap_or_default();
        let waits = retry.schedule.iter().copied().chain(std::iter::repeat(last));
        let longest = waits.take((tries - 1).min(10_000)).fold(Duration::ZERO, Duration::saturating_add);
        if longest > store.retention {
            let message =
                "is shorter than `retry` may try: a delivery that dies then is forgotten before anybody sees it";
            all.push(Problem::at("store.retention", message));
        }
    }
    let late = draft.sources.iter().filter(|(_, source)| source.dedup_window > store.retention);
    for (name, _) in late {
        let message = "is longer than store.retention: a twin of an event that was forgotten is a new one";
        all.push(Problem::at(format!("sources.{name}.dedup_window"), message));
    }
}

/// Matchers that ask for what our own words can never be.
fn matchers(draft: &Draft, all: &mut Vec<Problem>) {
    let mut known = BTreeMap::from([
        ("severity", Severity::ALL.iter().map(|severity| severity.as_str()).collect::<BTreeSet<_>>()),
        ("status", [Status::Firing, Status::Resolved, Status::Notice].map(Status::as_str).into()),
    ]);
    // Where something is wrong, a source or its kind may be what could not be read.
    if draft.problems.is_empty() {
        known.insert("source", draft.sources.keys().map(Name::as_str).collect());
        known.insert("kind", draft.sources.values().map(|source| kind(source.kind)).collect());
    }
    for written in &draft.matchers {
        for (word, value) in doubts::unknown_values(&written.text, &known) {
            let values = &known[word.as_str()];
            let hint = hint(&value, values.iter().copied());
            let raw = if word == "severity" { "; what the sender wrote is `label_severity`" } else { "" };
            let message = format!("no {word} is ever `{}`; {hint}{raw}", value.escape_debug());
            all.push(Problem::at(&written.path, message));
        }
    }
}

/// The word matchers see.
fn kind(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Alertmanager => alertmanager::KIND,
        SourceKind::Github => github::KIND,
        SourceKind::Generic => generic::KIND,
    }
}

/// Routes that name one group twice.
fn told_twice(route: &Route, path: &str, receivers: &BTreeMap<Name, Receiver>, all: &mut Vec<Problem>) {
    let mut seen: BTreeMap<String, &Name> = BTreeMap::new();
    for name in &route.receivers {
        let Some(receiver) = receivers.get(name) else { continue };
        if let Some(other) = seen.insert(channel(receiver).as_str().to_owned(), name) {
            let message = format!("`{other}` and `{name}` are the same robot in the same group, which is told twice");
            all.push(Problem::at(format!("{path}.receivers"), message));
        }
    }
    for (i, child) in route.routes.iter().enumerate() {
        told_twice(child, &format!("{path}.routes[{i}]"), receivers, all);
    }
}
