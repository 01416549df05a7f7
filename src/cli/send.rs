//! `send`: a message by hand, through the relay that runs at `admin.listen`, or with `--direct` without one.
//!
//! What it prints on standard output is the `processQueryKey` and nothing else, so that a script can keep it. That a
//! message was not sent is said with its state, the reason, and what helps; the exit code is 1 then.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::app::direct::{self, Call};
use crate::cli::BadUsage;
use crate::config::problem::hint;
use crate::config::{Config, Receiver};
use crate::model::form::Length;
use crate::model::name::Name;
use crate::model::outcome::Verdict;
use crate::operator::send::{DEFAULT_WAIT, wait};
use crate::render::written::says_something;

/// How long the relay may take to answer, beside what it is asked to wait.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is to be sent.
#[derive(Args)]
pub struct Letter {
    /// The receiver
    #[arg(long, value_name = "NAME")]
    receiver: String,
    /// The push banner: plain text
    #[arg(long, allow_hyphen_values = true)]
    title: String,
    /// The message: markdown; - for standard input
    #[arg(long, value_name = "MD", allow_hyphen_values = true)]
    text: String,
    /// How long to wait for it to be sent, at most 30s [default: 10s]
    #[arg(long, value_parser = wait)]
    wait: Option<Duration>,
    /// Without a relay, by this command itself: nothing is stored, and no relay counts the calls
    ///
    /// What DingTalk refuses is tried in plainer forms, as the relay does: at most 4 calls, each of which is told.
    #[arg(long, conflicts_with = "wait")]
    direct: bool,
}

/// Sends it and prints its `processQueryKey`.
pub async fn send(config: &Config, mut letter: Letter) -> anyhow::Result<()> {
    if letter.text == "-" {
        letter.text.clear();
        std::io::stdin().read_to_string(&mut letter.text).context("cannot read standard input")?;
    }
    for (name, text) in [("--title", &letter.title), ("--text", &letter.text)] {
        if !says_something(text) {
            bail!(BadUsage(format!("{name} shows nothing")));
        }
    }
    let receiver = receiver(config, &letter.receiver)?;
    let key =
        if letter.direct { directly(config, receiver, &letter).await? } else { through_relay(config, &letter).await? };
    println!("{key}");
    Ok(())
}

fn receiver<'c>(config: &'c Config, name: &str) -> anyhow::Result<&'c Receiver> {
    let names = config.receivers.keys().map(Name::as_str);
    let no_such = || BadUsage(format!("there is no receiver `{}`; {}", name.escape_debug(), hint(name, names)));
    Ok(config.receivers.get(name).ok_or_else(no_such)?)
}

/// Sends it by the app's client, and tells of every call.
async fn directly(config: &Config, receiver: &Receiver, letter: &Letter) -> anyhow::Result<String> {
    eprintln!(
        "dingtalk-relay: --direct: no relay counts what is called here, neither in the group's limit nor in the month"
    );
    let mut calls = 0;
    let tell = |call: Call<'_>| {
        calls += 1;
        eprintln!("  call {calls}: {}", told(&call));
    };
    let sent = direct::send(config, receiver, &letter.title, &letter.text, tell).await;
    match calls {
        0 => eprintln!("  no call was made for it"),
        1 => eprintln!("  1 call was made; it counts in the month unless DingTalk put it off"),
        calls => eprintln!("  {calls} calls were made; each counts in the month unless DingTalk put it off"),
    }
    sent
}

/// `sampleMarkdown without links: refused: CODE: HINT`
fn told(call: &Call<'_>) -> String {
    let form = call.form;
    let without =
        [(form.without_links, "links"), (form.without_pictures, "pictures"), (form.without_mentions, "mentions")];
    let without: Vec<_> = without.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| *what).collect();
    let without = if without.is_empty() { String::new() } else { format!(" without {}", without.join(" and ")) };
    let length = match form.length {
        Length::Whole | Length::Title => "",
        Length::Half => " at half the length",
        Length::Eighth => " at an eighth of the length",
    };
    let became = call
        .verdict
        .map_or_else(|| "sent".to_owned(), |Verdict { outcome, code, hint, .. }| format!("{outcome}: {code}: {hint}"));
    format!("{}{without}{length}: {became}", call.msg_key)
}

async fn through_relay(config: &Config, letter: &Letter) -> anyhow::Result<String> {
    let relay = Relay::at(config)?;
    let wait = letter.wait.unwrap_or(DEFAULT_WAIT);
    let asked = json!({"receiver": letter.receiver, "title": letter.title, "text": letter.text,
                       "wait": format!("{}ms", wait.as_millis())});
    let request = relay.request(reqwest::Method::POST, "/api/v1/send")?;
    let delivery = relay.answer(request.json(&asked).timeout(wait + PATIENCE)).await?;
    if delivery["state"] == "delivered" {
        return Ok(delivery["message"]["process_query_key"].as_str().unwrap_or_default().to_owned());
    }
    // Why nothing was tried, if nothing was: the lane knows. If it cannot be asked, less is said.
    let lanes = match relay.request(reqwest::Method::GET, "/api/v1/lanes") {
        Ok(request) => relay.answer(request.timeout(PATIENCE)).await.unwrap_or_default(),
        Err(_) => Value::Null,
    };
    let lane = lanes["lanes"].as_array().and_then(|all| all.iter().find(|lane| lane["receiver"] == letter.receiver));
    Err(anyhow!("{}", not_sent(&delivery, lane.unwrap_or(&Value::Null))))
}

