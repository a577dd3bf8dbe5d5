//! Requests, both ways: a field that is known is taken out, the rest rides along.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, json};

use crate::{
    Call, Error, Op, ServerInfo,
    call::{Chat, Completion, Embedding, Message, Overflow, Sampling},
    dialect::fields::{Fields, put_sampling, written_prompt},
};

pub(super) fn chat_body(call: &Call, chat: &Chat, peer: &ServerInfo) -> Result<Bytes, Error> {
    let mut body = start(call);
    put_sampling(&chat.sampling, &mut body);
    put_streaming(chat.stream, chat.include_usage, &mut body);
    if chat.overflow == Overflow::DropOldest && &*peer.name == "longshore" {
        // The Responses API's word for it; others do not know it, and some refuse what they do not know.
        body.insert("truncation".into(), "auto".into());
    }
    let fields = join(body, &chat.extra);
    serde_json::to_vec(&ChatBody { messages: &chat.messages, fields }).map(Bytes::from).map_err(unwritable)
}

/// The messages go out as they are: as values they would be copied piece by piece.
struct ChatBody<'a> {
    messages: &'a [Message],
    fields: Map<String, Value>,
}

impl Serialize for ChatBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        // Who reads along wants the model first, and finds the messages next to it.
        let model = self.fields.get_key_value("model");
        if let Some((name, model)) = model {
            body.serialize_entry(name, model)?;
        }
        body.serialize_entry("messages", self.messages)?;
        for (name, value) in self.fields.iter().filter(|(name, _)| !matches!(name.as_str(), "model" | "messages")) {
            body.serialize_entry(name, value)?;
        }
        body.end()
    }
}

pub(super) fn completion_body(call: &Call, completion: &Completion) -> Result<Bytes, Error> {
    let mut body = start(call);
    body.insert("prompt".into(), written_prompt(&completion.prompt));
    put_sampling(&completion.sampling, &mut body);
    put_streaming(completion.stream, completion.include_usage, &mut body);
    finish(body, &completion.extra)
}

pub(super) fn embedding_body(call: &Call, embedding: &Embedding) -> Result<Bytes, Error> {
    let mut body = start(call);
    body.insert("input".into(), written_prompt(&embedding.input));
    if let Some(dimensions) = embedding.dimensions {
        body.insert("dimensions".into(), dimensions.into());
    }
    finish(body, &embedding.extra)
}

pub(super) fn read_chat(body: &[u8]) -> Result<Call, Error> {
    let mut fields = Fields::read(body)?;
    let messages: Vec<_> = fields.required("messages")?;
    if messages.is_empty() {
        return Err(Error::invalid("`messages` must not be empty"));
    }
    let model = fields.take("model")?;
    let sampling = take_sampling(&mut fields)?;
    let (stream, include_usage) = take_streaming(&mut fields)?;
    let overflow = match fields.0.get("truncation").and_then(Value::as_str) {
        Some("auto") => {
            fields.0.shift_remove("truncation");
            Overflow::DropOldest
        }
        _ => Overflow::Refuse,
    };
    Ok(call(model, Op::Chat(Chat { messages, sampling, stream, include_usage, overflow, extra: fields.0 })))
}

pub(super) fn read_completion(body: &[u8]) -> Result<Call, Error> {
    let mut fields = Fields::read(body)?;
    let prompt = fields.take_prompt("prompt")?;
    let model = fields.take("model")?;
    let sampling = take_sampling(&mut fields)?;
    let (stream, include_usage) = take_streaming(&mut fields)?;
    Ok(call(model, Op::Complete(Completion { prompt, sampling, stream, include_usage, extra: fields.0 })))
}

pub(super) fn read_embedding(body: &[u8]) -> Result<Call, Error> {
    let mut fields = Fields::read(body)?;
    let input = fields.take_prompt("input")?;
    let model = fields.take("model")?;
    let dimensions = fields.take("dimensions")?;
    Ok(call(model, Op::Embed(Embedding { input, dimensions, extra: fields.0 })))
}

fn call(model: Option<Arc<str>>, op: Op) -> Call {
    Call { model, ..Call::new(op) }
}

// === writing ===

fn start(call: &Call) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(model) = &call.model {
        body.insert("model".into(), (**model).into());
    }
    body
}

fn finish(body: Map<String, Value>, extra: &Map<String, Value>) -> Result<Bytes, Error> {
    serde_json::to_vec(&join(body, extra)).map(Bytes::from).map_err(unwritable)
}

/// What is known, and what rides along.
fn join(mut body: Map<String, Value>, extra: &Map<String, Value>) -> Map<String, Value> {
    for (name, value) in extra {
        match (body.get_mut(name), value) {
            // Ours and theirs together, as with `stream_options`.
            (Some(Value::Object(ours)), Value::Object(theirs)) => ours.extend(theirs.clone()),
            (Some(_), _) => {}
            (None, _) => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
    body
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::invalid("write the request as JSON").caused_by(error)
}

fn put_streaming(stream: bool, include_usage: bool, body: &mut Map<String, Value>) {
    if stream {
        body.insert("stream".into(), true.into());
    }
    // Only a stream may have these options: OpenAI refuses them otherwise.
    if stream && include_usage {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
}

// === reading ===

/// The newer name, which OpenAI's own reasoning models insist on, wins.
fn take_sampling(fields: &mut Fields) -> Result<Sampling, Error> {
    let max_tokens = fields.take("max_completion_tokens")?;
    let sampling = fields.take_sampling()?;
    Ok(Sampling { max_tokens: max_tokens.or(sampling.max_tokens), ..sampling })
}

/// Whether to stream, and whether token counts are wanted at the end of it.
fn take_streaming(fields: &mut Fields) -> Result<(bool, bool), Error> {
    let stream = fields.take("stream")?.unwrap_or(false);
    let mut options: Map<String, Value> = fields.take("stream_options")?.unwrap_or_default();
    let include_usage = options.shift_remove("include_usage") == Some(Value::Bool(true));
    if !options.is_empty() {
        fields.0.insert("stream_options".into(), options.into());
    }
    Ok((stream, include_usage))
}
