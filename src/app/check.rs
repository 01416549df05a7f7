//! Every problem of a configuration at once: what `config` cannot know, the other rooms are asked for.

use crate::config::Config;
use crate::config::problem::Problem;
use crate::render::Renderer;
use crate::routing::Routes;
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
