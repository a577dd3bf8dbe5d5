//! The server half: from requests to calls.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use prost::Message;

use super::{
    Method, NAME, TEXT_OP, TIMEOUT, WANTS_FINAL, tensors,
    wire::{health::HealthCheckRequest, inference as wire},
};
use crate::{
    Call, Error, ErrorKind, Op, Origin,
    call::{HealthScope, Inference, RequestedOutput},
    dialect::check_model_id,
    text_model,
};

/// Whose health may be asked for: everybody's, or this service's.
const SERVICES: [&str; 2] = ["", "inference.GRPCInferenceService"];

/// The call that a message to a method is.
///
/// # Errors
/// `Unsupported` when there is no such method, `InvalidRequest` when the message makes no sense.
pub(super) fn call(head: &Parts, body: Bytes) -> Result<Call, Error> {
    let path = head.uri.path();
    let method = Method::of_path(path)
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("there is no method {path} here")))?;
    let (op, model, id) = match method {
        Method::ServerLive => (Op::Health(HealthScope::Live), None, None),
        Method::ServerReady => (Op::Health(HealthScope::Ready), None, None),
        Method::ServerMetadata => (Op::ServerInfo, None, None),
        Method::HealthCheck => {
            let service = read::<HealthCheckRequest>(&body)?.service;
            if !SERVICES.contains(&service.as_str()) {
                return Err(Error::new(ErrorKind::UnknownModel, format!("there is no service `{service}` here")));
            }
            (Op::Health(HealthScope::Ready), None, None)
        }
        Method::RepositoryIndex => {
            (Op::ListModels { ready_only: read::<wire::RepositoryIndexRequest>(&body)?.ready }, None, None)
        }
        Method::RepositoryModelLoad | Method::RepositoryModelUnload => {
            let request: wire::RepositoryModelRequest = read(&body)?;
            let parameters = tensors::read_options(request.parameters);
            let op = match method {
                Method::RepositoryModelLoad => Op::Load { parameters },
                _ => Op::Unload { parameters },
            };
            // KServe's clients have the model's name where the others have the repository's.
            let kserve = request.model_name.is_empty();
            (op, Some(if kserve { request.repository_name } else { request.model_name }), None)
        }
        Method::ModelReady | Method::ModelMetadata | Method::ModelConfig | Method::ModelStatistics => {
            let request: wire::ModelRequest = read(&body)?;
            let version = some(request.version).map(Arc::from);
            let op = match method {
                Method::ModelReady => Op::Health(HealthScope::Model { version }),
                Method::ModelMetadata => Op::Describe { version },
                Method::ModelConfig => Op::ModelConfig { version },
                _ => Op::Statistics { version },
            };
            let every_model = method == Method::ModelStatistics && request.name.is_empty();
            (op, (!every_model).then_some(request.name), None)
        }
        Method::ModelInfer | Method::ModelStreamInfer => {
            let mut request: wire::ModelInferRequest = read(&body)?;
            let model = std::mem::take(&mut request.model_name);
            let id = some(request.id.clone());
            (infer(request, method == Method::ModelStreamInfer)?, Some(model), id)
        }
    };
    let mut call = Call::new(op);
    call.id = id.map_or(call.id, Arc::from);
    if let Some(model) = model {
        check_model_id(&model)?;
        call.model = Some(model.into());
    }
    call.deadline = timeout(&head.headers).and_then(|left| Instant::now().checked_add(left));
    call.origin = Some(Origin { dialect: NAME, path: path.into(), body });
    Ok(call)
}

fn infer(request: wire::ModelInferRequest, stream: bool) -> Result<Op, Error> {
    let mut parameters = tensors::read_parameters(request.parameters);
    parameters.remove(WANTS_FINAL);
    let text = parameters.remove(TEXT_OP).is_some();
    let outputs = request.outputs.into_iter().map(|output| RequestedOutput {
        name: output.name,
        binary: None,
        parameters: tensors::read_parameters(output.parameters),
    });
    let inference = Inference {
        version: some(request.model_version).map(Arc::from),
        id: some(request.id),
        inputs: tensors::read(request.inputs, request.raw_input_contents)?,
        outputs: outputs.collect(),
        parameters,
        // gRPC has no other way, so what goes on over REST should lose as little.
        binary: true,
        stream,
    };
    if text { text_model::op_of_inference(&inference) } else { Ok(Op::Infer(inference)) }
}

/// Whether the request of this stream asked for an end mark.
pub(super) fn wants_final(call: &Call) -> bool {
    let Some(origin) = call.origin.as_ref().filter(|origin| origin.dialect == NAME) else { return true };
    let Ok(request) = wire::ModelInferRequest::decode(origin.body.clone()) else { return true };
    let mut parameters = tensors::read_parameters(request.parameters);
    parameters.remove(WANTS_FINAL).and_then(|wants| wants.as_bool()).unwrap_or_default()
}

fn read<M: Message + Default>(body: &Bytes) -> Result<M, Error> {
    M::decode(body.clone()).map_err(|e| Error::invalid(format!("the message makes no sense: {e}")))
}

/// Proto3 writes nothing as the empty text.
fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// At most eight digits and a unit. Source: gRPC over HTTP/2, "Timeout". Nonsense is no deadline.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_units() {
        let check = |text: &str, expected: Option<Duration>| {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, text.parse().unwrap());
            assert_eq!(timeout(&headers), expected, "{text}");
        };
        check("1500m", Some(Duration::from_millis(1500)));
        check("2H", Some(Duration::from_secs(7200)));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3600)));
        check("7n", Some(Duration::from_nanos(7)));
        for nonsense in ["", "S", "-1S", "1x", "123456789S", "1.5S", "é"] {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, http::HeaderValue::from_bytes(nonsense.as_bytes()).unwrap());
            assert_eq!(timeout(&headers), None, "{nonsense}");
        }
    }
}
