//! What can be held to only from inside: query plans, the cost of a claim, a full disk, a thread that fails. What
//! every store must do is asked from outside, by the conformance suite.

use rusqlite::{Connection, StatementStatus};

use super::*;
use crate::model::event::Event;
use crate::model::name::EventId;

/// A database with the schema and no statistics, as the planner finds it in service.
fn database() -> Connection {
    let mut conn = Connection::open_in_memory().unwrap();
    schema::migrate(&mut conn).unwrap();
    conn
}

/// The steps of SQLite's plan for a statement.
fn plan(sql: &str) -> String {
    let conn = database();
    let mut explain = conn.prepare(&format!("explain query plan {sql}")).unwrap();
    for parameter in 1..=explain.parameter_count() {
        explain.raw_bind_parameter(parameter, 1).unwrap();
    }
    let mut rows = explain.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>("detail").unwrap());
    }
    steps.join(" | ")
}

#[test]
fn every_statement_that_runs_often_has_its_index() {
    let plans = [
        ("what goes next", claim::order::OF_RANK),
        ("what is overdue", claim::order::OVERDUE),
        ("where what is late ends", claim::order::FRESH_FROM),
        ("what gathers", claim::order::GATHERING),
        ("what is express and goes next", claim::order::EXPRESS),
        ("what goes along", claim::load::OF_KEY),
        ("what is known", told::KNOWN),
        ("what is known of a head's key", told::KNOWN_FOR),
        ("what is probed", claim::NEXT_PROBE),
        ("what has waited", claim::WAKE),
        ("what is express and has waited", claim::WAKE_EXPRESS),
        ("the first of a key", moves::SEAT_FIRST),
        ("what a newcomer frees", moves::FREE),
        ("what a fallback gets", handing::TO_HAND_OVER),
        ("what it gets where the critical stay", handing::MILD_TO_HAND_OVER),
        ("the oldest that is ready", waiting::OLDEST_READY),
        ("the oldest that has waited", waiting::OLDEST_WAITED),
        ("the shortest wait", waiting::SHORTEST_WAIT),
        ("how many are ready", waiting::READY),
        ("how many have waited", waiting::WAITED),
        ("whether any gathers", waiting::GATHERING),
        ("whether any is critical", waiting::CRITICAL),
        ("when the next is urgent", waiting::NEXT_URGENT),
        ("whether any is express", waiting::EXPRESS),
        ("recent attempts", views::ATTEMPTS_SINCE),
        ("who is asked for", receipts::DUE),
        ("what is old", forget::OLD),
        ("whether it is paused", pauses::PAUSED_UNTIL),
    ]
    .map(|(what, sql)| format!("{what}: {}", plan(sql)));
    insta::assert_snapshot!(plans.join("\n"), @r"
    what goes next: SEARCH deliveries USING INDEX ready (receiver=? AND rank=? AND seq>? AND seq<?)
    what is overdue: SEARCH deliveries USING INDEX ready_by_age (receiver=? AND created_at>? AND created_at<?)
    where what is late ends: SEARCH deliveries USING INDEX ready_by_age (receiver=? AND created_at>?)
    what gathers: SEARCH deliveries USING INDEX gathering (receiver=?)
    what is express and goes next: SEARCH deliveries USING INDEX express (receiver=? AND rank=? AND next_attempt_at=?)
    what goes along: SEARCH h USING INTEGER PRIMARY KEY (rowid=?) | SEARCH d USING INDEX open_in_order (receiver=? AND order_key=?) | SEARCH e USING INTEGER PRIMARY KEY (rowid=?) | SEARCH c USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
    what is known: SEARCH told USING PRIMARY KEY (receiver=? AND order_key=?)
    what is known of a head's key: SEARCH d USING INTEGER PRIMARY KEY (rowid=?) | SEARCH t USING PRIMARY KEY (receiver=? AND order_key=?)
    what is probed: SEARCH deliveries USING COVERING INDEX probes (receiver=?)
    what has waited: SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?) | LIST SUBQUERY 1 | SEARCH deliveries USING INDEX waiting (receiver=? AND rank=? AND next_attempt_at>? AND next_attempt_at<?)
    what is express and has waited: SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?) | LIST SUBQUERY 1 | SEARCH deliveries USING INDEX express (receiver=? AND rank=? AND next_attempt_at<?)
    the first of a key: SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?) | SCALAR SUBQUERY 2 | SEARCH deliveries USING INDEX open_in_order (receiver=? AND order_key=?) | SCALAR SUBQUERY 1 | SEARCH deliveries USING INDEX open_by_urgency (receiver=? AND order_key=?)
    what a newcomer frees: SEARCH deliveries USING INDEX waiting_in_key (receiver=? AND order_key=?)
    what a fallback gets: SEARCH deliveries USING INDEX to_hand_over (receiver=?)
    what it gets where the critical stay: SEARCH d USING INDEX mild_to_hand_over (receiver=?) | CORRELATED SCALAR SUBQUERY 1 | SEARCH h USING INDEX head_of_key (receiver=? AND order_key=?)
    the oldest that is ready: SEARCH deliveries USING INDEX ready_by_age (receiver=?)
    the oldest that has waited: CO-ROUTINE (subquery-1) | SEARCH deliveries USING INDEX waiting (receiver=? AND rank=? AND next_attempt_at>? AND next_attempt_at<?) | SEARCH (subquery-1)
    the shortest wait: CO-ROUTINE (subquery-3) | COMPOUND QUERY | LEFT-MOST SUBQUERY | SEARCH deliveries USING INDEX waiting (receiver=? AND rank=? AND next_attempt_at>?) | UNION ALL | SEARCH deliveries USING INDEX waiting (receiver=? AND rank=? AND next_attempt_at>?) | UNION ALL | SEARCH deliveries USING INDEX waiting (receiver=? AND rank=? AND next_attempt_at>?) | SEARCH (subquery-3)
    how many are ready: CO-ROUTINE (subquery-1) | SEARCH h USING INDEX ready_by_age (receiver=?) | SEARCH d USING INDEX open_by_urgency (receiver=? AND order_key=?) | SCAN (subquery-1)
    how many have waited: CO-ROUTINE (subquery-1) | SEARCH h USING INDEX waiting (receiver=? AND rank=? AND next_attempt_at>? AND next_attempt_at<?) | SEARCH d USING INDEX open_by_urgency (receiver=? AND order_key=?) | SCAN (subquery-1)
    whether any gathers: SCAN CONSTANT ROW | SCALAR SUBQUERY 1 | SEARCH deliveries USING INDEX gathering (receiver=? AND next_attempt_at>?)
    whether any is critical: SCAN CONSTANT ROW | SCALAR SUBQUERY 1 | SEARCH deliveries USING INDEX critical (receiver=? AND next_attempt_at=?) | SCALAR SUBQUERY 2 | SEARCH deliveries USING INDEX critical (receiver=? AND next_attempt_at<?)
    when the next is urgent: CO-ROUTINE (subquery-2) | COMPOUND QUERY | LEFT-MOST SUBQUERY | SEARCH deliveries USING INDEX critical (receiver=? AND next_attempt_at>?) | UNION ALL | SEARCH deliveries USING INDEX express (receiver=? AND rank=? AND next_attempt_at>?) | SEARCH (subquery-2)
    whether any is express: SCAN CONSTANT ROW | SCALAR SUBQUERY 1 | SEARCH deliveries USING INDEX express (receiver=? AND rank=? AND next_attempt_at=?) | SCALAR SUBQUERY 2 | SEARCH deliveries USING INDEX express (receiver=? AND rank=? AND next_attempt_at<?)
    recent attempts: SEARCH attempts USING COVERING INDEX attempts_of_channel (channel=? AND started_at>?)
    who is asked for: SEARCH m USING INDEX receipts_due (app=? AND ask_receipts_at>?) | SEARCH a USING INTEGER PRIMARY KEY (rowid=?) | CORRELATED SCALAR SUBQUERY 1 | SEARCH attempts USING COVERING INDEX attempts_of_message (message=?) | SEARCH d USING INTEGER PRIMARY KEY (rowid=?) | CORRELATED SCALAR SUBQUERY 2 | SEARCH message_deliveries USING PRIMARY KEY (message=?)
    what is old: SEARCH e USING COVERING INDEX events_by_age (received_at<?) | CORRELATED SCALAR SUBQUERY 1 | SEARCH deliveries USING INDEX deliveries_of_event (event=?)
    whether it is paused: SEARCH lanes USING PRIMARY KEY (receiver=?)
    ");
}

