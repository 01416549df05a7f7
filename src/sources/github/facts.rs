//! What matchers may ask of a delivery (contract §3): texts all, and absent where the payload says nothing.
//!
//! Two tables, one of what stands anywhere in a payload and one of what stands in its object; below them only what
//! has to be worked out: which branch, which tag, which labels.

use serde_json::Value;

use crate::model::event::Labels;
use crate::sources::github::happening::Happening;
use crate::sources::github::wire::{each, first, text};

/// Where a fact stands in the payload; the first place that has something counts.
const IN_PAYLOAD: &[(&str, &[&str])] = &[
    ("repo", &["/repository/full_name"]),
    ("org", &["/organization/login"]),
    ("sender", &["/sender/login"]),
    ("sender_type", &["/sender/type"]),
    ("visibility", &["/repository/visibility"]),
    ("number", &["/pull_request/number", "/issue/number", "/discussion/number"]),
    ("author", &["/pull_request/user/login", "/issue/user/login", "/discussion/user/login"]),
    ("draft", &["/pull_request/draft", "/release/draft"]),
    ("merged", &["/pull_request/merged"]),
    ("prerelease", &["/release/prerelease"]),
    ("tag", &["/release/tag_name"]),
    ("label", &["/label/name"]),
    ("assignee", &["/assignee/login"]),
    ("milestone", &["/milestone/title", "/issue/milestone/title", "/pull_request/milestone/title"]),
    ("category", &["/discussion/category/name"]),
    ("environment", &["/deployment_status/environment", "/deployment/environment", "/environment"]),
    ("workflow", &["/workflow_run/name", "/workflow_job/workflow_name", "/workflow/name", "/workflow"]),
    ("check", &["/check_run/name", "/context"]),
    ("job", &["/workflow_job/name"]),
    ("package", &["/alert/dependency/package/name", "/alert/affected_package_name", "/package/name"]),
    ("team", &["/team/slug"]),
    ("member", &["/member/login", "/membership/user/login"]),
    ("ref_type", &["/ref_type"]),
];

/// Where a fact stands in what the delivery is about.
const IN_OBJECT: &[(&str, &[&str])] =
    &[("conclusion", &["/conclusion"]), ("state", &["/state"]), ("number", &["/number"])];

/// Everything matchers may ask for beside `source`, `kind`, `status` and `severity`.
pub(super) fn of(happening: &Happening<'_>) -> Labels {
    let mut facts = Labels::from([("event".to_owned(), happening.event.to_owned())]);
    let mut add = |name: &str, text: Option<String>| {
        if let Some(text) = text {
            facts.entry(name.to_owned()).or_insert(text);
        }
    };
    add("action", happening.action.clone());
    add("branch", branch(happening));
    add("head_branch", head_branch(happening));
    add("tag", happening.reference().and_then(|r| Some(r.strip_prefix("refs/tags/")?.to_owned())));
    add("labels", labels(happening));
    for (name, places) in IN_PAYLOAD {
        add(name, first(happening.payload, places));
    }
    for (name, places) in IN_OBJECT {
        add(name, first(happening.object, places));
    }
    facts
}

/// The branch that was pushed, or that a pull request is to go into. A run or check that is not for a pull request is
/// of the branch it runs on.
pub(super) fn branch(happening: &Happening<'_>) -> Option<String> {
    let (payload, object) = (happening.payload, happening.object);
    let of_reference = |reference: String| Some(reference.strip_prefix("refs/heads/")?.to_owned());
    if let Some(reference) = happening.reference() {
        return of_reference(reference);
    }
    let base = first(payload, &["/pull_request/base/ref", "/branch"]);
    let base = base.or_else(|| text(object, "/pull_requests/0/base/ref"));
    let base = base.or_else(|| text(object, "/base_ref").and_then(of_reference));
    // A job does not say what its run is for: it may be a fork's pull request from a branch of the same name.
    let is_job = payload.get("workflow_job").is_some();
    let of_pull_request = is_job || text(object, "/event").is_some_and(|event| event.starts_with("pull_request"));
    base.or_else(|| head_branch(happening).filter(|_| !of_pull_request)).or_else(|| only_branch(payload))
}

/// The branch a pull request or a run comes from.
pub(super) fn head_branch(happening: &Happening<'_>) -> Option<String> {
    let of_object = ["/head_branch", "/check_suite/head_branch"];
    text(happening.payload, "/pull_request/head/ref").or_else(|| first(happening.object, &of_object))
}

/// A commit's status names every branch that holds the commit; one alone is *the* branch.
fn only_branch(payload: &Value) -> Option<String> {
    let [only] = <[String; 1]>::try_from(each(payload, "/branches", "/name")).ok()?;
    Some(only)
}

/// The labels of an issue, a pull request or a discussion, in name order: `bug,ui`.
pub(super) fn labels(happening: &Happening<'_>) -> Option<String> {
    let labelled = happening.parent.map_or(happening.object, |(_, parent)| parent);
    let mut names = each(labelled, "/labels", "/name");
    names.sort_unstable();
    (!names.is_empty()).then(|| names.join(","))
}
