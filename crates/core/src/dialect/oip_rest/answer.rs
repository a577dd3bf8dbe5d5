//! The server half: from events to a reply's body.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header, response};
use serde_json::{Value, json};

use super::{
    HEADER_LENGTH, NAME, documents, error, generate,
    path::{self, Action},
    tensors,
};
use crate::{
    Answer, Call, Error, ErrorKind, Event, EventKind, ModelState, Op, ReplyEncoder, Tensor, Usage,
    call::{HealthScope, Inference},
    dialect::oip::text,
    event::InferenceOutput,
    framing,
};

pub(super) fn encoder(call: &Call) -> Box<dyn ReplyEncoder> {
    match &*call.op {
        Op::Chat(_) | Op::Complete(_) | Op::Infer(_) if call.op.streams() => {
            Box::new(Stream { call: call.clone(), model: call.model_name().into(), usage: None })
        }
        _ => Box::new(Whole { call: call.clone(), answer: Answer::default(), forwarded: None, head: None }),
    }
}

// === streams ===

struct Stream {
    call: Call,
    model: String,
    usage: Option<Usage>,
}

impl ReplyEncoder for Stream {
    fn streams(&self) -> bool {
        true
    }

    fn head(&mut self) -> response::Builder {
        http::Response::builder()
            .header(header::CONTENT_TYPE, "text/event-stream")
            .header(header::CACHE_CONTROL, "no-cache")
    }

    fn event(&mut self, event: &Event, body: &mut BytesMut) {
        if let Some(frame) = event.raw_in(NAME) {
            if !frame.is_empty() {
                framing::put_event(frame, body);
            }
            return;
        }
        match &event.kind {
            EventKind::Started { model } => self.model = model.to_string(),
            EventKind::Usage(usage) => self.usage = Some(*usage),
            kind => match &*self.call.op {
                Op::Infer(inference) => self.tensors(inference, kind, body),
                _ => self.text(kind, body),
            },
        }
    }

    fn interrupted(&mut self, error: &Error, body: &mut BytesMut) {
        framing::put_event(error::to_value(error).to_string().as_bytes(), body);
    }

    fn end(&mut self, _: &mut BytesMut) -> Option<HeaderMap> {
        None
    }
}

impl Stream {
    fn text(&self, kind: &EventKind, body: &mut BytesMut) {
        if let Some((text, parameters)) = text::piece(kind, self.usage) {
            let answer = generate::write_answer(&self.call.id, &self.model, &[text.as_str()], &parameters);
            framing::put_event(answer.to_string().as_bytes(), body);
        }
    }

    fn tensors(&self, inference: &Inference, kind: &EventKind, body: &mut BytesMut) {
        let last;
        let output = match kind {
            EventKind::Tensors(output) => output,
            EventKind::Done(_) => {
                last = InferenceOutput { parameters: [tensors::final_option()].into(), ..InferenceOutput::default() };
                &last
            }
            _ => return,
        };
        let id = output.id.as_ref().or(inference.id.as_ref()).map(String::as_str);
        match tensors::write_reply(&self.model, id, output, |_| false) {
            Ok(reply) => framing::put_event(&reply.bytes, body),
            Err(error) => framing::put_event(error::to_value(&error).to_string().as_bytes(), body),
        }
    }
}

// === whole bodies ===

struct Whole {
    call: Call,
    answer: Answer,
    /// The body of an answer that came in this dialect.
    forwarded: Option<Bytes>,
    head: Option<response::Builder>,
}

impl ReplyEncoder for Whole {
    fn streams(&self) -> bool {
        false
    }

    /// Known once the body is.
    fn head(&mut self) -> response::Builder {
        self.head.take().unwrap_or_else(http::Response::builder)
    }

    fn event(&mut self, event: &Event, _: &mut BytesMut) {
        match event.raw_in(NAME) {
            Some(frame) if !frame.is_empty() => self.forwarded = Some(frame.clone()),
            _ => {}
        }
        self.answer.add(event.clone());
    }

    fn interrupted(&mut self, _: &Error, _: &mut BytesMut) {}

    fn end(&mut self, body: &mut BytesMut) -> Option<HeaderMap> {
        let json = http::Response::builder().header(header::CONTENT_TYPE, "application/json");
        match self.body() {
            Ok(reply) => {
                body.extend_from_slice(&reply.bytes);
                let head = match reply.json_length {
                    Some(length) => http::Response::builder()
                        .header(header::CONTENT_TYPE, "application/octet-stream")
                        .header(HEADER_LENGTH, length),
                    None => json,
                };
                self.head = Some(head.status(reply.status));
            }
            Err(error) => {
                body.extend_from_slice(error::to_value(&error).to_string().as_bytes());
                self.head = Some(json.status(crate::dialect::status_of(&error)));
            }
        }
        None
    }
}

