//! What there is to say of some items, before anybody decides how it looks.
//!
//! [`Overview::of`] sorts the items, counts them and takes out what all of them share, so that it is said once. The
//! templates (through `context`) and the plain built-in both read it. All texts are cleaned but not escaped. Looks
//! only at the items it is given: what went elsewhere or was dropped is never named.

use std::cmp::Reverse;

use crate::model::event::{Event, Item, Severity, Status, precedence};
use crate::model::language::Language;
use crate::model::spoken::{Tally, colon, comma};
use crate::render::link::Link;
use crate::render::words::{self, Audience, Word};
use crate::render::{outside, time};

/// No more labels of an item are kept with it.
const MOST_LABELS: usize = 24;
/// The characters a label's name may have there.
const LONGEST_KEY: usize = 40;
/// The characters a label's value may have there.
const LONGEST_VALUE: usize = 100;

/// Labels or notes in the order they are shown.
pub(crate) type Pairs = Vec<(String, String)>;

/// One event as one receiver sees it.
pub(crate) struct Overview<'e> {
    /// The language of our own words in it.
    pub(crate) language: Language,
    /// The event; only what is true of it as a whole may be shown.
    pub(crate) event: &'e Event,
    /// `🔴`, `🟠`, `🔵` or, when all is over, `✅`.
    pub(crate) icon: &'static str,
    /// `2 critical firing`, `1 notice`, `16 firing (3 critical), 2 resolved`; `2 条严重告警`.
    pub(crate) counts: String,
    /// The event in one line; the same as `subject` where some of its items go elsewhere. Never empty.
    pub(crate) title: String,
    /// The names of the items, the worst first: `HighCPU`, `HighCPU, DiskFull +3`. Never empty.
    pub(crate) subject: String,
    /// What the sender grouped by, without the name: `prod, cn-hangzhou`; may be empty.
    pub(crate) place: String,
    /// The labels all items share, without those that are said elsewhere.
    pub(crate) labels: Pairs,
    /// What all of several items say alike.
    pub(crate) shared: Said,
    /// When it began or ended, if that is the same for all of several items that fire, and for all that are over;
    /// else empty.
    pub(crate) when: String,
    /// The links all items share, and the sender's own.
    pub(crate) links: Vec<Link>,
    /// The items, the worst first.
    pub(crate) details: Vec<Detail<'e>>,
}

/// One item, without what all items share.
pub(crate) struct Detail<'e> {
    /// The item as the source decoded it.
    pub(crate) item: &'e Item,
    /// What a person calls it; one line, never empty.
    pub(crate) name: String,
    /// As in [`Overview`].
    pub(crate) icon: &'static str,
    /// What tells it from the others, on one line; empty only if there are no others.
    pub(crate) headline: String,
    /// The labels others do not have, without those in the headline.
    pub(crate) labels: Pairs,
    /// What it says beyond what all say.
    pub(crate) said: Said,
    /// When it began or ended; empty if that is the same for all of several items.
    pub(crate) when: String,
}

/// What the annotations say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Said {
    /// One line; may be empty.
    pub(crate) summary: String,
    /// Some lines; may be empty.
    pub(crate) description: String,
    /// Annotations that are none of the others.
    pub(crate) notes: Pairs,
    /// Where to look further.
    pub(crate) links: Vec<Link>,
}

impl<'e> Overview<'e> {
    /// What these items of the event say to that reader.
    pub(crate) fn of(event: &'e Event, items: &[&'e Item], audience: &Audience) -> Self {
        let language = audience.language;
        let mut details: Vec<_> = items.iter().map(|item| Detail::of(item, event.kind, audience)).collect();
        details.sort_by_key(|detail| worst_first(detail.item));
        let mut labels = common(details.iter().map(|d| &d.labels));
        let several = details.len() > 1;
        let (shared, when) = if several {
            (Said::shared_by(&details), shared_when(&details, language))
        } else {
            <(Said, String)>::default()
        };
        details.iter_mut().for_each(|detail| detail.leave_out(&labels, &shared, &when));
        let names = distinct_names(&details);
        details.iter_mut().for_each(|detail| detail.find_headline(names.len() > 1, several, language));
        labels.retain(|(_, value)| !value.is_empty());
        let links = links(event, &shared, &mut details, language);
        Self {
            language,
            event,
            icon: details.first().map_or("✅", |worst| worst.icon),
            counts: Tally::of(items.iter().map(|item| (item.status, item.severity))).headline(language),
            title: title(event, items, language).unwrap_or_else(|| subject(&names, language)),
            subject: subject(&names, language),
            place: place(event, language),
            labels,
            shared,
            when,
            links,
            details,
        }
    }

    /// How many items have that status.
    pub(crate) fn count(&self, status: Status) -> usize {
        self.details.iter().filter(|detail| detail.item.status == status).count()
    }
}

