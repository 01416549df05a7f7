//! What happened, to what, by whom, where: a delivery in one line, and what must stay in order.
//!
//! The rule: the object is called like the event, or like its last or first words (`issues` → `issue`, `deploy_key`
//! → `key`, `team_add` → `team`); it is called by its number or its name; the action is the verb. [`KINDS`] and
//! [`VERBS`] hold what differs, and nothing else knows one event from another.

use serde_json::Value;

use crate::sources::github::wire::{first, text};

/// One delivery, taken apart.
pub(super) struct Happening<'p> {
    /// The event's name, as the header has it.
    pub(super) event: &'p str,
    /// `opened`, `completed`, …; some events have none.
    pub(super) action: Option<String>,
    /// All that was sent.
    pub(super) payload: &'p Value,
    /// What it happened to: the comment, the run; null where the payload has no such thing.
    pub(super) object: &'p Value,
    /// The pull request, issue or discussion the object belongs to, with what a person calls it.
    pub(super) parent: Option<(&'static str, &'p Value)>,
    kind: &'static Kind,
}

/// What a push has pushed.
pub(super) struct Push {
    /// `branch` or `tag`.
    pub(super) noun: &'static str,
    pub(super) name: String,
    pub(super) commits: usize,
    pub(super) created: bool,
    pub(super) deleted: bool,
    pub(super) forced: bool,
}

/// What differs from the rule, for one event.
struct Kind {
    event: &'static str,
    /// What a person calls the object. From `/` on a pointer into it.
    noun: Option<&'static str>,
    /// Where the object stands in the payload; the empty pointer is the payload itself.
    object: Option<&'static str>,
    /// Where the object's name stands in it; the empty pointer for none.
    name: Option<&'static str>,
    /// Where the object says how it went.
    outcome: Option<&'static str>,
}

