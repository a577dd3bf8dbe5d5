//! `infer` and `npy`: tensors in, tensors out.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, header};
use longshore_core::{Answer, Backend, Route};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Desk, Problem, Refusal,
    calls::{Attempt, Source},
    infer::{
        InferRequest, NamedTensor,
        curl::{self, Curl},
        npy,
    },
};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(infer))
        .routes(routes!(curl_line))
        .routes(routes!(npy_read))
        .routes(routes!(npy_write))
}

/// Who answered, and over what.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = InferWay)]
pub(super) struct Way {
    /// The server's name.
    pub server: String,
    /// Its address; empty in this process.
    pub endpoint: String,
    /// `rest`, `grpc` or `in_process`.
    pub protocol: String,
    /// What was spoken.
    pub dialect: String,
}

impl From<&Route> for Way {
    fn from(route: &Route) -> Self {
        Self {
            server: route.server.to_string(),
            endpoint: route.endpoint.to_string(),
            protocol: route.protocol.as_str().into(),
            dialect: route.dialect.into(),
        }
    }
}

/// What a tensor model answered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Inferred {
    /// Who answered.
    pub route: Option<Way>,
    /// The version that answered, where the server tells.
    pub version: Option<String>,
    /// What came out; of several answers, one after the other.
    pub outputs: Vec<NamedTensor>,
    /// Options of the answer.
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// From asking to the end.
    pub total_ms: f64,
    /// Every attempt.
    pub attempts: Vec<Attempt>,
    /// What the response cache did.
    pub cache: Option<String>,
    /// The request as a line for a shell, where there is one.
    pub curl: Option<String>,
}

/// Asks a tensor model.
#[utoipa::path(post, path = "/infer", tag = "infer", request_body = InferRequest,
    responses((status = 200, body = Inferred), (status = 400, body = Problem), (status = 502, body = Problem)))]
async fn infer(State(desk): State<Desk>, Json(request): Json<InferRequest>) -> Result<Json<Inferred>, Refusal> {
    let what = format!("infer with `{}`", request.model);
    let refused = |error| Refusal::new(&what, &error);
    let call = request.call().map_err(refused)?;
    let (started, same) = (Instant::now(), call.clone());
    let backend = desk.calls.wrap(Arc::new(desk.live.clone()), Source::Desk);
    let reply = backend.call(call).await.map_err(refused)?;
    let answer = reply.collect().await.map_err(refused)?;
    let total_ms = started.elapsed().as_secs_f64() * 1e3;
    // Everything that it takes to write the request down is known by now.
    let curl = desk.live.now().preview(same).await.ok().and_then(|preview| curl::line(&preview).curl);
    Ok(Json(Inferred { total_ms, curl, ..inferred(&answer) }))
}

fn inferred(answer: &Answer) -> Inferred {
    let tensors = answer.outputs.iter().flat_map(|output| &output.outputs);
    let last = answer.outputs.last();
    Inferred {
        route: answer.route.as_ref().map(Way::from),
        version: last.and_then(|output| output.version.as_ref()).map(|version| version.to_string()),
        outputs: tensors.map(NamedTensor::from).collect(),
        parameters: last.map_or_else(|| json!({}), |output| json!(output.parameters)),
        total_ms: 0.0,
        attempts: answer.ledger.iter().map(Attempt::from).collect(),
        cache: answer.cache.map(|cache| cache.to_string()),
        curl: None,
    }
}

/// The request as a line for a shell, in the words of the server that would be asked. Nothing is asked of the model.
#[utoipa::path(post, path = "/infer/curl", tag = "infer", request_body = InferRequest,
    responses((status = 200, body = Curl), (status = 400, body = Problem)))]
async fn curl_line(State(desk): State<Desk>, Json(request): Json<InferRequest>) -> Result<Json<Curl>, Refusal> {
    const WHAT: &str = "write the request down";
    let call = request.call().map_err(|error| Refusal::new(WHAT, &error))?;
    let preview = desk.live.now().preview(call).await.map_err(|error| Refusal::new(WHAT, &error))?;
    Ok(Json(curl::line(&preview)))
}

/// The tensor in a NumPy file.
#[utoipa::path(post, path = "/npy/read", tag = "infer",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = NamedTensor), (status = 400, body = Problem)))]
async fn npy_read(body: Bytes) -> Result<Json<NamedTensor>, Refusal> {
    let tensor = npy::read("", body).map_err(|error| Refusal::new("read the file", &error))?;
    Ok(Json(NamedTensor::from(&tensor)))
}

/// A tensor as a NumPy file.
#[utoipa::path(post, path = "/npy/write", tag = "infer", request_body = NamedTensor,
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 400, body = Problem)))]
async fn npy_write(Json(tensor): Json<NamedTensor>) -> Result<Response, Refusal> {
    let refused = |error| Refusal::new("write the file", &error);
    let mut file = Vec::new();
    npy::write(&tensor.tensor().map_err(refused)?, &mut file).map_err(refused)?;
    let mut response = file.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}
