//! The queue that all lanes share fills up because one of them is paused: the operator is told while there is still room
//! for the word of it, once, and once when there is room again.

use crate::notices::{MINUTE, Watched};

#[tokio::test]
async fn a_queue_that_is_nearly_full_is_told_once_and_so_is_that_it_has_room_again() {
    let mut watched = Watched::with("language: en", "store: { max_queued: 10 }").await;
    let team = "team".parse().unwrap();
    let later = watched.bench.clock.now() + 600 * MINUTE;
    watched.bench.store.inner().pause(&team, Some(later)).await.unwrap();
    for n in 0..8 {
        watched.alert("team", n).await;
    }
    watched.watch(2 * MINUTE, MINUTE).await;
    assert_eq!(watched.titles(), [""; 0], "eight of ten");

    watched.alert("team", 8).await;
    watched.watch(30 * MINUTE, MINUTE).await;

    assert_eq!(watched.titles(), ["The queue is nearly full"]);
    insta::assert_snapshot!(watched.told().remove(0), @"
    **The queue is nearly full**

    Since 2026-11-21 12:03 UTC.

    9 of 10 places are taken, which all groups share (`store.max_queued`). When none is left, webhooks are answered 503 until there is room, those for groups that work too; Alertmanager comes again.

    Most wait for: team 9. Mend or resume them, hand them over, or cancel what nobody needs.

    [Open the page](https://relay.example.com/)
    ");
    watched.bench.store.inner().pause(&team, None).await.unwrap();
    watched.watch(30 * MINUTE, MINUTE).await;
    assert_eq!(watched.titles(), ["The queue is nearly full", "The queue has room again"]);
}
