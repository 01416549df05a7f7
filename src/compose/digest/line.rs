//! One alert of a digest on one line: its icon, its name, what tells it apart, since when, a link.
//!
//! `🔴 [HighCPU](…) · node-17 · 03:12 · ×3`: the name is the link, so a thumb finds it. Resolved together with
//! its firing it says how long it lasted. A notice says what its template says of it in short.

use crate::compose::headline::icon;
use crate::compose::labels::{Telling, markdown, name};
use crate::compose::told::Told;
use crate::compose::{Setting, plain, words};
use crate::model::content::ContentItem;
use crate::model::event::Status;
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
    let address = item.url.as_deref().filter(|url| may_be_linked(url) && !setting.form.without_links);
    let mut pieces = if item.status == Status::Notice {
        vec![linked(notice(item), address, setting)]
    } else {
        let mut pieces = vec![linked(name(item, LONGEST_NAME), address, setting)];
        pieces.extend(telling.of_one(told));
        pieces
    };
    pieces.push(when(item, setting));
    pieces.extend((told.times > 1).then(|| format!("×{}", told.times)));
    // A text shows addresses, and one in the middle would part the line.
    pieces.extend(address.filter(|_| is_text(setting)).map(|url| format!("<{url}>")));
    format!("{} {}", icon(Some(told)), pieces.join(" · "))
}

/// `render` makes every address safe; this one is looked at again because a broken link would break the whole line.
fn may_be_linked(url: &str) -> bool {
    let is_safe = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '(' | ')' | '<' | '>' | '\\');
    !url.is_empty() && url.len() <= LONGEST_ADDRESS && url.chars().all(is_safe)
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

/// What its template says of it in short, without its markup: it is to be a link.
fn notice(item: &ContentItem) -> String {
    let said = markdown(&plain::text(&item.short), LONGEST_NOTICE);
    let said = said.trim_start_matches(['🔴', '🟠', '🔵', ' ']);
    if said.is_empty() { name(item, LONGEST_NAME) } else { said.to_owned() }
}

/// `03:12`; of what is over `resolved 03:40 after 12m`. Above the list stands what the times are: said on each line,
/// it would make two of it on a phone.
fn when(item: &ContentItem, setting: &Setting<'_>) -> String {
    let (language, zone) = (setting.style.language, &setting.style.timezone);
    let clock = |time| clock(time, setting.now, zone);
    match (item.status, item.until) {
        (Status::Firing | Status::Notice, _) => clock(item.since),
        (Status::Resolved, None) => words::resolved(None, None, language),
        (Status::Resolved, Some(until)) => {
            let lasted = until.duration_since(item.since);
            // A clock that was set back would make it last less than nothing.
            let lasted = (!lasted.is_negative()).then(|| duration(lasted, language));
            words::resolved(Some(&clock(until)), lasted.as_deref(), language)
        }
    }
}
