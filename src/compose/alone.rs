//! One content as a message of its own, with what its receiver knows already folded.
//!
//! Alertmanager repeats a whole group because one alert of it changed. Then the headline says `1 new · 2 resolved · 47
//! still firing`, what changed stands in full as its template wrote it, and the rest is a line with names and counts.
//! Where nothing changed, the worst few are said on a line each.

use std::borrow::Cow;

use crate::compose::digest::names::{self, Folded};
use crate::compose::dress::{Draft, made};
use crate::compose::fitting::{Fitted, fitted};
use crate::compose::told::{self, Told};
use crate::compose::{Made, Part, Setting, digest, headline, strip, words};
use crate::model::content::{Button, Content, ContentItem, Unchanged};
use crate::model::form::Form;
use crate::model::language::Language;
use crate::model::spoken::{self, clock, colon};

/// The part as a message of at most `budget` bytes.
pub(crate) fn message(part: &Part<'_>, setting: &Setting<'_>, budget: usize) -> Made {
    let told = told::of(std::slice::from_ref(part), setting.unchanged);
    let unchanged = told.iter().filter(|told| told.unchanged).count();
    if unchanged > 0 && unchanged == told.len() {
        return digest::repeated(part, told, setting, budget);
    }
    let mut content = stripped(part.content, setting.form);
    let mut aside = Folded::default();
    if unchanged > 0 {
        content = Cow::Owned(changed(&content, &told, setting.style.language));
        if setting.unchanged == Unchanged::Fold {
            aside = names::still(&told, setting.style.language, budget / 8);
        }
    }
    if setting.late {
        content = Cow::Owned(late(content.into_owned(), part, setting));
    }
    let made = whole(&content, &aside.text, setting, budget);
    let made = match digest::page(told.len(), setting).filter(|_| unchanged + made.left_out > 0) {
        Some(page) => whole(&with_link(content.into_owned(), page), &aside.text, setting, budget),
        None => made,
    };
    Made { folded: aside.items, left_out: made.left_out + unchanged - aside.items, ..made }
}

/// The content with its note above its footer.
pub(crate) fn noted(content: &Content) -> Content {
    let footer = [content.note.as_str(), content.footer.as_str()].join("\n\n").trim_end().to_owned();
    Content { footer, note: String::new(), ..content.clone() }
}

fn whole(content: &Content, aside: &str, setting: &Setting<'_>, budget: usize) -> Made {
    let fit = |footer: &str, room: usize| -> Fitted { fitted(content, aside, footer, setting.style.language, room) };
    let draft = Draft {
        title: &content.title,
        footer: &content.footer,
        buttons: &content.buttons,
        items: content.items.len(),
        fit: &fit,
    };
    made(&draft, setting.style, setting.form, budget)
}

/// The content with a way to what it does not show.
fn with_link(content: Content, page: Button) -> Content {
    let footer = [content.footer.trim(), &digest::link(&page)].join(digest::BREAK).trim().to_owned();
    Content { footer, buttons: [content.buttons, vec![page]].concat(), ..content }
}

/// The content that says of itself when it should have come.
fn late(content: Content, part: &Part<'_>, setting: &Setting<'_>) -> Content {
    let (language, zone) = (setting.style.language, &setting.style.timezone);
    let clock = format!("{} {}", clock(part.received_at, setting.now, zone), spoken::zone(setting.now, zone));
    let header = format!("> {}\n\n{}", words::late_from(&clock, language), content.header);
    Content { title: headline::late(&content.title, language), header, ..content }
}

/// The content with what changed alone, and a headline that says so.
fn changed(content: &Content, told: &[Told<'_>], language: Language) -> Content {
    let news = content.items.iter().zip(told).filter(|(_, told)| !told.unchanged);
    let headline = headline::of_changes(told, language);
    let header = format!("{}\n\n{}", headline.named_heading(colon(language)), without_heading(&content.header));
    Content { title: headline.title(), header, items: news.map(|(item, _)| item.clone()).collect(), ..content.clone() }
}

/// The header without the heading at its top, which gives way to ours.
fn without_heading(header: &str) -> &str {
    let header = header.trim_start();
    if !header.starts_with('#') {
        return header;
    }
    header.split_once('\n').map_or("", |(_, rest)| rest).trim_start()
}

/// The content without what the form leaves out.
fn stripped<'c>(content: &'c Content, form: &Form) -> Cow<'c, Content> {
    if !(form.without_links || form.without_pictures || form.without_mentions) {
        return Cow::Borrowed(content);
    }
    let markdown = |text: &String| strip::without(text, form);
    let item = |item: &ContentItem| ContentItem {
        name: markdown(&item.name),
        short: markdown(&item.short),
        body: markdown(&item.body),
        ..item.clone()
    };
    Cow::Owned(Content {
        header: markdown(&content.header),
        items: content.items.iter().map(item).collect(),
        footer: markdown(&content.footer),
        buttons: if form.without_links { Vec::new() } else { content.buttons.clone() },
        ..content.clone()
    })
}
