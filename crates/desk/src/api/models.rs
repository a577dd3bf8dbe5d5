//! Models: which there are, what they take, and loading them.

use std::time::{Duration, Instant};

use axum::{
    Json,
    extract::{Path, Query, State},
};
use http::StatusCode;
use longshore_core::{Backend, Call, ErrorKind, Op, capability::OpKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Desk, Refusal,
    live::{Load, ModelsView, Order, models_view},
    words,
};

/// How long servers are waited for that have not told their models yet.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a model's description may take.
const DESCRIBING: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(models))
        .routes(routes!(describe))
        .routes(routes!(load))
        .routes(routes!(unload))
        .routes(routes!(pull))
        .routes(routes!(pin))
        .routes(routes!(cancel))
}

/// All models. Servers that take too long are told of as unavailable, or with what they had before.
#[utoipa::path(get, path = "/models", tag = "models", responses((status = 200, body = ModelsView)))]
async fn models(State(desk): State<Desk>) -> Json<ModelsView> {
    let fleet = desk.live.now();
    let asked = std::sync::Arc::clone(&fleet);
    // It goes on without us: what comes later is told by `events`.
    let asking = tokio::spawn(async move { drop(asked.refresh().await) });
    let _ = tokio::time::timeout(PATIENCE, asking).await;
    Json(models_view(&fleet, &desk.loads, &desk.pins))
}

/// A model of a server.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
struct Subject {
    /// The server's name.
    server: String,
    /// The model's id.
    model: String,
}

/// What a model takes and gives, as far as its server tells.
#[derive(Debug, Serialize, ToSchema)]
struct Description {
    /// What it is called by.
    id: String,
    /// What people call it.
    name: String,
    /// Where it is.
    server: String,
    /// What it is for.
    #[schema(value_type = words::ModelKind)]
    kind: &'static str,
    /// How it stands.
    #[schema(value_type = words::ModelState)]
    state: &'static str,
    /// Such as `llama`.
    family: Option<String>,
    /// Such as `Q4_K_M`.
    quantization: Option<String>,
    /// In tokens.
    context_window: Option<u64>,
    /// Size of its weights.
    size_bytes: Option<u64>,
    /// The versions that the server has.
    versions: Vec<String>,
    /// What runs it, in the server's words.
    platform: Option<String>,
    /// The tensors that it takes.
    inputs: Vec<TensorShape>,
    /// The tensors that it gives.
    outputs: Vec<TensorShape>,
    /// What else the server tells.
    metadata: std::collections::BTreeMap<String, String>,
}

/// A tensor that a model takes or gives.
#[derive(Debug, Serialize, ToSchema)]
struct TensorShape {
    /// Its name.
    name: String,
    /// Such as `FP32`.
    datatype: String,
    /// -1 stands for any size.
    shape: Vec<i64>,
}

/// What a model takes and gives.
#[utoipa::path(get, path = "/models/describe", tag = "models", params(Subject),
    responses((status = 200, body = Description)))]
async fn describe(State(desk): State<Desk>, Query(subject): Query<Subject>) -> Result<Json<Description>, Refusal> {
    let what = format!("describe `{}`", subject.model);
    let call = Call::new(Op::Describe { version: None })
        .model(subject.model.as_str())
        .server(subject.server.as_str())
        .deadline(Instant::now() + DESCRIBING);
    let answer = async { desk.live.call(call).await?.collect().await };
    let answer = answer.await.map_err(|error| Refusal::new(&what, &error))?;
    let told = answer.models.into_iter().next();
    let Some(info) = told else { return Err(Refusal::missing(&what, "the server said nothing about it")) };
    let tensors = |specs: Vec<longshore_core::model::TensorSpec>| {
        let shape = |spec: longshore_core::model::TensorSpec| TensorShape {
            name: spec.name,
            datatype: spec.datatype.to_string(),
            shape: spec.shape,
        };
        specs.into_iter().map(shape).collect()
    };
    Ok(Json(Description {
        id: info.id.to_string(),
        name: info.name,
        server: subject.server,
        kind: info.kind.as_str(),
        state: info.state.as_str(),
        family: info.family,
        quantization: info.quantization,
        context_window: info.context_window,
        size_bytes: info.size_bytes,
        versions: info.versions,
        platform: info.platform,
        inputs: tensors(info.inputs),
        outputs: tensors(info.outputs),
        metadata: info.metadata,
    }))
}

