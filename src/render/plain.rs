//! The plain built-in: what stands in when a template fails (law 5).
//!
//! No template engine and nothing that can fail, only text put together. It says less prettily what the built-in
//! template says; a property test renders arbitrary events with it.

use crate::model::event::Status;
use crate::model::spoken::colon;
use crate::render::outside::escaped;
use crate::render::overview::{Detail, Overview, Pairs, Said};
use crate::render::{Part, Parts, link, markdown, words};

/// The event in plain words.
pub(crate) fn render(overview: &Overview<'_>) -> Parts {
    let title = match overview.details.as_slice() {
        [notice] if notice.item.status == Status::Notice => format!("{} {}", overview.icon, overview.title),
        _ => {
            format!("{} {}{}{}", overview.icon, overview.counts, colon(overview.language), overview.subject)
        }
    };
    let mut header = vec![format!("### {}", escaped(&title)), pairs(&overview.labels), escaped(&overview.when)];
    header.push(words::left_out(overview.event.truncated, overview.event.kind, overview.language));
    header.push(escaped(&overview.shared.summary));
    header.extend(said(&overview.shared));
    Parts {
        title,
        header: lines(header),
        items: overview.details.iter().map(item).collect(),
        footer: links(&overview.links),
    }
}

fn item(detail: &Detail<'_>) -> Part {
    let headline = escaped(if detail.headline.is_empty() { &detail.name } else { &detail.headline });
    let short = format!("{} {headline} {}", detail.icon, escaped(&detail.when));
    let mut body = vec![format!("{} {headline}", detail.icon), pairs(&detail.labels)];
    body.extend(said(&detail.said));
    body.push(escaped(&detail.when));
    body.push(links(&detail.said.links));
    Part { short: markdown::one_line(&short), body: lines(body) }
}

fn said(said: &Said) -> impl Iterator<Item = String> {
    let notes = said.notes.iter().map(|(key, value)| format!("{}: {}", escaped(key), escaped(value)));
    std::iter::once(escaped(&said.description)).chain(notes)
}

/// `key: value · key: value`, escaped.
pub(crate) fn pairs(pairs: &Pairs) -> String {
    pairs.iter().map(|(key, value)| format!("{}: {}", escaped(key), escaped(value))).collect::<Vec<_>>().join(" · ")
}

/// `[Graph](…) · [Runbook](…)`.
pub(crate) fn links(links: &[link::Link]) -> String {
    links.iter().map(link::Link::markdown).collect::<Vec<_>>().join(" · ")
}

fn lines(mut lines: Vec<String>) -> String {
    lines.retain(|line| !line.is_empty());
    markdown::tidy(&lines.join("\n"))
}
