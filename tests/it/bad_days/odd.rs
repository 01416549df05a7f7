//! Answers that no documentation has: unknown codes, pages of proxies, empty and half bodies, no answer at all.
//!
//! Each is drawn once, and everything arrives in the end: what is unknown may cost time and never a message.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::bad_days::{BEGIN, HOUR, SECOND, begin, calls, only, record, rounded, simulated, states};
use crate::harness::{Bench, fixture};

/// Short, so that what hangs does not.
const IMPATIENT: &str = "apps: { ops: { timeout: 300ms } }";

/// What follows: how the lane stands, then how the attempt is told, and after how many seconds it is tried again.
type Follows = (&'static str, &'static str, i64);

const IN_DOUBT: bool = true;
const CERTAIN: bool = false;

fn odd_answers() -> Vec<(Answer, Follows, bool)> {
    let of = Answer::code;
    vec![
        // Unknown codes, by status.
        (of(400, "brand.new"), ("flowing", "HTTP 400 brand.new", 1), CERTAIN),
        (of(401, "brand.new"), ("blocked", "HTTP 401 brand.new", 30), CERTAIN),
        (of(403, "brand.new"), ("blocked", "HTTP 403 brand.new", 30), CERTAIN),
        (
            of(403, "Forbidden.AccessDenied.QpmLimitForNew"),
            ("cooling", "HTTP 403 Forbidden.AccessDenied.QpmLimitForNew", 60),
            CERTAIN,
        ),
        (of(404, "brand.new"), ("blocked", "HTTP 404 brand.new", 30), CERTAIN),
        (of(418, "brand.new"), ("flowing", "HTTP 418 brand.new", 1), CERTAIN),
        (of(429, "brand.new"), ("cooling", "HTTP 429 brand.new", 60), CERTAIN),
        (of(500, "brand.new"), ("flowing", "HTTP 500 brand.new", 1), IN_DOUBT),
        (of(200, "brand.new"), ("flowing", "HTTP 200 brand.new", 1), IN_DOUBT),
        // Pages, and both faces of an address ban.
        (Answer::Html { status: 502 }, ("flowing", "HTTP 502 http_502", 1), IN_DOUBT),
        (Answer::Html { status: 200 }, ("cooling", "HTTP 200 html", 300), CERTAIN),
        (Answer::Html { status: 403 }, ("cooling", "HTTP 403 html", 300), CERTAIN),
        (Answer::Punish, ("cooling", "HTTP 200 punish", 300), CERTAIN),
        // Successes that are none.
        (Answer::EmptyOk, ("flowing", "HTTP 200 no_key", 1), IN_DOUBT),
        (Answer::Errcode404, ("blocked", "HTTP 200 errcode_404", 30), CERTAIN),
        (Answer::Redirect, ("blocked", "HTTP 302 redirect", 30), CERTAIN),
        // Less than an answer.
        (Answer::Half, ("flowing", "HTTP 200 connection_lost", 1), IN_DOUBT),
        (Answer::Drip, ("flowing", "HTTP 200 timeout", 1), IN_DOUBT),
        (Answer::Hang, ("flowing", "no answer timeout", 1), IN_DOUBT),
        (Answer::ResetBefore, ("flowing", "no answer connection_lost", 1), IN_DOUBT),
        (Answer::ResetAfter, ("flowing", "no answer connection_lost", 1), IN_DOUBT),
    ]
}

#[tokio::test]
async fn an_odd_answer_costs_time_and_never_a_message() {
    for (answer, (state, told, again), in_doubt) in odd_answers() {
        let mut bench = Bench::with(IMPATIENT, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 1, answer.clone());
        bench.accept("oncall", &fixture("one-firing.json")).await;

        bench.work(begin() + SECOND / 2).await;

        assert_eq!(states(&bench, &["oncall"]).await, [state], "{answer:?}");
        let first = record(&bench, &only(&bench, "oncall").await).await["attempt_log"][0].clone();
        assert_eq!(line(&first), told, "{answer:?}");
        assert_eq!(first["may_have_arrived"], in_doubt, "{answer:?}");
        assert!(first["hint"].as_str().is_some_and(|hint| hint.len() > 40), "{answer:?}: {first}");

        bench.work_for(HOUR).await;

        let delivery = only(&bench, "oncall").await;
        let facts = (&delivery["state"], &delivery["attempts"], &delivery["possibly_duplicate"]);
        assert_eq!(facts, (&json!("delivered"), &json!(2), &json!(in_doubt)), "{answer:?}");
        let sends = calls(&bench, Api::Send);
        let waited = rounded(sends[1].at.duration_since(sends[0].at).as_secs_f64());
        assert!((again..=(again * 5 + 3) / 4).contains(&waited), "{answer:?}: {waited} s");
        let shown = if matches!(answer, Answer::ResetAfter | Answer::Half) { 2 } else { 1 };
        assert_eq!(bench.simulator.messages().len(), shown, "{answer:?}");
        let strayed: Vec<_> = bench.simulator.calls().into_iter().filter(|call| call.api.is_none()).collect();
        assert!(strayed.is_empty(), "nobody follows a redirect with the token: {strayed:?}");
    }
}

#[tokio::test]
async fn whatever_a_request_for_a_token_draws_is_waited_for_and_opens_nothing() {
    for code in ["system.error", "unknownError", "send.ding.exception", "brand.new", "processQueryKey.expireTime"] {
        for status in [400, 418, 500] {
            let mut bench = Bench::with(IMPATIENT, BEGIN, simulated).await;
            bench.simulator.fault(Api::Token, 1_000, Answer::code(status, code));
            bench.accept("oncall", &fixture("one-firing.json")).await;

            bench.work_for(HOUR).await;

            // Down: three that fail one after another, then 1, 2, 4, … up to every 30 s. Blocked: 30 s up to 10 min.
            let asked = calls(&bench, Api::Token).len();
            let [state] = states(&bench, &["oncall"]).await.try_into().unwrap();
            let bounds = if state == "down" { 60..=130 } else { 5..=12 };
            assert!(bounds.contains(&asked), "HTTP {status} {code}: {asked} times in an hour");
            assert!(["down", "blocked"].contains(&state.as_str()), "HTTP {status} {code}: {state}");
            assert_eq!(only(&bench, "oncall").await["attempts"], 0, "HTTP {status} {code}");
        }
    }
}

fn line(attempt: &Value) -> String {
    let status = attempt["http_status"].as_u64().map_or_else(|| "no answer".to_owned(), |it| format!("HTTP {it}"));
    format!("{status} {}", attempt["code"].as_str().unwrap())
}
