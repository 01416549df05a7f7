//! Disks that fail: one whose syncs report an error, one that is full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::answers::promised_too_early;
use crate::chance::seeded;
use crate::disk::Syncs;
use crate::ledger::Ledger;
use crate::power::lose_power;
use crate::relay::{House, Relay};
use crate::trace::{Trace, What};

/// Strace fails the `n`th sync of a thread; the ones before and after it are the kernel's. The threads of a start on a
/// database that is there make fewer, so it meets the one that writes.
const FAILING_SYNC: [&str; 2] = ["-e", "inject=fsync,fdatasync:error=EIO:when=8"];
/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long a change of state may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn law_1_a_sync_that_fails_ends_the_relay_and_nothing_is_answered_after_it() {
    let house = House::new(20).await;
    house.start().stop();
    let mut ledger = Ledger::default();
    let file = house.folder().join("trace");
    let relay = house.start_traced(&file, &FAILING_SYNC);
    post_until_it_ends(&house, relay, &mut ledger, "a commit failed: disk I/O error").await;

    let mut trace = Trace::default();
    trace.read(&file, &house.folder());
    assert!(trace.calls.iter().any(|call| call.failed && matches!(call.what, What::Syncs(_))), "a sync failed");
    // A 202 may leave after the sync of a later batch has failed, if the sync of its own had succeeded.
    let log = house.database().with_extension("db-wal");
    assert_eq!(promised_too_early(&trace, &log), [] as [String; 0]);

    let relay = house.start();
    println!("{} ids were promised before the sync failed", ledger.promised());
    assert!(ledger.promised() > 0);
    assert_eq!(ledger.lost(&house, &relay).await, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn law_1_a_sync_that_fails_in_a_checkpoint_ends_the_relay_too() {
    let house = House::new(20).await;
    house.start().stop();
    let mut ledger = Ledger::default();
    // Of the database itself only checkpoints sync anything.
    let database = house.database();
    let options = ["-P", database.to_str().unwrap(), "-e", "inject=fsync,fdatasync:error=EIO:when=1"];
    let relay = house.start_traced(&house.folder().join("trace"), &options);
    post_until_it_ends(&house, relay, &mut ledger, "a checkpoint failed: disk I/O error").await;

    let relay = house.start();
    println!("{} ids were promised before the checkpoint failed", ledger.promised());
    assert_eq!(ledger.lost(&house, &relay).await, [] as [String; 0]);
}

/// After a failed sync the kernel calls pages clean that never reached the disk, and a relay that is started again
/// reads them as if they had. What it adds behind them is lost with them, unless they are written anew first. When a
/// relay ends, SQLite usually does that; somebody who only reads and is the last to leave is enough to keep it from it.
#[tokio::test(flavor = "multi_thread")]
async fn law_1_nothing_is_built_on_what_a_failed_sync_has_lost() {
    let house = House::new(20).await;
    let (root, file) = (house.folder(), house.folder().join("trace"));
    let mut trace = Trace::default();
    house.start_traced(&file, &[]).stop();
    trace.read(&file, &root);

    let relay = house.start_traced(&file, &FAILING_SYNC);
    let shell = Connection::open_with_flags(house.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    shell.query_row("select count(*) from events", [], |row| row.get::<_, i64>(0)).unwrap();
    post_until_it_ends(&house, relay, &mut Ledger::default(), "a commit failed: disk I/O error").await;
    trace.read(&file, &root);
    let restarted = trace.end;
    drop(shell);

    let relay = house.start_traced(&file, &[]);
    for n in 0..12 {
        assert_eq!(house.post(&relay, &format!("after-{n}")).await.unwrap().0, 202);
    }
    relay.kill();
    trace.read(&file, &root);
    let losses = lose_power(&trace, &root, Syncs::AsTraced, restarted, 60, &mut seeded()).await;
    assert_eq!(losses, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_finds_no_room_is_a_503_and_the_relay_goes_on_when_there_is_some() {
    let house = House::new(60_000).await;
    house.start().stop();
    let mut ledger = Ledger::default();
    let no_room = ["-e", "inject=pwrite64:error=ENOSPC:when=150..190"];
    let relay = house.start_traced(&house.folder().join("trace"), &no_room);
    let mut statuses = vec![];
    while statuses.len() < 12 || statuses.last() != Some(&202) {
        let answer = house.post(&relay, &format!("post-{}", statuses.len())).await;
        ledger.note(&answer);
        statuses.push(answer.unwrap().0);
        let _looking_for_room = house.look(&relay, "/-/ready").await;
    }
    println!("{statuses:?}");
    assert!(statuses.contains(&503), "{statuses:?}");
    assert!(statuses.iter().all(|status| [202, 503].contains(status)), "{statuses:?}");
    wait_for_ready(&house, &relay, 200).await;
    ledger.balance(&house, &relay).await.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_503_and_not_ready_until_there_is_room() {
    let house = House::new(600).await;
    let Some(small) = SmallDisk::mount(house.database().parent().unwrap()) else {
        println!("skipped: the small disk that this test fills cannot be mounted here (that takes root)");
        return;
    };
    let mut ledger = Ledger::default();
    let relay = house.start();
    for answer in house.burst(&relay, (0..40).map(|n| format!("before-{n}"))).join_all().await {
        assert!(ledger.note(&answer.1), "{answer:?}");
    }

    // The lane is at work meanwhile: at this pace the forty take some seconds.
    let filler = small.fill();
    wait_for_ready(&house, &relay, 503).await;
    for n in 0..5 {
        let (status, body) = house.post(&relay, &format!("full-{n}")).await.unwrap();
        assert_eq!(status, 503, "{body}");
    }

    std::fs::remove_file(filler).unwrap();
    wait_for_ready(&house, &relay, 200).await;
    for n in 0..5 {
        assert!(ledger.note(&house.post(&relay, &format!("full-{n}")).await));
    }
    ledger.balance(&house, &relay).await.assert_sound();
    relay.stop();
}

/// Posts bursts until there is no answer any more, and sees how the relay ended.
async fn post_until_it_ends(house: &House, relay: Relay, ledger: &mut Ledger, because: &str) {
    let mut burst = 0;
    loop {
        let names = (0..4).map(|n| format!("burst-{burst}-{n}"));
        let answers = house.burst(&relay, names).join_all().await;
        ledger.note_all(&answers);
        if answers.iter().all(|(_, answer)| answer.is_none()) {
            break;
        }
        burst += 1;
        assert!(burst < 100, "the relay goes on although a sync has failed");
    }
    let (status, log) = relay.ended();
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap();
    assert_eq!(last, format!("dingtalk-relay: the store is broken: {because}"));
}

async fn wait_for_ready(house: &House, relay: &Relay, wanted: u16) {
    let waiting = async {
        while house.look(relay, "/-/ready").await.unwrap().0 != wanted {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("/-/ready becomes {wanted}"));
}

/// A disk of 24 MiB in memory; it goes with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` if it may not be mounted.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "relay-test"]).arg(at).output();
        mount.is_ok_and(|mount| mount.status.success()).then(|| Self(at.to_owned()))
    }

    /// Fills it to the last byte; the file that does it is given.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let full = std::io::copy(&mut std::io::repeat(7), &mut std::fs::File::create(&filler).unwrap()).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a relay that a failed test left behind may still be in it.
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
