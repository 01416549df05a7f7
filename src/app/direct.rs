//! A message sent without a relay: by the app's client, straight to DingTalk.
//!
//! For the first message of a new set-up, and for when the relay is down. Nothing is stored, so nothing is tried again,
//! and a relay that runs beside it does not know of the call: neither its limits nor its month hold it.

use anyhow::Context;
use jiff::Timestamp;

use crate::compose;
use crate::config::{Config, Receiver};
use crate::dingtalk::Client;
use crate::model::form::Form;
use crate::model::message::Target;
use crate::model::outcome::Verdict;
use crate::render::written;

/// Sends one message and says its `processQueryKey`.
pub async fn send(config: &Config, receiver: &Receiver, title: &str, text: &str) -> anyhow::Result<String> {
    let app = &config.apps[&receiver.app];
    app.app_secret.reveal().with_context(|| format!("the secret of app `{}` cannot be had", receiver.app))?;
    let client = Client::new(receiver.app.clone(), app)
        .with_context(|| format!("cannot make a client for app `{}`", receiver.app))?;
    client.authorise(Timestamp::now()).await.map_err(|verdict| not_sent(&verdict))?;
    let now = Timestamp::now();
    let message =
        compose::single(&written::content(title, text, "", now), &receiver.style, &Form::default(), compose::BUDGET);
    let target = Target {
        robot_code: receiver.robot_code.clone(),
        open_conversation_id: receiver.open_conversation_id.clone(),
        cool_app_code: receiver.cool_app_code.clone(),
    };
    client.send(&target, &message, now).await.result.map_err(|verdict| not_sent(&verdict))
}

fn not_sent(verdict: &Verdict) -> anyhow::Error {
    let Verdict { outcome, code, hint, .. } = verdict;
    let perhaps = if verdict.may_have_arrived { "; it may have arrived all the same: look into the group" } else { "" };
    anyhow::anyhow!("not sent: {outcome}: {code}: {hint}{perhaps}")
}
