//! Triton's text generation: a request and an answer are one JSON object each.
//!
//! A request's fields beside `id`, `text_input` and `parameters` are the model's other inputs (TensorRT-LLM's ensemble
//! has `max_tokens` there): they are read as parameters, and forwarded as they came. Several prompts are a list.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{NAME, json, path};
use crate::{
    Call, Error, ErrorKind, Finish, Op, Parameters, Tensor,
    call::Inference,
    dialect::oip::{Form, text},
    event::EventKind,
    text_model::{self, TEXT_INPUT, TEXT_OUTPUT},
};

/// vLLM's backend streams only if this parameter says so too; here the path says it.
const STREAM: &str = "stream";

/// The body that asks for text. A request that came in this form goes on as it came.
pub(super) fn write_request(call: &Call, action: path::Action, form: Form) -> Result<Bytes, Error> {
    if let Some(body) = forwarded(call, action) {
        return Ok(body);
    }
    let inference = text_model::inference_of_op(&call.op).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "the Open Inference Protocol has no words for prompts of tokens")
    })?;
    let mut texts = inference.inputs.first().map(Tensor::strings).transpose()?.unwrap_or_default();
    let mut parameters = json::object(&inference.parameters);
    if form == Form::Triton {
        parameters.insert(STREAM.into(), inference.stream.into());
    }
    let mut request = Map::new();
    request.insert("id".into(), (*call.id).into());
    let input = if texts.len() == 1 { texts.remove(0).into() } else { texts.into() };
    request.insert(TEXT_INPUT.into(), input);
    if !parameters.is_empty() {
        request.insert("parameters".into(), parameters.into());
    }
    Ok(Value::from(request).to_string().into())
}

fn forwarded(call: &Call, action: path::Action) -> Option<Bytes> {
    let origin = call.origin.as_ref().filter(|origin| origin.dialect == NAME)?;
    let came_to = path::parse(&http::Method::POST, origin.path.split('?').next()?)?.action;
    (came_to == action).then(|| origin.body.clone())
}

/// Understands the body of a request for text: its id, and a chat or a completion.
///
/// # Errors
/// `InvalidRequest` that says what is wrong.
pub(super) fn read_request(mut request: Map<String, Value>, stream: bool) -> Result<(Option<Arc<str>>, Op), Error> {
    let id = match request.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id.into()),
        _ => None,
    };
    let texts = match request.remove(TEXT_INPUT) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(texts)) => texts
            .into_iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| Error::invalid("`text_input` is a list of something else than texts"))?,
        Some(_) => return Err(Error::invalid("`text_input` is neither a text nor a list of texts")),
        None => return Err(Error::invalid("the request has no `text_input`")),
    };
    let mut parameters = match request.remove("parameters") {
        Some(Value::Object(parameters)) => json::parameters(Some(parameters)),
        None | Some(Value::Null) => Parameters::new(),
        Some(_) => return Err(Error::invalid("`parameters` is no object")),
    };
    parameters.remove(STREAM);
    parameters.extend(json::parameters(Some(request)));
    let input = Tensor::of_bytes(TEXT_INPUT, vec![texts.len() as i64], texts)?;
    let inference = Inference { inputs: vec![input], parameters, stream, ..Inference::default() };
    Ok((id, text_model::op_of_inference(&inference)?))
}

/// Reads an answer or a piece of one, an object without an error in it.
///
/// # Errors
/// `Protocol` that says what is wrong.
pub(super) fn read_answer(
    mut answer: Map<String, Value>,
    emit: impl FnMut(EventKind),
) -> Result<Option<Finish>, Error> {
    answer.remove("id");
    answer.remove("model_name");
    answer.remove("model_version");
    let output = answer.remove(TEXT_OUTPUT).or_else(|| only_text(&mut answer));
    let texts = match output {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(texts)) => {
            let texts = texts.into_iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(|| Error::protocol("`text_output` is a list of something else"))?
        }
        Some(_) => return Err(Error::protocol("`text_output` is neither a text nor a list of texts")),
        None => Vec::new(),
    };
    text::read(texts, &mut json::parameters(Some(answer)), emit)
}

/// A model may name its output as it likes: of an answer without `text_output`, the only text.
fn only_text(answer: &mut Map<String, Value>) -> Option<Value> {
    const OTHERS: [&str; 3] = ["finish_reason", "reasoning", "tool_calls"];
    let mut texts = answer.iter().filter(|(name, value)| value.is_string() && !OTHERS.contains(&name.as_str()));
    let name = texts.next()?.0.clone();
    if texts.next().is_some() { None } else { answer.remove(&name) }
}

/// Writes an answer or a piece of one.
pub(super) fn write_answer(id: &str, model: &str, texts: &[&str], parameters: &Parameters) -> Value {
    let mut answer = Map::new();
    answer.insert("id".into(), id.into());
    answer.insert("model_name".into(), model.into());
    answer.insert(TEXT_OUTPUT.into(), if let [only] = texts { (*only).into() } else { texts.into() });
    answer.extend(json::object(parameters));
    answer.into()
}
