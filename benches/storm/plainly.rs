//! The relay everybody has: it sends each notification by itself, inside the request, and an answer of "too fast" is
//! answered 400, so that Alertmanager gives the notification up.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use dingtalk_relay::simulator::Simulator;
use dingtalk_relay::simulator::faults::Api;
use serde_json::{Value, json};

use crate::report::Report;
use crate::storm::CRITICAL;
use crate::world::{Clock, Notification, begin, simulator};

/// Sends them all, each when it comes.
pub(crate) async fn send(notifications: &[Notification], alerts: usize) -> anyhow::Result<Report> {
    let clock = Clock::new();
    let simulator = simulator(&clock, 0).await?;
    let client = reqwest::Client::new();
    let token = token(&client, &simulator).await?;
    let (mut told, mut throttled, mut critical_after) = (0, 0, None);
    let mut last = None;
    for notification in notifications {
        clock.move_to(notification.at);
        let body: Value = serde_json::from_slice(&notification.body)?;
        if say(&client, &simulator, &token, &body).await? {
            told += body["alerts"].as_array().map_or(0, Vec::len);
            last = Some(since(notification));
            let names: BTreeSet<_> = body["alerts"].as_array().into_iter().flatten().map(name).collect();
            if names.contains(CRITICAL) {
                critical_after = critical_after.or(last);
            }
        } else {
            throttled += 1;
        }
    }
    Ok(Report {
        who: "each by itself, inside the request",
        alerts,
        calls: simulator.count(Api::Send),
        all_after: last.filter(|_| told == alerts),
        critical_after,
        lost: alerts - told,
        throttled,
    })
}

fn name(alert: &Value) -> &str {
    alert["labels"]["alertname"].as_str().unwrap_or_default()
}

fn since(notification: &Notification) -> Duration {
    Duration::try_from(notification.at.duration_since(begin())).unwrap_or_default()
}

async fn token(client: &reqwest::Client, simulator: &Simulator) -> anyhow::Result<String> {
    let url = format!("{}/v1.0/oauth2/accessToken", simulator.base_url());
    let asked = client.post(url).json(&json!({"appKey": "ding-bench", "appSecret": "none"})).send().await?;
    let answer: Value = asked.json().await?;
    Ok(answer["accessToken"].as_str().context("no token")?.to_owned())
}

/// One call; says whether DingTalk took it.
async fn say(client: &reqwest::Client, simulator: &Simulator, token: &str, body: &Value) -> anyhow::Result<bool> {
    let alerts = body["alerts"].as_array().map_or(0, Vec::len);
    let param = json!({"title": format!("{alerts} alerts"), "text": format!("{alerts} alerts")}).to_string();
    let call = json!({
        "robotCode": "ding-bench", "openConversationId": "cid0", "msgKey": "sampleMarkdown", "msgParam": param,
    });
    let url = format!("{}/v1.0/robot/groupMessages/send", simulator.base_url());
    let sent = client.post(url).header("x-acs-dingtalk-access-token", token).json(&call).send().await?;
    Ok(sent.status().is_success())
}
