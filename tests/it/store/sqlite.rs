//! What is true of the SQLite store alone: its file, its lock, and what a killed process leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::{Critical, Warning};
use dingtalk_relay::model::health::Health;
use dingtalk_relay::store::sqlite::open;
use dingtalk_relay::store::sqlite::opening::OpenError;
use dingtalk_relay::store::{AppRow, Finish, StoreError, Want};
use rusqlite::Connection;

use crate::store::{Fresh, at, event, first, is_stale, name, put_back, receipts, sent, want};

/// The file, as somebody with a shell sees it.
fn shell(store: &Fresh) -> Connection {
    let conn = Connection::open(store.path()).unwrap();
    conn.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    conn
}

#[tokio::test]
async fn a_second_relay_on_the_same_database_is_refused_and_one_that_comes_after_is_not() {
    let store = Fresh::sqlite();
    let error = open(&store.path(), 10).err().unwrap();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains("relay.db is in use by another relay"), "{error}");
    let link = store.path().with_file_name("link.db");
    std::os::unix::fs::symlink(store.path(), &link).unwrap();
    assert!(matches!(open(&link, 10).err().unwrap(), OpenError::Locked { .. }), "nor through a link");
    store.close().await;
    open(&store.path(), 10).unwrap();
}

#[tokio::test]
async fn the_database_its_log_and_its_lock_are_the_owners_alone() {
    let store = Fresh::sqlite();
    store.wait("k", Warning, at(0)).await;
    store.lanes().await.unwrap();
    let files: Vec<_> = fs::read_dir(store.path().parent().unwrap()).unwrap().map(Result::unwrap).collect();
    for file in &files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    assert_eq!(files.len(), 4, "the database, its log, the log's index and the lock: {files:?}");
}

