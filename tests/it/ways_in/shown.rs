//! What a group sees of a JSON nobody knows: with fields, and without.

use serde_json::{Map, Value};

use crate::ways_in::{SOURCES, world};

#[tokio::test(flavor = "multi_thread")]
async fn any_json_as_a_person_reads_it() {
    let world = world(SOURCES).await;
    let backup = r#"{ "subject": "Backup of *db-1* failed", "host": "db-1", "error": "disk full\non /var/lib",
                      "bytes": 0, "tries": [1, 2, 3], "by": { "job": "nightly", "url": "https://ci/1" } }"#;
    let deploy = r#"{ "app": "支付", "state": "failed", "level": "critical", "id": 7, "run": "https://ci/7" }"#;
    for (path, body) in [("/hooks/open/team", backup), ("/hooks/deploys/team", deploy), ("/hooks/open/team", "{}")] {
        assert_eq!(world.post(path, body).await.0, 202);
    }
    let mut pages: Vec<_> = world.simulator.arrived(3).await.iter().map(|message| page(&message.msg_param)).collect();
    pages.sort();
    insta::assert_snapshot!(pages.join("\n────\n"));
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

/// The banner and the text, with another time and its hard breaks in sight.
fn page(message: &Map<String, Value>) -> String {
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC").unwrap();
    let text = message["text"].as_str().unwrap().replace("  \n", "␠␠\n");
    format!("banner: {}\n\n{}", message["title"].as_str().unwrap(), time.replace_all(&text, "2026-11-21 12:00 UTC"))
}
