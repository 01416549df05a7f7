//! The example payloads, as `npm ci` has put them beside this file.

use serde_json::Value;

/// One example.
pub struct Example {
    /// The event's name, which GitHub sends in a header.
    pub event: String,
    /// The payload's `action`.
    pub action: Option<String>,
    pub payload: Value,
}

/// Every example, in the order of the package.
pub fn all() -> Vec<Example> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/github/node_modules/@octokit/webhooks-examples");
    let file = std::fs::read(format!("{folder}/api.github.com/index.json"))
        .expect("the payloads are not installed: scripts/test installs them, or `npm ci` in tests/github");
    let events: Vec<Value> = serde_json::from_slice(&file).unwrap();
    events.iter().flat_map(of_event).collect()
}

fn of_event(event: &Value) -> Vec<Example> {
    let name = event["name"].as_str().unwrap();
    let example = |payload: &Value| Example {
        event: name.to_owned(),
        action: payload["action"].as_str().map(str::to_owned),
        payload: payload.clone(),
    };
    event["examples"].as_array().unwrap().iter().map(example).collect()
}
