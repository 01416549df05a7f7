//! The note of what was handed over is for whoever takes over: in his language and his time, also after a reload.

use crate::fallback::{HOUR, Town, text};

#[tokio::test]
async fn who_takes_over_reads_why_in_his_own_language() {
    let mut town = Town::with("language: zh", "").await;
    town.disband();
    town.alert(1).await;

    town.work_for(HOUR).await;

    assert_eq!(note(&town, 0), r"本应发给 **oncall**，但自 2026-11-21 20:00 UTC+8 起已被阻塞：group.disbanded");
}

#[tokio::test]
async fn a_reload_that_changes_his_language_changes_what_he_reads_next() {
    let mut town = Town::new().await;
    town.disband();
    town.alert(1).await;
    town.work_for(HOUR).await;

    town.reload("language: zh").await;
    town.disband();
    town.alert(2).await;
    town.work_for(HOUR).await;

    assert!(note(&town, 0).starts_with("Meant for **oncall**"));
    assert!(note(&town, 1).starts_with("本应发给 **oncall**"));
}

fn note(town: &Town, message: usize) -> String {
    let messages = town.refuge.messages();
    text(&messages[message]).lines().find(|line| line.contains("oncall")).unwrap().trim().to_owned()
}
