//! The client half: from a reply's frames to events. A line of a stream and a whole reply have the same form.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, response};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{NAME, error, messages, models};
use crate::{
    Call, Error, ErrorKind, Event, EventKind, Finish, ModelState, Op, ReplyDecoder, ServerInfo, Usage,
    dialect::{emitter::Emitter, http_error::excerpt},
    model::{HealthReport, Progress},
};

/// How many layers of a pulled model are counted apart; no model has as many.
const MAX_LAYERS: usize = 1024;

pub(super) fn decoder(call: &Call, peer: &ServerInfo, head: &response::Parts) -> Box<dyn ReplyDecoder> {
    Box::new(Decoder {
        op: Arc::clone(&call.op),
        model: call.model.clone().unwrap_or_default(),
        told: peer.told.first().cloned().flatten(),
        doubted: peer.told.len() == 1,
        // Ollama answers before running requests have finished.
        drains: &*peer.name != "longshore",
        head: head.clone(),
        started: false,
        tool_calls: 0,
        layers: BTreeMap::new(),
        ended: false,
    })
}

struct Decoder {
    op: Arc<Op>,
    model: Arc<str>,
    told: Option<Bytes>,
    /// Whether there was an aside; refused, if nothing was told.
    doubted: bool,
    drains: bool,
    head: response::Parts,
    started: bool,
    tool_calls: usize,
    /// Bytes that are there and bytes in all, of each layer that is pulled.
    layers: BTreeMap<String, (u64, u64)>,
    ended: bool,
}

impl ReplyDecoder for Decoder {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        if self.ended || frame.is_empty() {
            return Ok(());
        }
        if !self.head.status.is_success() {
            self.ended = true;
            return Err(error::of_reply(&self.head, &frame));
        }
        let mut emitter = Emitter::new(NAME, at, frame.clone(), events);
        let finish = match &*self.op {
            Op::Chat(_) | Op::Complete(_) => self.piece(&frame, &mut emitter)?,
            Op::Embed(_) => Some(self.vectors(&frame, &mut emitter)?),
            Op::Pull { .. } => self.pulled(&frame, &mut emitter)?,
            _ => Some(self.document(&frame, &mut emitter)?),
        };
        match finish {
            Some(finish) => {
                self.ended = true;
                emitter.emit(EventKind::Done(finish));
            }
            None => emitter.finish(),
        }
        Ok(())
    }

    fn finish(&mut self, _: Instant, _: Option<&HeaderMap>, _: &mut Vec<Event>) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Interrupted, "the reply ended before it said that it was done"))
    }
}

