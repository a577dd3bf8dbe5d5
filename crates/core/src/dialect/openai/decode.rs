//! The client half: from a reply's frames to events.

use std::{sync::Arc, time::Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE, response};
use serde::Deserialize;
use serde_json::Value;

use super::{
    NAME,
    chunk::{self, Choice, UsageObject},
    error, family,
    lifecycle::{self, Lifecycle},
    models,
};
use crate::{
    Call, Error, ErrorKind, Event, EventKind, Finish, Framing, ModelInfo, ModelState, Op, ReplyDecoder, ServerInfo,
    Usage,
    capability::OpKind,
    dialect::{emitter::Emitter, http_error::excerpt},
    model::HealthReport,
};

pub(super) fn decoder(
    call: &Call,
    peer: &ServerInfo,
    head: &response::Parts,
    framing: Framing,
) -> Box<dyn ReplyDecoder> {
    let head = head.clone();
    if framing == Framing::Sse && matches!(*call.op, Op::Chat(_) | Op::Complete(_)) {
        let empty = family::member(peer).empty_stream;
        Box::new(StreamDecoder { head, empty, finish: None, started: false, ended: false })
    } else {
        let model = call.model.clone().unwrap_or_default();
        let lifecycle = lifecycle::of_call(call, peer);
        Box::new(WholeDecoder { op: call.op.kind(), model, lifecycle, peer: peer.clone(), head, ended: false })
    }
}

// === streams ===

struct StreamDecoder {
    head: response::Parts,
    /// What it means when nothing at all comes.
    empty: ErrorKind,
    finish: Option<Finish>,
    started: bool,
    ended: bool,
}

impl ReplyDecoder for StreamDecoder {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        if self.ended || frame.is_empty() {
            return Ok(());
        }
        if &frame[..] == b"[DONE]" {
            self.ended = true;
            Emitter::new(NAME, at, frame, events).emit(EventKind::Done(self.finish.take().unwrap_or_default()));
            return Ok(());
        }
        let chunk = chunk::read(&frame).map_err(|e| {
            Error::protocol(format!("a stream chunk is not what OpenAI's API promises ({e}): {}", excerpt(&frame)))
        })?;
        if let Some(value) = chunk.error.filter(|error| !error.is_null()) {
            self.ended = true; // an end mark after an error is no success
            return Err(error::from_value(&value, &self.head));
        }
        if chunk.choices.is_empty() && chunk.usage.is_none() {
            // vLLM once wrote errors without a member around them.
            let body: Value = serde_json::from_slice(&frame).unwrap_or_default();
            if body["object"] == "error" {
                self.ended = true;
                return Err(error::from_value(&body, &self.head));
            }
        }
        let (choices, usage) = (chunk.choices, chunk.usage);
        let begins = !std::mem::replace(&mut self.started, true);
        let model: Option<Arc<str>> = begins.then(|| chunk.model.map(Arc::from).unwrap_or_default());
        // The chunk has let go of the frame, which goes along with the first event as it is.
        let mut emitter = Emitter::new(NAME, at, frame, events);
        if let Some(model) = model {
            emitter.emit(EventKind::Started { model });
        }
        choices.each(|choice| {
            if let Some(finish) = emit_choice(choice, &mut emitter) {
                self.finish = Some(finish);
            }
        });
        emit_usage(usage, &mut emitter);
        emitter.finish();
        Ok(())
    }

    fn finish(&mut self, at: Instant, _: Option<&HeaderMap>, events: &mut Vec<Event>) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        if !self.started {
            let message = "the stream ended without a word, as llama-cpp-python's does when the prompt is too long";
            return Err(Error::new(self.empty, message));
        }
        // Without `[DONE]` a finish reason is end mark enough; whoever forwards the stream mends it.
        let finish = self
            .finish
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Interrupted, "the stream ended without a finish reason or [DONE]"))?;
        self.ended = true;
        Emitter::new(NAME, at, Bytes::from_static(b"[DONE]"), events).emit(EventKind::Done(finish));
        Ok(())
    }
}

fn emit_choice(choice: Choice, emitter: &mut Emitter<'_>) -> Option<Finish> {
    let Choice { index, delta, text, finish_reason } = choice;
    if let Some(text) = delta.reasoning_content.filter(|text| !text.is_empty()) {
        emitter.emit(EventKind::Reasoning { index, text });
    }
    if let Some(text) = delta.content.or(text).filter(|text| !text.is_empty()) {
        emitter.emit(EventKind::Text { index, text });
    }
    if let Some(calls) = delta.tool_calls.filter(|calls| calls.as_array().is_some_and(|calls| !calls.is_empty())) {
        emitter.emit(EventKind::ToolCalls { index, calls: *calls });
    }
    finish_reason.map(|word| Finish::from_word(&word))
}

fn emit_usage(usage: Option<UsageObject>, emitter: &mut Emitter<'_>) {
    if let Some(usage) = usage {
        emitter.emit(EventKind::Usage(Usage {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            cached_tokens: usage.prompt_tokens_details.and_then(|details| details.cached_tokens),
        }));
    }
}

// === whole bodies ===

struct WholeDecoder {
    op: OpKind,
    model: Arc<str>,
    /// How the load or unload goes that this answers.
    lifecycle: Option<Lifecycle>,
    peer: ServerInfo,
    head: response::Parts,
    ended: bool,
}

