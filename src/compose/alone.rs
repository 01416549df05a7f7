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
use crate::compose::{Made, Part, Setting, digest, headline, strip};
use crate::model::content::{Content, ContentItem, Unchanged};
use crate::model::form::Form;
use crate::model::spoken::colon;

/// The part as a message of at most `budget` bytes.
pub(crate) fn message(part: &Part<'_>, setting: &Setting<'_>, budget: usize) -> Made {
    let told = told::of(std::slice::from_ref(part), setting.unchanged);
    let unchanged = told.iter().filter(|told| told.unchanged).count();
    if unchanged > 0 && unchanged == part.content.items.len() {
        return digest::repeated(part, told, setting, budget);
    }
    let content = stripped(part.content, setting.form);
    if unchanged == 0 {
        return whole(&content, "", setting, budget);
    }
    let changed = changed(&content, &told, setting);
    let aside = match setting.unchanged {
        Unchanged::Fold => names::still(&told, setting.style.language, budget / 8),
        Unchanged::Show | Unchanged::Drop => Folded::default(),
    };
    let made = whole(&changed, &aside.text, setting, budget);
    Made { folded: aside.items, left_out: made.left_out + unchanged - aside.items, ..made }
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

/// The content with what changed alone, and a headline that says so.
fn changed<'c>(content: &'c Content, told: &[Told<'_>], setting: &Setting<'_>) -> Cow<'c, Content> {
    let language = setting.style.language;
    let items: Vec<ContentItem> =
        content.items.iter().zip(told).filter(|(_, told)| !told.unchanged).map(|(item, _)| item.clone()).collect();
    let headline = headline::of_changes(told, language);
    let header = format!("{}\n\n{}", headline.named_heading(colon(language)), without_heading(&content.header));
    Cow::Owned(Content { title: headline.title(), header, items, ..content.clone() })
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
        v: content.v,
        title: strip::without_in_plain(&content.title, form),
        header: markdown(&content.header),
        items: content.items.iter().map(item).collect(),
        footer: markdown(&content.footer),
        buttons: if form.without_links { Vec::new() } else { content.buttons.clone() },
    })
}
