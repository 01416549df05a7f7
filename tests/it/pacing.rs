//! A month with forty times as much to say as it has calls, in seconds: what a person would wait for, lane by lane.
//!
//! No store, no network: the arithmetic of the month, the turns of the lanes, the limit of the group and the decision
//! of a lane are the real ones, and time is a number. `month` and `storm` tell of the same with real lanes. Run it with
//! `--nocapture` to read the figures.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::time::Duration;

use dingtalk_relay::config::digest::{Digest, Mode};
use dingtalk_relay::dispatch::gather::{Decision, decide};
use dingtalk_relay::gate::limiter::Limiter;
use dingtalk_relay::gate::turns::Turns;
use dingtalk_relay::model::budget::{Budget, Percent, Spacing, Used};
use dingtalk_relay::model::content::Unchanged;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::model::name::Name;
use dingtalk_relay::store::queue::{Take, Waiting};
use jiff::Timestamp;

const NOTIFICATIONS: usize = 200_000;
const CRITICAL_PERCENT: u32 = 1;
const BUDGET_CALLS: u64 = 5_000;
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const MINUTE: Duration = Duration::from_secs(60);
const WINDOW: Duration = Duration::from_secs(10);
/// What a lane may lose when its turn comes while it is not looking.
const SLACK: Duration = Duration::from_secs(5);

#[test]
fn a_month_of_5_000_calls_tells_of_200_000_notifications_and_of_every_critical_one_within_a_minute() {
    for lanes in [1, 12, 40] {
        let told = Town::of(lanes, evenly).month();
        println!("{}", told.text());
        told.holds();
        assert!(told.calls.calls > 3_950, "what is not kept is used: {:?}", told.calls);
    }
}

#[test]
fn a_month_that_comes_in_storms_keeps_its_promises_too() {
    for lanes in [1, 40] {
        let told = Town::of(lanes, in_storms).month();
        println!("{}", told.text());
        told.holds();
    }
}

#[test]
fn a_quiet_month_delays_nothing_but_by_the_limits_of_its_groups() {
    let told = Town { notifications: 3_000, ..Town::of(12, evenly) }.month();
    println!("{}", told.text());
    assert_eq!((told.widest, told.calls.calls), (Duration::ZERO, 3_000));
    assert!(told.others.last().is_some_and(|longest| *longest <= MINUTE), "{}", told.text());
}

/// Groups that share a month, and what comes in it.
struct Town {
    lanes: usize,
    notifications: usize,
    /// When they come, as parts of the month.
    arrivals: fn(&mut fastrand::Rng) -> f64,
}

/// At any time.
fn evenly(rng: &mut fastrand::Rng) -> f64 {
    rng.f64()
}

/// Half of them at any time, the others in ten storms of an hour each.
fn in_storms(rng: &mut fastrand::Rng) -> f64 {
    if rng.bool() { rng.f64() } else { (f64::from(rng.u32(0..10)) + 0.3) / 10.0 + rng.f64() / 720.0 }
}

/// What a person wants to know of a month.
struct Told {
    lanes: usize,
    calls: Used,
    /// How long each waited, the longest last.
    critical: Vec<Duration>,
    others: Vec<Duration>,
    /// The widest spacing there was.
    widest: Duration,
    /// What the arithmetic allowed the one that waited longest: a turn of every lane, at the widest spacing meanwhile.
    allowed: Duration,
    /// How many were told in how many messages.
    notifications: usize,
}

impl Told {
    /// What is promised whatever comes.
    fn holds(&self) {
        let limits = budget().calls();
        assert!(self.calls.calls <= limits.critical, "never over the quota: {:?}", self.calls);
        assert!(self.calls.calls - self.calls.critical <= limits.others, "the reserve is untouched: {:?}", self.calls);
        assert_eq!(self.critical.len() + self.others.len(), self.notifications, "nobody is left untold");
        assert!(self.critical.last() <= Some(&MINUTE), "{:?}", self.critical.last());
        assert!(self.others.last() <= Some(&self.allowed), "{}", self.text());
    }

    /// How long a turn of all lanes is, on average over the month.
    fn turn(&self) -> Duration {
        let others = self.calls.calls - self.calls.critical;
        MONTH * u32::try_from(self.lanes).unwrap() / u32::try_from(others.max(1)).unwrap()
    }

