//! The operator's own template files: found, compiled, and tried on a sample before anything depends on them.
//!
//! All problems at once, each with the place in the configuration it comes from. A template that fails for *some*
//! events is no problem here (the plain built-in stands in then); one that can never work is.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use minijinja::{Environment, Error, ErrorKind};

use crate::config::problem::{Problem, hint};
use crate::model::event::{Event, Item, Labels, Severity, Status};
use crate::model::language::Language;
use crate::model::name::{EventId, Name};
use crate::render::context;
use crate::render::engine::{self, BUILT_IN};
use crate::render::overview::Overview;
use crate::render::words::Audience;

const ENDING: &str = ".md.j2";

/// What was found in the configured places.
pub(crate) struct Found {
    /// The names of the operator's templates, with the path of the configuration each came from.
    names: BTreeMap<String, String>,
    /// Whether there may be no other names.
    all_places_were_read: bool,
    /// What could not be read or compiled.
    problems: Vec<Problem>,
}

/// Reads and compiles every template of these folders and files.
pub(crate) fn load(engine: &mut Environment<'static>, places: &[PathBuf]) -> Found {
    let mut found = Found { names: BTreeMap::new(), all_places_were_read: true, problems: Vec::new() };
    for (i, place) in places.iter().enumerate() {
        let path = format!("templates[{i}]");
        match files_in(place) {
            Ok(files) if files.is_empty() => {
                found.problems.push(Problem::at(path, format!("no *{ENDING} in {}", place.display())));
            }
            Ok(files) => files.iter().for_each(|file| found.take(engine, file, &path)),
            Err(error) => {
                found.all_places_were_read = false;
                found.problems.push(Problem::at(path, format!("cannot read {}: {error}", place.display())));
            }
        }
    }
    found
}

/// Everything that is wrong with the files, and with the templates that receivers ask for by name.
pub(crate) fn problems<'c>(
    engine: &Environment<'static>,
    found: Found,
    asked_for: impl Iterator<Item = (&'c Name, &'c str)>,
) -> Vec<Problem> {
    let Found { names, all_places_were_read, mut problems } = found;
    let mut exist: Vec<_> = names.keys().map(String::as_str).collect();
    exist.extend(BUILT_IN.iter().map(|(name, _)| *name).filter(|name| *name != "layout"));
    for (receiver, template) in asked_for {
        let path = format!("receivers.{receiver}.template");
        if !exist.contains(&template) {
            // Where a place cannot be read, what is in it cannot be missed.
            if all_places_were_read {
                let hint = hint(template, exist.iter().copied());
                problems.push(Problem::at(path, format!("there is no template named {template:?}; {hint}")));
            }
        } else if let Some(problem) = never_works(engine, template).filter(|_| problems.is_empty()) {
            // Behind another problem this one may only be its shadow: a template it extends did not compile.
            problems.push(Problem::at(path, format!("the template {template:?} can never work: {problem}")));
        }
    }
    problems
}

impl Found {
    fn take(&mut self, engine: &mut Environment<'static>, file: &Path, path: &str) {
        let name = template_name(file).unwrap_or_default();
        let problem = |message: String| Problem::at(path, format!("{}: {message}", file.display()));
        if name.is_empty() {
            self.problems.push(problem(format!("a template's file is called NAME{ENDING}")));
        } else if BUILT_IN.iter().any(|(built_in, _)| *built_in == name) {
            self.problems
                .push(problem(format!("a built-in template is called {name:?}; extend it under another name")));
        } else if let Some(other) = self.names.get(name) {
            self.problems.push(problem(format!("{other} has a template called {name:?} already")));
        } else {
            let compiled = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read it: {error}"))
                .and_then(|source| engine.add_template_owned(name.to_owned(), source).map_err(|e| e.to_string()));
            self.problems.extend(compiled.err().map(problem));
            self.names.insert(name.to_owned(), path.to_owned());
        }
    }
}

/// The file itself, or the templates of a folder in name order. Not deeper: a mounted ConfigMap shows its files
/// twice, the second time in a hidden folder.
fn files_in(place: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(place)?.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let entries = std::fs::read_dir(place)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| template_name(file).is_some());
    files.sort();
    Ok(files)
}

fn template_name(file: &Path) -> Option<&str> {
    file.file_name()?.to_str()?.strip_suffix(ENDING)
}

/// What makes the template fail whatever the event; found by a sample.
pub(crate) fn never_works(engine: &Environment<'static>, template: &str) -> Option<String> {
    let items = [sample(Status::Firing), sample(Status::Resolved)];
    let event = Event {
        id: EventId(String::new()),
        source: "sample".parse().ok()?,
        kind: "alertmanager",
        title: "Sample".to_owned(),
        title_in_chinese: None,
        url: Some("http://alertmanager.example.com".to_owned()),
        received_at: Timestamp::UNIX_EPOCH,
        order_key: String::new(),
        dedup_key: String::new(),
        dedup_state: String::new(),
        facts: Labels::new(),
        group: Labels::from([("alertname".to_owned(), "Sample".to_owned())]),
        items: Vec::new(),
        truncated: 1,
    };
    // It may say one thing in one language and another in the other.
    let broken = Language::ALL.into_iter().find_map(|language| {
        let audience = Audience { language, ..Audience::default() };
        let overview = Overview::of(&event, &items.each_ref(), &audience);
        let items: Vec<_> = overview.details.iter().map(|detail| context::item(detail, &audience)).collect();
        let whole = context::whole(&overview, "sample", &audience, &items);
        engine::render(engine, template, &whole, &items).err().filter(cannot_depend_on_the_event)
    });
    match broken {
        Some(error) => Some(error.to_string()),
        None if engine::extends_the_layout(engine, template) => None,
        None => Some("it has to begin with {% extends \"alertmanager\" %}".to_owned()),
    }
}

fn cannot_depend_on_the_event(error: &Error) -> bool {
    use ErrorKind::{BadInclude, OutOfFuel, SyntaxError, TemplateNotFound, UnknownBlock};
    use ErrorKind::{UnknownFilter, UnknownFunction, UnknownTest};
    let structural = matches!(
        error.kind(),
        SyntaxError
            | TemplateNotFound
            | UnknownFilter
            | UnknownTest
            | UnknownFunction
            | UnknownBlock
            | BadInclude
            | OutOfFuel
    );
    structural || error.source().and_then(|e| e.downcast_ref()).is_some_and(cannot_depend_on_the_event)
}

fn sample(status: Status) -> Item {
    let texts = |texts: &[(&str, &str)]| texts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Item {
        fingerprint: status.to_string(),
        name: "Sample".to_owned(),
        status,
        severity: Severity::Critical,
        labels: texts(&[("alertname", "Sample"), ("instance", status.as_str()), ("severity", "critical")]),
        annotations: texts(&[("summary", "A sample"), ("description", "More of it"), ("runbook_url", "http://r")]),
        since: Timestamp::UNIX_EPOCH,
        until: (status == Status::Resolved).then_some(Timestamp::UNIX_EPOCH),
        url: Some("http://prometheus.example.com".to_owned()),
    }
}