struct Reply {
    bytes: Bytes,
    json_length: Option<usize>,
    status: StatusCode,
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Self { bytes: value.to_string().into(), json_length: None, status: StatusCode::OK }
    }
}

impl Whole {
    fn body(&self) -> Result<Reply, Error> {
        let answer = &self.answer;
        if let Some(error) = answer.unavailable.first().filter(|_| answer.models.is_empty()) {
            return Err(error.1.clone());
        }
        Ok(match &*self.call.op {
            Op::Chat(_) | Op::Complete(_) => match self.forwarded.clone() {
                Some(bytes) => Reply { bytes, json_length: None, status: StatusCode::OK },
                None => {
                    let model = answer.model.as_deref().unwrap_or(self.call.model_name());
                    let (texts, parameters) = text::whole(answer);
                    generate::write_answer(&self.call.id, model, &texts, &parameters).into()
                }
            },
            Op::Infer(inference) => self.tensors(inference)?,
            Op::ListModels { .. } if self.asked(Action::List) => documents::write_names(&answer.models).into(),
            Op::ListModels { .. } => documents::write_index(&answer.models).into(),
            Op::Health(scope) => self.health(scope),
            Op::Load { .. } | Op::Unload { .. } => self.lifecycle()?,
            Op::Describe { .. } => match answer.models.first() {
                Some(model) => documents::write_metadata(model).into(),
                None => return Err(self.silent()),
            },
            _ => match answer.others.last() {
                Some(EventKind::Server(server)) => json!(server).into(),
                Some(EventKind::ModelConfig(config)) => config.clone().into(),
                Some(EventKind::Statistics(statistics)) => documents::write_statistics(statistics).into(),
                _ => return Err(self.silent()),
            },
        })
    }

    fn asked(&self, action: Action) -> bool {
        let origin = self.call.origin.as_ref();
        origin.is_some_and(|origin| path::parse(&Method::GET, &origin.path).is_some_and(|path| path.action == action))
    }

    fn silent(&self) -> Error {
        Error::new(ErrorKind::Server, format!("the answer to `{}` says nothing", self.call.op.kind().name()))
    }

    fn tensors(&self, inference: &Inference) -> Result<Reply, Error> {
        let [output] = &self.answer.outputs[..] else {
            let count = self.answer.outputs.len();
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the model gave {count} answers where this route has one: use infer_stream, or gRPC's stream"),
            ));
        };
        let binary = |tensor: &Tensor| {
            let asked = inference.outputs.iter().find(|output| output.name == tensor.name());
            asked.and_then(|output| output.binary).unwrap_or(inference.binary)
        };
        let id = output.id.as_ref().or(inference.id.as_ref()).map(String::as_str);
        let model = self.answer.model.as_deref().unwrap_or(self.call.model_name());
        let body = tensors::write_reply(model, id, output, binary)?;
        Ok(Reply { bytes: body.bytes, json_length: body.json_length, status: StatusCode::OK })
    }

    /// The status says it all; the words beside it are KServe's, whose own client cannot do without.
    fn health(&self, scope: &HealthScope) -> Reply {
        let report = self.answer.others.iter().find_map(|event| match event {
            EventKind::Health(report) => Some(report.clone()),
            _ => None,
        });
        let report = report.unwrap_or_default();
        let mut words = match scope {
            HealthScope::Live => json!({"live": report.ok}),
            HealthScope::Ready => json!({"ready": report.ok}),
            HealthScope::Model { .. } => json!({"name": self.call.model_name(), "ready": report.ok}),
        };
        if let Some(detail) = report.detail {
            words[if report.ok { "detail" } else { "error" }] = detail.into();
        }
        let status = if report.ok { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        Reply { status, ..words.into() }
    }

    fn lifecycle(&self) -> Result<Reply, Error> {
        let last = self.answer.others.iter().rev().find_map(|event| match event {
            EventKind::Progress(progress) => Some(&progress.state),
            _ => None,
        });
        match last {
            Some(ModelState::Failed(reason)) => Err(Error::new(ErrorKind::Server, reason.clone())),
            _ => Ok(Reply { bytes: Bytes::new(), json_length: None, status: StatusCode::OK }),
        }
    }
}
