//! The routing tree, as a person who knows Alertmanager expects it, and against a model that says the same rules in
//! another way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dingtalk_relay::config::digest::SendResolved;
use dingtalk_relay::config::{OnUnknownOutcome, Receipts, Receiver, Route};
use dingtalk_relay::model::event::{Event, Item, Labels, Severity, Status};
use dingtalk_relay::model::form::Style;
use dingtalk_relay::model::health::Backoff;
use dingtalk_relay::model::name::{EventId, Name};
use dingtalk_relay::routing::Routes;
use dingtalk_relay::routing::seen::Seen;
use jiff::Timestamp;
use proptest::prelude::*;

#[test]
fn the_first_child_that_matches_wins() {
    let tree = root("all", [to("critical", ["severity=critical"]), to("prod", ["ns=~prod-.*"])]);
    assert_eq!(receivers_of(&tree, [("sev", "critical"), ("ns", "prod-a")]), ["critical"]);
    assert_eq!(receivers_of(&tree, [("ns", "prod-a")]), ["prod"]);
}

#[test]
fn what_no_child_takes_the_node_itself_gets() {
    let inner = Route { routes: vec![to("db", ["app=db"])], ..to("prod", ["ns=prod"]) };
    let tree = root("all", [inner]);
    assert_eq!(receivers_of(&tree, [("ns", "prod"), ("app", "db")]), ["db"]);
    assert_eq!(receivers_of(&tree, [("ns", "prod")]), ["prod"]);
    assert_eq!(receivers_of(&tree, [("app", "db")]), ["all"]);
}

#[test]
fn continue_asks_the_later_siblings_too_and_a_receiver_gets_an_item_once() {
    let tree = root(
        "all",
        [
            goes_on(to("critical", ["severity=critical"])),
            goes_on(to("prod", ["ns=prod"])),
            to("critical", [""; 0]),
            to("db", [""; 0]),
        ],
    );
    assert_eq!(receivers_of(&tree, [("sev", "critical"), ("ns", "prod")]), ["critical", "prod"]);
    assert_eq!(receivers_of(&tree, [("ns", "prod")]), ["prod", "critical"]);
}

#[test]
fn a_continue_that_nobody_follows_keeps_what_it_has() {
    let tree = root("all", [goes_on(to("prod", ["ns=prod"])), to("db", ["app=db"])]);
    assert_eq!(receivers_of(&tree, [("ns", "prod")]), ["prod"], "the root is not asked: a child has matched");
}

#[test]
fn a_route_without_a_receiver_has_its_parents() {
    let inner = Route { receivers: vec![], routes: vec![to("db", ["app=db"])], ..to("", ["ns=prod"]) };
    let tree = Route { receivers: names(["all", "prod"]), ..root("", [inner]) };
    assert_eq!(receivers_of(&tree, [("ns", "prod")]), ["all", "prod"]);
    assert_eq!(receivers_of(&tree, [("ns", "prod"), ("app", "db")]), ["db"]);
}

#[test]
fn a_dropped_item_goes_nowhere() {
    let tree = root("all", [dropped(["app=noise"]), to("prod", ["ns=prod"])]);
    assert_eq!(receivers_of(&tree, [("app", "noise"), ("ns", "prod")]), [""; 0]);
    assert_eq!(receivers_of(&tree, [("ns", "prod")]), ["prod"]);
}

#[test]
fn drop_with_continue_keeps_the_parent_out_but_lets_later_siblings_in() {
    let tree = root("all", [goes_on(dropped(["app=noise"])), to("prod", ["ns=prod"])]);
    assert_eq!(receivers_of(&tree, [("app", "noise"), ("ns", "prod")]), ["prod"]);
    assert_eq!(receivers_of(&tree, [("app", "noise")]), [""; 0]);
}

#[test]
fn a_child_of_a_route_that_drops_may_save_an_item() {
    let silent = Route { matchers: vec!["app=noise2".into()], ..Route::default() };
    let noise = Route { routes: vec![to("critical", ["severity=critical"]), silent], ..dropped(["app=~noise.*"]) };
    let tree = root("all", [noise]);
    assert_eq!(receivers_of(&tree, [("app", "noise"), ("sev", "critical")]), ["critical"]);
    assert_eq!(receivers_of(&tree, [("app", "noise")]), [""; 0]);
    assert_eq!(receivers_of(&tree, [("app", "noise2")]), [""; 0], "who names no receiver inherits the drop");
}

