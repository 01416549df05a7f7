//! The page's forms, as a browser posts them and as nobody may: what they do, and that nothing else does it.

use serde_json::Value;

use crate::http::relay::{Answer, ONE_FIRING, OPERATOR, Relay, ask};

const HTML: (&str, &str) = ("accept", "text/html,*/*;q=0.8");
const HOST: (&str, &str) = ("host", "relay:8061");
/// What a browser says of a form of our own page.
const OURS: [(&str, &str); 2] = [("origin", "http://relay:8061"), ("sec-fetch-site", "same-origin")];

async fn relay_with_one() -> (Relay, String) {
    let relay = Relay::new();
    assert_eq!(relay.post("/hooks/am", ONE_FIRING).await.status.as_u16(), 202);
    let id = relay.look("/api/v1/deliveries").await.json()["deliveries"][0]["id"].as_str().unwrap().to_owned();
    (relay, id)
}

async fn press(relay: &Relay, path: &str, form: &str) -> Answer {
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    ask(relay.admin(), "POST", path, &[OPERATOR, HTML, HOST, OURS[0], OURS[1], form_type], form.to_owned()).await
}

async fn state(relay: &Relay, id: &str) -> Value {
    relay.look(&format!("/api/v1/deliveries/{id}")).await.json()["state"].clone()
}

async fn paused_until(relay: &Relay) -> Value {
    relay.look("/api/v1/lanes").await.json()["lanes"][0]["paused_until"].clone()
}

/// Every path that changes something, of the page and of the API.
fn ways(id: &str) -> Vec<String> {
    let mut ways = vec![];
    for root in ["", "/api/v1"] {
        ways.extend(["redrive", "cancel"].map(|what| format!("{root}/deliveries/{id}/{what}")));
        ways.extend(["recall", "receipts/refresh"].map(|what| format!("{root}/messages/{id}/{what}")));
        ways.extend(["pause", "resume"].map(|what| format!("{root}/lanes/oncall/{what}")));
    }
    ways.extend(["redrive", "cancel"].map(|what| format!("/lanes/oncall/{what}")));
    ways.extend(["/-/reload", "/api/v1/send", "/api/v1/preview", "/api/v1/messages/recall"].map(str::to_owned));
    ways.extend(["redrive", "cancel"].map(|what| format!("/api/v1/deliveries/{what}?receiver=oncall")));
    ways
}

#[tokio::test]
async fn a_form_is_answered_with_a_way_back_and_what_it_came_to() {
    let (relay, id) = relay_with_one().await;
    let page = format!("/deliveries/{id}");
    for (path, form, back) in [
        (format!("{page}/cancel"), "", format!("{page}?done=cancelled")),
        (format!("{page}/redrive"), "to=", format!("{page}?done=redriven")),
        ("/lanes/oncall/pause".into(), "for=15m", "/lanes/oncall?done=paused".into()),
        ("/lanes/oncall/resume".into(), "", "/lanes/oncall?done=resumed".into()),
        ("/lanes/oncall/cancel".into(), "state=queued", "/lanes/oncall?done=cancelled_many".into()),
        ("/lanes/oncall/redrive".into(), "state=cancelled&to=", "/lanes/oncall?done=redriven_many".into()),
    ] {
        let pressed = press(&relay, &path, form).await;
        assert_eq!((pressed.status.as_u16(), pressed.header("location")), (303, back.as_str()), "{path}");
        assert_eq!(relay.look(&back).await.status.as_u16(), 200);
    }
    assert_eq!(state(&relay, &id).await, "queued");
    let notice = relay.look("/lanes/oncall?done=paused").await;
    assert!(notice.text.contains("The lane is paused."));
    let invented = relay.look("/lanes/oncall?done=Your+account+was+locked").await;
    assert!(!invented.text.contains("class=\"notice\"") && !invented.text.contains("locked"));
}

#[tokio::test]
async fn a_redrive_to_another_receiver_leads_to_the_delivery_that_goes_on() {
    let (relay, id) = relay_with_one().await;
    press(&relay, &format!("/deliveries/{id}/cancel"), "").await;
    let pressed = press(&relay, &format!("/deliveries/{id}/redrive"), "to=dev").await;
    let back = pressed.header("location").to_owned();
    assert!(back.ends_with("?done=handed_over") && !back.contains(&id), "{back}");
    let goes_on = relay.look(&back).await;
    assert!(goes_on.text.contains(&format!("href=\"/deliveries/{id}\"")), "{}", goes_on.text);
}

