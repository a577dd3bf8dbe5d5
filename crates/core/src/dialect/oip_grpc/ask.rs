//! The client half: from calls to requests.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{
    Request,
    header::{CONTENT_TYPE, TE},
};
use prost::Message;

use super::{GRPC, Method, TEXT_OP, TIMEOUT, WANTS_FINAL, capabilities, tensors, wire::inference as wire};
use crate::{
    Call, Error, ErrorKind, Op, Parameters,
    call::Inference,
    dialect::oip::{Form, version_of},
    framing, text_model,
};

/// The request for `call`.
///
/// # Errors
/// `Unsupported` when the peer has no such method, `InvalidRequest` when the call cannot be written.
pub(super) fn request(call: &Call, form: Form) -> Result<Request<Bytes>, Error> {
    let unsupported = |what: &str| {
        let message = format!("{}'s Open Inference Protocol over gRPC has no way to {what}", form.name());
        Error::new(ErrorKind::Unsupported, message)
    };
    if !capabilities(form).contains(call.op.kind()) {
        return Err(unsupported(call.op.kind().name()));
    }
    if form == Form::KServe && matches!(*call.op, Op::Infer(Inference { stream: true, .. })) {
        return Err(unsupported("stream tensors"));
    }
    let method = method(&call.op, form).ok_or_else(|| unsupported(call.op.kind().name()))?;
    let mut body = BytesMut::new();
    framing::put_message(&message(call, method, form)?, &mut body);
    let mut request = Request::post(method.path()).header(CONTENT_TYPE, GRPC).header(TE, "trailers");
    if let Some(deadline) = call.deadline {
        request = request.header(TIMEOUT, timeout(deadline));
    }
    request.body(body.freeze()).map_err(|e| Error::invalid("the request cannot be written").caused_by(e))
}

/// A text goes to the stream where a decoupled model (as most language models are) would refuse anything else.
pub(super) fn method(op: &Op, form: Form) -> Option<Method> {
    let text = matches!(op, Op::Chat(_) | Op::Complete(_));
    let streams = match form {
        Form::Triton | Form::Unknown => text || op.streams(),
        Form::Longshore | Form::MlServer => op.streams(),
        Form::KServe => false,
    };
    Method::of_op(op, streams)
}

fn message(call: &Call, method: Method, form: Form) -> Result<Vec<u8>, Error> {
    let name = call.model_name().to_owned();
    let of_model =
        || wire::ModelRequest { name: name.clone(), version: version_of(&call.op).unwrap_or_default().to_owned() };
    Ok(match (&*call.op, method) {
        (Op::Infer(inference), _) => inference_message(name, inference, &inference.parameters, method, form),
        (Op::Chat(_) | Op::Complete(_), _) => text_message(call, method, form)?,
        (Op::ListModels { ready_only }, _) => {
            wire::RepositoryIndexRequest { ready: *ready_only, ..Default::default() }.encode_to_vec()
        }
        (Op::Load { parameters } | Op::Unload { parameters }, _) => {
            let (repository_name, model_name) =
                if form == Form::KServe { (name, String::new()) } else { (String::new(), name) };
            let parameters = tensors::write_options(parameters);
            wire::RepositoryModelRequest { repository_name, model_name, parameters }.encode_to_vec()
        }
        (_, Method::ServerLive | Method::ServerReady | Method::ServerMetadata) => Vec::new(),
        _ => of_model().encode_to_vec(),
    })
}

fn text_message(call: &Call, method: Method, form: Form) -> Result<Vec<u8>, Error> {
    let mut inference = text_model::inference_of_op(&call.op).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "the Open Inference Protocol has no words for prompts of tokens")
    })?;
    inference.id = Some(call.id.to_string());
    let mut parameters = std::mem::take(&mut inference.parameters);
    if form == Form::Longshore {
        let op = if matches!(*call.op, Op::Chat(_)) { "chat" } else { "complete" };
        parameters.insert(TEXT_OP.into(), op.into());
    }
    Ok(inference_message(call.model_name().to_owned(), &inference, &parameters, method, form))
}

fn inference_message(
    model_name: String,
    inference: &Inference,
    parameters: &Parameters,
    method: Method,
    form: Form,
) -> Vec<u8> {
    let mut parameters = tensors::write_parameters(parameters);
    if method == Method::ModelStreamInfer && form != Form::MlServer {
        parameters.insert(WANTS_FINAL.into(), tensors::write_parameter(&true.into()));
    }
    let (inputs, raw_input_contents) = tensors::write(&inference.inputs);
    let outputs = inference.outputs.iter().map(|output| wire::InferRequestedOutputTensor {
        name: output.name.clone(),
        parameters: tensors::write_parameters(&output.parameters),
    });
    let request = wire::ModelInferRequest {
        model_name,
        model_version: inference.version.as_deref().unwrap_or_default().to_owned(),
        id: inference.id.clone().unwrap_or_default(),
        parameters,
        inputs,
        outputs: outputs.collect(),
        raw_input_contents,
    };
    request.encode_to_vec()
}

/// What is left until the deadline, in the unit that gRPC's eight digits have room for.
fn timeout(deadline: Instant) -> String {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.as_millis() {
        millis @ 0..=99_999_999 => format!("{}m", millis.max(1)),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    }
}
