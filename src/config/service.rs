//! The parts of a configuration that concern the process itself: `http`, `admin`, `store`, `retry`, `operator`.
//!
//! Each is one map without names in it, over the embedded defaults alone. Whether an address can be listened on or a
//! file be opened is not asked here: loading touches nothing but secret files.

use std::time::Duration;

use crate::config::reference::References;
use crate::config::scalar::{Scalar, link, listen, positive, positive_u32, size, store_url, wait};
use crate::config::section::Section;
use crate::config::{Admin, Http, Retry, Store};
use crate::model::name::Name;

/// The shortest time for which finished events must be remembered.
const SHORTEST_RETENTION: Duration = Duration::from_secs(60 * 60);

/// `http`.
pub(crate) fn http(section: &Section<'_>, references: &References<'_>) -> Option<Http> {
    let address = section.required("listen", listen);
    let max_body = section.required("max_body", size);
    let read_path = |path: &Section<'_>| path.required("source", |name| references.sources.named(name));
    let dingtalk_path = section.says("dingtalk_path").then(|| section.section("dingtalk_path", read_path)).flatten();
    Some(Http { listen: address?, max_body: max_body?, dingtalk_path })
}

/// `admin`.
pub(crate) fn admin(section: &Section<'_>) -> Option<Admin> {
    let address = section.required("listen", listen);
    let token = section.secret(["token", "token_file"]);
    let external_url = section.optional("external_url", link);
    Some(Admin { listen: address?, token, external_url })
}

/// `store`.
pub(crate) fn store(section: &Section<'_>) -> Option<Store> {
    let path = section.required("url", store_url);
    let retention = section.required("retention", retention);
    let max_queued = section.required("max_queued", positive);
    Some(Store { path: path?, retention: retention?, max_queued: max_queued? })
}

/// Less would forget attempts that still count: after a restart a limiter begins with those of the last minute.
fn retention(text: &str) -> Scalar<Duration> {
    let retention = wait(text)?;
    if retention < SHORTEST_RETENTION { Err("must be 1h or longer, such as 30d".to_owned()) } else { Ok(retention) }
}

/// `operator`: whom the relay tells what is wrong with it.
pub(crate) fn operator(root: &Section<'_>, references: &References<'_>) -> Option<Name> {
    let read = |operator: &Section<'_>| operator.required("receiver", |name| references.receivers.named(name));
    root.says("operator").then(|| root.section("operator", read)).flatten()
}

/// `retry`.
pub(crate) fn retry(section: &Section<'_>) -> Option<Retry> {
    let schedule = section.list("schedule", wait);
    if schedule.as_ref().is_some_and(Vec::is_empty) {
        section.note("schedule", "must hold at least one wait");
    }
    let max_attempts = section.required("max_attempts", positive_u32);
    Some(Retry { schedule: schedule?, max_attempts: max_attempts? })
}