#[tokio::test]
async fn a_missing_folder_is_made_and_one_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder.path().join("a/b/relay.db"), 10).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = open(&folder.path().join("file/relay.db"), 10).err().unwrap();
    assert!(matches!(error, OpenError::Folder { .. }));
    assert!(error.to_string().starts_with("cannot create or enter the folder"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_or_another_programs_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (text, theirs) = (folder.path().join("text"), folder.path().join("theirs.db"));
    fs::write(&text, "no database ".repeat(100)).unwrap();
    Connection::open(&theirs).unwrap().execute_batch("create table theirs (x)").unwrap();
    assert!(matches!(open(&text, 10).err().unwrap(), OpenError::Sqlite(_)));
    assert!(matches!(open(&theirs, 10).err().unwrap(), OpenError::Foreign));
    assert_eq!(fs::read_to_string(&text).unwrap(), "no database ".repeat(100));
}

#[tokio::test]
async fn law_1_what_was_accepted_is_there_after_the_process_was_killed() {
    let store = Fresh::sqlite();
    let accepted = store.accept(event("k").twin_key("twins").to("oncall", Critical).0, at(0)).await.unwrap();

    let store = store.killed();

    assert_eq!(store.shown(first(&accepted)).await.state, State::Queued);
    let twin = store.accept(event("k").twin_key("twins").0, at(1)).await.unwrap();
    assert_eq!((twin.duplicate, twin.event), (true, accepted.event));
    let ownership = store.owned_by("me").await;
    assert_eq!(store.drain(&ownership, at(2)).await.len(), 1);
}

#[tokio::test]
async fn what_a_killed_process_was_sending_goes_again_at_once_whoever_owns_its_app() {
    let store = Fresh::sqlite();
    let id = store.wait("k", Warning, at(0)).await;
    let held = store.wait("held", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    store.next(&ownership, at(1)).await.unwrap();
    store.take(&ownership, Want { hold: true, ..want() }, at(1)).await.unwrap();

    let store = store.killed();

    let shown = store.shown(&id).await;
    assert_eq!((shown.state, shown.possibly_duplicate), (State::Queued, true), "without anybody owning the app");
    assert_eq!(store.shown(&held).await.state, State::Dead);
    let ownership = store.owned_by("me, started again").await;
    assert_eq!(store.drain(&ownership, at(1)).await, [id]);
}

#[tokio::test]
async fn law_4_an_ownership_of_a_process_that_was_killed_is_stale_once_its_successor_has_asked() {
    let store = Fresh::sqlite();
    store.wait("k", Warning, at(0)).await;
    let before = store.owned_by("one").await;
    let claimed = store.next(&before, at(1)).await.unwrap();
    let store = store.killed();
    store.owned_by("two").await;
    assert!(is_stale(store.finish(&before, sent(&claimed), at(2)).await));
}

#[tokio::test]
async fn states_counts_and_the_length_of_the_queue_outlive_the_process() {
    let store = Fresh::sqlite();
    store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    store.next(&ownership, at(1)).await.unwrap();
    let (code, reason) = ("timeout".into(), "no answer".into());
    let health = Health::Down { since: at(0), probe_at: at(30), times: 7, code, reason };
    let row = AppRow { app: name("ops"), health, rate: None };
    store.save_app(&ownership, row.clone(), at(1)).await.unwrap();
    store.close().await;

    let full = open(&store.path(), 1).unwrap();

    assert_eq!(full.apps().await.unwrap(), [row]);
    assert_eq!(full.calls(&name("main"), want().month).await.unwrap(), 1);
    assert_eq!(full.accept(event("x").to("oncall", Warning).0, at(2)).await, Err(StoreError::QueueFull));
}

#[tokio::test]
async fn a_closed_store_has_done_what_it_was_given_and_does_nothing_more() {
    let store = Fresh::sqlite();
    let accepting = store.accept(event("k").to("oncall", Warning).0, at(0));
    let (accepted, ()) = tokio::join!(accepting, store.close());
    accepted.unwrap();
    assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.accept(event("k").0, at(1)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.lanes().await, Err(StoreError::Unavailable(_))));
    let left: Vec<_> = fs::read_dir(store.path().parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 2, "the log was put into the database: {left:?}");
}

#[tokio::test]
async fn what_cannot_be_read_dies_with_a_reason_and_does_not_stop_its_lane() {
    let store = Fresh::sqlite();
    let mut ids = Vec::new();
    for second in 0..4 {
        ids.push(store.wait("k", Warning, at(second)).await);
    }
    let file = shell(&store);
    let spoil = |content: &str, id: &str| {
        let sql = "update contents set content = ?1 where delivery = (select seq from deliveries where id = ?2)";
        assert_eq!(file.execute(sql, [content, id]).unwrap(), 1);
    };
    spoil("{ not json", &ids[0].0);
    spoil(r#"{"v":99,"title":"from the future","header":"","items":[]}"#, &ids[1].0);
    spoil(r#"{"v":1,"title":"half of it"}"#, &ids[2].0);
    let ownership = store.owned_by("me").await;

    assert_eq!(store.drain(&ownership, at(9)).await, [ids[3].clone()]);

    for (id, reason) in ids.iter().zip(["cannot be read", "has version 99, this relay reads up to 1", "cannot be read"])
    {
        let shown = store.shown(id).await;
        assert_eq!((shown.state, shown.attempts), (State::Dead, 0));
        assert!(shown.reason.as_ref().unwrap().contains(reason), "{:?}", shown.reason);
    }
    assert_eq!(store.calls_in("2026-11").await, 1, "no call was made for the others");
}

#[tokio::test]
async fn what_dies_unread_at_a_probe_waits_for_nothing_any_more() {
    let store = Fresh::sqlite();
    let id = store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(60), false), at(2)).await.unwrap();
    shell(&store).execute("update contents set content = '{'", []).unwrap();

    assert_eq!(store.take(&ownership, Want { probe: true, ..want() }, at(3)).await, None);

    let shown = store.shown(&id).await;
    assert_eq!((shown.state, shown.next_attempt_at), (State::Dead, None));
}

#[tokio::test]
async fn a_stored_state_of_a_newer_version_is_taken_as_flowing() {
    let store = Fresh::sqlite();
    store.owned_by("me").await;
    shell(&store).execute("update apps set health = '{\"state\":\"dreaming\"}'", []).unwrap();
    assert_eq!(store.apps().await.unwrap()[0].health, Health::Flowing);
}

#[tokio::test]
async fn a_reader_keeps_the_time_when_we_first_learned_of_it() {
    let store = Fresh::sqlite();
    store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, sent(&claimed), at(1)).await.unwrap();
    for (second, readers) in [(60, vec!["li"]), (600, vec!["li", "zhang"])] {
        store.save_receipts(&ownership, receipts::learned(&claimed.message, &readers), at(second)).await.unwrap();
    }
    let file = shell(&store);
    let seen = |user: &str| -> i64 {
        file.query_row("select seen_at from receipts where user_id = ?1", [user], |row| row.get(0)).unwrap()
    };
    assert_eq!([seen("li"), seen("zhang")], [at(60), at(600)].map(|at| at.as_millisecond()));
}

#[tokio::test]
async fn forgetting_leaves_no_row_behind_and_gives_the_pages_back() {
    let store = Fresh::sqlite();
    for n in 0..20 {
        let mut post = event("k").to("oncall", Warning);
        post.0.payload = vec![b'x'; 20_000].into();
        store.accept(post.0, at(n)).await.unwrap();
    }
    let ownership = store.owned_by("me").await;
    while let Some(claimed) = store.next(&ownership, at(30)).await {
        let asked = Finish { ask_receipts_at: Some(at(90)), ..sent(&claimed) };
        store.finish(&ownership, asked, at(30)).await.unwrap();
        let learned = receipts::learned(&claimed.message, &["zhang"]);
        store.save_receipts(&ownership, learned, at(90)).await.unwrap();
    }
    let pages = |file: &Connection| file.query_row("pragma page_count", [], |row| row.get::<_, i64>(0)).unwrap();
    let file = shell(&store);
    let before = pages(&file);

    store.forget(at(1_000), 100).await.unwrap();

    for table in ["events", "dedup", "deliveries", "contents", "messages", "message_deliveries", "attempts", "receipts"]
    {
        let rows: i64 = file.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    assert!(pages(&file) < before - 90, "{} of {before} pages are left", pages(&file));
}