#[test]
fn an_item_may_name_its_receiver_in_a_label_or_an_annotation() {
    let tree = Route { receiver_label: Some("to".into()), ..root("all", [dropped(["app=noise"])]) };
    assert_eq!(receivers_of(&tree, [("to", "db"), ("app", "noise")]), ["db"], "the tree is not asked");
    assert_eq!(receivers_of(&tree, [("to", "")]), ["all"]);
    let mut event = event([[("app", "noise")]]);
    event.items[0].annotations = labels([("to", "db")]);
    assert_eq!(compiled(&tree).matching(&event, &event.items[0]), names(["db"]));
    event.items[0].labels = labels([("to", "prod")]);
    assert_eq!(compiled(&tree).matching(&event, &event.items[0]), names(["prod"]), "the label wins");
}

#[test]
fn an_unknown_receiver_in_a_label_falls_back_to_the_tree_and_is_logged_once_per_event() {
    let tree = Route { receiver_label: Some("to".into()), ..root("all", [to("prod", ["ns=prod"])]) };
    let event =
        event([[("to", "no\nbody"), ("ns", "prod")], [("to", "no\nbody"), ("ns", "test")], [("to", "db"), ("ns", "")]]);
    let (groups, log) = logged(|| summary(&compiled(&tree), &event));
    assert_eq!(groups, ["prod: 0", "all: 1", "db: 2"]);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("WARN") && log.contains(r#"receiver="no\nbody""#), "{log}");
}

#[test]
fn items_of_one_event_that_go_to_the_same_receiver_stay_together_in_order() {
    let tree =
        root("all", [goes_on(to("critical", ["severity=critical"])), to("prod", ["ns=prod"]), dropped(["ns=test"])]);
    let event = event([
        [("ns", "prod"), ("sev", "")],
        [("ns", "test"), ("sev", "")],
        [("ns", "prod"), ("sev", "critical")],
        [("ns", "other"), ("sev", "critical")],
        [("ns", "other"), ("sev", "")],
        [("ns", "test"), ("sev", "critical")],
    ]);
    assert_eq!(summary(&compiled(&tree), &event), ["prod: 0 2", "critical: 2 3 5", "all: 4"]);
}

#[test]
fn who_gets_an_item_is_told_by_which_route() {
    let inner = Route { routes: vec![to("db", ["app=db"])], ..to("prod", ["ns=~\"prod-.*\"", "sev!=info"]) };
    let tree = Route { receiver_label: Some("to".into()), ..root("all", [goes_on(inner), to("all", ["ns=prod-b"])]) };
    let event = event([
        [("ns", "prod-a"), ("app", "db"), ("to", "")],
        [("ns", "prod-b"), ("app", ""), ("to", "")],
        [("ns", "x"), ("app", ""), ("to", "")],
        [("ns", "x"), ("app", ""), ("to", "db")],
    ]);
    let routes = compiled(&tree);
    let said = |receiver: &str| {
        let groups = routes.regroup(&event).groups;
        groups.into_iter().find(|group| group.receiver.as_str() == receiver).unwrap().routes
    };
    let prod = "route.routes[0]: ns=~\"prod-.*\", sev!=\"info\"";
    let inside = "route.routes[0].routes[0]: ns=~\"prod-.*\", sev!=\"info\", app=\"db\"";
    assert_eq!(said("prod"), [(prod, 1)]);
    assert_eq!(said("db"), [(inside, 1), ("route.receiver_label: `to` names the receiver", 1)]);
    assert_eq!(said("all"), [("route.routes[1]: ns=\"prod-b\"", 1), ("route: what no route below it takes", 1)]);
}

#[test]
fn our_words_win_over_labels_of_the_same_name_which_stay_reachable() {
    let own = [("severity", "page"), ("source", "s"), ("receiver", "r"), ("label_app", "a"), ("app", "b")];
    let mut event = event([own]);
    let word = |event: &Event, name: &str| Seen::of(event, &event.items[0]).word(name).to_owned();
    assert_eq!((word(&event, "severity"), word(&event, "label_severity")), ("warning".into(), "page".into()));
    assert_eq!((word(&event, "source"), word(&event, "label_source")), ("am".into(), "s".into()));
    assert_eq!((word(&event, "kind"), word(&event, "status")), ("alertmanager".into(), "firing".into()));
    assert_eq!((word(&event, "receiver"), word(&event, "label_receiver")), ("r".into(), String::new()));
    event.facts = labels([("receiver", "fact")]);
    assert_eq!((word(&event, "receiver"), word(&event, "label_receiver")), ("fact".into(), "r".into()));
    assert_eq!((word(&event, "label_app"), word(&event, "app")), ("a".into(), "b".into()), "nothing hides `app`");
    assert_eq!(word(&event, "label_kind"), "");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut wrong = Route { matchers: vec!["a=b".into()], goes_on: true, ..Route::default() };
    wrong.routes = vec![
        to("oncal", ["severity=critical"]),
        Route { receivers: names(["all", "nobody"]), ..to("", ["a=b", "severity", "c=~\"(\""]) },
        Route { drop: true, receiver_label: Some("to".into()), ..to("all", ["a=b"]) },
        Route { routes: vec![to("nowhere", ["{a=b,"]), to("db", ["\"a\"=\"\\d\""])], ..to("all", [""; 0]) },
    ];
    let said = |route: &Route| {
        let problems = Routes::compile(route, &receivers()).unwrap_err();
        problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()
    };
    insta::assert_snapshot!(said(&wrong) + "\n" + &said(&Route { drop: true, ..Route::default() }));
}

proptest! {
    #[test]
    fn the_tree_agrees_with_a_model_of_its_rules(tree in any_tree(), items in prop::collection::vec(any_labels(), 1..6)) {
        let event = event(items);
        let routes = compiled(&tree);
        for item in &event.items {
            prop_assert_eq!(routes.matching(&event, item), modelled(&tree, item), "{:?} {:?}", tree, item.labels);
        }
        let regrouped: usize = routes.regroup(&event).groups.iter().map(|group| group.items.len()).sum();
        let singly: usize = event.items.iter().map(|item| routes.matching(&event, item).len()).sum();
        prop_assert_eq!(regrouped, singly);
    }
}

/// The rules, said of one node at a time: a node is *reached* if its parent is, it matches, and no earlier sibling
/// that matches stops the search; a reached node without a reached child gives its receivers, or those of the nearest
/// node above that says something about them.
fn modelled(root: &Route, item: &Item) -> Vec<Name> {
    fn matches(route: &Route, item: &Item) -> bool {
        let label = |name: &str| item.labels.get(name).map_or("", String::as_str);
        route.matchers.iter().all(|text| match text.as_str() {
            "a=1" => label("a") == "1",
            "a!=1" => label("a") != "1",
            "b=~1|2" => ["1", "2"].contains(&label("b")),
            "b=\"\"" => label("b").is_empty(),
            other => panic!("the model does not know {other}"),
        })
    }
    fn given(path: &[&Route], item: &Item) -> Vec<Name> {
        let node = path[path.len() - 1];
        let stops = |sibling: &&Route| matches(sibling, item) && !sibling.goes_on;
        let reached = |i: usize| matches(&node.routes[i], item) && !node.routes[..i].iter().any(|s| stops(&s));
        let children: Vec<_> = (0..node.routes.len()).filter(|i| reached(*i)).collect();
        if children.is_empty() {
            let says = path.iter().rev().find(|route| route.drop || !route.receivers.is_empty());
            return says.filter(|route| !route.drop).map(|route| route.receivers.clone()).unwrap_or_default();
        }
        children.into_iter().flat_map(|i| given(&[path, &[&node.routes[i]]].concat(), item)).collect()
    }
    let mut once = Vec::new();
    for name in given(&[root], item) {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

fn any_tree() -> impl Strategy<Value = Route> {
    let matchers = prop::sample::subsequence(vec!["a=1", "a!=1", "b=~1|2", "b=\"\""], 0..=2);
    let to = prop::sample::subsequence(vec!["all", "critical", "prod", "db"], 0..=2);
    let node =
        (matchers, to, any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(matchers, to, goes_on, drop)| Route {
            matchers: matchers.into_iter().map(str::to_owned).collect(),
            receivers: if drop { vec![] } else { names(to) },
            goes_on,
            drop,
            ..Route::default()
        });
    let tree = node.clone().prop_recursive(3, 24, 4, move |inner| {
        let routes = prop::collection::vec(inner, 0..4);
        (node.clone(), routes).prop_map(|(node, routes)| Route { routes, ..node })
    });
    prop::collection::vec(tree, 0..5).prop_map(|routes| root("all", routes))
}

fn any_labels() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    (prop::sample::select(vec!["", "1", "2"]), prop::sample::select(vec!["", "1", "2", "12"]))
        .prop_map(|(a, b)| vec![("a", a), ("b", b)])
}

/// `receiver: items`, for each receiver of the event.
fn summary(routes: &Routes, event: &Event) -> Vec<String> {
    let regrouped = routes.regroup(event);
    regrouped.tell(event);
    let number = |item: &&Item| format!(" {}", item.fingerprint);
    let groups = regrouped.groups.iter();
    groups.map(|group| format!("{}:{}", group.receiver, group.items.iter().map(number).collect::<String>())).collect()
}

fn receivers_of<const N: usize>(tree: &Route, item: [(&str, &str); N]) -> Vec<String> {
    let event = event([item]);
    compiled(tree).matching(&event, &event.items[0]).iter().map(Name::to_string).collect()
}

fn compiled(tree: &Route) -> Routes {
    Routes::compile(tree, &receivers()).unwrap()
}

fn root(receiver: &str, routes: impl IntoIterator<Item = Route>) -> Route {
    Route { routes: routes.into_iter().collect(), ..to(receiver, [""; 0]) }
}

fn to<const N: usize>(receiver: &str, matchers: [&str; N]) -> Route {
    let receivers = names([receiver].into_iter().filter(|name| !name.is_empty()));
    Route { receivers, matchers: matchers.map(str::to_owned).to_vec(), ..Route::default() }
}

fn dropped<const N: usize>(matchers: [&str; N]) -> Route {
    Route { drop: true, ..to("", matchers) }
}

fn goes_on(route: Route) -> Route {
    Route { goes_on: true, ..route }
}

fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<Name> {
    names.into_iter().map(|name| name.parse().unwrap()).collect()
}

fn labels<'n>(labels: impl IntoIterator<Item = (&'n str, &'n str)>) -> Labels {
    labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// An event whose items are called 0, 1, … and have these labels; `sev` gives the severity.
fn event<'n, I: IntoIterator<Item = (&'n str, &'n str)>>(items: impl IntoIterator<Item = I>) -> Event {
    let item = |(i, own): (usize, I)| {
        let labels = labels(own);
        Item {
            fingerprint: i.to_string(),
            name: String::new(),
            status: Status::Firing,
            severity: labels.get("sev").and_then(|word| Severity::named(word)).unwrap_or(Severity::Warning),
            labels,
            annotations: Labels::new(),
            since: Timestamp::UNIX_EPOCH,
            until: None,
            url: None,
        }
    };
    Event {
        id: EventId("event".into()),
        source: "am".parse().unwrap(),
        kind: "alertmanager",
        title: String::new(),
        title_in_chinese: None,
        url: None,
        received_at: Timestamp::UNIX_EPOCH,
        order_key: String::new(),
        dedup_key: String::new(),
        dedup_state: String::new(),
        facts: Labels::new(),
        group: Labels::new(),
        items: items.into_iter().enumerate().map(item).collect(),
        truncated: 0,
    }
}

/// The receivers every tree here may name.
fn receivers() -> BTreeMap<Name, Receiver> {
    let receiver = Receiver {
        display_name: None,
        app: "ops".parse().unwrap(),
        robot_code: "ding".into(),
        open_conversation_id: "cid".into(),
        cool_app_code: None,
        style: Style::default(),
        template: None,
        send_resolved: SendResolved::Always,
        digest: crate::storm::one_by_one(),
        messages_per_minute: NonZeroU32::MIN,
        cooldown: Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) },
        on_unknown_outcome: OnUnknownOutcome::Resend,
        fallback: None,
        fallback_after: Duration::from_secs(120),
        receipts: Receipts { enabled: false, ask_after: vec![] },
    };
    names(["all", "critical", "prod", "db"]).into_iter().map(|name| (name, receiver.clone())).collect()
}

/// What is done, and what is logged meanwhile.
fn logged<T>(work: impl FnOnce() -> T) -> (T, String) {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let done = tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, text)
}
