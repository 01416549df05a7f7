//! Every problem of a configuration at once: what `config` cannot know, the other rooms are asked for.
//!
//! A mistake in one part hides none in another: where a configuration cannot be put together, the rooms are asked
//! about the parts that could be read (`behind`). `serve`, `check` and reload all come this way, so what one of them
//! accepts the others accept too.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::app::warnings::{Surroundings, warnings};
use crate::config::Config;
use crate::config::draft::Draft;
use crate::config::problem::Problem;
use crate::render::Renderer;
use crate::routing::{Routes, matcher};
use crate::sources::Sources;

/// What a configuration is compiled to.
pub struct Compiled {
    /// The senders.
    pub sources: Sources,
    /// The tree, if there is one.
    pub routes: Option<Routes>,
    /// The templates.
    pub renderer: Renderer,
}

/// What checking a configuration came to.
pub struct Checked {
    /// What is legal and will hurt.
    pub warnings: Vec<Problem>,
    /// Every file and folder it was read from, or would have been.
    pub places: BTreeSet<PathBuf>,
    /// The configuration and what it is compiled to, or everything that is wrong with it.
    pub outcome: Result<(Config, Compiled), Vec<Problem>>,
}

/// Checks what was read, which is to run in these surroundings.
pub fn check(draft: Draft, surroundings: Surroundings) -> Checked {
    Checked { warnings: warnings(&draft, surroundings), places: draft.places.clone(), outcome: sound(draft) }
}

fn sound(mut draft: Draft) -> Result<(Config, Compiled), Vec<Problem>> {
    if !draft.problems.is_empty() {
        let behind = behind(&draft);
        draft.problems.extend(behind);
        return Err(draft.problems);
    }
    let config = draft.finish()?;
    let compiled = compile(&config)?;
    Ok((config, compiled))
}

/// Compiles every part of a configuration, or says everything that is wrong with it.
pub fn compile(config: &Config) -> Result<Compiled, Vec<Problem>> {
    let sources = Sources::compile(&config.sources);
    let routes = config.route.as_ref().map(|route| Routes::compile(route, &config.receivers)).transpose();
    let renderer = Renderer::compile(config);
    match (sources, routes, renderer) {
        (Ok(sources), Ok(routes), Ok(renderer)) => Ok(Compiled { sources, routes, renderer }),
        (sources, routes, renderer) => {
            let problems = [sources.err(), routes.err(), renderer.err()];
            Err(problems.into_iter().flatten().flatten().collect())
        }
    }
}

/// What the rooms find in the parts of a configuration that cannot be put together. A room is asked only where
/// everything it looks at could be read: what follows from another problem is not a second one.
fn behind(draft: &Draft) -> Vec<Problem> {
    let sources = Sources::compile(&draft.sources).err().unwrap_or_default();
    // Not `Routes::compile`: which receivers there are is `config`'s to judge, and it has.
    let matchers = draft.matchers.iter().filter_map(|written| {
        let error = matcher::read(&written.text).err()?;
        Some(Problem::at(&written.path, error.to_string()))
    });
    let templates = draft.templates.as_ref().map(|places| Renderer::problems(places, &draft.receivers));
    sources.into_iter().chain(matchers).chain(templates.unwrap_or_default()).collect()
}
