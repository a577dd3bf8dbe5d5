//! The client half: from calls to requests.

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::{
    HEADER_LENGTH, generate, json,
    path::{self, Action},
    tensors::{self, Body},
};
use crate::{
    Call, Error, ErrorKind, Op, Parameters,
    call::{HealthScope, Inference},
    dialect::oip::{Form, version_of},
    text_model,
};

/// The request for `call`.
///
/// # Errors
/// `Unsupported` when the peer has no such thing, `InvalidRequest` when the call cannot be written.
pub(super) fn request(call: &Call, form: Form) -> Result<Request<Bytes>, Error> {
    if !form.capabilities().contains(call.op.kind()) {
        return Err(unsupported(form, call.op.kind().name()));
    }
    let action = action(&call.op, form)?;
    let (method, path) = path::write(action, call.model_name(), version_of(&call.op));
    let body = match &*call.op {
        Op::Chat(_) | Op::Complete(_) if form.generates_text() => {
            Some(Body { bytes: generate::write_request(call, action, form)?, json_length: None })
        }
        Op::Chat(_) | Op::Complete(_) => Some(tensors::write_request(&text_tensors(call)?, form.takes_binary())?),
        Op::Infer(inference) => Some(tensors::write_request(inference, form.takes_binary())?),
        // MLServer insists on a body.
        Op::ListModels { ready_only } if method == Method::POST => {
            Some(document(if *ready_only { json!({"ready": true}) } else { json!({}) }))
        }
        Op::Load { parameters } | Op::Unload { parameters } => Some(document(options(parameters))),
        _ => None,
    };
    let mut request = Request::builder().method(method).uri(path);
    if let Some(body) = &body {
        request = match body.json_length {
            Some(length) => request.header(CONTENT_TYPE, "application/octet-stream").header(HEADER_LENGTH, length),
            None => request.header(CONTENT_TYPE, "application/json"),
        };
    }
    let body = body.unwrap_or_default().bytes;
    request.body(body).map_err(|e| Error::invalid("the request does not make a valid path").caused_by(e))
}

fn action(op: &Op, form: Form) -> Result<Action, Error> {
    Ok(match op {
        Op::Chat(_) | Op::Complete(_) => match (form, op.streams()) {
            // A decoupled model (as most language models are) refuses `generate`; a plain one answers on the stream.
            (Form::Triton, _) | (Form::Longshore | Form::Unknown | Form::MlServer, true) => Action::GenerateStream,
            (Form::Longshore | Form::Unknown, false) => Action::Generate,
            (Form::MlServer, false) | (Form::KServe, _) => Action::Infer,
        },
        Op::Infer(inference) => match (inference.stream, form) {
            (false, _) => Action::Infer,
            (true, Form::MlServer | Form::Longshore) => Action::InferStream,
            (true, _) => return Err(unsupported(form, "stream tensors: use gRPC")),
        },
        Op::ListModels { .. } if form == Form::KServe => Action::List,
        Op::ListModels { .. } => Action::Index,
        Op::Describe { .. } => Action::Metadata,
        Op::ModelConfig { .. } => Action::Config,
        Op::Statistics { .. } => Action::Statistics,
        Op::Load { .. } => Action::Load,
        Op::Unload { .. } => Action::Unload,
        Op::Health(HealthScope::Live) => Action::Live,
        Op::Health(HealthScope::Ready) => Action::Ready,
        Op::Health(HealthScope::Model { .. }) => Action::ModelReady,
        Op::ServerInfo => Action::Server,
        Op::Embed(_) | Op::Pull { .. } => return Err(unsupported(form, op.kind().name())),
    })
}

fn unsupported(form: Form, what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{}'s Open Inference Protocol over REST has no way to {what}", form.name()),
    )
}

/// A text operation for a server that has tensors only.
fn text_tensors(call: &Call) -> Result<Inference, Error> {
    let mut inference = text_model::inference_of_op(&call.op).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "the Open Inference Protocol has no words for prompts of tokens")
    })?;
    inference.id = Some(call.id.to_string());
    Ok(inference)
}

fn document(value: Value) -> Body {
    Body { bytes: value.to_string().into(), json_length: None }
}

fn options(parameters: &Parameters) -> Value {
    if parameters.is_empty() { Map::new().into() } else { json!({"parameters": json::object(parameters)}) }
}