#[test]
fn every_filter_of_the_list_has_its_index() {
    let x = || Some("x".to_owned());
    let any = Filter::default;
    let plans = [
        ("any", any()),
        ("after a page", Filter { cursor: Some(crate::store::Cursor(9)), ..any() }),
        ("of a receiver", Filter { receiver: x(), ..any() }),
        ("of a source", Filter { source: x(), ..any() }),
        ("of an event", Filter { event: x(), ..any() }),
        ("dead", Filter { state: Some(crate::model::delivery::State::Dead), ..any() }),
        ("delivered", Filter { state: Some(crate::model::delivery::State::Delivered), ..any() }),
    ]
    .map(|(what, filter)| format!("{what}: {}", plan(&list::page(&filter, 51).0)));
    insta::assert_snapshot!(plans.join("\n"), @r"
    any: SCAN d | SEARCH e USING INTEGER PRIMARY KEY (rowid=?)
    after a page: SEARCH d USING INTEGER PRIMARY KEY (rowid<?) | SEARCH e USING INTEGER PRIMARY KEY (rowid=?)
    of a receiver: SEARCH d USING INDEX deliveries_of_receiver (receiver=?) | SEARCH e USING INTEGER PRIMARY KEY (rowid=?)
    of a source: SEARCH d USING INDEX deliveries_of_source (source=?) | SEARCH e USING INTEGER PRIMARY KEY (rowid=?)
    of an event: SEARCH d USING INDEX deliveries_of_event (event=?) | SCALAR SUBQUERY 1 | SEARCH events USING COVERING INDEX sqlite_autoindex_events_1 (id=?) | SEARCH e USING INTEGER PRIMARY KEY (rowid=?) | REUSE SUBQUERY 1
    dead: SEARCH d USING INDEX not_delivered (state=?) | SEARCH e USING INTEGER PRIMARY KEY (rowid=?)
    delivered: SCAN d | SEARCH e USING INTEGER PRIMARY KEY (rowid=?)
    ");
}

#[test]
fn a_walk_meets_what_it_looks_for_and_not_all_that_was_ever_delivered() {
    let receivers = Some(vec!["r".to_owned()]);
    let dead = crate::model::delivery::State::Dead;
    let of_a_lane = crate::store::action::Selection { state: dead, receivers, before: Some(NOW) };
    let place = Reached { after: 0, until: 9 };
    insta::assert_snapshot!(plan(&actions::statement(&of_a_lane, place, 100).0), @"SEARCH deliveries USING INDEX not_delivered (state=? AND seq>? AND seq<?) | LIST SUBQUERY 1 | SCAN json_each VIRTUAL TABLE INDEX 1: | CREATE BLOOM FILTER | CORRELATED SCALAR SUBQUERY 2 | SEARCH s USING INDEX sqlite_autoindex_deliveries_1 (id=?)");
}

#[test]
fn what_has_moved_on_since_a_walk_found_it_is_passed_over() {
    use crate::model::delivery::State::{Dead, Queued};
    let (_dir, mut work) = work_with(|work| {
        let row = "(1, 'd', 1, 's', 'r', 's/k', 'queued', 1, 1, 1, 't', 0)";
        let columns = "seq, id, event, source, receiver, order_key, state, severity, head, rank, title, created_at";
        let sql = format!(
            "insert into events values (1, 'e', 's', 'k', 't', null, 0, x'');
                           insert into deliveries ({columns}) values {row};"
        );
        work.conn.execute_batch(&sql).unwrap();
    });
    let to_another = Action::HandOver { to: "other".parse().unwrap() };
    // Found dead, redriven by somebody else, and forgotten.
    assert_eq!(actions::act_on_some(&mut work, &[1, 2], Dead, &to_another, NOW).unwrap(), (0, vec![]));
    assert_eq!(actions::act_on_some(&mut work, &[1, 2], Queued, &to_another, NOW).unwrap().0, 1);
}

/// A lane with so many order keys, of each one waiting head and one delivery behind it; half of the heads wait for a
/// retry, every fifth is express, and ten times as many deliveries are history.
fn lane_with(keys: i64) -> Connection {
    let conn = database();
    conn.execute_batch("insert into events values (1, 'e', 's', 'k', 't', null, 0, x'');").unwrap();
    let fill = |count: i64, state: &str, head: i64, wait: &str| {
        let sql = format!(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
             insert into deliveries
                 (id, event, source, receiver, order_key, state, severity, urgency, head, rank, next_attempt_at, title,
                  created_at, express)
             select '{state}{head}' || i, 1, 's', 'r', 's/' || i, '{state}', i % 3, i % 3, {head}, i % 3, {wait}, 't', 0,
                 i % 5 = 0
             from n"
        );
        conn.execute(&sql, []).unwrap();
    };
    fill(keys * 10, "delivered", 0, "null");
    fill(keys, "queued", 1, "iif(i % 2 = 0, 1000000, null)");
    fill(keys, "queued", 0, "null");
    conn
}

/// How many steps SQLite's machine takes for a statement.
fn steps(conn: &Connection, sql: &str, values: impl rusqlite::Params) -> i32 {
    let mut statement = conn.prepare(sql).unwrap();
    let mut rows = statement.query(values).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::VmStep)
}

