//! The queue of a lane that is blocked: when it goes over, what keeps it, and that it goes once.

use dingtalk_relay::dispatch::lane::Step;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::store::Store;
use dingtalk_relay::telemetry::metrics;
use serde_json::json;

use crate::fallback::{BEGIN, EVERY_CALL, HOUR, Log, MINUTE, SECOND, Town, arrived, states, text, to};
use crate::harness::{fixture, fixture_of_group, groups};

#[tokio::test]
async fn two_minutes_after_a_group_died_all_that_waits_arrives_in_the_fallback_once_and_in_order() {
    let mut town = Town::new().await;
    town.disband();
    for group in 0..15 {
        town.alert(group).await;
    }
    for group in 0..15 {
        town.resolve(group).await;
    }

    town.work_for(119 * SECOND).await;

    assert_eq!(town.refuge.messages().len(), 0, "it may come back");
    let lane = town.bench.lane("oncall").await;
    assert_eq!((&lane["state"], &lane["queued"], &lane["fallback"]), (&json!("blocked"), &json!(30), &json!("refuge")));

    town.work_for(HOUR).await;

    assert_eq!(town.bench.simulator.messages(), [], "the group is dead");
    let list = town.bench.deliveries().await;
    let (left, heirs) = (to(&list, "oncall"), to(&list, "refuge"));
    assert_eq!(states(&left), [("handed_over".to_owned(), 30)].into());
    assert_eq!(states(&heirs), [("delivered".to_owned(), 30)].into());
    for (left, heir) in left.iter().zip(&heirs) {
        assert_eq!((&left["handed_to"], &heir["fallback_of"]), (&heir["id"], &left["id"]), "in the order of the lane");
        assert_eq!((&left["event"], &left["title"]), (&heir["event"], &heir["title"]));
        let reason = left["reason"].as_str().unwrap();
        assert!(reason.starts_with("blocked since 2026-11-21 12:00 UTC: group.disbanded ("), "{reason}");
    }
    let messages = town.refuge.messages();
    assert_eq!(arrived(&list, &messages), heirs, "first come, first served");
    assert!(messages[0].at.duration_since(BEGIN.parse().unwrap()).as_secs() <= 121, "{}", messages[0].at);
    let lane = town.bench.lane("oncall").await;
    assert_eq!((&lane["state"], &lane["queued"]), (&json!("blocked"), &json!(0)));
}

#[tokio::test]
async fn the_message_says_whom_it_was_meant_for_and_the_banner_does_not() {
    let mut town = Town::new().await;
    town.disband();
    town.alert(1).await;
    town.bench.accept("refuge", &fixture_of_group("one-firing.json", 2)).await;

    town.work_for(HOUR).await;

    let [own, handed] = <[_; 2]>::try_from(town.refuge.messages()).unwrap();
    assert_eq!(own.msg_param["title"], handed.msg_param["title"]);
    assert!(!text(&own).contains("Meant for"));
    insta::assert_snapshot!(text(&handed));
}

#[tokio::test]
async fn what_comes_to_a_dead_group_later_goes_over_at_once_unless_it_is_the_probe() {
    let mut town = Town::new().await;
    town.disband();
    town.alert(0).await;
    town.work_for(10 * MINUTE).await;
    let calls = town.bench.simulator.count(Api::Send);

    town.alert(1).await;
    town.work_for(SECOND).await;
    assert_eq!(town.bench.simulator.count(Api::Send), calls + 1, "a probe was due: this is it");
    assert_eq!(town.refuge.messages().len(), 2, "and it failed");

    town.alert(2).await;
    town.alert(3).await;
    town.work_for(SECOND).await;
    assert_eq!(town.bench.simulator.count(Api::Send), calls + 1, "none is due");
    assert_eq!(town.refuge.messages().len(), 4);
}

#[tokio::test]
async fn a_probe_that_succeeds_is_told_nobody_else() {
    let mut town = Town::new().await;
    town.disband();
    town.alert(0).await;
    town.work_for(10 * MINUTE).await;
    town.mend();

    town.alert(1).await;
    town.alert(2).await;
    town.work_for(MINUTE).await;

    assert_eq!(town.bench.simulator.messages().len(), 2);
    assert_eq!(town.refuge.messages().len(), 1, "what was handed over stays there");
    let list = town.bench.deliveries().await;
    assert_eq!(
        states(&to(&list, "oncall")),
        [("delivered".to_owned(), 2), ("handed_over".to_owned(), 1)].into(),
        "{list:#?}"
    );
    assert_eq!(town.bench.lane("oncall").await["state"], "flowing");
}

