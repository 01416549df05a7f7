//! The notices of a relay that runs: their loop, and what only the whole knows.

use serde_json::json;

use crate::harness::{World, fixture};

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_is_refused_is_told_and_that_one_is_taken_again() {
    let told = "operator: { receiver: night }";
    let world = World::with(told).await;
    world.write("operator: { receiver: nobody }");
    assert_eq!(world.reload().await.0, 422);
    let refused = &world.simulator.arrived(1).await[0];
    assert_eq!(refused.msg_param["title"], json!("The changed configuration was refused"));
    assert!(refused.msg_param["text"].as_str().unwrap().contains("there is no receiver named"), "{refused:?}");

    world.write(told);
    assert_eq!(world.reload().await.0, 200);
    assert_eq!(world.simulator.arrived(2).await[1].msg_param["title"], json!("The configuration is taken again"));
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_fails_is_told_and_its_event_is_not_lost() {
    let own = tempfile::tempdir().unwrap();
    // It works on the sample it is tried on at the start.
    let text = "{% extends \"alertmanager\" %}{% block item %}
{% if item.name != \"Sample\" %}{{ item.annotations.there_is_no.such_thing }}{% endif %}
{% endblock %}";
    std::fs::write(own.path().join("mine.md.j2"), text).unwrap();
    let more = format!(
        "operator: {{ receiver: night }}\nreceivers: {{ team: {{ template: mine }} }}\ntemplates: ['{}']",
        own.path().display()
    );
    let world = World::with(&more).await;
    assert_eq!(world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await.0, 202);
    let messages = world.simulator.arrived(2).await;
    assert!(messages.iter().any(|message| message.msg_param["title"] == "Template mine fails"), "{messages:?}");
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}
