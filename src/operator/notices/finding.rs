//! What the operator is to be told of, as it shows at one moment. Pure: views, counts and settings in, findings out.
//!
//! A finding is one trouble that lasts, by a subject that stays the same while it does. Of what hangs together only the
//! cause is a finding: an app that is blocked is one, its lanes are not; receivers that are the same robot in the same
//! group are one. What dies and what is handed over are no findings but tolls, see [`crate::store::notices`].

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::config::Config;
use crate::model::event::Severity;
use crate::model::month::Month;
use crate::model::name::{ChannelKey, Name};
use crate::model::view::{AppView, BlockView, Fullness, LaneView, Standing};
use crate::operator::notices::Known;

/// So much of the month is worth a warning, in percent.
pub(super) const NEARLY: u64 = 80;

/// One trouble that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// What stays the same while it lasts: `down/ops`.
    pub(super) subject: String,
    /// What it is.
    pub(super) trouble: Trouble,
    /// Since when, if that is known.
    pub(super) since: Option<Timestamp>,
    /// Whether it concerns the way to the operator.
    pub(super) is_own: bool,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Someone must mend a setting of an app.
    AppBlocked { app: String, block: BlockView, waiting: Waiting },
    /// An app cannot reach DingTalk.
    AppDown { app: String, block: BlockView, waiting: Waiting },
    /// Someone must mend a setting of one robot in one group.
    LaneBlocked { block: BlockView, waiting: Waiting, fallback: Option<String> },
    /// A queue whose receiver is configured no more.
    NotConfigured { receiver: String, block: BlockView, waiting: Waiting },
    /// The month's calls are nearly used up; `kept`: what is left is kept for what is critical until then.
    NearlyUsedUp { organisation: String, calls: u64, limit: u64, projected: u64, kept: Option<Timestamp> },
    /// What is left of them is kept for what is critical.
    KeptForCritical { organisation: String, calls: u64, limit: u64, turns_at: Timestamp, waiting: Waiting },
    /// They are used up.
    UsedUp { organisation: String, calls: u64, limit: u64, turns_at: Timestamp, waiting: Waiting },
    /// The queue is full, or will be soon; `fullest`: who has most of it.
    QueueFills { queue: Fullness, fullest: Vec<(String, u64)> },
    /// A template fails.
    TemplateFails { template: String, error: String },
    /// A changed configuration was refused.
    ReloadRefused { problems: Vec<String> },
}

impl Trouble {
    /// How bad it is. Where messages are kept back, the word of it must not be: it may use the calls of the month that are
    /// kept for what is critical.
    pub(super) fn severity(&self) -> Severity {
        match self {
            Self::AppBlocked { .. } | Self::AppDown { .. } | Self::LaneBlocked { .. } => Severity::Critical,
            Self::NearlyUsedUp { kept: Some(_), .. } | Self::KeptForCritical { .. } => Severity::Critical,
            // Of what is critical nobody hears any more, if nobody makes room.
            Self::UsedUp { .. } | Self::QueueFills { .. } => Severity::Critical,
            Self::NearlyUsedUp { kept: None, .. } | Self::NotConfigured { .. } => Severity::Warning,
            Self::TemplateFails { .. } | Self::ReloadRefused { .. } => Severity::Warning,
        }
    }
}

/// Whom it concerns, and how many deliveries wait there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The receivers.
    pub(super) receivers: Vec<String>,
    /// How many deliveries wait in their lanes.
    pub(super) queued: u64,
}

impl Waiting {
    fn in_lanes<'l>(lanes: impl IntoIterator<Item = &'l LaneView>) -> Self {
        lanes.into_iter().fold(Self::default(), |mut all, lane| {
            all.receivers.push(lane.lane.receiver.clone());
            all.queued += lane.queued;
            all
        })
    }
}

