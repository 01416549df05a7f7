//! What was taken over and is told together: the digest says whom it was meant for and how old it is, and what a person
//! wrote is no part of it.

use crate::fallback::{HOUR, Town, text};
use crate::storm::firing;

#[tokio::test]
async fn a_digest_of_what_was_taken_over_says_whom_it_was_meant_for() {
    let mut town = Town::with("digest: auto", "").await;
    town.disband();
    for group in 0..8 {
        town.alert(group).await;
    }
    town.work_for(HOUR).await;

    let messages = town.refuge.messages();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let note = "Meant for **oncall**, which is blocked since 2026-11-21 12:00 UTC: group.disbanded";
    assert_eq!(text(message).matches(note).count(), 1, "{}", text(message));
}

#[tokio::test]
async fn what_is_taken_over_hours_later_does_not_read_as_if_it_had_just_happened() {
    let mut town = Town::with("digest: always", "defaults: { receiver: { fallback_after: 2h } }").await;
    town.disband();
    for group in 0..3 {
        town.alert(group).await;
    }
    town.work_for(3 * HOUR).await;

    let messages = town.refuge.messages();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let heading = text(message).lines().next().unwrap();
    assert!(heading.contains(" late: 3 ") && heading.ends_with(", at 12:00"), "{}", text(message));
}

#[tokio::test]
async fn where_others_are_told_too_the_note_says_how_many_it_is_about() {
    let mut town = Town::with("digest: always, digest_window: 5m", "").await;
    town.disband();
    for group in 0..3 {
        town.bench.accept("oncall", &firing(&format!("Disk{group}"), "warning")).await;
    }
    town.work_for(HOUR / 60).await;
    town.bench.accept("refuge", &firing("Own", "warning")).await;
    town.work_for(HOUR).await;

    let messages = town.refuge.messages();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(text(message).contains("3/4 · Meant for **oncall**"), "{}", text(message));
}
