//! Replies, understood.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, response};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    NAME, PRODUCT, event, framing, problem,
    problem::Problem,
    tensor::{Vector, WireOutput, WireTensor, parameters},
};
use crate::{
    Call, Error, ErrorKind, Event, Framing, Op,
    dialect::{ReplyDecoder, http_error::excerpt},
    event::{EventKind, Raw, Usage},
    model::{HealthReport, ModelInfo, ModelStatistics, ServerInfo},
    tensor::Parameters,
};

pub(super) fn decoder(call: &Call, head: &response::Parts) -> Box<dyn ReplyDecoder> {
    match framing(head) {
        Framing::Sse => Box::new(Stream { state: State::Open, forwardable: call.op.streams() }),
        _ => Box::new(Whole { op: call.op.clone(), head: head.clone(), done: false }),
    }
}

// === streams ===

struct Stream {
    state: State,
    /// Whether whoever forwards the answer writes a stream as well, so that frames fit as they are.
    forwardable: bool,
}

enum State {
    Open,
    /// What comes after the end mark is nobody's.
    Done,
    /// An error was told: nothing after it makes the answer complete.
    Failed,
}

impl ReplyDecoder for Stream {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        match self.state {
            State::Open => {}
            State::Done => return Ok(()),
            State::Failed => return Err(Error::protocol("the stream goes on after its error")),
        }
        let kind = event::read(&frame).inspect_err(|_| self.state = State::Failed)?;
        if matches!(kind, EventKind::Done(_)) {
            self.state = State::Done;
        }
        events.push(Event { at, kind, raw: self.forwardable.then_some(Raw { dialect: NAME, frame }) });
        Ok(())
    }

    fn finish(&mut self, _: Instant, _: Option<&HeaderMap>, _: &mut Vec<Event>) -> Result<(), Error> {
        match self.state {
            State::Done => Ok(()),
            _ => Err(Error::new(ErrorKind::Interrupted, "the stream ended without its `done` event")),
        }
    }
}

// === whole bodies ===

struct Whole {
    op: Arc<Op>,
    head: response::Parts,
    done: bool,
}

impl ReplyDecoder for Whole {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        // A server that is unwell says so by its status and tells the rest as ever.
        let unwell = matches!(*self.op, Op::Health(_)) && !super::has_type(&self.head, super::PROBLEM);
        if !self.head.status.is_success() {
            let report = if unwell { read_health(&frame).ok() } else { None };
            let report = report.ok_or_else(|| problem::of_response(&self.head, &frame))?;
            events.extend(report.into_iter().map(|kind| Event { at, kind, raw: None }));
            self.done = true;
            return Ok(());
        }
        let kinds = read_reply(&self.op, &frame)?;
        let inferred = matches!(*self.op, Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_));
        let mut raw = (inferred && !self.op.streams()).then_some(Raw { dialect: NAME, frame });
        for kind in kinds {
            let rest = raw.as_ref().map(|raw| Raw { dialect: raw.dialect, frame: Bytes::new() });
            events.push(Event { at, kind, raw: std::mem::replace(&mut raw, rest) });
        }
        self.done = true;
        Ok(())
    }

    fn finish(&mut self, _: Instant, _: Option<&HeaderMap>, _: &mut Vec<Event>) -> Result<(), Error> {
        if self.done { Ok(()) } else { Err(Error::new(ErrorKind::Interrupted, "the reply has no body")) }
    }
}

/// Every event that a whole reply stands for, the end included.
fn read_reply(op: &Op, body: &[u8]) -> Result<Vec<EventKind>, Error> {
    match op {
        Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_) => parse::<InferIn>(body)?.into_kinds(body),
        Op::ListModels { .. } => read_models(body),
        Op::Describe { .. } => read_model(body),
        Op::ModelConfig { .. } => Ok(ended([EventKind::ModelConfig(parse::<ConfigIn>(body)?.config)])),
        Op::Statistics { .. } => {
            let StatisticsIn { statistics, unavailable } = parse(body)?;
            Ok(ended([EventKind::Statistics(statistics)].into_iter().chain(missing(unavailable))))
        }
        Op::Load { .. } | Op::Unload { .. } | Op::Pull { .. } => read_progress(body),
        Op::Health(_) => read_health(body),
        Op::ServerInfo => read_server(body),
    }
}

fn read_models(body: &[u8]) -> Result<Vec<EventKind>, Error> {
    let ModelsIn { models, unavailable } = parse(body)?;
    Ok(ended([EventKind::Models(models.into_iter().map(named).collect())].into_iter().chain(missing(unavailable))))
}

/// One model, or a list where several servers have it.
fn read_model(body: &[u8]) -> Result<Vec<EventKind>, Error> {
    let value: Value = parse(body)?;
    if value.get("models").is_some() {
        return read_models(body);
    }
    let model: ModelInfo = serde_json::from_value(value).map_err(|e| not_ours(&e, body))?;
    if model.id.is_empty() {
        return Err(Error::protocol(format!("the reply is no model: {}", excerpt(body))));
    }
    Ok(ended([EventKind::Models(vec![named(model)])]))
}