/// Everything that is wrong at `now`. `operator` is whom it is told.
pub(super) fn findings(
    known: &Known,
    operator: Option<&Name>,
    apps: &[AppView],
    lanes: &[LaneView],
    now: Timestamp,
) -> Vec<Finding> {
    let view = View { config: &known.config, own: operator.map(|name| (name, &known.config.receivers[name])), lanes };
    let mut all = Vec::new();
    for app in apps {
        all.extend(view.app(app));
    }
    all.extend(view.channels(apps));
    let organisations: BTreeMap<&Name, &AppView> = apps.iter().map(|app| (&app.app.organisation, app)).collect();
    for (organisation, app) in organisations {
        all.extend(view.month(organisation, app, now));
    }
    all.extend(queue(lanes, known.config.store.max_queued));
    for template in known.templates.iter().filter(|template| template.is_failing(now)) {
        let trouble = Trouble::TemplateFails { template: template.name.clone(), error: template.error.clone() };
        all.push(finding(format!("template/{}", template.name), trouble, Some(template.since), false));
    }
    if !known.refused.is_empty() {
        let trouble = Trouble::ReloadRefused { problems: known.refused.clone() };
        all.push(finding("reload".to_owned(), trouble, None, false));
    }
    all
}

fn finding(subject: String, trouble: Trouble, since: Option<Timestamp>, is_own: bool) -> Finding {
    Finding { subject, trouble, since, is_own }
}

/// The queue that all lanes share. Told before it is full, or the word of it would find no place in it.
fn queue(lanes: &[LaneView], limit: u64) -> Option<Finding> {
    let queue = Fullness::of(lanes, limit);
    let mut fullest: Vec<_> = lanes.iter().filter(|lane| lane.queued > 0).collect();
    fullest.sort_by_key(|lane| std::cmp::Reverse(lane.queued));
    let fullest = fullest.into_iter().map(|lane| (lane.lane.receiver.clone(), lane.queued)).collect();
    let fills = Trouble::QueueFills { queue, fullest };
    queue.is_at_least(Fullness::NEARLY).then(|| finding("queue".to_owned(), fills, None, false))
}

/// What is looked at.
struct View<'v> {
    config: &'v Config,
    own: Option<(&'v Name, &'v crate::config::Receiver)>,
    lanes: &'v [LaneView],
}

