//! Replies, written.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use http::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
    response,
};
use serde::Serialize;
use serde_json::Value;

use super::{
    EVENT_STREAM, JSON, NAME, PRODUCT, asks_for_stream, event,
    event::Out,
    problem::Problem,
    tensor::{Vector, WireOutput},
};
use crate::{
    Call, Error, Event, Op,
    call::Inference,
    dialect::ReplyEncoder,
    event::{EventKind, Finish, Usage},
    framing,
    model::{HealthReport, ModelInfo, ModelStatistics, Progress},
    reply::Answer,
};

pub(super) fn encoder(call: &Call) -> Box<dyn ReplyEncoder> {
    if asks_for_stream(call) {
        return Box::new(Stream { op: call.op.clone() });
    }
    Box::new(Whole { call: call.clone(), answer: Answer::default(), forwarded: false })
}

/// How the caller wants tensors, where tensors were asked for.
fn asked(op: &Op) -> Option<&Inference> {
    if let Op::Infer(inference) = op { Some(inference) } else { None }
}

// === streams ===

struct Stream {
    op: Arc<Op>,
}

impl ReplyEncoder for Stream {
    fn streams(&self) -> bool {
        true
    }

    fn head(&mut self) -> response::Builder {
        http::Response::builder().header(CONTENT_TYPE, EVENT_STREAM).header(CACHE_CONTROL, "no-cache")
    }

    fn event(&mut self, event: &Event, body: &mut BytesMut) {
        match event.raw_in(NAME) {
            Some(frame) if frame.is_empty() => {}
            Some(frame) => framing::put_event(frame, body),
            None => {
                if let Some(out) = event::written(&event.kind, asked(&self.op)) {
                    put(&out, body);
                }
            }
        }
    }

    fn interrupted(&mut self, error: &Error, body: &mut BytesMut) {
        put(&Out::Error(Problem::from(error)), body);
    }

    fn end(&mut self, _: &mut BytesMut) -> Option<HeaderMap> {
        None
    }
}

/// JSON has no line breaks, so that an event is one line.
fn put(event: &Out<'_>, body: &mut BytesMut) {
    body.extend_from_slice(b"data: ");
    put_json(event, body);
    body.extend_from_slice(b"\n\n");
}

/// Writing plain structures into memory does not fail.
fn put_json<T: Serialize>(value: &T, body: &mut BytesMut) {
    let _ = serde_json::to_writer(body.writer(), value);
}

// === whole bodies ===

struct Whole {
    call: Call,
    answer: Answer,
    /// The answer came in this dialect: its own body says everything.
    forwarded: bool,
}

impl ReplyEncoder for Whole {
    fn streams(&self) -> bool {
        false
    }

    fn head(&mut self) -> response::Builder {
        let unwell = self.answer.others.iter().any(|kind| matches!(kind, EventKind::Health(report) if !report.ok));
        let status = if unwell { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        http::Response::builder().status(status).header(CONTENT_TYPE, JSON)
    }

    fn event(&mut self, event: &Event, body: &mut BytesMut) {
        if let Some(frame) = event.raw_in(NAME) {
            self.forwarded = true;
            body.extend_from_slice(frame);
        } else {
            self.answer.add(event.clone());
        }
    }

    fn interrupted(&mut self, _: &Error, _: &mut BytesMut) {}

    fn end(&mut self, body: &mut BytesMut) -> Option<HeaderMap> {
        if !self.forwarded {
            self.write(body);
        }
        None
    }
}

impl Whole {
    fn write(&self, body: &mut BytesMut) {
        let (answer, others) = (&self.answer, self.answer.others.iter());
        match &*self.call.op {
            Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_) => put_json(&self.inference(), body),
            Op::Describe { .. } if answer.models.len() == 1 && answer.unavailable.is_empty() => {
                put_json(&answer.models[0], body);
            }
            Op::ListModels { .. } | Op::Describe { .. } => {
                put_json(&ModelsOut { models: &answer.models, unavailable: self.unavailable() }, body);
            }
            Op::Statistics { .. } => {
                let parts = others.filter_map(|kind| match kind {
                    EventKind::Statistics(statistics) => Some(statistics),
                    _ => None,
                });
                let statistics = parts.flatten().collect();
                put_json(&StatisticsOut { statistics, unavailable: self.unavailable() }, body);
            }
            // Of several events, such as those of a load, the last one says how it ended.
            _ => match others.last() {
                Some(EventKind::Progress(progress)) => {
                    put_json(&ProgressOut { progress, finish_reason: self.finish() }, body)
                }
                Some(EventKind::ModelConfig(config)) => put_json(&ConfigOut { config }, body),
                Some(EventKind::Server(server)) => put_json(server, body),
                Some(EventKind::Health(report)) => put_json(&HealthOut::new(report), body),
                _ => put_json(&NothingOut { model: self.call.model_name(), finish_reason: self.finish() }, body),
            },
        }
    }