/// Nothing differs.
const USUAL: Kind = Kind { event: "", noun: None, object: None, name: None, outcome: None };

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    Kind { event: "check_run", noun: Some("check"), outcome: Some("/conclusion"), ..USUAL },
    Kind { event: "check_suite", noun: Some("checks"), name: Some("/app/name"), outcome: Some("/conclusion"), ..USUAL },
    Kind { event: "commit_comment", noun: Some("comment on commit"), name: Some("/commit_id"), ..USUAL },
    Kind { event: "create", noun: Some("/ref_type"), object: Some(""), name: Some("/ref"), ..USUAL },
    Kind { event: "delete", noun: Some("/ref_type"), object: Some(""), name: Some("/ref"), ..USUAL },
    Kind { event: "dependabot_alert", noun: Some("Dependabot alert"), ..USUAL },
    Kind { event: "deploy_key", name: Some("/title"), ..USUAL },
    Kind { event: "deployment", noun: Some("deployment to"), name: Some("/environment"), ..USUAL },
    Kind { event: "deployment_review", object: Some("/workflow_run"), name: Some(""), ..USUAL },
    Kind { event: "deployment_status", noun: Some("deployment"), name: Some("/environment"), outcome: Some("/state"), ..USUAL },
    Kind { event: "fork", noun: Some("forked to"), object: Some("/forkee"), name: Some("/full_name"), ..USUAL },
    Kind { event: "github_app_authorization", noun: Some("app authorization"), ..USUAL },
    Kind { event: "gollum", noun: Some("wiki page"), object: Some("/pages/0"), name: Some("/title"), ..USUAL },
    Kind { event: "installation", noun: Some("app"), name: Some("/app_slug"), ..USUAL },
    Kind { event: "installation_repositories", noun: Some("app repositories"), name: Some(""), ..USUAL },
    Kind { event: "member", noun: Some("collaborator"), ..USUAL },
    Kind { event: "membership", noun: Some("team member"), object: Some("/member"), ..USUAL },
    Kind { event: "marketplace_purchase", noun: Some("marketplace plan"), name: Some("/plan/name"), ..USUAL },
    Kind { event: "meta", noun: Some("webhook"), object: Some("/hook"), name: Some("/id"), ..USUAL },
    Kind { event: "milestone", name: Some("/title"), ..USUAL },
    Kind { event: "org_block", noun: Some("user"), object: Some("/blocked_user"), ..USUAL },
    Kind { event: "page_build", object: Some("/build"), outcome: Some("/status"), ..USUAL },
    Kind { event: "project", name: Some("/name"), ..USUAL },
    Kind { event: "projects_v2", noun: Some("project"), name: Some("/title"), ..USUAL },
    Kind { event: "projects_v2_item", noun: Some("project item"), ..USUAL },
    Kind { event: "public", noun: Some(""), ..USUAL },
    Kind { event: "pull_request", noun: Some("PR"), ..USUAL },
    Kind { event: "pull_request_review", noun: Some(""), ..USUAL },
    Kind { event: "push", noun: Some(""), object: Some("/head_commit"), ..USUAL },
    Kind { event: "release", name: Some("/tag_name"), ..USUAL },
    Kind { event: "repository_import", object: Some(""), name: Some(""), outcome: Some("/status"), ..USUAL },
    Kind { event: "repository_vulnerability_alert", noun: Some("vulnerability alert for"), name: Some("/affected_package_name"), ..USUAL },
    Kind { event: "security_advisory", name: Some("/ghsa_id"), ..USUAL },
    Kind { event: "star", noun: Some(""), ..USUAL },
    Kind { event: "status", object: Some(""), name: Some("/context"), outcome: Some("/state"), ..USUAL },
    Kind { event: "team_add", noun: Some("team"), ..USUAL },
    Kind { event: "watch", noun: Some(""), ..USUAL },
    Kind { event: "workflow_dispatch", noun: Some("workflow"), object: Some(""), name: Some("/workflow"), ..USUAL },
    Kind { event: "workflow_job", noun: Some("job"), outcome: Some("/conclusion"), ..USUAL },
    Kind { event: "workflow_run", noun: Some("workflow"), outcome: Some("/conclusion"), ..USUAL },
];

/// What an action is called where its own word would not do: event (`*`: any), action (empty: none), words.
const VERBS: &[(&str, &str, &str)] = &[
    ("check_run", "requested_action", "action requested"),
    ("code_scanning_alert", "closed_by_user", "closed"),
    ("commit_comment", "created", ""),
    ("create", "", "created"),
    ("delete", "", "deleted"),
    ("discussion_comment", "created", ""),
    ("installation", "created", "installed"),
    ("installation", "deleted", "uninstalled"),
    ("installation", "suspend", "suspended"),
    ("installation", "unsuspend", "unsuspended"),
    ("issue_comment", "created", ""),
    ("public", "", "made public"),
    ("pull_request_review", "commented", "reviewed"),
    ("pull_request_review", "dismissed", "review dismissed"),
    ("pull_request_review", "edited", "review edited"),
    ("pull_request_review_comment", "created", ""),
    ("repository", "privatized", "made private"),
    ("repository", "publicized", "made public"),
    ("repository_vulnerability_alert", "create", "created"),
    ("repository_vulnerability_alert", "dismiss", "dismissed"),
    ("repository_vulnerability_alert", "resolve", "resolved"),
    ("star", "created", "starred"),
    ("star", "deleted", "unstarred"),
    ("team_add", "", "added"),
    ("watch", "started", "watched"),
    ("workflow_dispatch", "", "started"),
    ("*", "ready_for_review", "marked ready for review"),
    ("*", "synchronize", "updated"),
];

/// How something went, as GitHub says it and as a person does.
const OUTCOMES: &[(&str, &str)] = &[
    ("action_required", "needs action"),
    ("built", "succeeded"),
    ("errored", "failed"),
    ("error", "failed"),
    ("failure", "failed"),
    ("neutral", "ended"),
    ("stale", "went stale"),
    ("startup_failure", "failed to start"),
    ("success", "succeeded"),
];

