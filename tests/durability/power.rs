//! Law 1 when the power fails: whatever was answered 202 by then is there when the disk is opened again.

use std::collections::HashSet;
use std::path::Path;

use dingtalk_relay::store::{Filter, sqlite};
use fastrand::Rng;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::answers::accepted;
use crate::chance::seeded;
use crate::disk::{Disk, Syncs};
use crate::relay::House;
use crate::trace::{Call, Moment, Trace, What};

/// How often the power fails.
const LOSSES: usize = 200;
/// How often it fails on a disk that is known to lose something.
const CONTROLS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn law_1_nothing_that_was_answered_is_lost_when_the_power_fails() {
    let house = House::new(20).await;
    let trace = three_lives(&house).await;
    let mut rng = seeded();

    let losses = lose_power(&trace, &house.folder(), Syncs::AsTraced, 0, LOSSES, &mut rng).await;
    println!("{LOSSES} power losses, after {} of them something was lost", losses.len());
    assert_eq!(losses, [] as [String; 0]);

    // The control: this replay sees a loss where there is one.
    let losses = lose_power(&trace, &house.folder(), Syncs::AsIfNormal, 0, CONTROLS, &mut rng).await;
    println!("{CONTROLS} without the syncs of commits, after {} of them something was lost", losses.len());
    assert!(losses.len() > CONTROLS / 8, "{losses:?}");
}

/// A relay that makes its database and is killed, one that finds the rest and is told to end, and one that begins a new
/// log and is killed.
async fn three_lives(house: &House) -> Trace {
    let mut trace = Trace::default();
    for life in 0..3 {
        let file = house.folder().join("trace");
        let relay = house.start_traced(&file, &[]);
        for n in 0..30 {
            assert_eq!(house.post(&relay, &format!("alone-{life}-{n}")).await.unwrap().0, 202);
        }
        for burst in 0..6 {
            house.burst(&relay, (0..24).map(|n| format!("burst-{life}-{burst}-{n}"))).join_all().await;
        }
        let mut last = house.burst(&relay, (0..24).map(|n| format!("last-{life}-{n}")));
        last.join_next().await;
        if life == 1 {
            relay.stop()
        } else {
            relay.kill()
        }
        last.join_all().await;
        trace.read(&file, &house.folder());
        let mut disk = Disk::before(&trace, &house.folder(), Syncs::AsTraced);
        disk.advance(trace.end);
        assert_eq!(disk.at_odds_with_the_real_one(), [] as [&Path; 0]);
    }
    let checkpoints = checkpoints(&trace, &house.database());
    println!("{} answers, {} calls, {checkpoints} checkpoints", accepted(&trace).len(), trace.calls.len());
    assert!(checkpoints > 3, "one in every life, one when the second began, and one at its end");
    trace
}

/// How often something else is followed by a write to the database itself.
fn checkpoints(trace: &Trace, database: &Path) -> usize {
    let is_one = |call: &Call| matches!(&call.what, What::Writes { file, .. } if file == database);
    trace.calls.windows(2).filter(|two| !is_one(&two[0]) && is_one(&two[1])).count()
}

/// Lets the power fail `times` times after a moment, each time opens what is left with the real store, and says what of
/// the promises until then is not there.
pub async fn lose_power(
    trace: &Trace,
    root: &Path,
    syncs: Syncs,
    after: Moment,
    times: usize,
    rng: &mut Rng,
) -> Vec<String> {
    let promises = accepted(trace);
    let mut moments: Vec<Moment> = (0..times).map(|_| rng.usize(after..trace.end)).collect();
    moments.sort_unstable();
    let mut disk = Disk::before(trace, root, syncs);
    let mut losses = vec![];
    for moment in moments {
        disk.advance(moment);
        let left = quick_folder();
        disk.fail(left.path(), rng);
        let found = kept(&left.path().join("data/relay.db")).await;
        let promised = promises.iter().take_while(|promise| promise.began <= moment).flat_map(|promise| &promise.ids);
        match found {
            Ok(found) => {
                let lost = promised.filter(|id| !found.contains(*id)).count();
                if lost > 0 {
                    losses.push(format!("at {moment}: {lost} lost"));
                }
            }
            Err(error) => losses.push(format!("at {moment}: {error}")),
        }
    }
    losses
}

/// In memory where that can be: what is left is opened and thrown away, and its syncs are nobody's business.
fn quick_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// The ids of all events and deliveries that the real store finds; an error if it finds none or the file is not whole.
async fn kept(database: &Path) -> Result<HashSet<String>, String> {
    let store = sqlite::open(database, 1_000_000).map_err(|error| format!("{error}: {error:?}"))?;
    let mut found = HashSet::new();
    let mut cursor = None;
    loop {
        let page = store.deliveries(Filter { limit: 500, cursor, ..Filter::default() }).await.unwrap();
        found.extend(page.deliveries.into_iter().flat_map(|delivery| [delivery.id.0, delivery.event.0]));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    store.close().await;
    let file = Connection::open(database).unwrap();
    let check: String = file.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    if check == "ok" { Ok(found) } else { Err(check) }
}
