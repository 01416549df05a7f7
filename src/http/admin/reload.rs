//! `POST /-/reload`: the configuration is read again. What came of it is `operator`'s to say; here it becomes an answer.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::config::problem::Problem;
use crate::http::admin::Shared;
use crate::http::problem::ProblemAnswer;
use crate::operator::reload::{Refused, Reloaded};

/// 200 with what has changed, 422 with everything that is wrong, 503 if it cannot be done now.
pub async fn reload(State(operator): State<Shared>) -> Result<Json<Value>, ProblemAnswer> {
    match operator.reload().await {
        Ok(Reloaded { changed, warnings }) => Ok(Json(json!({"changed": changed, "warnings": listed(&warnings)}))),
        Err(Refused::Wrong(problems)) => {
            let detail = "the configuration was refused; the last good one goes on";
            Err(ProblemAnswer::unprocessable(detail).listing(listed(&problems)))
        }
        Err(Refused::NotNow(error)) => {
            let detail = "the configuration could not be changed now; it is tried again in a few seconds";
            Err(ProblemAnswer::unavailable(detail).because(error))
        }
        Err(Refused::Stopping) => Err(ProblemAnswer::unavailable("the relay is shutting down")),
    }
}

fn listed(problems: &[Problem]) -> Value {
    problems.iter().map(|Problem { path, message }| json!({"path": path, "message": message})).collect()
}
