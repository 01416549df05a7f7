//! Event × receiver → [`Content`], before the 202, so that a retry says the same as the first try.
//!
//! Cannot fail (law 5): where a template fails, the plain built-in stands in, which is counted and logged. Everything
//! from outside is escaped by the engine, not by the author of a template. Knows nothing of bytes and limits: making
//! it fit is `compose`'s work.
//!
//! # Templates
//!
//! An operator's own template is a file `NAME.md.j2` in one of the places `templates:` lists; a receiver takes it by
//! `template: NAME`. It is a [minijinja](https://docs.rs/minijinja) template that extends a built-in one and says
//! anew what is to be different:
//!
//! ```jinja
//! {% extends "alertmanager" %}
//! {% block title %}{{ icon }} {{ counts }} in {{ group.cluster }}: {{ subject }}{% endblock %}
//! {% block item %}
//! {{ item.icon }} **{{ item.headline }}**
//! {{ item.annotations.impact }}
//! {{ item.when }} · {{ link("Logs", "https://logs.example.com/?host=" ~ item.labels.instance) }}
//! {% endblock %}
//! ```
//!
//! The built-in templates are called like the kinds of sources: `alertmanager`, `github`, `generic`.
//!
//! | block | |
//! |---|---|
//! | `title` | the push banner; markdown is taken off, and it is cut at 60 characters |
//! | `header` | above the items |
//! | `item` | an item in full |
//! | `item_short` | an item on one line, where there are many; a digest of several messages writes those of alerts itself |
//! | `footer` | below the items |
//!
//! The text of a template is DingTalk markdown, and its lines end where they end in the file (DingTalk itself would
//! join them); indenting a line changes nothing. Every value is printed so that it shows as itself; `|safe` prints one as markdown.
//!
//! | everywhere | |
//! |---|---|
//! | `title` | the event in one line: `octocat/Hello-World: issue #12 opened by octocat` |
//! | `icon`, `counts`, `subject`, `place` | `🔴`; `16 firing (3 critical), 2 resolved`; the names; what was grouped by |
//! | `count`, `firing`, `notices`, `resolved`, `truncated` | how many items, and how many the sender left out |
//! | `severity` | of the worst: `critical`, `warning`, `info` |
//! | `source`, `kind`, `receiver`, `facts`, `group`, `url`, `received` | the event; `received` is a time, said |
//! | `links` | what all items share, and the sender's own: a list of `{title, url}` |
//! | `shared` | what all items say alike: `labels`, `summary`, `description`, `notes`, `when`, `links` |
//! | `items` | every item, the worst first |
//! | `left_out` | what the sender left out, said: `**+40 more** that Alertmanager left out`; empty if nothing |
//! | `language` | the receiver's: `en` or `zh`. `counts`, `title`, `left_out` and every `when` are in it |
//! | `words` | the built-in words in it: `words.critical`, `words.resolved`, `words.runbook`, `words.colon`, … |
//!
//! | `item` | in `item` and `item_short` |
//! |---|---|
//! | `name`, `headline`, `icon`, `status`, `severity`, `fingerprint`, `url` | |
//! | `labels`, `annotations` | all of them, as sent: `item.labels.instance` |
//! | `since`, `until`, `when` | times in the receiver's zone; `when` is a phrase: `since 2026-11-21 19:28 UTC` |
//! | `own` | what is not `shared`: `labels`, `summary`, `description`, `notes`, `when`, `links` |
//!
//! An item that is alone shares everything: its labels are `shared.labels`, its links are among `links`.
//!
//! Beside minijinja's own: `labels|pairs` (`a: b · c: d`), `links|links`, and `link(title, address)`, which makes a
//! link of an `http(s)` address and shows only the title of any other.

mod buttons;
mod context;
pub mod doubts;
mod engine;
pub mod failing;
mod files;
mod link;
mod markdown;
pub(crate) mod outside;
mod overview;
mod plain;
mod time;
mod words;
pub mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use minijinja::Environment;

use crate::config::problem::Problem;
use crate::config::{Config, Receiver};
use crate::model::content::{Content, ContentItem};
use crate::model::event::{Event, Item};
use crate::model::form::Style;
use crate::model::name::Name;
use crate::render::failing::{Failing, FailingTemplate};
use crate::render::overview::{Detail, Overview};
use crate::render::words::Audience;
use crate::telemetry::metrics::RENDER_FALLBACKS;

/// A push banner shows no more characters.
const LONGEST_TITLE: usize = 60;

/// Every template, ready to render.
#[derive(Debug)]
pub struct Renderer {
    engine: Environment<'static>,
    receivers: BTreeMap<Name, Taste>,
    failing: Failing,
}

/// What a receiver wants to be different.
#[derive(Debug)]
struct Taste {
    template: Option<String>,
    audience: Audience,
}

/// What a template makes of an event.
#[derive(Debug)]
struct Parts {
    title: String,
    header: String,
    /// In the order of the overview.
    items: Vec<Part>,
    footer: String,
}

/// What a template makes of an item.
#[derive(Debug)]
struct Part {
    short: String,
    body: String,
}

/// What became of a rendering.
#[derive(Debug)]
pub struct Rendered {
    /// What is said.
    pub content: Content,
    /// Why the plain built-in said it, where it stood in.
    pub failure: Option<Failure>,
}

/// A template that failed on an event.
#[derive(Debug)]
pub struct Failure {
    /// Its name.
    pub template: String,
    /// What went wrong, and in which line; may hold texts from outside.
    pub error: String,
}