#[tokio::test]
async fn a_group_that_is_back_in_time_keeps_its_queue() {
    let mut town = Town::new().await;
    town.bench.simulator.fault(Api::Send, 1, Answer::code(400, "bot.stopped"));
    town.alert(0).await;
    town.alert(1).await;

    town.work_for(HOUR).await;

    assert_eq!((town.bench.simulator.messages().len(), town.refuge.messages().len()), (2, 0));
}

#[tokio::test]
async fn what_waits_for_a_retry_goes_over_too() {
    let mut town = Town::with("", "retry: { schedule: [30m] }").await;
    town.bench.simulator.fault(Api::Send, 1, Answer::ResetBefore);
    town.alert(0).await;
    town.work_for(SECOND).await;
    assert_eq!(town.bench.deliveries().await[0]["attempts"], 1);
    town.disband();
    town.alert(1).await;

    town.work_for(3 * MINUTE).await;

    assert_eq!(town.refuge.messages().len(), 2);
}

#[tokio::test]
async fn an_app_with_wrong_credentials_is_replaced_by_a_fallback_in_another_app() {
    let mut town = Town::new().await;
    town.bench.simulator.fault(Api::Token, EVERY_CALL, Answer::code(400, "invalidClientIdOrSecret"));
    for group in 0..3 {
        town.alert(group).await;
    }
    town.bench.accept("team", &fixture("one-firing.json")).await;

    town.work_for(MINUTE).await;
    assert_eq!(town.refuge.messages().len(), 0);
    town.work_for(90 * SECOND).await;

    assert_eq!(town.refuge.messages().len(), 3);
    assert!(text(&town.refuge.messages()[0]).contains("invalidClientIdOrSecret"));
    assert_eq!(town.bench.lane("team").await["queued"], 1, "it has no fallback");
    assert_eq!(town.bench.simulator.count(Api::Send), 0);

    // The app is tried again by whatever arrives when it is time, also by lanes without a fallback.
    town.mend();
    town.work_for(11 * MINUTE).await;
    assert_eq!(town.bench.simulator.messages().len(), 1);
    town.alert(3).await;
    town.work_for(SECOND).await;
    assert_eq!((town.bench.simulator.messages().len(), town.refuge.messages().len()), (2, 3));
}

#[tokio::test]
async fn while_one_lane_probes_the_app_another_waits_for_what_comes_of_it() {
    let mut town = Town::with("", "  second: { app: ops, open_conversation_id: cid-second==, fallback: refuge }").await;
    let banned = Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList");
    town.bench.simulator.fault(Api::Send, EVERY_CALL, banned);
    town.alert(0).await;
    town.bench.accept("second", &fixture("one-firing.json")).await;
    town.work_for(3 * MINUTE).await;
    assert_eq!(town.refuge.messages().len(), 2);

    town.mend();
    let lane = town.bench.lane("second").await;
    town.bench.clock.move_to(lane["blocked"]["next_probe_at"].as_str().unwrap().parse().unwrap());
    town.alert(1).await;
    town.bench.accept("second", &fixture_of_group("one-firing.json", 1)).await;
    let waits = town.bench.step("second").await;
    assert!(matches!(waits, Ok(Step::Wait(_))), "it is the other one's turn to probe: {waits:?}");
    town.work_for(MINUTE).await;

    assert_eq!((town.bench.simulator.messages().len(), town.refuge.messages().len()), (2, 2));
}

#[tokio::test]
async fn a_month_that_is_used_up_is_replaced_by_another_organisation() {
    let mut town = Town::with("", "defaults: { organisation: { calls_per_month: 2 } }").await;
    for group in 0..5 {
        town.alert(group).await;
    }

    town.work_for(HOUR).await;

    assert_eq!((town.bench.simulator.count(Api::Send), town.refuge.messages().len()), (2, 3));
    assert!(text(&town.refuge.messages()[0]).contains(r"month\_used\_up"));
    town.alert(5).await;
    town.work_for(SECOND).await;
    assert_eq!((town.bench.simulator.count(Api::Send), town.refuge.messages().len()), (2, 4), "at once by now");
}

#[tokio::test]
async fn a_month_that_is_used_up_is_known_after_a_restart_and_the_fallback_waits_no_longer_for_it() {
    let mut town = Town::with("", "defaults: { organisation: { calls_per_month: 2 } }").await;
    for group in 0..3 {
        town.alert(group).await;
    }
    town.work_for(90 * SECOND).await;
    let before = town.bench.lane("oncall").await;
    assert_eq!((&before["blocked"]["code"], &before["queued"]), (&json!("month_used_up"), &json!(1)));

    let mut town = town.restart().await;

    assert_eq!(town.bench.lane("oncall").await, before, "before anything is tried: since the last call");
    town.work_for(20 * SECOND).await;
    assert_eq!(town.refuge.messages().len(), 0);
    town.work_for(20 * SECOND).await;
    assert_eq!(
        (town.bench.simulator.count(Api::Send), town.refuge.messages().len()),
        (2, 1),
        "after two minutes in all"
    );
}

