//! What a human tries and sends by hand: `POST /api/v1/preview` and `POST /api/v1/send`.
//!
//! The handlers read the body and the clock, ask `operator`, and say what came of it in HTTP. A name that is not
//! configured is 404 and says which are; a payload that is not what its source sends is 400, as at the webhook port.
//! A preview is worked out beside the runtime: a large one, or an operator's own slow template, makes no webhook wait.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::http::admin::{Shared, Swapped, api, body};
use crate::http::hooks::Live;
use crate::http::problem::ProblemAnswer;
use crate::model::delivery::State;
use crate::operator::preview::{self, Asked, NoPreview, Preview};
use crate::operator::send::{Letter, NotKept};

/// `POST /api/v1/preview`
pub async fn preview(
    extract::State(live): extract::State<Swapped>,
    body: Body,
) -> Result<Json<Preview>, ProblemAnswer> {
    let live = live.load_full();
    // A payload may stand in the request as a text, in which nearly every character can take two.
    let too_large = ProblemAnswer::too_large(live.max_body);
    let body = body::whole(body, live.max_body.saturating_mul(2), too_large).await?;
    let now = Timestamp::now();
    let working = tokio::task::spawn_blocking(move || worked_out(&live, &body, now));
    let ended = |error| ProblemAnswer::unavailable("the preview could not be worked out").because(error);
    working.await.map_err(ended)?.map(Json)
}

fn worked_out(live: &Arc<Live>, body: &[u8], now: Timestamp) -> Result<Preview, ProblemAnswer> {
    let asked = Asked::read(body).map_err(|bad| ProblemAnswer::bad_request(bad.to_string()))?;
    if u64::try_from(asked.payload.len()).is_ok_and(|length| length > live.max_body) {
        return Err(ProblemAnswer::too_large(live.max_body));
    }
    preview::preview(live.configured(), &asked, now).map_err(refused)
}

fn refused(no: NoPreview) -> ProblemAnswer {
    let detail = no.to_string();
    match no {
        NoPreview::BadAsk(_) | NoPreview::BadPayload(_) => ProblemAnswer::bad_request(detail),
        NoPreview::NoSuch(_) => ProblemAnswer::not_found(detail),
        NoPreview::Impossible(_) => ProblemAnswer::unprocessable(detail),
    }
}

/// `POST /api/v1/send`
pub async fn send(
    extract::State(operator): extract::State<Shared>,
    extract::State(live): extract::State<Swapped>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ProblemAnswer> {
    let live = live.load_full();
    let body = body::whole(body, live.max_body, ProblemAnswer::too_large(live.max_body)).await?;
    let letter = Letter::read(&body).map_err(|bad| ProblemAnswer::bad_request(bad.to_string()))?;
    if operator.readiness().is_stopping() {
        return Err(ProblemAnswer::unavailable("the relay is shutting down; send it again").and_close());
    }
    let keeping = operator.send(&letter, live.configured(), &live.ingest, body, Timestamp::now());
    let id = keeping.await.map_err(|not_kept| match not_kept {
        NotKept::NoReceiver(no) => refused(no),
        NotKept::Store(error) => ProblemAnswer::not_stored(error.in_words()).because(error),
    })?;
    let told = match operator.await_end(&id, letter.wait).await {
        Ok(Some(record)) => api::whole(&operator, &record).await.ok(),
        Ok(None) | Err(_) => None,
    };
    match told {
        Some(told) => Ok((StatusCode::OK, Json(told))),
        // It is kept and goes out, so nobody is told to send it again: of its state only this much is known.
        None => {
            let known = json!({"id": id, "receiver": letter.receiver, "state": State::Queued});
            Ok((StatusCode::ACCEPTED, Json(known)))
        }
    }
}
