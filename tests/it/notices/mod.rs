//! What the operator is told: each trouble once, its end once, also over a restart; deaths summed up; and never a word
//! about the way to him through itself.
//!
//! `oncall` and `team` are reached through one DingTalk, the operator's `sre` through an app of another organisation at
//! a DingTalk of its own, so that what fails here can be told there. No test but one takes the time it tells of.

mod full;
mod month;
mod running;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dingtalk_relay::operator::notices::{Known, Notices};
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::Value;

use crate::harness::{Bench, Hands, fixture_of_group};
use crate::storm::firing;

const BEGIN: &str = "2026-11-21T12:00:00Z";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// "Always", for a fault.
const EVERY_CALL: u32 = u32::MAX;

/// A bench with an operator elsewhere.
struct Watched {
    bench: Bench,
    /// The operator's DingTalk.
    desk: Simulator,
}

impl Watched {
    /// `sre` says more of the operator's receiver, and `more` of other receivers and then of anything.
    async fn with(sre: &str, more: &str) -> Self {
        let hands: Arc<OnceLock<Hands>> = Arc::default();
        let clock = Arc::clone(&hands);
        let clock = move || clock.get().map_or_else(|| BEGIN.parse().unwrap(), Hands::now);
        let desk = Simulator::start(Options { clock: Arc::new(clock), ..Options::default() }).await.unwrap();
        let elsewhere = format!(
            "
admin: {{ external_url: 'https://relay.example.com/' }}
organisations: {{ elsewhere: {{ calls_per_month: 5000 }} }}
apps:
  desk: {{ base_url: '{}', app_key: ding-desk, app_secret: s, organisation: elsewhere }}
operator: {{ receiver: sre }}
receivers:
  sre: {{ app: desk, open_conversation_id: cid-sre==, {sre} }}
{more}",
            desk.base_url()
        );
        let options = |clock: Hands| {
            assert!(hands.set(clock.clone()).is_ok());
            let limits = Limits { messages_per_minute: 0, ..Limits::default() };
            Options { clock: Arc::new(move || clock.now()), limits, ..Options::default() }
        };
        Self { bench: Bench::with(&elsewhere, BEGIN, options).await, desk }
    }

    /// From now on the groups of `oncall` and `team` answer this.
    fn answers(&self, code: &str) {
        self.bench.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, code));
    }

    async fn alert(&self, receiver: &str, group: usize) {
        self.bench.accept(receiver, &fixture_of_group("one-firing.json", group)).await;
    }

    /// The notices' loop looks once.
    async fn look(&self) {
        let config = Arc::clone(&self.bench.parts().config);
        let known = move || Known { config: Arc::clone(&config), templates: Vec::new(), refused: Vec::new() };
        let notices = Notices::new(Arc::new(self.bench.operator()), Box::new(known));
        notices.step(self.bench.clock.now()).await.unwrap();
    }

    /// Everything works for so long, and the notices look every so often.
    async fn watch(&mut self, span: Duration, every: Duration) {
        let until = self.bench.clock.now() + span;
        while self.bench.clock.now() < until {
            self.bench.work_for(every).await;
            self.look().await;
        }
        self.bench.work_for(SECOND).await;
    }

    /// What the operator was told, in order.
    fn told(&self) -> Vec<String> {
        let text = |message: &Value| message.as_str().unwrap().replace("  \n", "\n");
        self.desk.messages().iter().map(|message| text(&message.msg_param["text"])).collect()
    }

    fn titles(&self) -> Vec<String> {
        self.desk.messages().iter().map(|message| message.msg_param["title"].as_str().unwrap().to_owned()).collect()
    }

    async fn crash(self) -> Self {
        Self { bench: self.bench.crash().await, desk: self.desk }
    }
}

#[tokio::test]
async fn a_blocked_group_is_told_once_also_over_a_crash_and_that_it_is_over_is_told_once() {
    let mut watched = Watched::with("language: en", "").await;
    watched.answers("group.disbanded");
    watched.alert("oncall", 0).await;
    watched.alert("oncall", 1).await;
    watched.watch(HOUR, MINUTE).await;
    let mut watched = watched.crash().await;
    watched.watch(HOUR, MINUTE).await;
    assert_eq!(watched.titles(), ["night, oncall is blocked"]);

    watched.bench.simulator.forget();
    watched.bench.work_for(HOUR).await;
    let mut watched = watched.crash().await;
    watched.watch(HOUR, MINUTE).await;

    assert_eq!(watched.titles(), ["night, oncall is blocked", "night is no longer blocked"]);
    insta::assert_snapshot!("blocked_en", watched.told().join("\n\n---\n\n"));
}

#[tokio::test]
async fn a_notice_waits_for_nothing_that_gathers_in_the_operators_group_and_takes_nothing_along() {
    let mut watched = Watched::with("language: en, digest: always, digest_window: 3h", "").await;
    watched.bench.accept("sre", &firing("DiskFull", "warning")).await;
    watched.answers("group.disbanded");
    watched.alert("oncall", 0).await;
    watched.watch(MINUTE, 10 * SECOND).await;
    assert_eq!(watched.titles(), ["night, oncall is blocked"]);

    watched.bench.simulator.forget();
    watched.watch(HOUR, MINUTE).await;
    assert_eq!(
        watched.titles()[1..],
        ["night is no longer blocked"],
        "good news is not critical, and does not wait either"
    );

    watched.watch(2 * HOUR, 10 * MINUTE).await;
    assert_eq!(watched.titles().len(), 3);
}

