//! What is told to whoever asks a running relay: the webhook's answer, a preview beside what then arrives, a message by
//! hand, the list page by page, how many an action was done to, and how a lane stands that somebody paused.

use dingtalk_relay::model::delivery::State;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{World, fixture, fixture_of_group};
use crate::story::told::Told;

const SETTINGS: &str = "
receivers: { oncall: { message: action_card } }
";

/// Every field of the contract's answers that is told here.
const FIELDS: &str = "
webhook.event webhook.duplicate webhook.deliveries.id webhook.deliveries.receiver webhook.deliveries.state
preview.receivers.receiver preview.receivers.route preview.receivers.messages.msg_key preview.receivers.messages.title
preview.receivers.messages.text preview.receivers.messages.buttons.title preview.receivers.messages.buttons.url
preview.receivers.messages.bytes preview.receivers.warnings
send.id send.receiver send.source send.state send.title send.attempts send.event.kind send.message.process_query_key
list.deliveries.id list.next redrive.count cancel.count
paused.receiver paused.state paused.queued paused.paused_until resumed.receiver resumed.queued
redriven.id redriven.state cancelled.id cancelled.state
";

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_the_contract_is_told_truly_to_whoever_asks() {
    let world = World::with(SETTINGS).await;
    let mut told = Told::default();
    a_payload_is_previewed_and_posted(&world, &mut told).await;
    a_message_is_sent_by_hand(&world, &mut told).await;
    a_lane_is_paused_and_what_waits_is_counted(&world, &mut told).await;
    told.has_all(FIELDS);
    world.end().await;
}

async fn a_payload_is_previewed_and_posted(world: &World, told: &mut Told) {
    let body = fixture("one-firing.json");
    let payload: Value = serde_json::from_slice(&body).unwrap();
    let (status, preview) = world.ask("/api/v1/preview", &json!({"source": "alertmanager", "payload": payload})).await;
    assert_eq!(status, 200, "{preview}");

    let (status, first) = world.post("/hooks/alertmanager", body.clone()).await;
    assert_eq!(status, 202);
    let list = world.deliveries(|list| list.len() == 1 && list[0]["state"] == "delivered").await;
    let delivery = &list[0];
    let of_webhook = |duplicate: bool, state: State| {
        json!({"event": delivery["event"], "duplicate": duplicate,
            "deliveries": [{"id": delivery["id"], "receiver": "oncall", "state": state.as_str()}]})
    };
    told.says("webhook", &first, &of_webhook(false, State::Queued));
    let (status, twin) = world.post("/hooks/alertmanager", body).await;
    assert_eq!(status, 202);
    told.says("webhook", &twin, &of_webhook(true, State::Delivered));

    let message = world.simulator.messages().pop().unwrap();
    let fields = &message.msg_param;
    // What came to the group is what the preview said, button by button.
    let buttons: Vec<_> = (1..=5)
        .map_while(|n| {
            Some(json!({"title": fields.get(&format!("actionTitle{n}"))?, "url": fields[&format!("actionURL{n}")]}))
        })
        .collect();
    assert_eq!(message.msg_key, format!("sampleActionCard{}", buttons.len()));
    told.says(
        "preview.receivers",
        &preview["receivers"],
        &json!([{"receiver": "oncall", "route": "route.routes[0]: severity=\"critical\"", "warnings": [],
            "messages": [{"msg_key": message.msg_key, "title": fields["title"], "text": fields["text"],
                "buttons": buttons, "bytes": message.msg_param_bytes}]}]),
    );
    let (_, doubtful) = world
        .ask("/api/v1/preview", &json!({"source": "alertmanager", "receiver": "oncall", "payload": unmapped()}))
        .await;
    let warning = doubtful["receivers"][0]["warnings"][0].as_str().unwrap_or_else(|| panic!("{doubtful:#}")).to_owned();
    assert!(warning.contains("hmm"), "{warning}");
    told.says("preview.receivers.warnings", &doubtful["receivers"][0]["warnings"], &json!([warning]));
}

