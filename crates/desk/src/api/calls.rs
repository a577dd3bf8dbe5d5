//! `calls`: what was asked lately, by whom, and what became of it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Desk, Problem, Refusal,
    calls::{CallDetail, CallSummary, Filter},
};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(list_calls)).routes(routes!(detail)).routes(routes!(replay))
}

/// Recorded calls, the latest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Calls {
    /// The calls.
    pub calls: Vec<CallSummary>,
    /// Whether there are more.
    pub more: bool,
}

/// A call that was begun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Begun {
    /// The call's id.
    pub id: String,
}

/// Recorded calls, the latest first.
#[utoipa::path(get, path = "/calls", tag = "calls", params(Filter), responses((status = 200, body = Calls)))]
async fn list_calls(State(desk): State<Desk>, Query(filter): Query<Filter>) -> Json<Calls> {
    let (calls, more) = desk.calls.list(&filter);
    Json(Calls { calls, more })
}

/// All that is kept of one call.
#[utoipa::path(get, path = "/calls/{id}", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = CallDetail), (status = 404, body = Problem)))]
async fn detail(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<CallDetail>, Refusal> {
    let detail = desk.calls.detail(&id);
    detail.map(Json).ok_or_else(|| Refusal::missing("show the call", format!("the call {id} is not kept any more")))
}

/// Asks a recorded call again.
#[utoipa::path(post, path = "/calls/{id}/replay", tag = "calls", params(("id" = String, Path)),
    responses((status = 202, body = Begun), (status = 400, body = Problem)))]
async fn replay(State(desk): State<Desk>, Path(id): Path<String>) -> Result<(http::StatusCode, Json<Begun>), Refusal> {
    let begun = desk.calls.replay(&id, Arc::new(desk.live.clone()), desk.closing.clone());
    let id = begun.map_err(|error| Refusal::new("ask the call again", &error))?;
    Ok((http::StatusCode::ACCEPTED, Json(Begun { id })))
}