impl<'e> Detail<'e> {
    fn of(item: &'e Item, kind: &str, audience: &Audience) -> Self {
        let name = outside::clipped(&outside::one_line(&item.name), 80);
        let language = audience.language;
        let labels = item.labels.iter().filter(|(key, value)| !is_said_elsewhere(key, value, item));
        let labels = labels.map(|(key, value)| words::label((key, value), kind, language));
        Self {
            item,
            name: if name.is_empty() { Word::NoName.of(language).to_owned() } else { name },
            icon: icon(item),
            headline: String::new(),
            labels: labels.map(|(key, value)| (outside::one_line(key), outside::one_line(value))).collect(),
            said: Said::by(item, kind, language),
            when: time::when(item, audience),
        }
    }

    fn leave_out(&mut self, labels: &Pairs, shared: &Said, when: &str) {
        self.labels.retain(|label| !labels.contains(label) && !label.1.is_empty());
        self.said.leave_out(shared);
        if !when.is_empty() {
            self.when.clear();
        }
    }

    /// The summary if it has one of its own; else the labels that tell it apart; the name where names differ.
    fn find_headline(&mut self, names_differ: bool, several: bool, language: Language) {
        let summary = self.said.summary.clone();
        let text = if !summary.is_empty() || !several {
            summary
        } else {
            let labels = std::mem::take(&mut self.labels);
            labels.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(" · ")
        };
        self.headline = match (text.is_empty(), names_differ) {
            (true, _) if !several => String::new(),
            (true, _) => self.name.clone(),
            (false, true) if !text.contains(&self.name) => format!("{}{}{text}", self.name, colon(language)),
            (false, _) => text,
        };
    }
}

impl Said {
    fn by(item: &Item, kind: &str, language: Language) -> Self {
        let mut said = Self::default();
        said.links.extend(item.url.as_deref().and_then(|url| Link::to(captions(kind).0.of(language), url)));
        for (key, value) in &item.annotations {
            match key.as_str() {
                "summary" => said.summary = outside::clipped(&outside::one_line(value), 300),
                "description" => said.description = outside::cleaned(value),
                key if key.starts_with("__") => {}
                key => match link_name(key).and_then(|name| Link::to(&words::caption(&name, language), value)) {
                    Some(link) => said.links.push(link),
                    None => said.notes.push((outside::one_line(key), outside::cleaned(value))),
                },
            }
        }
        // Older rule sets say `message` where newer ones say `description`.
        if said.description.is_empty()
            && let Some(at) = said.notes.iter().position(|(key, _)| key == "message")
        {
            said.description = said.notes.remove(at).1;
        }
        if said.description == said.summary {
            said.description.clear();
        }
        said.notes.retain(|(_, value)| !value.is_empty());
        said
    }