    fn text(&self) -> String {
        let at = |delays: &[Duration], percent: usize| delays[(delays.len() - 1) * percent / 100];
        let said = |delay: Duration| match delay.as_secs() {
            0..120 => format!("{} s", delay.as_secs()),
            120..7_200 => format!("{} min", delay.as_secs() / 60),
            _ => format!("{:.1} h", delay.as_secs_f64() / 3_600.0),
        };
        let mut text =
            format!("{} lanes, {} notifications: {} calls", self.lanes, self.notifications, self.calls.calls);
        let _infallible = write!(
            text,
            " ({} critical); critical: {} at most; others: median {}, p99 {}, at most {}; a turn of \
             every lane: {} on average, {} when that one waited",
            self.calls.critical,
            said(at(&self.critical, 100)),
            said(at(&self.others, 50)),
            said(at(&self.others, 99)),
            said(at(&self.others, 100)),
            said(self.turn()),
            said(self.allowed),
        );
        text
    }
}

struct Lane {
    name: Name,
    limiter: Limiter,
    /// What waits, the oldest first, and whether it is critical; and how many are.
    waits: Vec<(Timestamp, bool)>,
    critical: usize,
    /// When it looks again.
    wakes_at: Option<Timestamp>,
}

fn budget() -> Budget {
    Budget { calls_per_month: BUDGET_CALLS, kept_for_others: 0, critical_reserve: Percent::new(20).unwrap() }
}

fn digest() -> Digest {
    let [max_wait, stale_after] = [900, 1_800].map(Duration::from_secs);
    Digest { mode: Mode::Auto, window: WINDOW, max_items: 15, max_wait, stale_after, unchanged: Unchanged::Fold }
}

impl Town {
    fn of(lanes: usize, arrivals: fn(&mut fastrand::Rng) -> f64) -> Self {
        Self { lanes, notifications: NOTIFICATIONS, arrivals }
    }

    fn month(&self) -> Told {
        let month = Month::of("2026-11-15T00:00:00Z".parse().unwrap());
        let mut run = Run::of(self, month);
        let mut rng = fastrand::Rng::with_seed(6);
        let whole = month.end().duration_since(month.start()).as_secs_f64();
        let mut arrivals: Vec<_> = (0..self.notifications)
            .map(|_| {
                let at = month.start() + Duration::from_secs_f64((self.arrivals)(&mut rng) * whole);
                (at, rng.usize(0..self.lanes), rng.u32(0..100) < CRITICAL_PERCENT)
            })
            .collect();
        arrivals.sort();
        for (at, lane, critical) in arrivals {
            run.until(at);
            run.lanes[lane].waits.push((at, critical));
            run.lanes[lane].critical += usize::from(critical);
            run.step(lane, at);
        }
        // What came last may have to wait for the next month, which begins with calls of its own.
        run.until(month.end() - Duration::from_secs(1));
        run.calls_of_the_month = Some(run.used);
        run.used = Used::default();
        run.until(month.end() + HOUR);
        run.told(self)
    }
}

/// A month on its way.
struct Run {
    lanes: Vec<Lane>,
    turns: Turns,
    used: Used,
    calls_of_the_month: Option<Used>,
    wakes: BinaryHeap<Reverse<(Timestamp, usize)>>,
    delays: BTreeMap<bool, Vec<Duration>>,
    /// The widest spacing of every hour.
    widest: Vec<Duration>,
    allowed: Duration,
    longest: Duration,
    start: Timestamp,
}

impl Run {
    fn of(town: &Town, month: Month) -> Self {
        let limiter = || Limiter::new(NonZeroU32::new(20).unwrap(), Duration::from_secs(71), [], month.start());
        let lane = |n| Lane {
            name: format!("lane-{n}").parse().unwrap(),
            limiter: limiter(),
            waits: vec![],
            critical: 0,
            wakes_at: None,
        };
        Self {
            lanes: (0..town.lanes).map(lane).collect(),
            turns: Turns::after(None),
            used: Used::default(),
            calls_of_the_month: None,
            wakes: BinaryHeap::new(),
            delays: BTreeMap::from([(true, vec![]), (false, vec![])]),
            widest: vec![Duration::ZERO; 722],
            allowed: Duration::ZERO,
            longest: Duration::ZERO,
            start: month.start(),
        }
    }

    fn until(&mut self, end: Timestamp) {
        while self.wakes.peek().is_some_and(|Reverse((at, _))| *at <= end) {
            let Some(Reverse((at, lane))) = self.wakes.pop() else { return };
            if self.lanes[lane].wakes_at == Some(at) {
                self.step(lane, at);
            }
        }
    }

