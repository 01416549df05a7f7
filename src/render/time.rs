//! When an item began, ended or happened, as a phrase in the receiver's language and time zone.

use jiff::tz::TimeZone;

use crate::model::event::{Item, Status};
use crate::model::language::Language;
use crate::model::spoken::{at, duration};

/// `since 2026-11-22 03:28 UTC+8`, or `resolved 2026-11-22 03:40 UTC+8 after 12m`.
pub(crate) fn when(item: &Item, zone: &TimeZone) -> String {
    match (item.status, item.until) {
        (Status::Firing, _) => format!("since {}", at(item.since, zone)),
        (Status::Notice, _) => format!("at {}", at(item.since, zone)),
        (Status::Resolved, None) => "resolved".to_owned(),
        (Status::Resolved, Some(until)) => {
            let lasted = until.duration_since(item.since);
            // A clock that was set back would make it last less than nothing.
            let lasted =
                if lasted.is_negative() { String::new() } else { format!(" after {}", duration(lasted, Language::En)) };
            format!("resolved {}{lasted}", at(until, zone))
        }
    }
}