/// Begins to make a model ready.
#[utoipa::path(post, path = "/models/load", tag = "models", request_body = Subject,
    responses((status = 202, body = Load)))]
async fn load(desk: State<Desk>, subject: Json<Subject>) -> Result<(StatusCode, Json<Load>), Refusal> {
    begin(desk, subject, Order::Load)
}

/// Begins to give a model's memory back.
#[utoipa::path(post, path = "/models/unload", tag = "models", request_body = Subject,
    responses((status = 202, body = Load)))]
async fn unload(desk: State<Desk>, subject: Json<Subject>) -> Result<(StatusCode, Json<Load>), Refusal> {
    begin(desk, subject, Order::Unload)
}

/// Begins to have a server fetch a model.
#[utoipa::path(post, path = "/models/pull", tag = "models", request_body = Subject,
    responses((status = 202, body = Load)))]
async fn pull(desk: State<Desk>, subject: Json<Subject>) -> Result<(StatusCode, Json<Load>), Refusal> {
    begin(desk, subject, Order::Pull)
}

fn begin(
    State(desk): State<Desk>,
    Json(subject): Json<Subject>,
    order: Order,
) -> Result<(StatusCode, Json<Load>), Refusal> {
    let what = format!("{} `{}`", order.verb(), subject.model);
    let fleet = desk.live.now();
    let Some(server) = fleet.models().into_iter().find(|server| *server.server == *subject.server) else {
        return Err(Refusal::missing(&what, format!("there is no server `{}`", subject.server)));
    };
    let kind = match order {
        Order::Load => OpKind::Load,
        Order::Unload => OpKind::Unload,
        Order::Pull => OpKind::Pull,
    };
    if server.can.is_some_and(|can| !can.contains(kind)) {
        let message = format!("`{}` has no way to {}", subject.server, kind.name());
        let refusal = Refusal::with_status(&what, StatusCode::NOT_IMPLEMENTED, ErrorKind::Unsupported, message);
        return Err(refusal.next("do it with the server's own tools"));
    }
    let begun = desk.loads.begin(desk.backend(), &desk.watched, (order, &subject.server, &subject.model));
    let load = begun.map_err(|error| Refusal::new(&what, &error))?;
    desk.tell();
    Ok((StatusCode::ACCEPTED, Json(load)))
}

/// Calls a load, unload or pull off.
#[utoipa::path(post, path = "/loads/{id}/cancel", tag = "models", params(("id" = String, Path)),
    responses((status = 204)))]
async fn cancel(State(desk): State<Desk>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    if !desk.loads.cancel(&id) {
        return Err(Refusal::missing("call the load off", "it has ended already"));
    }
    desk.tell();
    Ok(StatusCode::NO_CONTENT)
}

/// A model, and whether a person wants to see it first.
#[derive(Debug, Deserialize, ToSchema)]
struct Pin {
    /// The server's name.
    server: String,
    /// The model's id.
    model: String,
    /// Whether it is pinned from now on.
    pinned: bool,
}

/// Pins a model, or lets it go.
#[utoipa::path(post, path = "/models/pin", tag = "models", request_body = Pin, responses((status = 204)))]
async fn pin(State(desk): State<Desk>, Json(pin): Json<Pin>) -> Result<StatusCode, Refusal> {
    desk.pins.set(&pin.server, &pin.model, pin.pinned).map_err(|error| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Refusal::with_status("keep what is pinned", status, ErrorKind::Server, error.to_string())
    })?;
    desk.tell();
    Ok(StatusCode::NO_CONTENT)
}