    /// What a lane's step does, again and again until it waits.
    fn step(&mut self, lane: usize, now: Timestamp) {
        self.lanes[lane].wakes_at = None;
        while let Some(waiting) = self.waiting(lane) {
            let paced_until = self.paced_until(lane, now);
            let permits = self.lanes[lane].limiter.left(now);
            match decide(&waiting, &digest(), permits, paced_until, false, now) {
                Decision::Wait(until) => return self.sleep(lane, until),
                Decision::Go(_) if !waiting.critical && paced_until.is_some_and(|until| now < until) => {
                    unreachable!("it is not its turn")
                }
                Decision::Go(take) => {
                    if !self.send(lane, take, paced_until.is_some(), now) {
                        return;
                    }
                }
            }
        }
    }

    fn sleep(&mut self, lane: usize, until: Timestamp) {
        self.lanes[lane].wakes_at = Some(until);
        self.wakes.push(Reverse((until, lane)));
    }

    fn waiting(&self, lane: usize) -> Option<Waiting> {
        let waits = &self.lanes[lane].waits;
        let (oldest, _) = *waits.first()?;
        let critical = self.lanes[lane].critical > 0;
        let (ready, oldest_ready_at) = (waits.len(), Some(oldest));
        Some(Waiting {
            due_at: oldest,
            ready,
            gathering: false,
            critical,
            express: None,
            next_urgent_at: None,
            oldest_ready_at,
        })
    }

    /// As the gate says it, without a store to ask.
    fn paced_until(&mut self, lane: usize, now: Timestamp) -> Option<Timestamp> {
        match budget().spacing(self.used, now) {
            Spacing::Free => {
                self.turns.disperse();
                None
            }
            Spacing::Every(gap) => {
                self.widen(gap, now);
                Some(self.turns.ask(&self.lanes[lane].name, gap, now, now).err().unwrap_or(now))
            }
            Spacing::UsedUp => {
                let end = Month::of(now).end();
                self.widen(Duration::try_from(end.duration_since(now)).unwrap(), now);
                Some(end)
            }
        }
    }

    fn hour(&self, at: Timestamp) -> usize {
        usize::try_from(at.duration_since(self.start).as_hours()).unwrap()
    }

    fn widen(&mut self, gap: Duration, now: Timestamp) {
        let hour = self.hour(now);
        self.widest[hour] = self.widest[hour].max(gap);
    }

    /// What the arithmetic allows one that has waited since then: a turn of every lane, at the widest spacing meanwhile,
    /// or the rest of the month.
    fn allowed(&self, since: Timestamp, now: Timestamp) -> Duration {
        let widest = self.widest[self.hour(since).saturating_sub(1)..=self.hour(now)].iter().max().unwrap();
        let turn = (*widest + SLACK) * u32::try_from(self.lanes.len()).unwrap();
        // The next month has calls of its own.
        let rest = Duration::try_from((self.start + MONTH).duration_since(since)).unwrap_or(MONTH);
        turn.min(rest) + WINDOW
    }

    /// One message, of one or of all that waits. False if the group takes none now.
    fn send(&mut self, lane: usize, take: Take, paced: bool, now: Timestamp) -> bool {
        let Lane { name, limiter, waits, critical: criticals, .. } = &mut self.lanes[lane];
        if let Err(until) = limiter.take(now) {
            self.sleep(lane, until);
            return false;
        }
        let first = waits.iter().position(|(_, critical)| *critical).unwrap_or(0);
        let taken: Vec<_> = if take == Take::Digest { std::mem::take(waits) } else { vec![waits.remove(first)] };
        let of_them = taken.iter().filter(|(_, critical)| *critical).count();
        *criticals -= of_them;
        let critical = of_them > 0;
        let limits = budget().calls();
        assert!(self.used.calls < if critical { limits.critical } else { limits.others }, "the claim would refuse it");
        self.used.calls += 1;
        self.used.critical += u64::from(critical);
        self.turns.went(name, paced && !critical, now);
        for (at, critical) in taken {
            let delay = Duration::try_from(now.duration_since(at)).unwrap();
            if !critical {
                let allowed = self.allowed(at, now);
                assert!(delay <= allowed, "{delay:?} where the arithmetic allows {allowed:?}");
                (self.longest, self.allowed) = (self.longest, self.allowed).max((delay, allowed));
            }
            self.delays.entry(critical).or_default().push(delay);
        }
        true
    }

    fn told(mut self, town: &Town) -> Told {
        let mut sorted = |critical| {
            let mut delays = self.delays.remove(&critical).unwrap();
            delays.sort();
            delays
        };
        Told {
            lanes: town.lanes,
            calls: self.calls_of_the_month.unwrap_or_default(),
            critical: sorted(true),
            others: sorted(false),
            widest: self.widest.into_iter().max().unwrap_or_default(),
            allowed: self.allowed,
            notifications: town.notifications,
        }
    }
}