/// A piece of an answer, or all of it.
#[derive(Deserialize)]
struct Piece {
    model: Option<Arc<str>>,
    message: Option<Said>,
    response: Option<String>,
    thinking: Option<String>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Vectors {
    model: Option<Arc<str>>,
    embeddings: Option<Vec<Vec<f32>>>,
    embedding: Option<Vec<f32>>,
    prompt_eval_count: Option<u64>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Pulled {
    status: Option<String>,
    digest: Option<String>,
    total: Option<u64>,
    completed: Option<u64>,
    error: Option<Value>,
}

impl Decoder {
    /// The frame as `T`; an error may hide behind a 200, and ends the answer whatever follows.
    fn read<T: DeserializeOwned>(&mut self, frame: &[u8], error: impl Fn(&T) -> Option<&Value>) -> Result<T, Error> {
        let read: T = serde_json::from_slice(frame).map_err(|e| {
            if e.is_eof() {
                return Error::new(ErrorKind::Interrupted, format!("the reply ends inside its JSON: {e}"));
            }
            Error::protocol(format!("the reply is not what Ollama's API promises ({e}): {}", excerpt(frame)))
        })?;
        match error(&read).filter(|error| !error.is_null()) {
            Some(error) => {
                self.ended = true;
                Err(error::in_band(&self.head, error))
            }
            None => Ok(read),
        }
    }

    fn start(&mut self, model: Option<Arc<str>>, emitter: &mut Emitter<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            emitter.emit(EventKind::Started { model: model.unwrap_or_default() });
        }
    }

    fn piece(&mut self, frame: &[u8], emitter: &mut Emitter<'_>) -> Result<Option<Finish>, Error> {
        let piece: Piece = self.read(frame, |piece: &Piece| piece.error.as_ref())?;
        self.start(piece.model, emitter);
        let said = piece.message.unwrap_or(Said { content: None, thinking: None, tool_calls: None });
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(text) = some(said.thinking).or(some(piece.thinking)) {
            emitter.emit(EventKind::Reasoning { index: 0, text });
        }
        if let Some(text) = some(said.content).or(some(piece.response)) {
            emitter.emit(EventKind::Text { index: 0, text });
        }
        if let Some(calls) = said.tool_calls.filter(|calls| !calls.is_empty()) {
            let first = self.tool_calls;
            self.tool_calls += calls.len();
            let numbered = (first..).zip(&calls).map(|(position, call)| messages::call_read(call, Some(position)));
            emitter.emit(EventKind::ToolCalls { index: 0, calls: numbered.collect::<Vec<_>>().into() });
        }
        if !piece.done {
            return Ok(None);
        }
        if piece.prompt_eval_count.or(piece.eval_count).is_some() {
            emitter.emit(EventKind::Usage(Usage {
                prompt_tokens: piece.prompt_eval_count.unwrap_or_default(),
                completion_tokens: piece.eval_count.unwrap_or_default(),
                cached_tokens: None,
            }));
        }
        Ok(Some(match piece.done_reason.as_deref().map(Finish::from_word).unwrap_or_default() {
            Finish::Stop if self.tool_calls > 0 => Finish::ToolCalls,
            other => other,
        }))
    }

    fn vectors(&mut self, frame: &[u8], emitter: &mut Emitter<'_>) -> Result<Finish, Error> {
        let read: Vectors = self.read(frame, |read: &Vectors| read.error.as_ref())?;
        let vectors = read.embeddings.or(read.embedding.map(|vector| vec![vector]));
        let vectors = vectors.ok_or_else(|| Error::protocol("the reply holds no `embeddings`"))?;
        self.start(read.model, emitter);
        for (index, vector) in (0..).zip(vectors) {
            emitter.emit(EventKind::Embedding { index, vector });
        }
        if let Some(prompt_tokens) = read.prompt_eval_count {
            emitter.emit(EventKind::Usage(Usage { prompt_tokens, ..Usage::default() }));
        }
        Ok(Finish::Stop)
    }

    fn pulled(&mut self, frame: &[u8], emitter: &mut Emitter<'_>) -> Result<Option<Finish>, Error> {
        let pulled: Pulled = self.read(frame, |pulled: &Pulled| pulled.error.as_ref())?;
        let status = pulled.status.ok_or_else(|| Error::protocol(format!("no progress: {}", excerpt(frame))))?;
        let done = status == "success";
        if let Some(total) = pulled.total {
            let layer = pulled.digest.unwrap_or_default();
            if self.layers.len() < MAX_LAYERS || self.layers.contains_key(&layer) {
                self.layers.insert(layer, (pulled.completed.unwrap_or_default(), total));
            }
        }
        let counted = !done && !self.layers.is_empty();
        let sum =
            |part: fn(&(u64, u64)) -> u64| counted.then(|| self.layers.values().map(part).fold(0, u64::saturating_add));
        emitter.emit(EventKind::Progress(Progress {
            model: Arc::clone(&self.model),
            // It is there then, and nothing of it is loaded.
            state: if done { ModelState::Unloaded } else { ModelState::Loading },
            done_bytes: sum(|layer| layer.0),
            total_bytes: sum(|layer| layer.1),
            ..Progress::default()
        }));
        Ok(done.then_some(Finish::Stop))
    }

    fn document(&mut self, frame: &[u8], emitter: &mut Emitter<'_>) -> Result<Finish, Error> {
        let body: Value = self.read(frame, |body: &Value| body.get("error"))?;
        let wrong = |what: &str| Error::protocol(format!("this is no {what}: {}", excerpt(frame)));
        let progress =
            |state| EventKind::Progress(Progress { model: Arc::clone(&self.model), state, ..Progress::default() });
        let is_done = body["done"] == true || body["embeddings"].is_array();
        let mut finish = Finish::Stop;
        let kind = match &*self.op {
            Op::Load { .. } if is_done => progress(ModelState::Ready),
            Op::Unload { .. } if is_done && self.drains => {
                finish = Finish::Other("accepted".into());
                progress(ModelState::Draining)
            }
            Op::Unload { .. } if is_done => progress(ModelState::Unloaded),
            Op::Load { .. } | Op::Unload { .. } => return Err(wrong("end of a load or unload")),
            Op::Health(_) => EventKind::Health(HealthReport { ok: true, detail: None }),
            Op::ServerInfo => {
                let tags = self.told.as_ref().and_then(|told| serde_json::from_slice::<Value>(told).ok());
                if self.doubted && !tags.is_some_and(|tags| tags["models"].is_array()) {
                    return Err(Error::protocol("a version is told, but there are no tags: not Ollama"));
                }
                EventKind::Server(read_server(&body).ok_or_else(|| wrong("version of Ollama"))?)
            }
            Op::Describe { .. } => {
                let model = models::read_show(&body, &self.model, self.told.as_ref());
                EventKind::Models(vec![model.ok_or_else(|| wrong("description of a model"))?])
            }
            Op::ListModels { ready_only: true } => {
                EventKind::Models(models::read_running(&body).ok_or_else(|| wrong("list of models"))?)
            }
            _ => {
                let models = models::read_tags(&body, self.told.as_ref());
                EventKind::Models(models.ok_or_else(|| wrong("list of models"))?)
            }
        };
        emitter.emit(kind);
        Ok(finish)
    }
}

/// Longshore says that it is not Ollama; nobody else does.
fn read_server(body: &Value) -> Option<ServerInfo> {
    let version = body["version"].as_str()?;
    let own = body["server"].as_str().zip(body["server_version"].as_str());
    let (name, version) = own.unwrap_or((NAME, version));
    Some(ServerInfo { name: name.into(), version: version.to_owned(), ..ServerInfo::default() })
}
