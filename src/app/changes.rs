//! What of a configuration is other than before: for whoever had it read again, and for the log. Pure.
//!
//! It names places, never values, some of which are secrets (law 8). `http`, `admin` and `store` are not read again: a
//! listener cannot move under its connections, nor a database under its lanes. A change there is a warning, told at
//! each reload until the restart, and no reason to refuse the rest: what was changed beside it may be the mending of a
//! group that waits, and must not wait for a restart too.

use std::collections::BTreeMap;

use crate::config::problem::Problem;
use crate::config::{Config, Store};
use crate::model::name::Name;
use crate::operator::reload::{Change, What};

/// The new configuration as far as it can be had without a restart, and a warning for each part that cannot.
pub fn without_restart(running: &Config, new: Config) -> (Config, Vec<Problem>) {
    let sections = [
        ("http", new.http != running.http),
        ("admin", new.admin != running.admin),
        ("store.url", new.store.path != running.store.path),
        ("store.max_queued", new.store.max_queued != running.store.max_queued),
    ];
    let changed = sections.into_iter().filter(|(_, changed)| *changed);
    let warnings =
        changed.map(|(path, _)| Problem::at(path, "was changed, which needs a restart; the old one goes on"));
    let warnings = warnings.collect();
    let store = Store { retention: new.store.retention, ..running.store.clone() };
    (Config { http: running.http.clone(), admin: running.admin.clone(), store, ..new }, warnings)
}

/// Every difference between two configurations. What the templates' files hold is not theirs to know.
pub fn changes(before: &Config, now: &Config, other_templates: bool) -> Vec<Change> {
    let mut all = Vec::new();
    named("organisations", &before.organisations, &now.organisations, &mut all);
    named("apps", &before.apps, &now.apps, &mut all);
    named("receivers", &before.receivers, &now.receivers, &mut all);
    named("sources", &before.sources, &now.sources, &mut all);
    let is_other = [
        ("route", before.route != now.route),
        ("retry", before.retry != now.retry),
        ("operator", before.operator != now.operator),
        ("templates", before.templates != now.templates || other_templates),
        ("store.retention", before.store.retention != now.store.retention),
    ];
    let other = is_other.into_iter().filter(|(_, is_other)| *is_other);
    all.extend(other.map(|(path, _)| Change { path: path.to_owned(), what: What::Changed }));
    all
}

fn named<T: PartialEq>(section: &str, before: &BTreeMap<Name, T>, now: &BTreeMap<Name, T>, all: &mut Vec<Change>) {
    let mut tell = |name: &Name, what| all.push(Change { path: format!("{section}.{name}"), what });
    for (name, is) in now {
        match before.get(name) {
            None => tell(name, What::Added),
            Some(was) if was != is => tell(name, What::Changed),
            Some(_) => {}
        }
    }
    before.keys().filter(|name| !now.contains_key(*name)).for_each(|name| tell(name, What::Removed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const BEFORE: &str = "
http: { listen: '127.0.0.1:1' }
apps: { ops: { region: cn, app_key: k, app_secret: PLANTED-ONE } }
receivers:
  oncall: { app: ops, open_conversation_id: cid-oncall }
  team: { app: ops, open_conversation_id: cid-team }
sources: { am: { kind: alertmanager, auth: { none: true } } }
";
    const NOW: &str = "
http: { listen: '127.0.0.1:2' }
store: { max_queued: 7, retention: 7d }
apps: { ops: { region: cn, app_key: k, app_secret: PLANTED-TWO } }
receivers:
  oncall: { app: ops, open_conversation_id: cid-oncall, limits: { messages_per_minute: 7 } }
  dev: { app: ops, open_conversation_id: cid-dev }
sources: { am: { kind: alertmanager, auth: { none: true } } }
route: { receiver: oncall }
";

    fn read(text: &str) -> Config {
        config::from_text(text).unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    #[test]
    fn every_difference_is_told_by_its_place_and_without_its_value() {
        let changed = changes(&read(BEFORE), &read(NOW), false);
        let told: Vec<_> = changed.iter().map(ToString::to_string).collect();
        let expected = [
            "apps.ops changed",
            "receivers.dev added",
            "receivers.oncall changed",
            "receivers.team removed",
            "route changed",
            "store.retention changed",
        ];
        assert_eq!(told, expected);
        assert_eq!(changes(&read(NOW), &read(NOW), false), []);
        assert_eq!(changes(&read(NOW), &read(NOW), true)[0].path, "templates");
    }

    #[test]
    fn what_needs_a_restart_stays_as_it_is_and_is_told_and_the_rest_is_taken() {
        let running = read(BEFORE);
        let (taken, warnings) = without_restart(&running, read(NOW));
        let places: Vec<_> = warnings.iter().map(|warning| warning.path.as_str()).collect();
        assert_eq!(places, ["http", "store.max_queued"]);
        assert_eq!((&taken.http, taken.store.max_queued), (&running.http, running.store.max_queued));
        assert_eq!((taken.store.retention.as_secs(), taken.receivers.len()), (7 * 86_400, 2));
    }
}
