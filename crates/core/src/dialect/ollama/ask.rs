//! The client half's requests: what a call is in Ollama's fields; what Ollama has other names for is renamed.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{hear::is_zero, messages, options, place::Place};
use crate::{
    Call, Error, ErrorKind, Op, Parameters,
    call::{Chat, Completion, Embedding, Overflow, Prompt},
    dialect::parameters,
};

/// The body of `call` at its place, where it has one.
///
/// # Errors
/// `Unsupported` when Ollama has no words for this very call.
pub(super) fn body(call: &Call, place: Place) -> Result<Option<Bytes>, Error> {
    let mut body = start(call);
    match &*call.op {
        Op::Chat(chat) => put_chat(chat, &mut body)?,
        Op::Complete(completion) => put_completion(completion, &mut body)?,
        Op::Embed(embedding) => put_embedding(embedding, &mut body)?,
        Op::Load { parameters } => put_load(parameters, place, &mut body)?,
        Op::Unload { parameters } => {
            body.insert("keep_alive".into(), 0.into());
            put_parameters(parameters, &mut body);
        }
        Op::Pull { parameters } => {
            body.insert("stream".into(), true.into());
            put_extra(parameters::object(parameters), &mut body);
        }
        Op::Describe { .. } => {}
        _ => return Ok(None),
    }
    Ok(Some(written(&body)?))
}

/// A body that names the call's model and nothing else.
pub(super) fn named(call: &Call) -> Bytes {
    Value::from(start(call)).to_string().into()
}

fn start(call: &Call) -> Map<String, Value> {
    call.model.as_deref().map(|model| ("model".to_owned(), model.into())).into_iter().collect()
}

fn written(body: &Map<String, Value>) -> Result<Bytes, Error> {
    let bytes = serde_json::to_vec(body).map_err(|e| Error::invalid("write the request as JSON").caused_by(e))?;
    Ok(bytes.into())
}

fn put_chat(chat: &Chat, body: &mut Map<String, Value>) -> Result<(), Error> {
    if chat.messages.is_empty() {
        return Err(unsupported("takes a chat without messages for a load"));
    }
    body.insert("messages".into(), messages::written(&chat.messages)?);
    body.insert("stream".into(), chat.stream.into());
    // Its own default is to forget silently.
    if chat.overflow == Overflow::Refuse {
        body.insert("truncate".into(), false.into());
    }
    let mut extra = theirs(&chat.extra);
    options::put(&chat.sampling, &mut extra, body);
    put_extra(extra, body);
    Ok(())
}

fn put_completion(completion: &Completion, body: &mut Map<String, Value>) -> Result<(), Error> {
    let prompt = match &completion.prompt {
        Prompt::Text(texts) if texts.len() == 1 && !texts[0].is_empty() => texts[0].as_str(),
        Prompt::Text(texts) if texts.len() == 1 => return Err(unsupported("takes an empty prompt for a load")),
        Prompt::Text(_) => return Err(unsupported("continues one prompt at a time")),
        Prompt::Tokens(_) => return Err(unsupported("takes texts, no tokens")),
    };
    body.insert("prompt".into(), prompt.into());
    body.insert("stream".into(), completion.stream.into());
    let mut extra = theirs(&completion.extra);
    // Filling in between two texts is the template's work; else the text shall reach the model as it is.
    if !extra.contains_key("suffix") {
        body.insert("raw".into(), true.into());
    }
    options::put(&completion.sampling, &mut extra, body);
    put_extra(extra, body);
    Ok(())
}

fn put_embedding(embedding: &Embedding, body: &mut Map<String, Value>) -> Result<(), Error> {
    match &embedding.input {
        Prompt::Text(texts) if texts.is_empty() => return Err(unsupported("takes no texts for a load")),
        Prompt::Text(texts) => body.insert("input".into(), texts.clone().into()),
        Prompt::Tokens(_) => return Err(unsupported("takes texts, no tokens")),
    };
    if let Some(dimensions) = embedding.dimensions {
        body.insert("dimensions".into(), dimensions.into());
    }
    put_extra(embedding.extra.clone(), body);
    Ok(())
}

fn put_load(parameters: &Parameters, place: Place, body: &mut Map<String, Value>) -> Result<(), Error> {
    if place == Place::Embed {
        body.insert("input".into(), json!([]));
    }
    let keep_alive = parameters.get("keep_alive").map(parameters::value_of);
    if keep_alive.as_ref().is_some_and(is_zero) {
        return Err(Error::invalid("a load that keeps the model for no time is an unload"));
    }
    put_parameters(parameters, body);
    Ok(())
}

/// Options of a load are the model's, but for how long it stays.
fn put_parameters(parameters: &Parameters, body: &mut Map<String, Value>) {
    let mut options = parameters::object(parameters);
    let keep_alive = options.shift_remove("keep_alive");
    put_extra(keep_alive.map(|value| ("keep_alive".to_owned(), value)).into_iter().collect(), body);
    if !options.is_empty() {
        body.insert("options".into(), options.into());
    }
}

fn put_extra(extra: Map<String, Value>, body: &mut Map<String, Value>) {
    for (name, value) in extra {
        body.entry(name).or_insert(value);
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("Ollama {what}"))
}

/// Unknown fields, those that OpenAI names otherwise under Ollama's names.
fn theirs(extra: &Map<String, Value>) -> Map<String, Value> {
    let mut extra = extra.clone();
    if let Some(format) = extra.get("response_format").and_then(format_written) {
        extra.shift_remove("response_format");
        put_some("format", format, &mut extra);
    }
    let think = match extra.get("reasoning_effort").and_then(Value::as_str) {
        Some("none") => Some(false.into()),
        Some("minimal" | "low") => Some("low".into()),
        Some("medium") => Some("medium".into()),
        Some("high" | "xhigh") => Some("high".into()),
        _ => None,
    };
    if think.is_some() {
        extra.shift_remove("reasoning_effort");
        put_some("think", think, &mut extra);
    }
    extra
}

/// `Some(None)`: plain text, which is what Ollama gives anyway. `None`: no form that Ollama knows.
fn format_written(format: &Value) -> Option<Option<Value>> {
    match format["type"].as_str()? {
        "text" => Some(None),
        "json_object" => Some(Some("json".into())),
        "json_schema" => Some(Some(format["json_schema"].get("schema")?.clone())),
        _ => None,
    }
}

fn put_some(name: &str, value: Option<Value>, map: &mut Map<String, Value>) {
    if let Some(value) = value {
        map.insert(name.into(), value);
    }
}
