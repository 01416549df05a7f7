//! Messages in HTTP: one shown whole, who has read it, asking DingTalk for that now, and taking messages back.
//!
//! What is done and why not stands in `operator`; here are the paths, the bodies and the status codes. Only POST calls
//! DingTalk, and the guard has seen to it that no foreign page sent it. What has begun is seen through although whoever
//! asked may hang up: the call is made and paid for, and what came of it must be noted.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::http::admin::actions::{Named, Nothing, named, refused};
use crate::http::admin::{Desk, Shared, body};
use crate::http::problem::{self, ProblemAnswer};
use crate::operator::actions::ActionError;
use crate::operator::messages::{self, Receipts};
use crate::operator::recall::Recalled;

/// The paths of messages.
pub(in crate::http::admin) fn router() -> Router<Desk> {
    let only_post = problem::only_for_posting;
    Router::new()
        .route("/api/v1/messages/recall", post(recall_many).fallback(only_post))
        .route("/api/v1/messages/{id}", get(show))
        .route("/api/v1/messages/{id}/recall", post(recall).fallback(only_post))
        .route("/api/v1/messages/{id}/receipts", get(receipts))
        .route("/api/v1/messages/{id}/receipts/refresh", post(refresh).fallback(only_post))
}

/// Which messages are to be taken back.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    messages: Vec<String>,
}

async fn show(State(operator): State<Shared>, id: Named) -> Result<Json<Value>, ProblemAnswer> {
    let record = operator.message(&named(id)).await.map_err(refused)?;
    Ok(Json(messages::shown(&record)))
}

async fn receipts(State(operator): State<Shared>, id: Named) -> Result<Json<Receipts>, ProblemAnswer> {
    operator.receipts(&named(id)).await.map(Json).map_err(refused)
}

async fn refresh(State(operator): State<Shared>, id: Named, body: Body) -> Result<Json<Receipts>, ProblemAnswer> {
    let _nothing: Option<Nothing> = body::said(body, "{}").await?;
    refreshed(&operator, named(id)).await.map(Json).map_err(refused)
}

async fn recall(State(operator): State<Shared>, id: Named, body: Body) -> Result<Json<Recalled>, ProblemAnswer> {
    let _nothing: Option<Nothing> = body::said(body, "{}").await?;
    recalled(&operator, named(id)).await.map(Json).map_err(refused)
}

async fn recall_many(State(operator): State<Shared>, body: Body) -> Result<Json<Recalled>, ProblemAnswer> {
    let Which { messages } = body::said(body, r#"{"messages": ["0198…"]}"#).await?.unwrap_or_default();
    let recalling = async move { operator.recall_many(&messages, Timestamp::now()).await };
    seen_through(recalling).await.map(Json).map_err(refused)
}

/// Takes one message back, whoever waits for it.
pub(in crate::http::admin) async fn recalled(operator: &Shared, id: String) -> Result<Recalled, ActionError> {
    let operator = Arc::clone(operator);
    seen_through(async move { operator.recall(&id, Timestamp::now()).await }).await
}

/// Asks who has read one message, whoever waits for it.
pub(in crate::http::admin) async fn refreshed(operator: &Shared, id: String) -> Result<Receipts, ActionError> {
    let operator = Arc::clone(operator);
    seen_through(async move { operator.refresh_receipts(&id, Timestamp::now()).await }).await
}

async fn seen_through<T: Send + 'static>(
    doing: impl Future<Output = Result<T, ActionError>> + Send + 'static,
) -> Result<T, ActionError> {
    tokio::spawn(doing).await.unwrap_or_else(|broken| {
        tracing::error!(error = %broken, "what an operator asked for broke off");
        Err(ActionError::NotNow { why: "it broke off, and nobody knows how far it came".to_owned(), until: None })
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn who_hangs_up_does_not_stop_what_has_begun() {
        let (answer, dingtalk) = oneshot::channel::<()>();
        let (note, noted) = oneshot::channel();
        let doing = seen_through(async move {
            dingtalk.await.unwrap();
            note.send(()).unwrap();
            Ok(())
        });
        tokio::select! {
            biased;
            _ = doing => panic!("DingTalk has not answered"),
            () = std::future::ready(()) => {}
        }
        answer.send(()).unwrap();
        noted.await.unwrap();
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_success() {
        let broken: Result<(), _> = seen_through(async { panic!("on purpose") }).await;
        assert!(matches!(broken, Err(ActionError::NotNow { .. })), "{broken:?}");
    }
}