/// What a person calls what other things belong to.
const PARENTS: &[(&str, &str)] = &[("pull_request", "PR"), ("issue", "issue"), ("discussion", "discussion")];

/// Objects that every delivery may have beside its own.
const SURROUNDINGS: &[&str] =
    &["changes", "client_payload", "enterprise", "inputs", "installation", "organization", "repository", "sender"];

/// What must stay in order: the event begins with, where its id stands, what is written before it. An issue's
/// comments belong to it, and so do a run's jobs.
const ORDERS: &[(&str, &str, &str)] = &[
    ("pull_request", "/pull_request/number", "#"),
    ("issue", "/issue/number", "#"),
    ("discussion", "/discussion/number", "#"),
    ("workflow", "/workflow_run/id", "/run/"),
    ("workflow", "/workflow_job/run_id", "/run/"),
    ("deployment", "/deployment/id", "/deployment/"),
    ("status", "/sha", "/status/"),
];

impl<'p> Happening<'p> {
    pub(super) fn of(event: &'p str, payload: &'p Value) -> Self {
        let kind = KINDS.iter().find(|kind| kind.event == event).unwrap_or(&USUAL);
        let object = kind.object.and_then(|at| payload.pointer(at)).or_else(|| object(event, payload));
        let object = object.unwrap_or(&Value::Null);
        let action = text(payload, "/action").or_else(|| text(object, "/action"));
        Self { event, action, payload, object, parent: parent(payload, object), kind }
    }

    /// `octocat/Hello-World: issue #12 opened by octocat`. Never empty.
    pub(super) fn title(&self) -> String {
        let what = match self.progress() {
            _ if self.event == "push" => self.push(),
            Some(progress) => self.run(&progress),
            None => format!("{} {}", self.head(), self.deed()),
        };
        format!("{}: {}", self.place(), what.trim())
    }

    /// The repository, or who else GitHub tells of.
    pub(super) fn place(&self) -> String {
        let places = [
            "/repository/full_name",
            "/organization/login",
            "/installation/account/login",
            "/marketplace_purchase/account/login",
            "/sponsorship/sponsorable/login",
            "/enterprise/slug",
        ];
        first(self.payload, &places).unwrap_or_else(|| "GitHub".to_owned())
    }

    /// Who did it.
    pub(super) fn sender(&self) -> Option<String> {
        text(self.payload, "/sender/login")
    }

    /// How it went, where it is about that.
    pub(super) fn outcome(&self) -> Option<String> {
        let at_its_end = matches!(self.action.as_deref(), None | Some("completed" | "created"));
        self.kind.outcome.filter(|_| at_its_end).and_then(|at| text(self.object, at))
    }

    /// `refs/heads/main` or `refs/tags/v1`, for what happens to a branch or a tag or in one.
    pub(super) fn reference(&self) -> Option<String> {
        let reference = text(self.payload, "/ref")?;
        match text(self.payload, "/ref_type").as_deref() {
            Some("branch") => Some(format!("refs/heads/{reference}")),
            Some("tag") => Some(format!("refs/tags/{reference}")),
            _ => reference.starts_with("refs/").then_some(reference),
        }
    }

    /// `octo/repo#12`, `octo/repo@refs/heads/main`, `octo/repo/run/123`; where it is about nothing that lasts,
    /// `octo/repo/star`.
    pub(super) fn order_key(&self) -> String {
        let table = ORDERS.iter().filter(|(event, ..)| self.event.starts_with(event));
        let listed = table.filter_map(|(_, at, before)| Some(format!("{before}{}", text(self.payload, at)?))).next();
        let reference =
            || self.reference().filter(|_| ["push", "create", "delete"].contains(&self.event)).map(|r| format!("@{r}"));
        let lasting = Some(self.object).filter(|_| !self.is_of_the_surroundings());
        let own = || first(lasting?, &["/number", "/id", "/ghsa_id"]).map(|id| format!("/{}/{id}", self.event));
        let what = listed.or_else(reference).or_else(own).unwrap_or_else(|| format!("/{}", self.event));
        format!("{}{what}", self.place())
    }