#[test]
fn a_claim_costs_the_same_among_a_thousand_deliveries_and_among_a_hundred_thousand() {
    let cost = |keys| {
        let conn = lane_with(keys);
        let lone = ("r", "s/1", 0, true);
        conn.execute("update deliveries set head = 0, state = 'delivered' where id = 'queued11'", []).unwrap();
        [
            steps(&conn, claim::WAKE, ("r", 2, 5, 1_000)),
            steps(&conn, claim::WAKE_EXPRESS, ("r", 2, 5, 1_000)),
            steps(&conn, claim::order::EXPRESS, ("r", 2)),
            steps(&conn, claim::NEXT_PROBE, ["r"]),
            steps(&conn, claim::order::OF_RANK, ("r", 2, 0, i64::MAX, 1, 1)),
            steps(&conn, claim::order::OVERDUE, ("r", 0, 1, 1)),
            steps(&conn, claim::order::FRESH_FROM, ("r", 0)),
            steps(&conn, claim::order::GATHERING, ("r", 1)),
            steps(&conn, moves::SEAT_FIRST, lone),
            steps(&conn, moves::FREE, ("r", "s/1")),
            steps(&conn, waiting::OLDEST_READY, ["r"]),
            steps(&conn, waiting::OLDEST_WAITED, ("r", 5, 9)),
            steps(&conn, waiting::SHORTEST_WAIT, ["r"]),
            steps(&conn, waiting::READY, ("r", 9)),
            steps(&conn, waiting::WAITED, ("r", 5, 9)),
            steps(&conn, waiting::GATHERING, ("r", 5)),
            steps(&conn, waiting::CRITICAL, ("r", 5)),
            steps(&conn, waiting::NEXT_URGENT, ("r", 5)),
            steps(&conn, waiting::EXPRESS, ("r", 2, 5)),
        ]
    };
    assert_eq!(cost(100), cost(10_000));
}