/// A body whose severity is known to nobody.
fn unmapped() -> Value {
    let mut body: Value = serde_json::from_slice(&fixture("one-firing.json")).unwrap();
    body["alerts"][0]["labels"]["severity"] = json!("hmm");
    body["commonLabels"]["severity"] = json!("hmm");
    body
}

async fn a_message_is_sent_by_hand(world: &World, told: &mut Told) {
    let letter = json!({"receiver": "team", "title": "发布 🚀", "text": "**完成**", "wait": "20s"});
    let (status, sent) = world.ask("/api/v1/send", &letter).await;
    assert_eq!(status, 200);
    let message = world.simulator.messages().pop().unwrap();
    assert_eq!((&message.msg_param["title"], &message.msg_param["text"]), (&json!("发布 🚀"), &json!("**完成**")));
    let newest = world.look("/api/v1/deliveries?limit=1").await;
    told.says(
        "send",
        &sent,
        &json!({"id": newest["deliveries"][0]["id"], "receiver": "team", "source": "_send", "state": "delivered",
            "title": "发布 🚀", "attempts": 1, "event": {"kind": "send"},
            "message": {"process_query_key": message.process_query_key}}),
    );
    assert_eq!(world.look(&format!("/api/v1/deliveries/{}", sent["id"].as_str().unwrap())).await, sent);

    let cursor = newest["next"].as_str().unwrap();
    let rest = world.look(&format!("/api/v1/deliveries?cursor={cursor}")).await;
    let all = world.look("/api/v1/deliveries").await["deliveries"].clone();
    told.says("list", &newest, &json!({"deliveries": [all[0]], "next": cursor}));
    told.says("list", &rest, &json!({"deliveries": [all[1]], "next": null}));
}

async fn a_lane_is_paused_and_what_waits_is_counted(world: &World, told: &mut Told) {
    let asked = Timestamp::now();
    let (status, paused) = world.ask("/api/v1/lanes/team/pause", &json!({"for": "1h"})).await;
    assert_eq!(status, 200, "{paused}");
    told.says("paused", &paused, &json!({"receiver": "team", "state": "flowing", "queued": 0}));
    told.says_when("paused.paused_until", &paused, asked, 3_599..=3_610);
    let mut ids = vec![];
    for group in 1..=3 {
        let (_, accepted) = world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", group)).await;
        ids.push(accepted["deliveries"][0]["id"].as_str().unwrap().to_owned());
    }

    let (_, cancelled) = world.command(&format!("/api/v1/deliveries/{}/cancel", ids[0]), "").await;
    told.says("cancelled", &cancelled, &json!({"id": ids[0], "state": "cancelled"}));
    let (_, redriven) = world.command(&format!("/api/v1/deliveries/{}/redrive", ids[0]), "").await;
    told.says("redriven", &redriven, &json!({"id": ids[0], "state": "queued"}));
    let cancel = "/api/v1/deliveries/cancel?receiver=team";
    let redrive = "/api/v1/deliveries/redrive?receiver=team&state=cancelled";
    for (what, path, count) in [
        ("cancel", format!("{cancel}&dry_run=true"), 3),
        ("cancel", cancel.to_owned(), 3),
        ("cancel", cancel.to_owned(), 0),
        ("redrive", format!("{redrive}&dry_run=true"), 3),
        ("redrive", redrive.to_owned(), 3),
    ] {
        let (status, counted) = world.command(&path, "").await;
        assert_eq!((status, &counted), (200, &json!({ "count": count })), "{path}");
        told.says(what, &counted, &json!({ "count": count }));
    }

    let (status, resumed) = world.command("/api/v1/lanes/team/resume", "").await;
    assert_eq!(status, 200);
    told.says("resumed", &resumed, &json!({"receiver": "team", "queued": 3, "paused_until": null}));
    world.deliveries(|list| list.len() == 5 && list.iter().all(|one| one["state"] == "delivered")).await;
}