    fn inference(&self) -> InferOut<'_> {
        let (op, answer) = (&*self.call.op, &self.answer);
        let is_text = matches!(op, Op::Chat(_) | Op::Complete(_));
        let mut choices = self.choices(is_text);
        let mut outputs: Vec<_> = answer.outputs.iter().map(|output| WireOutput::new(output, asked(op))).collect();
        let embeddings: Vec<_> = answer.embeddings.iter().map(Vector).collect();
        InferOut {
            model: answer.model.as_deref().or(self.call.model.as_deref()),
            only: if choices.len() == 1 { choices.pop() } else { None },
            choices,
            embeddings: (matches!(op, Op::Embed(_)) || !embeddings.is_empty()).then_some(embeddings),
            output: if outputs.len() == 1 { outputs.pop() } else { None },
            responses: (answer.outputs.len() > 1 || answer.outputs.is_empty() && matches!(op, Op::Infer(_)))
                .then_some(outputs),
            finish_reason: answer
                .finish
                .as_ref()
                .filter(|finish| is_text || **finish != Finish::Stop)
                .map(Finish::as_str),
            usage: answer.usage,
        }
    }

    /// How it ended, where that is worth a word.
    fn finish(&self) -> Option<&str> {
        self.answer.finish.as_ref().filter(|finish| **finish != Finish::Stop).map(Finish::as_str)
    }

    /// A text model has at least one choice, though it may have nothing to say.
    fn choices(&self, is_text: bool) -> Vec<ChoiceOut<'_>> {
        let Answer { texts, reasoning, tool_calls, .. } = &self.answer;
        let count = texts.len().max(reasoning.len()).max(is_text.into());
        let called = tool_calls.iter().map(|(index, _)| *index as usize + 1).filter(|&count| count <= MAX_CHOICES);
        (0..called.fold(count, usize::max))
            .map(|index| {
                let calls = tool_calls.iter().filter(|(of, _)| *of as usize == index);
                ChoiceOut {
                    index,
                    text: texts.get(index).map_or("", String::as_str),
                    reasoning: reasoning.get(index).map(String::as_str).filter(|text| !text.is_empty()),
                    tool_calls: calls
                        .flat_map(|(_, calls)| calls.as_array().map_or(std::slice::from_ref(calls), Vec::as_slice))
                        .collect(),
                }
            })
            .collect()
    }

    fn unavailable(&self) -> Vec<UnavailableOut<'_>> {
        let unavailable = self.answer.unavailable.iter();
        unavailable.map(|(server, error)| UnavailableOut { server, error: error.into() }).collect()
    }
}

/// A larger index is a lie that must not cost memory.
const MAX_CHOICES: usize = 1 << 10;

/// An inference's whole reply. The only choice and the only output stand at the top.
#[derive(Serialize)]
struct InferOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(flatten)]
    only: Option<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<Vector<&'a Vec<f32>>>>,
    #[serde(flatten)]
    output: Option<WireOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<Vec<WireOutput>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    index: usize,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<&'a Value>,
}

#[derive(Serialize)]
struct ModelsOut<'a> {
    models: &'a [ModelInfo],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unavailable: Vec<UnavailableOut<'a>>,
}

#[derive(Serialize)]
struct StatisticsOut<'a> {
    statistics: Vec<&'a ModelStatistics>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unavailable: Vec<UnavailableOut<'a>>,
}

#[derive(Serialize)]
struct UnavailableOut<'a> {
    server: &'a str,
    error: Problem,
}

#[derive(Serialize)]
struct ConfigOut<'a> {
    config: &'a Value,
}

/// How somebody is, and who says so.
#[derive(Serialize)]
struct HealthOut<'a> {
    name: &'static str,
    version: &'static str,
    #[serde(flatten)]
    report: &'a HealthReport,
}

impl<'a> HealthOut<'a> {
    fn new(report: &'a HealthReport) -> Self {
        Self { name: PRODUCT, version: env!("CARGO_PKG_VERSION"), report }
    }
}

/// How a load or unload ended: one that goes on after its answer does not end with `stop`.
#[derive(Serialize)]
struct ProgressOut<'a> {
    #[serde(flatten)]
    progress: &'a Progress,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
}

/// The backend had nothing to tell but that it is done.
#[derive(Serialize)]
struct NothingOut<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
}

fn is_zero(index: &usize) -> bool {
    *index == 0
}
