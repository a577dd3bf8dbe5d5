//! The client half: from a reply's frames to events.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, response};
use serde_json::{Map, Value, json};

use super::{
    HEADER_LENGTH, NAME, documents, error, generate, json,
    tensors::{self, Body},
};
use crate::{
    Call, Error, ErrorKind, Event, EventKind, Finish, Framing, ModelState, Op, ReplyDecoder, ServerInfo,
    call::HealthScope,
    dialect::oip::{Form, text, texts_of},
    event::Raw,
    model::{HealthReport, Progress},
};

pub(super) fn decoder(call: &Call, form: Form, head: &response::Parts, framing: Framing) -> Box<dyn ReplyDecoder> {
    let reading = match &*call.op {
        Op::Chat(_) | Op::Complete(_) if form.generates_text() => Reading::Generate,
        Op::Chat(_) | Op::Complete(_) => Reading::TextTensors,
        Op::Infer(_) => Reading::Tensors,
        Op::Health(scope) => Reading::Health { of_server: *scope == HealthScope::Ready },
        Op::ServerInfo => Reading::Server,
        Op::ListModels { .. } if form == Form::KServe => Reading::Names,
        Op::ListModels { .. } => Reading::Index,
        Op::ModelConfig { .. } => Reading::Config,
        Op::Statistics { .. } => Reading::Statistics,
        Op::Load { .. } => Reading::Lifecycle(ModelState::Ready),
        // Triton answers at once and lets running requests finish behind it.
        Op::Unload { .. } if matches!(form, Form::Triton | Form::Unknown) => Reading::Lifecycle(ModelState::Draining),
        Op::Unload { .. } => Reading::Lifecycle(ModelState::Unloaded),
        _ => Reading::Metadata,
    };
    let model = call.model.clone();
    let streams = framing == Framing::Sse;
    // Text generation's answers may have fields that no event holds: those are forwarded as they came, if whoever
    // asked wants them in the form they came in.
    let forwards = matches!(reading, Reading::Generate) && streams == call.op.streams();
    Box::new(Decoder {
        reading,
        head: head.clone(),
        model,
        form,
        streams,
        forwards,
        finish: None,
        started: false,
        ended: false,
    })
}

/// What the body is.
#[derive(Clone)]
enum Reading {
    Generate,
    TextTensors,
    Tensors,
    Health {
        /// Whether it is the server's readiness.
        of_server: bool,
    },
    Server,
    Names,
    Index,
    Metadata,
    Config,
    Statistics,
    Lifecycle(ModelState),
}

struct Decoder {
    reading: Reading,
    head: response::Parts,
    model: Option<Arc<str>>,
    form: Form,
    streams: bool,
    forwards: bool,
    finish: Option<Finish>,
    started: bool,
    ended: bool,
}

/// Collects the events of one frame; the first one carries the frame itself where it can be forwarded.
struct Emitter<'a> {
    at: Instant,
    frame: Option<Bytes>,
    events: &'a mut Vec<Event>,
}

impl Emitter<'_> {
    fn emit(&mut self, kind: EventKind) {
        let raw = self.frame.as_mut().map(|frame| Raw { dialect: NAME, frame: std::mem::take(frame) });
        self.events.push(Event { at: self.at, kind, raw });
    }
}

impl ReplyDecoder for Decoder {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        let mut emitter = Emitter { at, frame: self.forwards.then(|| frame.clone()), events };
        if !self.head.status.is_success() {
            self.failed(&frame, &mut emitter)?;
        } else {
            self.read(&frame, &mut emitter)?;
        }
        // A stream's end is told by a mark in it, else by its own end.
        if !self.streams || self.finish.is_some() {
            self.ended = true;
            emitter.emit(EventKind::Done(self.finish.take().unwrap_or_default()));
        } else if emitter.frame.is_some_and(|frame| !frame.is_empty()) {
            let raw = Some(Raw { dialect: NAME, frame });
            events.push(Event { at, kind: EventKind::Other, raw });
        }
        Ok(())
    }

    fn finish(&mut self, at: Instant, _: Option<&HeaderMap>, events: &mut Vec<Event>) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        // Triton's and MLServer's streams have no mark at all: their clean end has to do.
        if self.form == Form::Longshore || !self.streams {
            return Err(Error::new(ErrorKind::Interrupted, "the stream ended without its end mark"));
        }
        self.ended = true;
        events.push(Event { at, kind: EventKind::Done(Finish::Stop), raw: None });
        Ok(())
    }
}

