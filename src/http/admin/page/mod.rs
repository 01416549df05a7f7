//! The operator's page: how lanes and apps stand, the deliveries, and one delivery whole. Plain HTML, one style sheet,
//! no script, so that it works on a phone at night and under the strictest content-security policy.
//!
//! Everything shown is escaped by the environment, not by the templates' author: titles and texts come from outside.
//! What a template is given is made in the files beside this one. Reading changes nothing; whatever changes something
//! is a form that posts (`forms`), and its answer leads back here. The templates are embedded.

pub mod forms;
mod lane;
mod listing;
mod markdown;
mod message;
mod moment;
mod notice;
mod overview;
mod readers;
pub mod refusal;
mod rows;

use std::sync::OnceLock;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{Html, IntoResponse};
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use crate::http::admin::Shared;
use crate::http::admin::api::store_is_away;
use crate::http::admin::page::listing::Query;
use crate::http::admin::page::overview::Overview;
use crate::http::problem::ProblemAnswer;
use crate::model::delivery::{Delivery, DeliveryRecord};
use crate::operator::deliveries::Listing;

const STYLE: &str = include_str!("style.css");

const TEMPLATES: [(&str, &str); 11] = [
    ("base.html", include_str!("base.html")),
    ("words.html", include_str!("words.html")),
    ("index.html", include_str!("index.html")),
    ("buttons.html", include_str!("buttons.html")),
    ("face.html", include_str!("face.html")),
    ("message.html", include_str!("message.html")),
    ("lane.html", include_str!("lane.html")),
    ("app.html", include_str!("app.html")),
    ("lanes.html", include_str!("lanes.html")),
    ("delivery.html", include_str!("delivery.html")),
    ("refusal.html", include_str!("refusal.html")),
];

/// `GET /`
pub async fn index(State(operator): State<Shared>, RawQuery(query): RawQuery) -> Result<Html<String>, ProblemAnswer> {
    let query = query.unwrap_or_default();
    let query = Query::read(&query);
    let listing = query.listing()?;
    let now = Timestamp::now();
    let lanes = operator.lanes(now).await.map_err(store_is_away)?;
    let apps = operator.apps(now).await.map_err(store_is_away)?;
    let listed = operator.deliveries(listing).await.map_err(store_is_away)?;
    let not_ready = operator.readiness().check().await.err().map(|error| error.to_string());
    let seen = Overview { lanes, apps, listed, max_queued: operator.max_queued(), not_ready };
    show("index.html", overview::page(&seen, &query, now), now)
}

/// `GET /deliveries/{id}`
pub async fn delivery(
    State(operator): State<Shared>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, ProblemAnswer> {
    let record = record_of(&operator, id).await?;
    let others = others_of(&operator, &record).await?;
    let query = query.unwrap_or_default();
    let now = Timestamp::now();
    let lanes = operator.lanes(now).await.map_err(store_is_away)?;
    let page = context! {
        notice => Query::read(&query).notice(),
        ..rows::delivery(&record, &others, &lanes, now)
    };
    show("delivery.html", page, now)
}

/// `GET /style.css`
pub async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

async fn record_of(
    operator: &Shared,
    id: Result<Path<String>, PathRejection>,
) -> Result<DeliveryRecord, ProblemAnswer> {
    let no_such = || ProblemAnswer::not_found("no delivery has this id");
    let Path(id) = id.map_err(|_not_utf8| no_such())?;
    operator.delivery(&id).await.map_err(store_is_away)?.ok_or_else(no_such)
}

/// The deliveries of the same event, as many as a list holds.
async fn others_of(operator: &Shared, record: &DeliveryRecord) -> Result<Vec<Delivery>, ProblemAnswer> {
    let event = record.delivery.event.0.as_str();
    let listing = Listing::asked([("event".into(), event.into())]);
    let listing = listing.map_err(|bad| ProblemAnswer::bad_request(bad.to_string()))?;
    Ok(operator.deliveries(listing).await.map_err(store_is_away)?.deliveries)
}

fn show(template: &str, page: Value, now: Timestamp) -> Result<Html<String>, ProblemAnswer> {
    let page = context! { version => env!("CARGO_PKG_VERSION"), now => moment::utc(now), ..page };
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
