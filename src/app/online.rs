//! Asking DingTalk about a configuration: what `check --online` does.
//!
//! For each app an access token, which is free; then, once for each channel, a query about a message that never was,
//! which is one call of the organisation's month. No message is sent and nothing is changed, so not even a recall is
//! tried. What DingTalk's answers mean is told by `dingtalk` (law 7); here is only decided whom to ask, how fast, and
//! when to stop: trouble that is not one group's would meet the app's other groups too, and a month that is used up
//! every app of the organisation.
//!
//! It knows no store and no gate, so a relay that runs beside it counts none of these calls.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use url::Url;

use crate::config::region::Region;
use crate::config::{App, Config};
use crate::dingtalk::{Client, verdict};
use crate::model::message::Target;
use crate::model::name::Name;
use crate::model::outcome::{Outcome, Scope, Verdict};

/// An app and the groups that are asked about with it.
pub struct Part<'c> {
    /// The app's name.
    pub name: &'c Name,
    /// The app.
    pub app: &'c App,
    /// Its channels, in the order of their first receivers.
    pub groups: Vec<Group<'c>>,
}

/// A robot in a group: what is asked about once.
pub struct Group<'c> {
    /// The receivers that share it; at least one.
    pub receivers: Vec<&'c Name>,
    target: Target,
}

/// Whom to ask about a configuration: every app, in the order of their names.
pub fn plan(config: &Config) -> Vec<Part<'_>> {
    let part = |(name, app)| Part { name, app, groups: groups(config, name) };
    config.apps.iter().map(part).collect()
}

fn groups<'c>(config: &'c Config, app: &Name) -> Vec<Group<'c>> {
    let mut groups: Vec<Group<'c>> = Vec::new();
    for (name, receiver) in config.receivers.iter().filter(|(_, receiver)| receiver.app == *app) {
        let is_same = |group: &&mut Group<'_>| {
            group.target.robot_code == receiver.robot_code
                && group.target.open_conversation_id == receiver.open_conversation_id
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.receivers.push(name),
            None => groups.push(Group {
                receivers: vec![name],
                target: Target {
                    robot_code: receiver.robot_code.clone(),
                    open_conversation_id: receiver.open_conversation_id.clone(),
                    cool_app_code: None,
                },
            }),
        }
    }
    groups
}

/// What asking will cost: at most so many calls of the month of each organisation that has an app.
pub fn costs<'c>(plan: &[Part<'c>]) -> BTreeMap<&'c Name, usize> {
    let mut costs = BTreeMap::new();
    for part in plan {
        *costs.entry(&part.app.organisation).or_default() += part.groups.len();
    }
    costs
}

/// What DingTalk says to an app, or to a robot in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It does not object.
    Yes,
    /// It says no, and why.
    No(Verdict),
    /// Nobody knows, and why; without a reason: because of the app.
    Unknown(Option<Verdict>),
}

impl Said {
    fn of(verdict: Verdict) -> Self {
        match verdict.outcome {
            Outcome::Blocked | Outcome::Refused => Self::No(verdict),
            Outcome::Sent | Outcome::Throttled | Outcome::Unavailable => Self::Unknown(Some(verdict)),
        }
    }
}

/// What came of asking about one app.
#[derive(Debug)]
pub struct Answers {
    /// What it says to the app: its credentials, and then what every query of the app meets.
    pub app: Said,
    /// What the other region says to credentials that were not accepted, if an app's region was configured.
    pub other_region: Option<(Region, Said)>,
    /// What it says to each of the app's groups.
    pub groups: Vec<Said>,
}

impl Answers {
    /// Whether a query got as far as robot and group, so that address and permission are known to do.
    pub fn is_let_in(&self) -> bool {
        self.groups.iter().any(|said| !matches!(said, Said::Unknown(_)))
    }
}

/// Asks one app after another.
pub struct Inquiry<F> {
    /// Where a region is.
    region_at: F,
    /// The organisations whose month DingTalk says is used up.
    used_up: BTreeMap<Name, Verdict>,
}

impl<F: Fn(Region) -> Url> Inquiry<F> {
    /// One that has asked nobody yet, and finds a region there: [`Region::base_url`], unless a test stands in for it.
    pub fn new(region_at: F) -> Self {
        Self { region_at, used_up: BTreeMap::new() }
    }

    /// Asks about an app and its groups, never faster than the app's `calls_per_second`.
    ///
    /// # Errors
    /// When no HTTP client can be set up, in practice without CA certificates.
    pub async fn ask(&mut self, part: &Part<'_>) -> anyhow::Result<Answers> {
        let client = client(part.name, part.app)?;
        let mut app = Said::Yes;
        let mut other_region = None;
        if let Err(rejected) = client.authorise(Timestamp::now()).await {
            if let Some(region) = part.app.region.filter(|_| verdict::is_of_credentials(&rejected)) {
                other_region = Some(self.elsewhere(part, region.other()).await?);
            }
            app = Said::of(rejected);
        } else if let Some(verdict) = self.used_up.get(&part.app.organisation) {
            app = Said::No(verdict.clone());
        }
        let mut groups = Vec::new();
        for group in &part.groups {
            if app != Said::Yes {
                groups.push(Said::Unknown(None));
                continue;
            }
            if !groups.is_empty() {
                tokio::time::sleep(Duration::from_secs(1) / part.app.calls_per_second.get()).await;
            }
            groups.push(match client.knock(&group.target, Timestamp::now()).await {
                Ok(()) => Said::Yes,
                Err(verdict) if matches!(verdict.scope, Scope::Message | Scope::Channel) => Said::of(verdict),
                Err(verdict) => {
                    self.note(part, &verdict);
                    app = Said::of(verdict);
                    Said::Unknown(None)
                }
            });
        }
        Ok(Answers { app, other_region, groups })
    }

    fn note(&mut self, part: &Part<'_>, verdict: &Verdict) {
        if verdict.scope == Scope::Month {
            self.used_up.insert(part.app.organisation.clone(), verdict.clone());
        }
    }

    /// Whether the app's credentials work in that region: one call for a token, which is free.
    async fn elsewhere(&self, part: &Part<'_>, region: Region) -> anyhow::Result<(Region, Said)> {
        let app = App { region: Some(region), base_url: (self.region_at)(region), ..part.app.clone() };
        let asked = client(part.name, &app)?.authorise(Timestamp::now()).await;
        Ok((region, asked.map_or_else(Said::of, |()| Said::Yes)))
    }
}

fn client(name: &Name, app: &App) -> anyhow::Result<Client> {
    Client::new(name.clone(), app).with_context(|| format!("cannot make a client for app `{name}`"))
}
