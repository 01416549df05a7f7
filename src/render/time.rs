//! When an item began, ended or happened, as a phrase in the reader's language and time zone.

use crate::model::event::{Item, Status};
use crate::model::spoken::{at, duration};
use crate::render::words::Audience;

/// `since 2026-11-22 03:28 UTC+8`, or `resolved 2026-11-22 03:40 UTC+8 after 12m`; `开始于 …`, or
/// `恢复于 …，持续 12 分钟`.
pub(crate) fn when(item: &Item, Audience { language, zone }: &Audience) -> String {
    let since = at(item.since, zone);
    match (item.status, item.until) {
        (Status::Firing, _) => language.of(format!("since {since}"), format!("开始于 {since}")),
        (Status::Notice, _) => language.of(format!("at {since}"), format!("发生于 {since}")),
        (Status::Resolved, None) => language.of("resolved", "已恢复").to_owned(),
        (Status::Resolved, Some(until)) => {
            let (lasted, until) = (until.duration_since(item.since), at(until, zone));
            // A clock that was set back would make it last less than nothing.
            let lasted = (!lasted.is_negative()).then(|| duration(lasted, *language));
            let lasted = lasted.map(|lasted| language.of(format!(" after {lasted}"), format!("，持续 {lasted}")));
            format!(
                "{}{}",
                language.of(format!("resolved {until}"), format!("恢复于 {until}")),
                lasted.unwrap_or_default()
            )
        }
    }
}
