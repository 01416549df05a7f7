//! The operator's page: lanes and the latest deliveries, and one delivery whole. Plain HTML, one style sheet, no
//! script, so that it works on a phone at night and under the strictest content-security policy.
//!
//! Everything shown is escaped by the environment, not by the templates' author: titles and texts come from outside.
//! What a template is given is made in `rows`. Times are UTC and say so. The templates are embedded.

mod rows;

use std::sync::OnceLock;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse};
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use crate::http::admin::Shared;
use crate::http::admin::api::store_is_away;
use crate::http::problem::ProblemAnswer;
use crate::operator::deliveries::Listing;

const STYLE: &str = include_str!("style.css");

const TEMPLATES: [(&str, &str); 3] = [
    ("base.html", include_str!("base.html")),
    ("index.html", include_str!("index.html")),
    ("delivery.html", include_str!("delivery.html")),
];

/// `GET /`
pub async fn index(State(operator): State<Shared>) -> Result<Html<String>, ProblemAnswer> {
    let now = Timestamp::now();
    let lanes = operator.lanes(now).await.map_err(store_is_away)?;
    let listed = operator.deliveries(Listing::latest()).await.map_err(store_is_away)?;
    let not_ready = operator.readiness().check().await.err().map(|error| error.to_string());
    let page = context! { not_ready, ..rows::index(&lanes, &listed.deliveries, now) };
    show("index.html", page, now)
}

/// `GET /deliveries/{id}`
pub async fn delivery(
    State(operator): State<Shared>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Html<String>, ProblemAnswer> {
    let no_such = || ProblemAnswer::not_found("no delivery has this id");
    let Path(id) = id.map_err(|_not_utf8| no_such())?;
    let record = operator.delivery(&id).await.map_err(store_is_away)?.ok_or_else(no_such)?;
    let now = Timestamp::now();
    show("delivery.html", rows::delivery(&record, now), now)
}

/// `GET /style.css`
pub async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

fn show(template: &str, page: Value, now: Timestamp) -> Result<Html<String>, ProblemAnswer> {
    let page = context! { version => env!("CARGO_PKG_VERSION"), now => rows::utc(now), ..page };
    let html = environment().get_template(template).and_then(|template| template.render(page));
    html.map(Html).map_err(|error| {
        tracing::error!(%error, template, "the page cannot be shown");
        ProblemAnswer::unavailable("the page cannot be shown; the API under /api/v1 has everything that is on it")
    })
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        // A misspelt name is an error the tests see, not an empty place on the page.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, text) in TEMPLATES {
            environment
                .add_template(name, text)
                .expect("the templates are embedded, and every test of the page reads them");
        }
        environment
    })
}

#[cfg(test)]
mod tests;
