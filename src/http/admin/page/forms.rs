//! What the page's buttons do: plain forms that post, each answered by a way back to the page, 303, with a notice.
//!
//! What may be done, and what is said where it may not, stands in `operator`; a refusal becomes a page on its way out.
//! The guard has seen to it that no foreign page sent the form. Only POST does anything: a way back that is loaded
//! again repeats nothing.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use jiff::Timestamp;
use url::form_urlencoded;

use crate::http::admin::actions::{Named, named, refused};
use crate::http::admin::messages;
use crate::http::admin::page::notice::Notice;
use crate::http::admin::page::{lane, readers};
use crate::http::admin::{Desk, Shared, body};
use crate::http::problem::{self, ProblemAnswer};
use crate::model::name::Name;
use crate::operator::actions;
use crate::operator::selection::Selection;

/// Where the buttons lead, and the page of a lane they stand on.
pub(in crate::http::admin) fn router() -> Router<Desk> {
    let only_post = problem::only_for_posting;
    Router::new()
        .route("/deliveries/{id}/redrive", post(redrive).fallback(only_post))
        .route("/deliveries/{id}/cancel", post(cancel).fallback(only_post))
        .route("/messages/{id}", get(readers::message))
        .route("/messages/{id}/recall", post(recall).fallback(only_post))
        .route("/messages/{id}/receipts/refresh", post(refresh).fallback(only_post))
        .route("/lanes/{receiver}", get(lane::show))
        .route("/lanes/{receiver}/pause", post(pause).fallback(only_post))
        .route("/lanes/{receiver}/resume", post(resume).fallback(only_post))
        .route("/lanes/{receiver}/redrive", post(redrive_many).fallback(only_post))
        .route("/lanes/{receiver}/cancel", post(cancel_many).fallback(only_post))
}

async fn redrive(State(operator): State<Shared>, id: Named, body: Body) -> Result<Redirect, ProblemAnswer> {
    let (id, fields) = (named(id), Fields::read(body).await?);
    let goes_on = operator.redrive(&id, fields.said("to"), Timestamp::now()).await.map_err(refused)?;
    let notice = if goes_on.id.0 == id { Notice::Redriven } else { Notice::HandedOver };
    Ok(back(&format!("/deliveries/{}", goes_on.id), notice))
}

async fn cancel(State(operator): State<Shared>, id: Named) -> Result<Redirect, ProblemAnswer> {
    let cancelled = operator.cancel(&named(id), Timestamp::now()).await.map_err(refused)?;
    Ok(back(&format!("/deliveries/{}", cancelled.id), Notice::Cancelled))
}

async fn recall(State(operator): State<Shared>, id: Named) -> Result<Redirect, ProblemAnswer> {
    let id = named(id);
    messages::recalled(&operator, id.clone()).await.map_err(refused)?;
    Ok(back(&format!("/messages/{id}"), Notice::Recalled))
}

async fn refresh(State(operator): State<Shared>, id: Named) -> Result<Redirect, ProblemAnswer> {
    let id = named(id);
    messages::refreshed(&operator, id.clone()).await.map_err(refused)?;
    Ok(back(&format!("/messages/{id}"), Notice::Refreshed))
}

async fn pause(State(operator): State<Shared>, lane: Named, body: Body) -> Result<Redirect, ProblemAnswer> {
    let fields = Fields::read(body).await?;
    let how_long = actions::how_long(fields.said("for")).map_err(refused)?;
    let paused = operator.pause(&named(lane), how_long, Timestamp::now()).await.map_err(refused)?;
    Ok(back(&format!("/lanes/{}", paused.lane.receiver), Notice::Paused))
}

async fn resume(State(operator): State<Shared>, lane: Named) -> Result<Redirect, ProblemAnswer> {
    let resumed = operator.resume(&named(lane), Timestamp::now()).await.map_err(refused)?;
    Ok(back(&format!("/lanes/{}", resumed.lane.receiver), Notice::Resumed))
}

async fn redrive_many(State(operator): State<Shared>, lane: Named, body: Body) -> Result<Redirect, ProblemAnswer> {
    let (lane, fields) = (receiver(lane)?, Fields::read(body).await?);
    let which = fields.selection(&lane)?;
    operator.redrive_many(which, fields.said("to"), false, Timestamp::now()).await.map_err(refused)?;
    Ok(back(&format!("/lanes/{lane}"), Notice::RedrivenMany))
}

async fn cancel_many(State(operator): State<Shared>, lane: Named, body: Body) -> Result<Redirect, ProblemAnswer> {
    let (lane, fields) = (receiver(lane)?, Fields::read(body).await?);
    let which = fields.selection(&lane)?;
    operator.cancel_many(which, false, Timestamp::now()).await.map_err(refused)?;
    Ok(back(&format!("/lanes/{lane}"), Notice::CancelledMany))
}

/// The lane a path names. A text that cannot be a receiver's is not looked for.
pub(super) fn receiver(path: Named) -> Result<Name, ProblemAnswer> {
    named(path).parse().map_err(|_not_a_name| lane::no_such())
}

fn back(path: &str, notice: Notice) -> Redirect {
    Redirect::to(&format!("{path}?done={}", notice.as_str()))
}

/// What a form says.
struct Fields(Vec<(String, String)>);

impl Fields {
    async fn read(body: Body) -> Result<Self, ProblemAnswer> {
        let too_large = ProblemAnswer::bad_request("a form of the page is smaller");
        let whole = body::whole(body, body::SMALL, too_large).await?;
        Ok(Self(form_urlencoded::parse(&whole).into_owned().collect()))
    }

    /// An empty field is as good as none.
    fn said(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        field.map(|(_, value)| value.as_str())
    }

    /// The deliveries of a lane that were there when the person was shown how many they are.
    fn selection(&self, lane: &Name) -> Result<Selection, ProblemAnswer> {
        let said = ["state", "before"].map(|name| (name.into(), self.said(name).unwrap_or_default().into()));
        let asked = Selection::asked([("receiver".into(), lane.as_str().into())].into_iter().chain(said));
        asked.map(|(which, _)| which).map_err(|bad| ProblemAnswer::bad_request(bad.to_string()))
    }
}