impl ReplyDecoder for WholeDecoder {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        let refused = if self.head.status.is_success() { Ok(()) } else { Err(error::of_reply(&self.head, &frame)) };
        let mut emitter = Emitter::new(NAME, at, frame.clone(), events);
        if let Some(lifecycle) = self.lifecycle {
            // vLLM has nothing to say when it is done, or a sentence that is no JSON.
            let wordless = frame.is_empty() || lifecycle == Lifecycle::Adapters;
            let reply = refused.and_then(|()| if wordless { Ok(Value::Null) } else { self.json(&frame) });
            let (kind, finish) = lifecycle.outcome(self.op, &self.model, reply)?;
            self.ended = true;
            emitter.emit(kind);
            emitter.emit(EventKind::Done(finish));
            return Ok(());
        }
        // Not every member has this route, and whoever says so is there.
        let absent = self.op == OpKind::Health && matches!(self.head.status.as_u16(), 404 | 405);
        if !absent {
            refused?;
        }
        let finish = match self.op {
            OpKind::Chat | OpKind::Complete => self.answer(&frame, &mut emitter)?,
            OpKind::Embed => self.embeddings(&frame, &mut emitter)?,
            OpKind::Health => {
                let detail = absent.then(|| "answers, and has no route for its health".to_owned());
                emitter.emit(EventKind::Health(HealthReport { ok: true, detail }));
                Finish::Stop
            }
            OpKind::ServerInfo => {
                let body = self.json(&frame)?;
                if !body["data"].is_array() {
                    return Err(Error::protocol("the list of models has no `data`: not an OpenAI-compatible server"));
                }
                emitter.emit(EventKind::Server(family::recognise(&body, &self.head, &self.peer.told)));
                Finish::Stop
            }
            _ => {
                emitter.emit(EventKind::Models(self.models(&frame)?));
                Finish::Stop
            }
        };
        self.ended = true;
        emitter.emit(EventKind::Done(finish));
        Ok(())
    }

    fn finish(&mut self, _: Instant, _: Option<&HeaderMap>, _: &mut Vec<Event>) -> Result<(), Error> {
        if self.ended { Ok(()) } else { Err(Error::new(ErrorKind::Interrupted, "the reply had no body")) }
    }
}

impl WholeDecoder {
    /// The body as JSON; what else it may be is told by its type and its beginning. An error may hide behind a 200.
    fn json(&self, body: &[u8]) -> Result<Value, Error> {
        let value: Value = serde_json::from_slice(body).map_err(|e| {
            let content_type = self.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            Error::protocol(format!(
                "the reply ({}) is not JSON ({e}): {}",
                content_type.unwrap_or("no content type"),
                excerpt(body)
            ))
        })?;
        match value.get("error") {
            Some(error) if !error.is_null() => Err(error::from_value(error, &self.head)),
            _ => Ok(value),
        }
    }

    fn models(&self, body: &[u8]) -> Result<Vec<ModelInfo>, Error> {
        let wrong = || Error::protocol(format!("this is no list of models: {}", excerpt(body)));
        let mut models = models::from_reply(&self.json(body)?).ok_or_else(wrong)?;
        if lifecycle::asleep(self.peer.told.first()) == Some(true) {
            models.iter_mut().for_each(|model| model.state = ModelState::Unloaded);
        }
        // Where only the whole list says it, the one that was asked for is picked out of it.
        let lists = Lifecycle::Instances.is_of(&self.peer);
        if self.op == OpKind::Describe && lists {
            models.retain(|model| model.id == self.model);
            if models.is_empty() {
                let message = format!("no model `{}` on this server", self.model);
                return Err(Error::new(ErrorKind::UnknownModel, message));
            }
        }
        Ok(models)
    }

    fn answer(&self, body: &[u8], emitter: &mut Emitter<'_>) -> Result<Finish, Error> {
        let chunk = match chunk::read(body) {
            Ok(chunk) if chunk.error.is_none() && !chunk.choices.is_empty() => chunk,
            _ => {
                self.json(body)?;
                return Err(Error::protocol(format!("the answer has no choices: {}", excerpt(body))));
            }
        };
        emitter.emit(EventKind::Started { model: chunk.model.map(Arc::from).unwrap_or_default() });
        let mut finish = Finish::Stop;
        chunk.choices.each(|choice| {
            if let Some(found) = emit_choice(choice, emitter) {
                finish = found;
            }
        });
        emit_usage(chunk.usage, emitter);
        Ok(finish)
    }

    fn embeddings(&self, body: &[u8], emitter: &mut Emitter<'_>) -> Result<Finish, Error> {
        let body = self.json(body)?;
        let wrong = || Error::protocol("the reply holds no embeddings: `data[].embedding` is missing");
        emitter.emit(EventKind::Started { model: body["model"].as_str().unwrap_or_default().into() });
        for (place, item) in body["data"].as_array().ok_or_else(wrong)?.iter().enumerate() {
            let index = item["index"].as_u64().and_then(|index| index.try_into().ok()).unwrap_or(place as u32);
            let vector = vector(&item["embedding"]).ok_or_else(wrong)?;
            emitter.emit(EventKind::Embedding { index, vector });
        }
        emit_usage(Option::deserialize(&body["usage"]).ok().flatten(), emitter);
        Ok(Finish::Stop)
    }
}

/// A list of numbers, or base64 of little-endian floats.
fn vector(value: &Value) -> Option<Vec<f32>> {
    match value {
        Value::Array(numbers) => numbers.iter().map(|number| number.as_f64().map(|number| number as f32)).collect(),
        Value::String(text) => {
            let bytes = BASE64_STANDARD.decode(text).ok()?;
            let (floats, rest) = bytes.as_chunks();
            rest.is_empty().then(|| floats.iter().map(|&float| f32::from_le_bytes(float)).collect())
        }
        _ => None,
    }
}