/// The relay that runs with this configuration.
struct Relay<'c> {
    config: &'c Config,
    address: SocketAddr,
    http: reqwest::Client,
}

impl<'c> Relay<'c> {
    fn at(config: &'c Config) -> anyhow::Result<Self> {
        let address = reachable(config.admin.listen);
        if address.port() == 0 {
            bail!(BadUsage("admin.listen has port 0: where the relay listens is decided when it starts".to_owned()));
        }
        // reqwest wants a TLS provider, although nothing here speaks TLS; an error says that there is one already.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        // The token goes to the relay itself, and never to a proxy or to where an answer points.
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { config, address, http })
    }

    fn request(&self, method: reqwest::Method, path: &str) -> anyhow::Result<RequestBuilder> {
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        let Some(token) = &self.config.admin.token else { return Ok(request) };
        let token = token.reveal().map_err(|error| BadUsage(format!("admin.token: {error}")))?;
        Ok(request.bearer_auth(token.expose_secret()))
    }

    /// The JSON of an answer that is no refusal.
    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let address = self.address;
        let answer = request.send().await.map_err(|error| {
            if error.is_connect() {
                anyhow!(
                    "nobody listens on {address} (admin.listen): start the relay, or say --direct to send without it"
                )
            } else {
                anyhow!("the relay at {address} did not answer; it may have the message all the same: look at its page")
            }
        })?;
        let status = answer.status();
        let said: Value = serde_json::from_slice(&answer.bytes().await.unwrap_or_default()).unwrap_or_default();
        if status.is_success() && said.is_object() {
            return Ok(said);
        }
        let detail = said["detail"].as_str().unwrap_or("it does not say why; is it a dingtalk-relay?").to_owned();
        let token = if status == StatusCode::UNAUTHORIZED { " (admin.token)" } else { "" };
        Err(anyhow!("not sent: the relay at {address} answered {}: {detail}{token}", status.as_u16()))
    }
}

/// Where to reach what listens there: a wildcard is reached on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// State, reason and what helps.
fn not_sent(delivery: &Value, lane: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (state, id) = (text(&delivery["state"]), text(&delivery["id"]));
    let mut said = format!("not sent: {state}");
    let last = delivery["attempt_log"].as_array().and_then(|log| log.last()).unwrap_or(&Value::Null);
    if let Some(reason) = delivery["reason"].as_str() {
        said += &format!(": {reason}");
    } else if let Some(outcome) = last["outcome"].as_str() {
        said += &format!(": {outcome}: {}: {}", text(&last["code"]), text(&last["hint"]));
    } else if let Some(why) = [&lane["blocked"], &lane["down"]].into_iter().find(|why| why.is_object()) {
        said += &format!(": the lane is {}: {}: {}", text(&lane["state"]), text(&why["code"]), text(&why["reason"]));
    } else if let Some(until) = lane["paused_until"].as_str() {
        said += &format!(": the lane is paused until {until}");
    } else if let Some(until) = lane["cooling_until"].as_str() {
        said += &format!(": the lane is cooling until {until}");
    }
    if delivery["possibly_duplicate"] == true {
        said += "; it may have arrived all the same: look into the group";
    }
    if matches!(state.as_str(), "queued" | "sending") {
        said += "; it is stored and goes out by itself when it can";
    }
    format!("{said} (delivery {id})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_call_was_made_for_is_told_with_what_keeps_its_lane() {
        let waits = json!({"state": "queued", "id": "d1", "reason": null, "attempt_log": []});
        let why = json!({"code": "timeout", "reason": "No whole answer came in time."});
        for (lane, says) in [
            (json!({"state": "down", "blocked": null, "down": why}), ": the lane is down: timeout: No whole answer"),
            (json!({"state": "blocked", "blocked": why, "down": null}), ": the lane is blocked: timeout: No whole"),
            (
                json!({"state": "flowing", "blocked": null, "down": null, "paused_until": "T"}),
                ": the lane is paused until T",
            ),
            (
                json!({"state": "cooling", "blocked": null, "down": null, "cooling_until": "T"}),
                ": the lane is cooling until T",
            ),
            (Value::Null, "not sent: queued; it is stored and goes out by itself when it can (delivery d1)"),
        ] {
            let said = not_sent(&waits, &lane);
            assert!(said.contains(says), "{said}");
        }
    }
}
