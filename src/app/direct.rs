//! A message sent without a relay: by the app's client, straight to DingTalk.
//!
//! For the first message of a new set-up, and for when the relay is down. What DingTalk refuses goes the way a relay's
//! message goes, down the same plainer forms, but never to the title alone; anything else that goes wrong ends it. Nothing is stored, so nothing is
//! tried again later, and a relay that runs beside it does not know of the calls: neither its limits nor its month hold
//! them.

use anyhow::Context;
use jiff::Timestamp;

use crate::compose::{self, Part, Setting};
use crate::config::{Config, Receiver};
use crate::dingtalk::Client;
use crate::model::form::{Form, Length};
use crate::model::message::{MsgKey, Target};
use crate::model::outcome::Verdict;
use crate::render::written;

/// One call: the form it sent, and what DingTalk said to it.
pub struct Call<'c> {
    /// The template.
    pub msg_key: MsgKey,
    /// What the form leaves out.
    pub form: &'c Form,
    /// Why it was not sent; `None`: it was.
    pub verdict: Option<&'c Verdict>,
}

/// Sends one message and says its `processQueryKey`. `tell` hears of each call for it, in order: at most
/// [`Form::MOST`]. The call for an access token, which is free, is none of them.
///
/// The plainest form of all is not tried: it says the title and points to the page of the relay for the rest, where
/// this message never was.
///
/// # Errors
/// That it was not sent, with what DingTalk said last.
pub async fn send(
    config: &Config,
    receiver: &Receiver,
    title: &str,
    text: &str,
    mut tell: impl FnMut(Call<'_>),
) -> anyhow::Result<String> {
    let app = &config.apps[&receiver.app];
    app.app_secret.reveal().with_context(|| format!("the secret of app `{}` cannot be had", receiver.app))?;
    let client = Client::new(receiver.app.clone(), app)
        .with_context(|| format!("cannot make a client for app `{}`", receiver.app))?;
    client.authorise(Timestamp::now()).await.map_err(|verdict| not_sent(&verdict))?;
    let target = Target {
        robot_code: receiver.robot_code.clone(),
        open_conversation_id: receiver.open_conversation_id.clone(),
        cool_app_code: receiver.cool_app_code.clone(),
    };
    let content = written::content(title, text, "", Timestamp::now());
    let parts = [Part::of(&content, Timestamp::now())];
    let mut form = Form::default();
    loop {
        let message = compose::single(&content, &receiver.style, &form, compose::BUDGET);
        let result = client.send(&target, &message, Timestamp::now()).await.result;
        tell(Call { msg_key: message.msg_key, form: &form, verdict: result.as_ref().err() });
        let verdict = match result {
            Ok(key) => return Ok(key),
            Err(verdict) => verdict,
        };
        let plainer = verdict.complaint.and_then(|complaint| {
            let setting = Setting::of(&receiver.style, &form, Timestamp::now());
            compose::plainer(&parts, &setting, &message, complaint, &verdict.code)
        });
        form = plainer.filter(|form| form.length < Length::Title).ok_or_else(|| not_sent(&verdict))?;
    }
}

fn not_sent(verdict: &Verdict) -> anyhow::Error {
    let Verdict { outcome, code, hint, .. } = verdict;
    let perhaps = if verdict.may_have_arrived { "; it may have arrived all the same: look into the group" } else { "" };
    anyhow::anyhow!("not sent: {outcome}: {code}: {hint}{perhaps}")
}