    /// What a push has pushed.
    pub(super) fn pushed(&self) -> Push {
        let reference = text(self.payload, "/ref").unwrap_or_default();
        let is = |flag| self.payload.pointer(flag) == Some(&Value::Bool(true));
        let (noun, name) = match reference.strip_prefix("refs/tags/") {
            Some(tag) => ("tag", tag),
            None => ("branch", reference.strip_prefix("refs/heads/").unwrap_or(&reference)),
        };
        Push {
            noun,
            name: name.to_owned(),
            commits: self.payload.pointer("/commits").and_then(Value::as_array).map_or(0, Vec::len),
            created: is("/created"),
            deleted: is("/deleted"),
            forced: is("/forced"),
        }
    }

    /// `3 commits pushed to main by octocat`, `tag v1 deleted by octocat`.
    fn push(&self) -> String {
        let Push { noun, name, commits, created, deleted, forced } = self.pushed();
        let pushed = if forced { "force-pushed" } else { "pushed" };
        let what = match commits {
            _ if deleted => format!("{noun} {name} deleted"),
            _ if noun == "tag" => format!("{noun} {name} {pushed}"),
            0 => format!("{noun} {name} {}", if created { "created" } else { pushed }),
            1 => format!("1 commit {pushed} to {name}"),
            several => format!("{several} commits {pushed} to {name}"),
        };
        self.by(&what)
    }

    /// `workflow failed: CI`. How it went comes first, for a long name would push it out of sight.
    fn run(&self, progress: &str) -> String {
        let name = self.name().map(|name| format!(": {name}"));
        format!("{} {progress}{}", self.noun(), name.unwrap_or_default())
    }

    /// How a run went or how far it is, in GitHub's word; nothing of the kind for what somebody did.
    pub(super) fn progress_word(&self) -> Option<String> {
        let waits =
            |action: &&str| self.kind.outcome.is_some() && ["in_progress", "queued", "waiting"].contains(action);
        self.outcome().or_else(|| self.action.as_deref().filter(waits).map(str::to_owned))
    }

    /// The same, as a person says it.
    fn progress(&self) -> Option<String> {
        let word = self.progress_word()?;
        let said = OUTCOMES.iter().find(|(outcome, _)| *outcome == word);
        Some(said.map_or_else(|| word.replace('_', " "), |(_, said)| (*said).to_owned()))
    }

    /// `issue #12`, `comment on PR #2`, `tag v1`.
    fn head(&self) -> String {
        let noun = self.noun();
        let name = self.parent.is_none().then(|| self.name()).flatten().unwrap_or_default();
        let parent = self.belongs_to().map(|(noun, number)| format!("{noun} #{number}"));
        match parent {
            Some(parent) if noun.is_empty() => parent,
            Some(parent) => format!("{noun} on {parent}"),
            None => format!("{noun} {name}").trim().to_owned(),
        }
    }

    /// What the object belongs to, as a person calls it, and its number.
    pub(super) fn belongs_to(&self) -> Option<(&'static str, String)> {
        self.parent.map(|(noun, parent)| (noun, text(parent, "/number").unwrap_or_default()))
    }

    /// The event's own words; the last one for what belongs to something: a comment, a thread.
    pub(super) fn noun(&self) -> String {
        match self.kind.noun {
            Some(pointer) if pointer.starts_with('/') => return text(self.object, pointer).unwrap_or_default(),
            Some(noun) => return noun.to_owned(),
            None => {}
        }
        let words =
            if self.parent.is_some() { self.event.rsplit('_').next().unwrap_or(self.event) } else { self.event };
        let words = if self.event == "issues" { "issue" } else { words };
        words.replace('_', " ")
    }