    fn shared_by(details: &[Detail<'_>]) -> Self {
        let Some(Detail { said: first, .. }) = details.first() else { return Self::default() };
        let all = |same: &dyn Fn(&Self) -> bool| details.iter().all(|detail| same(&detail.said));
        let if_all = |text: &String, same: &dyn Fn(&Self) -> bool| if all(same) { text.clone() } else { String::new() };
        Self {
            summary: if_all(&first.summary, &|said| said.summary == first.summary),
            description: if_all(&first.description, &|said| said.description == first.description),
            notes: common(details.iter().map(|detail| &detail.said.notes)),
            links: common(details.iter().map(|detail| &detail.said.links)),
        }
    }

    fn leave_out(&mut self, shared: &Self) {
        if self.summary == shared.summary {
            self.summary.clear();
        }
        if self.description == shared.description {
            self.description.clear();
        }
        self.notes.retain(|note| !shared.notes.contains(note));
        self.links.retain(|link| !shared.links.contains(link));
    }
}

/// `since …`, `resolved …` or `firing since … · resolved …`, as each item says it; empty where items of one status differ.
fn shared_when(details: &[Detail<'_>], language: Language) -> String {
    let mut whens: Vec<(Status, &str)> =
        details.iter().map(|detail| (detail.item.status, detail.when.as_str())).collect();
    whens.dedup();
    match whens.as_slice() {
        [(_, one)] => (*one).to_owned(),
        // What is over comes last: see `worst_first`.
        [(Status::Firing, firing), (Status::Resolved, resolved)] => {
            language.of(format!("firing {firing} · {resolved}"), format!("告警{firing} · {resolved}"))
        }
        _ => String::new(),
    }
}

/// By [`precedence`], then the newest; what is alike stays in the sender's order, and to the minute is alike enough.
fn worst_first(item: &Item) -> impl Ord + use<> {
    let latest = if item.status == Status::Resolved { item.until.unwrap_or(item.since) } else { item.since };
    (precedence(item.status, item.severity), Reverse(latest.as_second().div_euclid(60)))
}

fn icon(item: &Item) -> &'static str {
    match (item.status, item.severity) {
        (Status::Resolved, _) => "✅",
        (Status::Firing | Status::Notice, Severity::Critical) => "🔴",
        (Status::Firing | Status::Notice, Severity::Warning) => "🟠",
        (Status::Firing | Status::Notice, Severity::Info) => "🔵",
    }
}

/// The item's labels, few and short enough to be stored with it: a digest tells items of many events apart by them.
pub(crate) fn few_labels(item: &Item) -> Pairs {
    let clean = |text: &str, most: usize| outside::clipped(&outside::one_line(text), most);
    let labels = item.labels.iter().filter(|(key, value)| !is_said_elsewhere(key, value, item));
    let labels = labels.map(|(key, value)| (clean(key, LONGEST_KEY), clean(value, LONGEST_VALUE)));
    labels.filter(|(key, value)| !key.is_empty() && !value.is_empty()).take(MOST_LABELS).collect()
}

/// Whether the name or the severity say it already, or the sender means it for machines.
fn is_said_elsewhere(key: &str, value: &str, item: &Item) -> bool {
    key.starts_with("__")
        || (key == "alertname" && value == item.name)
        || (key == "severity" && Severity::named(value) == Some(item.severity))
}

/// `runbook_url` → `runbook`; `None` where no address is to be expected.
pub(crate) fn link_name(key: &str) -> Option<String> {
    let stem = key.strip_suffix("_url").or_else(|| key.strip_suffix("_link"));
    let stem = stem.or_else(|| ["runbook", "dashboard"].contains(&key).then_some(key))?;
    Some(outside::one_line(&stem.replace('_', " "))).filter(|words| !words.is_empty())
}

/// What stands in every list, in the order of the first.
fn common<'l, T: Clone + PartialEq + 'l>(mut lists: impl Iterator<Item = &'l Vec<T>>) -> Vec<T> {
    let mut common = lists.next().cloned().unwrap_or_default();
    for list in lists {
        common.retain(|one| list.contains(one));
    }
    common
}

fn distinct_names(details: &[Detail<'_>]) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    details.iter().filter(|detail| seen.insert(detail.name.as_str())).map(|detail| detail.name.clone()).collect()
}

/// What the event is about as a whole, if the whole of it is shown.
fn title(event: &Event, items: &[&Item], language: Language) -> Option<String> {
    let title = outside::one_line(event.title_in(language));
    (items.len() == event.items.len() && !title.is_empty()).then_some(title)
}

fn subject(names: &[String], language: Language) -> String {
    let shown: Vec<_> = names.iter().take(2).map(|name| outside::clipped(name, 40)).collect();
    if shown.is_empty() { Word::Nothing.of(language).to_owned() } else { words::names(&shown, names.len(), language) }
}

fn place(event: &Event, language: Language) -> String {
    let values = event.group.iter().filter(|(key, value)| *key != "alertname" && !value.is_empty());
    outside::clipped(&values.map(|(_, value)| outside::one_line(value)).collect::<Vec<_>>().join(comma(language)), 40)
}

/// Shared links and the sender's own. The links of an item that is alone are for the whole.
fn links(event: &Event, shared: &Said, details: &mut [Detail<'_>], language: Language) -> Vec<Link> {
    let own = match details {
        [alone] => std::mem::take(&mut alone.said.links),
        _ => shared.links.clone(),
    };
    let whole = event.url.as_deref().and_then(|url| Link::to(captions(event.kind).1.of(language), url));
    let said_already = |whole: &Link| own.iter().any(|link| link.url == whole.url);
    let whole = whole.filter(|whole| !said_already(whole));
    own.into_iter().chain(whole).collect()
}

/// What stands on the link to an item, and on the one to the whole.
fn captions(kind: &str) -> (Word, Word) {
    match kind {
        "alertmanager" => (Word::Graph, Word::Alertmanager),
        "github" => (Word::OpenGithub, Word::OpenGithub),
        _ => (Word::Open, Word::Open),
    }
}
