//! `demo`: the whole product without an account. A simulator, a relay, a temporary database and real Alertmanager
//! bodies, all on this machine.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::Value;

use crate::app::check::{check, compile};
use crate::app::relay::{Listeners, Relay};
use crate::app::reload::Origin;
use crate::app::signals::told_to_end;
use crate::app::warnings::Surroundings;
use crate::config;
use crate::config::problem::Problems;
use crate::model::delivery::{Delivery, State};
use crate::simulator::messages::Admitted;
use crate::simulator::{Options, Simulator};
use crate::store::Filter;

/// How long everything may take to arrive before `--once` gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the deliveries are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Bodies captured from a real Alertmanager.
const SAMPLES: &[(&str, &str)] = &[
    ("two instances are down, from Prometheus", include_str!("../../tests/fixtures/alertmanager/from-prometheus.json")),
    ("one alert fires, full of odd characters", include_str!("../../tests/fixtures/alertmanager/one-firing.json")),
    ("the same one is resolved", include_str!("../../tests/fixtures/alertmanager/one-resolved.json")),
    ("a group of fifty, some resolved", include_str!("../../tests/fixtures/alertmanager/fifty-mixed.json")),
    ("the Watchdog, which a route drops", include_str!("../../tests/fixtures/alertmanager/watchdog.json")),
];

/// Shows it all; stays until Ctrl-C, or with `once` until everything has arrived.
pub async fn run(once: bool) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let simulator = Simulator::start(Options::default()).await?;
    let relay = start(&simulator, folder.path()).await?;
    println!("dingtalk-relay {} with a simulated DingTalk; nothing leaves this machine.", env!("CARGO_PKG_VERSION"));
    println!("  webhooks   http://{}/hooks/alertmanager", relay.hooks());
    println!("  page       http://{}/", relay.admin());
    println!("  simulator  {}/sim/messages", simulator.base_url());
    println!("  database   {}", folder.path().join("relay.db").display());
    let expected = post_samples(&relay).await?;
    let deliveries = tokio::time::timeout(PATIENCE, finished(&relay, expected))
        .await
        .with_context(|| format!("not everything arrived within {} s", PATIENCE.as_secs()))??;
    println!("\nWhat arrived, as the markdown that DingTalk was sent:");
    for message in simulator.messages() {
        show(&message);
    }
    println!("\nWhat the relay remembers of them:");
    for delivery in &deliveries {
        println!("  {}", line(delivery));
    }
    let lost = deliveries.iter().filter(|delivery| delivery.state != State::Delivered).count();
    if !once {
        println!("\nThe page is at http://{}/ until you press Ctrl-C. Post your own:", relay.admin());
        println!("  curl --json @body.json http://{}/hooks/alertmanager", relay.hooks());
        told_to_end().await;
    }
    relay.stop().await;
    if lost > 0 {
        bail!("{lost} of {} deliveries did not arrive", deliveries.len());
    }
    Ok(())
}

async fn start(simulator: &Simulator, folder: &Path) -> anyhow::Result<Relay> {
    let text = settings(&simulator.base_url(), folder);
    let config = config::from_text(&text).map_err(Problems)?;
    let compiled = compile(&config).map_err(Problems)?;
    let listeners = Listeners::bind(&config).await?;
    // It has no files: what is read again is the same.
    let origin = Origin::new(BTreeSet::new(), move || check(config::draft_from_text(&text), Surroundings::Unknown));
    Relay::start(config, compiled, origin, listeners).await
}

/// Two groups, so that the tree has something to decide.
fn settings(base_url: &str, folder: &Path) -> String {
    format!(
        "
http: {{ listen: '127.0.0.1:0' }}
admin: {{ listen: '127.0.0.1:0' }}
store: {{ url: 'sqlite:{}/relay.db' }}
apps:
  demo: {{ base_url: '{base_url}', app_key: ding-demo, app_secret: of-the-simulator }}
receivers:
  oncall: {{ display_name: 值班群, app: demo, open_conversation_id: cid-oncall== }}
  team: {{ display_name: 运维群, app: demo, open_conversation_id: cid-team== }}
sources:
  alertmanager: {{ kind: alertmanager, auth: {{ none: true }} }}
route:
  receiver: team
  routes:
    - {{ matchers: ['alertname=Watchdog'], drop: true }}
    - {{ matchers: ['severity=critical'], receiver: oncall }}
",
        folder.display()
    )
}

/// Posts every sample as Alertmanager does; says how many deliveries they made.
async fn post_samples(relay: &Relay) -> anyhow::Result<usize> {
    // reqwest wants a TLS provider, although nothing here speaks TLS; an error says that there is one already.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{}/hooks/alertmanager", relay.hooks());
    let mut deliveries = 0;
    println!("\nPosting what a real Alertmanager sent:");
    for (what, body) in SAMPLES {
        let request = http.post(&url).header("content-type", "application/json").body(*body);
        let answer = request.send().await?;
        let status = answer.status();
        let receipt: Value = answer.json().await?;
        if !status.is_success() {
            bail!("{what}: {status} {receipt}");
        }
        let made = receipt["deliveries"].as_array().map_or(0, Vec::len);
        deliveries += made;
        println!("  {} {what}: {made} {}", status.as_u16(), if made == 1 { "delivery" } else { "deliveries" });
    }
    Ok(deliveries)
}

/// The deliveries, the oldest first, when nothing more will come of any of them.
async fn finished(relay: &Relay, expected: usize) -> anyhow::Result<Vec<Delivery>> {
    loop {
        let page = relay.store().deliveries(Filter { limit: 500, ..Filter::default() }).await?;
        if page.deliveries.len() >= expected && page.deliveries.iter().all(|delivery| !delivery.state.is_open()) {
            return Ok(page.deliveries.into_iter().rev().collect());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn show(message: &Admitted) {
    let field = |key: &str| message.msg_param[key].as_str().unwrap_or_default().to_owned();
    println!("\n─── group {} ─── {}", message.open_conversation_id, field("title"));
    for line in field("text").lines() {
        println!("  {}", line.trim_end());
    }
}

fn line(delivery: &Delivery) -> String {
    let key = delivery.message.as_ref().and_then(|message| message.process_query_key.as_deref()).unwrap_or("-");
    let took = |end: Timestamp| end.duration_since(delivery.created_at).as_millis();
    let after = delivery.delivered_at.map_or(String::new(), |at| format!(" after {} ms", took(at)));
    let (state, receiver, title) = (delivery.state, &delivery.receiver, &delivery.title);
    format!("{state}{after}  {receiver:<6}  process_query_key {key}  {title}")
}