impl Renderer {
    /// Compiles the built-in and the operator's templates, or says everything that is wrong with them (paths like
    /// `templates[0]` and `receivers.oncall.template`).
    pub fn compile(config: &Config) -> Result<Self, Vec<Problem>> {
        let engine = engine_with(&config.templates, &config.receivers)?;
        let taste = |receiver: &Receiver| {
            let Style { language, timezone, .. } = receiver.style.clone();
            Taste { template: receiver.template.clone(), audience: Audience { language, zone: timezone } }
        };
        let receivers = config.receivers.iter().map(|(name, receiver)| (name.clone(), taste(receiver))).collect();
        Ok(Self { engine, receivers, failing: Failing::default() })
    }

    /// What is wrong with the templates in these places, and with what these receivers ask for: for a configuration of
    /// which the rest cannot be read.
    pub fn problems(templates: &[PathBuf], receivers: &BTreeMap<Name, Receiver>) -> Vec<Problem> {
        engine_with(templates, receivers).err().unwrap_or_default()
    }

    /// The templates a receiver may take: the built-in ones and the operator's own.
    pub fn templates(&self) -> BTreeSet<&str> {
        self.engine.templates().map(|(name, _)| name).filter(|name| *name != "layout").collect()
    }

    /// What these items of the event say to this receiver. A template that fails is counted and logged.
    pub fn render(&self, event: &Event, items: &[&Item], receiver: &Name) -> Content {
        let Rendered { content, failure } = self.try_out(event, items, receiver, None);
        if failure.is_none() {
            self.failing.worked(self.template_of(receiver, event));
        }
        if let Some(Failure { template, error }) = failure {
            self.failing.failed(&template, &error, event.received_at);
            ::metrics::counter!(RENDER_FALLBACKS, "template" => template.clone()).increment(1);
            let (receiver, event) = (receiver.as_str(), event.id.0.as_str());
            // Debug: a template may have put a text from outside into the error.
            tracing::warn!(template, receiver, event, ?error, "the plain built-in stood in");
        }
        content
    }

    /// The same, and nobody is told but the caller; with another template than the receiver's, if one is given.
    pub fn try_out(&self, event: &Event, items: &[&Item], receiver: &Name, template: Option<&str>) -> Rendered {
        let audience = self.receivers.get(receiver).map_or_else(Audience::default, |taste| taste.audience.clone());
        let overview = Overview::of(event, items, &audience);
        let template = template.unwrap_or_else(|| self.template_of(receiver, event));
        let (parts, failure) = match self.parts(template, &overview, receiver, &audience) {
            Ok(parts) => (parts, None),
            Err(error) => {
                let failure = Failure { template: template.to_owned(), error: error.to_string() };
                (plain::render(&overview), Some(failure))
            }
        };
        Rendered { content: content(&overview, parts), failure }
    }

    /// The templates that have failed since this renderer was made.
    pub fn failing(&self) -> Vec<FailingTemplate> {
        self.failing.all()
    }

    fn template_of<'t>(&'t self, receiver: &Name, event: &Event) -> &'t str {
        self.receivers.get(receiver).and_then(|taste| taste.template.as_deref()).unwrap_or(event.kind)
    }

    /// Why this template can never work, if that is so. Of those that receivers take it is known since the start.
    pub fn never_works(&self, template: &str) -> Option<String> {
        files::never_works(&self.engine, template)
    }

    fn parts(
        &self,
        template: &str,
        overview: &Overview<'_>,
        receiver: &Name,
        audience: &Audience,
    ) -> Result<Parts, minijinja::Error> {
        let items: Vec<_> = overview.details.iter().map(|detail| context::item(detail, audience)).collect();
        let whole = context::whole(overview, receiver.as_str(), audience, &items);
        engine::render(&self.engine, template, &whole, &items)
    }
}

/// An engine with the templates in these places, which has all that these receivers ask for.
fn engine_with(
    templates: &[PathBuf],
    receivers: &BTreeMap<Name, Receiver>,
) -> Result<Environment<'static>, Vec<Problem>> {
    let mut engine = engine::engine().map_err(|error| vec![Problem::at("templates", error.to_string())])?;
    let own = files::load(&mut engine, templates);
    let asked_for = receivers.iter().filter_map(|(name, receiver)| Some((name, receiver.template.as_deref()?)));
    let problems = files::problems(&engine, own, asked_for);
    if problems.is_empty() { Ok(engine) } else { Err(problems) }
}

fn content(overview: &Overview<'_>, parts: Parts) -> Content {
    Content {
        v: Content::VERSION,
        title: outside::clipped(&outside::one_line(&parts.title), LONGEST_TITLE),
        header: parts.header,
        items: overview.details.iter().zip(parts.items).map(|(detail, part)| content_item(detail, part)).collect(),
        footer: parts.footer,
        truncated: overview.event.truncated,
        note: String::new(),
        buttons: buttons::of(overview),
    }
}

fn content_item(detail: &Detail<'_>, part: Part) -> ContentItem {
    let item = detail.item;
    ContentItem {
        fingerprint: item.fingerprint.clone(),
        name: detail.name.clone(),
        status: item.status,
        severity: item.severity,
        since: item.since,
        until: item.until,
        url: item.url.as_deref().and_then(link::address),
        short: part.short,
        body: part.body,
        labels: overview::few_labels(item),
    }
}

#[cfg(test)]
mod tests;