#[tokio::test]
async fn an_app_is_told_in_the_operators_language_and_time_and_its_lanes_are_not_told_beside_it() {
    let mut watched = Watched::with("language: zh", "").await;
    watched.answers("Forbidden.AccessDenied.IpNotInWhiteList");
    for receiver in ["oncall", "team"] {
        watched.alert(receiver, 0).await;
    }
    watched.watch(10 * MINUTE, MINUTE).await;
    watched.bench.simulator.forget();
    watched.bench.simulator.fault(Api::Send, EVERY_CALL, Answer::ResetBefore);
    watched.watch(30 * MINUTE, MINUTE).await;
    watched.bench.simulator.forget();
    watched.watch(HOUR, MINUTE).await;
    insta::assert_snapshot!("app_zh", watched.told().join("\n\n---\n\n"));
}

#[tokio::test]
async fn a_thousand_deaths_are_few_messages_and_every_one_is_counted() {
    let mut watched = Watched::with(
        "language: en",
        "defaults: { receiver: { digest: never, limits: { messages_per_minute: 5000 } } }",
    )
    .await;
    watched.answers("invalidParameter.msg.unsupport");
    for group in 0..1_000 {
        watched.alert("team", group).await;
    }
    watched.watch(HOUR, 10 * SECOND).await;

    let told = watched.titles();
    assert!((1..=3).contains(&told.len()), "{told:?}");
    let counted: usize = told.iter().map(|title| title.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(counted, 1_000, "{told:?}");
    insta::assert_snapshot!("dead_en", watched.told()[0].replacen(|c: char| c.is_ascii_digit(), "#", 8));
}

#[tokio::test]
async fn a_month_is_told_at_80_percent_at_its_end_and_when_it_turns() {
    let mut watched =
        Watched::with("language: en", "defaults: { organisation: { calls_per_month: 10, critical_reserve: 0% } }")
            .await;
    for group in 0..12 {
        watched.alert("team", group).await;
        watched.watch(MINUTE, MINUTE).await;
    }
    watched.watch(HOUR, MINUTE).await;
    let mut watched = watched.crash().await;
    watched.watch(HOUR, MINUTE).await;
    watched.bench.clock.move_to("2026-11-30T16:00:01Z".parse().unwrap());
    watched.watch(HOUR, MINUTE).await;
    let expected =
        ["default has used 80 % of its month", "default has used up its month", "default may make calls again"];
    assert_eq!(watched.titles(), expected);
    insta::assert_snapshot!("month_en", watched.told().join("\n\n---\n\n"));
}

#[tokio::test]
async fn what_a_fallback_takes_over_is_told_when_it_begins() {
    let mut watched = Watched::with("language: en", "  oncall: { fallback: sre }").await;
    watched.answers("group.disbanded");
    for group in 0..5 {
        watched.alert("oncall", group).await;
        watched.watch(MINUTE, MINUTE).await;
    }
    watched.watch(HOUR, MINUTE).await;
    let mut titles = watched.titles();
    titles.retain(|title| !title.contains("HighCPU"));
    assert_eq!(titles, ["night, oncall is blocked", "sre has taken over from oncall"]);
}

#[tokio::test]
async fn the_operators_own_trouble_is_not_told_through_itself_and_a_dead_notice_makes_none() {
    let mut watched = Watched::with("language: en", "").await;
    watched.desk.fault(Api::Send, EVERY_CALL, Answer::code(400, "invalidParameter.msg.unsupport"));
    watched.answers("group.disbanded");
    watched.alert("oncall", 0).await;
    watched.watch(HOUR, MINUTE).await;
    assert_eq!(notices(&watched).await, ["dead"], "the one of the group; that it died is told nowhere");

    watched.desk.forget();
    watched.desk.fault(Api::Send, EVERY_CALL, Answer::code(400, "bot.stopped"));
    watched.alert("sre", 0).await;
    watched.watch(HOUR, MINUTE).await;
    assert_eq!(notices(&watched).await.len(), 1, "its own block is not told through itself");
    assert_eq!(watched.bench.lane("sre").await["state"], "blocked");

    watched.desk.forget();
    watched.watch(HOUR, MINUTE).await;
    assert_eq!(watched.titles().last().unwrap(), "sre is no longer blocked", "what was is told when it is over");
}

#[tokio::test]
async fn one_that_comes_and_goes_is_not_told_each_time() {
    let mut watched = Watched::with("language: en", "").await;
    for round in 0..20 {
        watched.bench.simulator.fault(Api::Send, 6, Answer::ResetBefore);
        watched.alert("team", round).await;
        watched.watch(MINUTE, 2 * SECOND).await;
    }
    let told = watched.titles();
    assert!(told.len() >= 2 && told.len() <= 6, "20 minutes: {told:?}");
    assert!(told.chunks(2).all(|pair| pair[0] == "App ops is down"), "{told:?}");
}

/// The states of the notices' deliveries, the first one first.
async fn notices(watched: &Watched) -> Vec<String> {
    let list = watched.bench.deliveries().await;
    let notices = list.iter().filter(|delivery| delivery["source"] == "_notice");
    notices.map(|delivery| delivery["state"].as_str().unwrap().to_owned()).collect()
}
