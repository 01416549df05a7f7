//! One alert of a digest on one line: its icon, its name, what tells it apart, since when, a link.
//!
//! `🔴 [HighCPU](…) · node-17 · since 03:12 · ×3`: the name is the link, so a thumb finds it. Resolved together with
//! its firing it says how long it lasted. A notice says what its template says of it in short.

use crate::compose::headline::icon;
use crate::compose::labels::{Telling, markdown};
use crate::compose::told::Told;
use crate::compose::{Setting, plain, words};
use crate::model::content::ContentItem;
use crate::model::event::{Severity, Status};
use crate::model::form::Shape;
use crate::model::spoken::{clock, duration};

/// The characters of a name.
const LONGEST_NAME: usize = 60;
/// The characters of a notice.
const LONGEST_NOTICE: usize = 90;
/// A longer address is no link: it would eat the message.
const LONGEST_ADDRESS: usize = 1_000;

/// The line, as markdown.
pub(crate) fn of(told: &Told<'_>, telling: &Telling<'_>, setting: &Setting<'_>) -> String {
    let item = told.item;
    let address = item.url.as_deref().filter(|url| url.len() <= LONGEST_ADDRESS && !setting.form.without_links);
    let mut pieces = if item.status == Status::Notice {
        vec![linked(notice(item), address, setting)]
    } else {
        let mut pieces = vec![linked(name(item), address, setting)];
        pieces.extend(telling.of_one(told));
        pieces
    };
    pieces.push(when(item, setting));
    pieces.extend((told.times > 1).then(|| format!("×{}", told.times)));
    // A text shows addresses, and one in the middle would part the line.
    pieces.extend(address.filter(|_| is_text(setting)).map(|url| format!("<{url}>")));
    let line = pieces.join(" · ");
    if item.status == Status::Notice && item.severity == Severity::Info {
        line
    } else {
        format!("{} {line}", icon(Some(told)))
    }
}

fn is_text(setting: &Setting<'_>) -> bool {
    setting.form.shape == Shape::Text
}

fn linked(text: String, address: Option<&str>, setting: &Setting<'_>) -> String {
    match address {
        Some(url) if !is_text(setting) => format!("[{text}]({url})"),
        _ => format!("**{text}**"),
    }
}

fn name(item: &ContentItem) -> String {
    let name = markdown(&item.name, LONGEST_NAME);
    if name.is_empty() { "…".to_owned() } else { name }
}

/// What its template says of it in short, without its markup: it is to be a link.
fn notice(item: &ContentItem) -> String {
    let said = markdown(&plain::text(&item.short), LONGEST_NOTICE);
    let said = said.trim_start_matches(['🔴', '🟠', '🔵', ' ']);
    if said.is_empty() { name(item) } else { said.to_owned() }
}

/// `since 03:12`, `resolved 03:40 after 12m`; of a notice `03:12`.
fn when(item: &ContentItem, setting: &Setting<'_>) -> String {
    let (language, zone) = (setting.style.language, &setting.style.timezone);
    let clock = |time| clock(time, setting.now, zone);
    match (item.status, item.until) {
        (Status::Firing, _) => words::since(&clock(item.since), language),
        (Status::Notice, _) => clock(item.since),
        (Status::Resolved, None) => words::resolved(None, None, language),
        (Status::Resolved, Some(until)) => {
            let lasted = until.duration_since(item.since);
            // A clock that was set back would make it last less than nothing.
            let lasted = (!lasted.is_negative()).then(|| duration(lasted, language));
            words::resolved(Some(&clock(until)), lasted.as_deref(), language)
        }
    }
}
