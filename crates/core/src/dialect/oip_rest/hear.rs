//! The server half: from requests to calls.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    HEADER_LENGTH, NAME, generate, json,
    path::{self, Action},
    tensors::{self, Body},
};
use crate::{Call, Error, ErrorKind, Op, Origin, Parameters, call::HealthScope};

/// The call that a routed request is.
///
/// # Errors
/// `InvalidRequest` that says what is wrong with it.
pub(super) fn call(head: &Parts, body: Bytes) -> Result<Call, Error> {
    let path = path::parse(&head.method, head.uri.path())
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("no such path: {}", head.uri.path())))?;
    let version = || path.version().map(|version| version.map(Arc::from));
    let mut id: Option<Arc<str>> = None;
    let op = match path.action {
        Action::Live => Op::Health(HealthScope::Live),
        Action::Ready => Op::Health(HealthScope::Ready),
        Action::ModelReady => Op::Health(HealthScope::Model { version: version()? }),
        Action::Server => Op::ServerInfo,
        Action::List => Op::ListModels { ready_only: false },
        Action::Index => Op::ListModels { ready_only: document::<IndexJson>(&body)?.ready },
        Action::Load => Op::Load { parameters: options(&body)? },
        Action::Unload => Op::Unload { parameters: options(&body)? },
        Action::Metadata => Op::Describe { version: version()? },
        Action::Config => Op::ModelConfig { version: version()? },
        Action::Statistics => Op::Statistics { version: version()? },
        Action::Infer | Action::InferStream => {
            let body = Body { bytes: body.clone(), json_length: json_length(head)? };
            Op::Infer(tensors::read_request(&body, version()?, path.action == Action::InferStream)?)
        }
        Action::Generate | Action::GenerateStream => {
            let stream = path.action == Action::GenerateStream;
            let request: Map<String, Value> =
                json::read("the request", &body).map_err(|error| error.with_kind(ErrorKind::InvalidRequest))?;
            // MLServer's clients send tensors to these routes.
            if request.get("inputs").is_some_and(Value::is_array) && !request.contains_key("text_input") {
                Op::Infer(tensors::read_request(&Body { bytes: body.clone(), json_length: None }, version()?, stream)?)
            } else {
                let (given, op) = generate::read_request(request, stream)?;
                id = given;
                op
            }
        }
    };
    if let Op::Infer(inference) = &op {
        id = inference.id.as_deref().filter(|id| !id.is_empty()).map(Arc::from);
    }
    let mut call = Call::new(op);
    call.id = id.unwrap_or(call.id);
    call.model = path.model()?.map(Arc::from);
    call.origin = Some(Origin { dialect: NAME, path: head.uri.path().into(), body });
    Ok(call)
}

fn json_length(head: &Parts) -> Result<Option<usize>, Error> {
    let Some(length) = head.headers.get(HEADER_LENGTH) else { return Ok(None) };
    let length = length.to_str().ok().and_then(|length| length.trim().parse().ok());
    length.map(Some).ok_or_else(|| Error::invalid("Inference-Header-Content-Length is not a length"))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct IndexJson {
    ready: bool,
}

fn options(body: &Bytes) -> Result<Parameters, Error> {
    #[derive(Deserialize, Default)]
    struct OptionsJson {
        parameters: Option<Map<String, Value>>,
    }
    Ok(json::parameters(document::<OptionsJson>(body)?.parameters))
}

/// A small body; Triton's clients leave an empty one away.
fn document<T: for<'de> Deserialize<'de> + Default>(body: &Bytes) -> Result<T, Error> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|e| Error::invalid(format!("the request is not what the protocol wants: {e}")))
}