/// What a writer works with, in a fresh folder, prepared for a test.
fn work_with(prepare: impl FnOnce(&mut Work)) -> (tempfile::TempDir, Work) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    let mut conn = connection::that_writes(&path).unwrap();
    schema::migrate(&mut conn).unwrap();
    let mut work =
        Work { conn, room: Room::around(&path, 0), max_queued: 10, open: 0, rung: Vec::new(), entered: Vec::new() };
    prepare(&mut work);
    (dir, work)
}

fn store_with(prepare: impl FnOnce(&mut Work)) -> (tempfile::TempDir, Sqlite) {
    let (dir, work) = work_with(prepare);
    let readers = Readers::of(dir.path().join("relay.db"));
    (dir, Sqlite::start(work, [Arc::clone(&readers), readers], None).unwrap())
}

fn event_of(bytes: usize) -> NewEvent {
    let event = Event {
        id: EventId::fresh(),
        source: "s".parse().unwrap(),
        kind: "k",
        title: String::new(),
        title_in_chinese: None,
        url: None,
        received_at: Timestamp::UNIX_EPOCH,
        order_key: String::new(),
        dedup_key: EventId::fresh().0,
        dedup_state: String::new(),
        facts: Default::default(),
        group: Default::default(),
        items: Vec::new(),
        truncated: 0,
    };
    let payload = vec![b'x'; bytes].into();
    NewEvent { event, path: String::new(), payload, dedup_window: Duration::ZERO, deliveries: Vec::new() }
}

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[tokio::test]
async fn where_the_disk_is_nearly_full_nothing_new_is_accepted_and_the_store_is_not_ready() {
    let (_dir, store) = store_with(|work| work.room = Room::around(Path::new("/"), u64::MAX));
    assert_eq!(store.accept(event_of(1), NOW).await, Err(StoreError::NoRoom));
    assert_eq!(store.ready().await, Err(StoreError::NoRoom));
}