impl View<'_> {
    fn app(&self, view: &AppView) -> Option<Finding> {
        let app = view.app.app.to_string();
        let is_own = self.own.is_some_and(|(_, receiver)| receiver.app == view.app.app);
        let waiting = || Waiting::in_lanes(self.lanes_of(&view.app.app));
        if let Some(block) = view.app.blocked.clone().filter(|block| !is_our_count(block)) {
            let (subject, since) = (format!("blocked/{app}"), block.since);
            return Some(finding(subject, Trouble::AppBlocked { app, block, waiting: waiting() }, since, is_own));
        }
        let block = view.app.down.clone()?;
        let (subject, since) = (format!("down/{app}"), block.since);
        Some(finding(subject, Trouble::AppDown { app, block, waiting: waiting() }, since, is_own))
    }

    /// One finding for each blocked robot in a group, by the first of its receivers, and one for each queue without a
    /// receiver.
    fn channels(&self, apps: &[AppView]) -> Vec<Finding> {
        let mut channels: BTreeMap<ChannelKey, Vec<&LaneView>> = BTreeMap::new();
        let mut all = Vec::new();
        for lane in self.lanes.iter().filter(|lane| lane.lane.state == Standing::Blocked) {
            let Some(block) = &lane.lane.blocked else { continue };
            match self.channel_of(&lane.lane.receiver) {
                Some((_, app)) if is_of_app(block, app, apps) => {}
                Some((channel, _)) => channels.entry(channel).or_default().push(lane),
                None => {
                    let receiver = lane.lane.receiver.clone();
                    let (subject, block) = (format!("lane/{receiver}"), block.clone());
                    let waiting = Waiting::in_lanes([lane]);
                    all.push(finding(subject, Trouble::NotConfigured { receiver, block, waiting }, None, false));
                }
            }
        }
        let own = self.own.and_then(|(name, _)| self.channel_of(name.as_str())).map(|(channel, _)| channel);
        for (channel, lanes) in channels {
            let (Some(first), is_own) = (lanes.first(), own.as_ref() == Some(&channel)) else { continue };
            let Some(block) = first.lane.blocked.clone() else { continue };
            let fallback = lanes.iter().find_map(|lane| lane.lane.fallback.clone());
            let (subject, since) = (format!("lane/{}", first.lane.receiver), block.since);
            let waiting = Waiting::in_lanes(lanes);
            all.push(finding(subject, Trouble::LaneBlocked { block, waiting, fallback }, since, is_own));
        }
        all
    }

    /// What is told of a month: that it is nearly used up, that the rest of it is kept for what is critical (by itself
    /// only where that is not the same moment), and that nothing is left.
    fn month(&self, organisation: &Name, view: &AppView, now: Timestamp) -> Vec<Finding> {
        let (calls, Some(limits)) = (view.calls_this_month, view.app.calls_allowed) else { return Vec::new() };
        let (name, limit, turns_at) = (organisation.to_string(), limits.critical, Month::of(now).end());
        let of_limit = |percent: u64| limit.saturating_mul(percent);
        let (is_nearly, is_kept) =
            (calls.saturating_mul(100) >= of_limit(NEARLY), (limits.others..limit).contains(&calls));
        let mut all = Vec::new();
        if is_nearly {
            let (projected, kept) = (view.projected_calls, is_kept.then_some(turns_at));
            let nearly = Trouble::NearlyUsedUp { organisation: name.clone(), calls, limit, projected, kept };
            all.push(finding(format!("quota_80/{name}"), nearly, None, false));
        }
        // Whoever is told of the one at the same time need not be told of the other.
        if is_kept && limits.others.saturating_mul(100) != of_limit(NEARLY) {
            let waiting = self.waiting_in(organisation);
            let kept = Trouble::KeptForCritical { organisation: name.clone(), calls, limit, turns_at, waiting };
            all.push(finding(format!("quota_kept/{name}"), kept, None, false));
        }
        if calls >= limit {
            let is_own = self.own.is_some_and(|(_, own)| self.config.apps[&own.app].organisation == *organisation);
            let waiting = self.waiting_in(organisation);
            let used_up = Trouble::UsedUp { organisation: name.clone(), calls, limit, turns_at, waiting };
            all.push(finding(format!("quota_100/{name}"), used_up, None, is_own));
        }
        all
    }

    fn waiting_in(&self, organisation: &Name) -> Waiting {
        let of_organisation = |lane: &&LaneView| {
            self.channel_of(&lane.lane.receiver)
                .is_some_and(|(_, app)| self.config.apps[app].organisation == *organisation)
        };
        Waiting::in_lanes(self.lanes.iter().filter(of_organisation))
    }

    fn lanes_of(&self, app: &Name) -> impl Iterator<Item = &LaneView> {
        self.lanes.iter().filter(move |lane| self.channel_of(&lane.lane.receiver).is_some_and(|(_, of)| of == app))
    }

    /// The channel and the app of a receiver that is configured.
    fn channel_of(&self, receiver: &str) -> Option<(ChannelKey, &Name)> {
        let receiver = self.config.receivers.get(&receiver.parse::<Name>().ok()?)?;
        let key = ChannelKey::app_robot(&receiver.app, &receiver.robot_code, &receiver.open_conversation_id);
        Some((key, &receiver.app))
    }
}

/// A lane shows the block of its app where its channel has none.
fn is_of_app(block: &BlockView, app: &Name, apps: &[AppView]) -> bool {
    is_our_count(block)
        || apps
            .iter()
            .filter(|view| view.app.app == *app)
            .filter_map(|view| view.app.blocked.as_ref())
            .any(|of_app| (&of_app.code, of_app.since) == (&block.code, block.since))
}

/// Whether the month is used up by our own count: that is the organisation's affair, and told as such.
fn is_our_count(block: &BlockView) -> bool {
    matches!(block.code.as_str(), "month_used_up" | "month_kept_for_critical")
}