/// The state in which a load or unload has ended; no progress where the server did not tell.
fn read_progress(body: &[u8]) -> Result<Vec<EventKind>, Error> {
    #[derive(Deserialize)]
    struct Told {
        #[serde(rename = "model")]
        _model: String,
        state: Option<Value>,
        finish_reason: Option<String>,
    }
    let told: Told = parse(body)?;
    let progress = if told.state.is_some() { Some(EventKind::Progress(parse(body)?)) } else { None };
    let done = EventKind::Done(event::finish(told.finish_reason.as_deref()));
    Ok(progress.into_iter().chain([done]).collect())
}

fn read_health(body: &[u8]) -> Result<Vec<EventKind>, Error> {
    #[derive(Deserialize)]
    struct Told {
        ok: bool,
        #[serde(default)]
        detail: Option<String>,
    }
    let Told { ok, detail } = parse(body)?;
    Ok(ended([EventKind::Health(HealthReport { ok, detail })]))
}

fn read_server(body: &[u8]) -> Result<Vec<EventKind>, Error> {
    let server: ServerInfo = parse(body)?;
    if &*server.name != PRODUCT {
        return Err(Error::protocol(format!("no Longshore server: {}", excerpt(body))));
    }
    Ok(ended([EventKind::Server(server)]))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|e| not_ours(&e, body))
}

fn not_ours(error: &serde_json::Error, body: &[u8]) -> Error {
    if error.is_eof() {
        return Error::new(ErrorKind::Interrupted, format!("the reply ends inside its JSON: {error}"));
    }
    Error::protocol(format!("the reply is not what this API promises: {error}: {}", excerpt(body)))
}

fn ended(kinds: impl IntoIterator<Item = EventKind>) -> Vec<EventKind> {
    kinds.into_iter().chain([EventKind::Done(event::finish(None))]).collect()
}

fn missing(unavailable: Vec<UnavailableIn>) -> impl Iterator<Item = EventKind> {
    unavailable
        .into_iter()
        .map(|UnavailableIn { server, error }| EventKind::Unavailable { server, error: error.into_error() })
}

/// The id stands in where there is no better name.
fn named(mut model: ModelInfo) -> ModelInfo {
    if model.name.is_empty() {
        model.name = model.id.to_string();
    }
    model
}

#[derive(Deserialize)]
struct ModelsIn {
    models: Vec<ModelInfo>,
    #[serde(default)]
    unavailable: Vec<UnavailableIn>,
}

#[derive(Deserialize)]
struct StatisticsIn {
    statistics: Vec<ModelStatistics>,
    #[serde(default)]
    unavailable: Vec<UnavailableIn>,
}

#[derive(Deserialize)]
struct UnavailableIn {
    server: Arc<str>,
    error: Problem,
}

#[derive(Deserialize)]
struct ConfigIn {
    config: Value,
}

/// An inference's whole reply. Its only choice or its only output stands at the top.
#[derive(Deserialize, Default)]
#[serde(default)]
struct InferIn {
    model: Option<Arc<str>>,
    #[serde(flatten)]
    only: ChoiceIn,
    choices: Option<Vec<ChoiceIn>>,
    embeddings: Option<Vec<Vector<Vec<f32>>>>,
    version: Option<String>,
    id: Option<String>,
    outputs: Option<Vec<WireTensor>>,
    #[serde(deserialize_with = "parameters")]
    parameters: Parameters,
    responses: Option<Vec<WireOutput>>,
    usage: Option<Usage>,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ChoiceIn {
    index: Option<u32>,
    text: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Value>,
}

impl InferIn {
    fn into_kinds(self, body: &[u8]) -> Result<Vec<EventKind>, Error> {
        let says_nothing = self.only.is_empty()
            && self.choices.is_none()
            && self.embeddings.is_none()
            && self.outputs.is_none()
            && self.responses.is_none();
        if says_nothing {
            return Err(Error::protocol(format!("the reply holds no answer: {}", excerpt(body))));
        }
        let mut kinds: Vec<_> = self.model.map(|model| EventKind::Started { model }).into_iter().collect();
        self.only.push(0, &mut kinds);
        for (position, choice) in (0..).zip(self.choices.into_iter().flatten()) {
            choice.push(position, &mut kinds);
        }
        let embeddings = (0..).zip(self.embeddings.into_iter().flatten());
        kinds.extend(embeddings.map(|(index, vector)| EventKind::Embedding { index, vector: vector.0 }));
        let (version, id, parameters) = (self.version, self.id, self.parameters);
        let only = self.outputs.map(|outputs| WireOutput { version, id, outputs, parameters });
        for output in only.into_iter().chain(self.responses.into_iter().flatten()) {
            kinds.push(EventKind::Tensors(output.into_output().map_err(event::as_protocol)?));
        }
        kinds.extend(self.usage.map(EventKind::Usage));
        kinds.push(EventKind::Done(event::finish(self.finish_reason.as_deref())));
        Ok(kinds)
    }
}

impl ChoiceIn {
    fn is_empty(&self) -> bool {
        self.text.is_none() && self.reasoning.is_none() && self.tool_calls.is_none()
    }

    fn push(self, position: u32, kinds: &mut Vec<EventKind>) {
        let index = self.index.unwrap_or(position);
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        kinds.extend(some(self.reasoning).map(|text| EventKind::Reasoning { index, text }));
        kinds.extend(some(self.text).map(|text| EventKind::Text { index, text }));
        kinds.extend(self.tool_calls.map(|calls| EventKind::ToolCalls { index, calls }));
    }
}