#[tokio::test]
async fn a_full_disk_is_no_room_until_there_is_some_again() {
    // SQLite's own limit of pages stands in for the end of the disk: it fails with the same code at the same places.
    let (dir, store) = store_with(|work| work.conn.pragma_update(None, "max_page_count", 90).unwrap());
    store.accept(event_of(1), NOW).await.unwrap();
    assert_eq!(store.accept(event_of(1_000_000), NOW).await, Err(StoreError::NoRoom));
    assert_eq!(
        store.ready().await,
        Err(StoreError::NoRoom),
        "a small write would do, but there is no room for an event"
    );

    drop(store);
    let store = open(&dir.path().join("relay.db"), 10).unwrap();
    store.accept(event_of(1_000_000), NOW).await.unwrap();
    store.ready().await.unwrap();
}

#[test]
fn a_command_that_fails_does_not_sink_the_batch_it_is_in() {
    let (_dir, work) = work_with(|work| work.conn.pragma_update(None, "max_page_count", 90).unwrap());
    let (_inbox, commands) = mpsc::channel(1);
    let mut writer = Writer::new(work, commands, Arc::new(Condition::new()), None);
    let ask = |bytes| {
        let (asked, answer) = Asked::new();
        (Command::Accept { new: Box::new(event_of(bytes)), now: NOW, asked }, answer)
    };
    let ((first, mut small), (second, mut big), (third, mut last)) = (ask(1), ask(1_000_000), ask(1));

    writer.write(vec![first, second, third]);

    assert!(small.try_recv().unwrap().is_ok());
    assert_eq!(big.try_recv().unwrap(), Err(StoreError::NoRoom));
    assert!(last.try_recv().unwrap().is_ok());
}

#[tokio::test]
async fn law_1_a_commit_that_fails_accepts_nothing_and_breaks_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    open(&path, 10).unwrap().close().await;
    // A log that can be opened and not written: the first write to it is the commit's.
    let log = dir.path().join("relay.db-wal");
    assert!(std::process::Command::new("mkfifo").arg(&log).status().unwrap().success());
    let store = open(&path, 10).unwrap();
    store.ready().await.unwrap();

    let error = store.accept(event_of(1), NOW).await.unwrap_err();

    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(store.broken().await.starts_with("a commit failed: disk I/O error"), "{}", store.broken().await);
    assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.accept(event_of(1), NOW).await, Err(StoreError::Unavailable(_))));
    let app = "ops".parse().unwrap();
    assert!(matches!(store.own(&app, "me", Duration::ZERO, NOW).await, Err(StoreError::Unavailable(_))));
}
