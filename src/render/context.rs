//! What a template may ask for: an [`Overview`] as template values.
//!
//! The names stand in the docs of `render`; they are part of what operators rely on. Values are raw or cleaned, never
//! escaped: that is the environment's work, when a value is printed.

use minijinja::{Value, context};

use crate::model::event::{Labels, Severity, Status};
use crate::model::spoken;
use crate::render::link::Link;
use crate::render::overview::{Detail, Overview, Pairs, Said};
use crate::render::time;
use crate::render::words::{self, Audience};

/// Everything but `part` and `item`.
pub(crate) fn whole(overview: &Overview<'_>, receiver: &str, audience: &Audience, items: &[Value]) -> Value {
    let event = overview.event;
    let worst = overview.details.iter().map(|detail| detail.item.severity).max().unwrap_or(Severity::Info);
    context! {
        icon => overview.icon,
        // Ours, not from outside: its parentheses need no escape.
        counts => Value::from_safe_string(overview.counts.clone()),
        title => overview.title.as_str(),
        subject => overview.subject.as_str(),
        place => overview.place.as_str(),
        count => overview.details.len(),
        firing => overview.count(Status::Firing),
        resolved => overview.count(Status::Resolved),
        notices => overview.count(Status::Notice),
        truncated => event.truncated,
        // Markdown of ours.
        left_out => Value::from_safe_string(words::left_out(event.truncated, event.kind, audience.language)),
        language => audience.language.as_str(),
        words => ours(audience),
        severity => worst.as_str(),
        source => event.source.as_str(),
        kind => event.kind,
        receiver => receiver,
        facts => labels(&event.facts),
        group => labels(&event.group),
        url => event.url.as_deref(),
        received => spoken::at(event.received_at, &audience.zone),
        links => links(&overview.links),
        shared => said(&overview.shared, &overview.labels, &overview.when),
        items => items.to_vec(),
    }
}

/// What a template sees as `item`.
pub(crate) fn item(detail: &Detail<'_>, audience: &Audience) -> Value {
    let item = detail.item;
    context! {
        name => detail.name.as_str(),
        headline => detail.headline.as_str(),
        icon => detail.icon,
        status => item.status.as_str(),
        severity => item.severity.as_str(),
        fingerprint => item.fingerprint.as_str(),
        labels => labels(&item.labels),
        annotations => labels(&item.annotations),
        since => spoken::at(item.since, &audience.zone),
        until => item.until.map(|until| spoken::at(until, &audience.zone)),
        when => time::when(item, audience),
        url => item.url.as_deref(),
        own => said(&detail.said, &detail.labels, &detail.when),
    }
}

fn said(said: &Said, labels: &Pairs, when: &str) -> Value {
    context! {
        summary => said.summary.as_str(),
        description => said.description.as_str(),
        notes => pairs(&said.notes),
        labels => pairs(labels),
        when => when,
        links => links(&said.links),
    }
}

/// Our own words need no escape, and the space behind a colon is to stay.
fn ours(audience: &Audience) -> Value {
    let word = |said: &str| Value::from_safe_string(said.to_owned());
    Value::from_pairs(words::for_templates(audience.language).map(|(name, said)| (name, word(said))))
}

fn labels(labels: &Labels) -> Value {
    Value::from_pairs(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn pairs(pairs: &Pairs) -> Value {
    Value::from_pairs(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn links(links: &[Link]) -> Value {
    links.iter().map(|link| context! { title => link.title.as_str(), url => link.url.as_str() }).collect()
}