#[tokio::test]
async fn an_app_that_is_down_or_cools_down_keeps_its_queue() {
    for answer in [Answer::ResetBefore, Answer::code(400, "send.too.fast")] {
        let mut town = Town::new().await;
        town.bench.simulator.fault(Api::Send, EVERY_CALL, answer);
        for group in 0..5 {
            town.alert(group).await;
        }
        town.work_for(HOUR).await;
        assert_eq!(town.refuge.messages().len(), 0);
        assert_eq!(town.bench.lane("oncall").await["queued"], 5);
    }
}

#[tokio::test]
async fn a_lane_that_a_human_paused_keeps_its_queue() {
    let mut town = Town::new().await;
    town.disband();
    town.alert(0).await;
    town.work_for(SECOND).await;
    let lane = "oncall".parse().unwrap();
    town.bench.store.pause(&lane, Some(town.bench.clock.now() + HOUR)).await.unwrap();

    town.work_for(59 * MINUTE).await;
    assert_eq!(town.refuge.messages().len(), 0);

    town.work_for(HOUR).await;
    assert_eq!(town.refuge.messages().len(), 1, "it has been blocked for long enough when the pause ends");
}

#[tokio::test]
async fn a_fallback_that_is_blocked_too_keeps_what_it_took_over_and_hands_on_only_its_own() {
    let third = "  third: { app: ops, open_conversation_id: cid-third== }";
    let mut town = Town::with("fallback: third, fallback_after: 30m", third).await;
    town.disband();
    town.refuge.fault(Api::Send, EVERY_CALL, Answer::code(400, "bot.stopped"));
    for group in 0..3 {
        town.alert(group).await;
        town.bench.accept("refuge", &fixture_of_group("one-firing.json", group)).await;
    }
    town.work_for(10 * MINUTE).await;
    town.mend();

    town.work_for(HOUR).await;

    assert_eq!(groups(&town.bench.simulator.messages()), ["cid-third=="; 3], "the refuge's own");
    let list = town.bench.deliveries().await;
    let waiting: Vec<_> = to(&list, "refuge").into_iter().filter(|delivery| delivery["state"] == "queued").collect();
    assert_eq!(waiting.len(), 3, "{list:#?}");
    assert!(waiting.iter().all(|delivery| !delivery["fallback_of"].is_null() && delivery["handed_to"].is_null()));

    town.refuge.forget();
    town.work_for(HOUR).await;

    assert_eq!(town.refuge.messages().len(), 3);
    assert_eq!(town.bench.simulator.messages().len(), 3);
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_hands_over_loses_nothing_and_doubles_nothing() {
    let mut town = Town::with("limits: { messages_per_minute: 10000 }", "").await;
    town.refuge.limits(Limits { messages_per_minute: 0, calls_per_second: 0, ..Limits::default() });
    town.disband();
    for group in 0..230 {
        town.alert(group).await;
    }
    town.work_for(119 * SECOND).await;
    town.bench.clock.move_to(town.bench.clock.now() + 2 * SECOND);
    assert_eq!(town.bench.step("oncall").await, Ok(Step::HandedOver(100)), "a part at a time");
    let waiting = town.bench.lane("refuge").await["queued"].clone();
    assert_eq!((waiting, &town.bench.lane("oncall").await["queued"]), (json!(100), &json!(130)));

    let mut town = town.restart().await;
    town.work_for(10 * MINUTE).await;

    let list = town.bench.deliveries().await;
    assert_eq!(states(&to(&list, "oncall")), [("handed_over".to_owned(), 230)].into());
    assert_eq!(arrived(&list, &town.refuge.messages()), to(&list, "refuge"));
    assert_eq!(town.refuge.messages().len(), 230);
}

#[tokio::test]
async fn a_takeover_is_counted_for_each_delivery_and_logged_once() {
    let recorder = metrics::handle();
    let log = Log::default();
    let _logging = log.listen();
    let mut town =
        Town::with("", "  deserted: { app: ops, open_conversation_id: cid-deserted==, fallback: refuge }").await;
    town.disband();
    for group in 0..3 {
        town.bench.accept("deserted", &fixture_of_group("one-firing.json", group)).await;
        town.work_for(HOUR).await;
    }

    let counted = recorder.render();
    let line = r#"dingtalk_relay_deliveries_total{receiver="deserted",state="handed_over"} 3"#;
    assert!(counted.contains(line), "{counted}");
    let told: Vec<_> =
        log.text().lines().filter(|line| line.contains("the fallback takes over")).map(str::to_owned).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["WARN", r#"receiver="deserted""#, r#"fallback="refuge""#, "group.disbanded"] {
        assert!(told[0].contains(part), "{part}: {}", told[0]);
    }
}