impl Decoder {
    /// A status that is no success: an error, but for a probe, whose answer it is.
    fn failed(&self, body: &[u8], emitter: &mut Emitter<'_>) -> Result<(), Error> {
        let status = self.head.status.as_u16();
        let Reading::Health { of_server } = self.reading else {
            return Err(error::of_reply(&self.head, body, self.model.is_some()));
        };
        if !matches!(status, 400 | 500 | 503) {
            return Err(error::of_reply(&self.head, body, self.model.is_some()));
        }
        let silent = match serde_json::from_slice::<Value>(body) {
            Ok(value) => value["error"].is_null() && value["detail"].is_null(),
            Err(_) => body.is_empty(),
        };
        // One failed load is enough for Triton to say so of itself.
        let triton = of_server && status == 400 && matches!(self.form, Form::Triton | Form::Unknown);
        let detail = match silent {
            false => Some(error::of_reply(&self.head, body, true).message().to_owned()),
            true => triton.then(|| "some model is not ready; others may serve all the same".to_owned()),
        };
        emitter.emit(EventKind::Health(HealthReport { ok: false, detail }));
        Ok(())
    }

    fn read(&mut self, body: &Bytes, emitter: &mut Emitter<'_>) -> Result<(), Error> {
        let kind = match &self.reading {
            Reading::Generate => return self.generate(body, emitter),
            Reading::TextTensors | Reading::Tensors => return self.tensors(body, emitter),
            // The status alone decides; KServe and Longshore have words beside it.
            Reading::Health { .. } => {
                let told = serde_json::from_slice::<Value>(body).unwrap_or_default();
                EventKind::Health(HealthReport { ok: true, detail: told["detail"].as_str().map(str::to_owned) })
            }
            Reading::Server => EventKind::Server(json::read::<ServerInfo>("the server's metadata", body)?),
            Reading::Names => EventKind::Models(documents::read_names(body)?),
            Reading::Index => EventKind::Models(documents::read_index(body)?),
            Reading::Metadata => EventKind::Models(vec![documents::read_metadata(body)?]),
            Reading::Config => EventKind::ModelConfig(json::read("the model's configuration", body)?),
            Reading::Statistics => EventKind::Statistics(documents::read_statistics(body)?),
            Reading::Lifecycle(state) => {
                self.check_done(body)?;
                let model = self.model.clone().unwrap_or_default();
                EventKind::Progress(Progress { model, state: state.clone(), ..Progress::default() })
            }
        };
        emitter.emit(kind);
        Ok(())
    }

    /// A load answers with an empty body, KServe's with a truth value. A success may carry an error all the same.
    fn check_done(&self, body: &[u8]) -> Result<(), Error> {
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return Ok(()) };
        if value["error"].is_string() {
            return Err(error::of_value(&self.head, &value, true));
        }
        for word in ["load", "unload"] {
            if value[word] == false {
                return Err(Error::new(ErrorKind::Server, format!("the server says that it did not {word} the model")));
            }
        }
        Ok(())
    }

    fn generate(&mut self, body: &[u8], emitter: &mut Emitter<'_>) -> Result<(), Error> {
        let answer: Map<String, Value> = json::read("the answer", body)?;
        if answer.get("error").is_some_and(|error| !error.is_null()) {
            return Err(error::of_value(&self.head, &Value::Object(answer), true));
        }
        self.start(answer.get("model_name").and_then(Value::as_str), emitter);
        self.finish = generate::read_answer(answer, |kind| emitter.emit(kind))?;
        Ok(())
    }

    fn tensors(&mut self, body: &Bytes, emitter: &mut Emitter<'_>) -> Result<(), Error> {
        let length = self.head.headers.get(HEADER_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let reply = tensors::read_reply(&Body { bytes: body.clone(), json_length: length })?
            .map_err(|failure| error::of_value(&self.head, &json!(failure), true))?;
        self.start(Some(&reply.model), emitter);
        let mut output = reply.output;
        if matches!(self.reading, Reading::TextTensors) {
            let texts = texts_of(&output.outputs)?;
            self.finish = text::read(texts, &mut output.parameters, |kind| emitter.emit(kind))?;
        } else if !(reply.last && output.outputs.is_empty()) {
            emitter.emit(EventKind::Tensors(output));
        }
        if reply.last {
            self.finish.get_or_insert_default();
        }
        Ok(())
    }

    fn start(&mut self, model: Option<&str>, emitter: &mut Emitter<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            let model = model.filter(|model| !model.is_empty()).map(Arc::from).or_else(|| self.model.clone());
            emitter.emit(EventKind::Started { model: model.unwrap_or_default() });
        }
    }
}