#[tokio::test]
async fn what_cannot_be_done_is_told_on_a_page_that_leads_back() {
    let (relay, id) = relay_with_one().await;
    let redrive = format!("/deliveries/{id}/redrive");
    for (path, form, status, words) in [
        (redrive.as_str(), "", 409, "it is queued"),
        (&redrive, "to=nobody", 400, "no such receiver"),
        ("/messages/nothing/recall", "", 404, "no message has this id"),
        ("/messages/nothing/receipts/refresh", "", 404, "no message has this id"),
        ("/deliveries/nothing/cancel", "", 404, "no delivery has this id"),
        ("/lanes/oncall/pause", "for=ever", 400, "`for`"),
        ("/lanes/nobody/pause", "", 404, "no such receiver"),
        ("/lanes/%FF/redrive", "", 404, "no lane has this name"),
        ("/lanes/oncall/redrive", "before=yesterday", 400, "before must be an RFC 3339 time"),
    ] {
        let pressed = press(&relay, path, form).await;
        assert_eq!(pressed.status.as_u16(), status, "{path} {form}: {}", pressed.text);
        assert_eq!(pressed.header("content-type"), "text/html; charset=utf-8");
        assert!(pressed.text.contains(words) && pressed.text.contains("Look again"), "{path}: {}", pressed.text);
    }
    assert_eq!(state(&relay, &id).await, "queued");
}

#[tokio::test]
async fn a_foreign_page_can_press_no_button_whatever_its_browser_knows() {
    let (relay, id) = relay_with_one().await;
    let foreign = [
        [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")],
        [("origin", "null"), ("sec-fetch-site", "cross-site")],
        [("origin", "http://relay:3000"), ("sec-fetch-site", "same-site")],
        // Browsers that send only one of the two.
        [("origin", "http://evil.example"), ("x-nothing", "")],
        [("sec-fetch-site", "cross-site"), ("x-nothing", "")],
    ];
    for way in ways(&id) {
        for from in foreign {
            let pressed = ask(relay.admin(), "POST", &way, &[OPERATOR, HOST, from[0], from[1]], "").await;
            assert_eq!(pressed.status.as_u16(), 403, "{way} from {from:?}");
        }
        let stranger = ask(relay.admin(), "POST", &way, &[HOST, OURS[0], OURS[1]], "").await;
        assert_eq!(stranger.status.as_u16(), 401, "{way}");
    }
    assert_eq!((state(&relay, &id).await, paused_until(&relay).await), ("queued".into(), Value::Null));
}

#[tokio::test]
async fn nothing_is_done_by_looking() {
    let (relay, id) = relay_with_one().await;
    for way in ways(&id) {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH"] {
            let looked = ask(relay.admin(), method, &way, &[OPERATOR, HOST], "").await;
            assert!([404, 405].contains(&looked.status.as_u16()), "{method} {way}: {}", looked.status);
        }
    }
    assert_eq!((state(&relay, &id).await, paused_until(&relay).await), ("queued".into(), Value::Null));
}

#[tokio::test]
async fn what_is_under_way_is_not_counted_among_what_a_button_is_for() {
    let (relay, _id) = relay_with_one().await;
    assert!(relay.look("/lanes/oncall").await.text.contains("Cancel 1 queued delivery"));
    relay.claim_one().await;
    let lane = relay.look("/lanes/oncall").await.text;
    assert!(!lane.contains("queued deliver"), "no button could be for it: {lane}");
}

#[tokio::test]
async fn a_giant_form_is_not_read() {
    let (relay, id) = relay_with_one().await;
    let pressed = press(&relay, &format!("/deliveries/{id}/redrive"), &"x".repeat(64 * 1024)).await;
    assert_eq!(pressed.status.as_u16(), 400);
}

#[tokio::test]
async fn a_lane_nobody_knows_has_no_page_and_one_that_is_blocked_offers_another_way() {
    let (relay, _id) = relay_with_one().await;
    for unknown in ["/lanes/nobody", "/lanes/%FF", "/lanes/a__b"] {
        assert_eq!(relay.look(unknown).await.status.as_u16(), 404, "{unknown}");
    }
    assert_eq!(relay.post("/hooks/am/dev", ONE_FIRING).await.status.as_u16(), 202);
    let blocked = relay.look("/lanes/dev").await.text;
    assert!(blocked.contains("Hand over 1 queued delivery") && blocked.contains("robot.missing"), "{blocked}");
    let flowing = relay.look("/lanes/oncall").await.text;
    assert!(!flowing.contains("Hand over") && flowing.contains("Cancel 1 queued delivery"), "{flowing}");
}
