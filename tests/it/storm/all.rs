//! "Show all" of a digest leads to a page that has all of it: every alert once, the worst first, each with its delivery.

use serde_json::Value;

use super::{BEGIN, MINUTE, firing, resolved, simulated};
use crate::harness::Bench;

#[tokio::test]
async fn show_all_leads_to_every_alert_of_the_digest_the_worst_first_and_not_to_itself() {
    let settings = "
admin: { external_url: 'https://relay.example.com/x' }
defaults: { receiver: { digest: always } }
";
    let mut bench = Bench::with(settings, BEGIN, simulated).await;
    for n in 0..40 {
        bench.accept("team", &firing(&format!("disk-{n}"), "warning")).await;
    }
    bench.accept("team", &resolved("disk-7", "warning")).await;
    bench.accept("team", &firing("fire", "critical")).await;
    bench.work_for(MINUTE).await;
    let fire = bench.deliveries().await.pop().unwrap();
    let (id, message) = (fire["id"].as_str().unwrap(), &fire["message"]);
    assert_eq!(message["deliveries"], Value::from(42), "one digest");

    let path = format!("/messages/{}", message["id"].as_str().unwrap());
    let page = bench.read(&path).await;

    let told = &bench.simulator.messages()[0].msg_param["text"];
    let (shown_all, address) = ("[Show all 41]", format!("https://relay.example.com/x{path}"));
    assert!(told.as_str().unwrap().contains(&format!("{shown_all}({address})")), "{told}");
    assert!(page.contains("41 alerts, the worst first"), "{page}");
    let lines: Vec<_> =
        page.split("<li>").filter(|line| line.contains("class=\"title\" href=\"/deliveries/")).collect();
    assert_eq!(lines.len(), 41, "as many as the link promises");
    assert!(lines[0].contains(id) && lines[0].contains("critical"), "{}", lines[0]);
    assert!(lines[40].contains("resolved") && lines[40].contains("disk-7"), "{}", lines[40]);
    assert!(page.contains("<a href=\"#alerts\" rel=\"noreferrer noopener\">Show all 41</a>"), "{page}");
}