    /// What tells the object from others of its kind.
    pub(super) fn name(&self) -> Option<String> {
        if let Some(at) = self.kind.name {
            return text(self.object, at).map(|name| short_commit(&name).to_owned());
        }
        if self.is_of_the_surroundings() {
            return None;
        }
        let number = text(self.object, "/number").map(|number| format!("#{number}"));
        number.or_else(|| first(self.object, &["/name", "/tag_name", "/login", "/slug"]))
    }

    /// `opened by octocat`.
    fn deed(&self) -> String {
        let action = self.telling_action();
        let verb = VERBS.iter().find(|(event, word, _)| (*event == self.event || *event == "*") && *word == action);
        let verb = verb.map_or_else(|| action.replace('_', " "), |(.., said)| (*said).to_owned());
        self.by(&verb)
    }

    /// The action, or what tells more: whether a closed pull request was merged, what a review says.
    pub(super) fn telling_action(&self) -> String {
        let action = self.action.as_deref().unwrap_or_default();
        let merged = || self.object.pointer("/merged") == Some(&Value::Bool(true));
        match (self.event, action) {
            ("pull_request", "closed") if merged() => "merged".to_owned(),
            ("pull_request_review", "submitted") => text(self.object, "/state").unwrap_or_default().to_lowercase(),
            _ => action.to_owned(),
        }
    }

    /// Whether the object is no thing of its own, like the repository of `repository`.
    fn is_of_the_surroundings(&self) -> bool {
        let around = SURROUNDINGS.iter().filter(|name| **name != self.event).filter_map(|name| self.payload.get(name));
        let place = ["repository", "organization"].contains(&self.event);
        place || around.into_iter().any(|thing| std::ptr::eq(thing, self.object))
    }

    /// What GitHub does by itself needs no name.
    fn by(&self, deed: &str) -> String {
        let sender = self.sender().filter(|sender| sender != "github").map(|sender| format!("by {sender}"));
        [deed, sender.as_deref().unwrap_or_default()].join(" ").trim().to_owned()
    }
}

/// The object called like the event, or like its last or first words; else any that is not of the surroundings.
fn object<'p>(event: &str, payload: &'p Value) -> Option<&'p Value> {
    let words: Vec<_> = event.split('_').collect();
    let last = (0..words.len()).map(|from| words[from..].join("_"));
    let names = last.chain((1..words.len()).rev().map(|to| words[..to].join("_")));
    let called = names.flat_map(|name| [name.strip_suffix('s').unwrap_or(&name).to_owned(), name]);
    let mut called = called.filter_map(|name| payload.get(name));
    let any = || {
        let own = payload.as_object()?.iter().filter(|(name, _)| !SURROUNDINGS.contains(&name.as_str()));
        own.map(|(_, value)| value).find(|value| is_object(value))
    };
    called.find(|value| is_object(value)).or_else(any)
}

fn is_object(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| !fields.is_empty())
}

/// What the object belongs to, unless it is that itself. A pull request's conversation comes as an issue's.
fn parent<'p>(payload: &'p Value, object: &Value) -> Option<(&'static str, &'p Value)> {
    let present = PARENTS.iter().filter_map(|(key, noun)| Some((*noun, payload.get(key).filter(|p| is_object(p))?)));
    let (noun, parent) = present.into_iter().next()?;
    let of_pull_request = parent.pointer("/pull_request").is_some_and(is_object);
    (!std::ptr::eq(parent, object)).then_some((if of_pull_request { "PR" } else { noun }, parent))
}

/// The seven digits of a commit id that people read; any other text as it is.
pub(super) fn short_commit(name: &str) -> &str {
    let is_id = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { &name[..7] } else { name }
}
