//! The client half: from a reply's messages to events.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response};
use prost::Message;

use super::{ERROR_KIND, FINAL, Method, ask, config, documents, is_grpc, tensors, wire::inference as wire};
use crate::{
    Call, Error, ErrorKind, Event, EventKind, Finish, ModelState, Op, ReplyDecoder, Sent, ServerInfo,
    dialect::{
        grpc_status,
        http_error::{excerpt, from_head},
        oip::{Form, kind_of_message, text, texts_of},
    },
    event::InferenceOutput,
    model::{HealthReport, Progress},
};

pub(super) fn decoder(call: &Call, form: Form, head: &response::Parts) -> Box<dyn ReplyDecoder> {
    Box::new(Decoder {
        method: ask::method(&call.op, form).unwrap_or(Method::ServerLive),
        form,
        text: matches!(*call.op, Op::Chat(_) | Op::Complete(_)),
        model: call.model.clone().unwrap_or_default(),
        head: head.clone(),
        started: false,
        answered: false,
        finish: Finish::Stop,
        ended: false,
    })
}

struct Decoder {
    method: Method,
    form: Form,
    /// Tensors are a text model's.
    text: bool,
    model: Arc<str>,
    head: response::Parts,
    started: bool,
    /// A message has come.
    answered: bool,
    finish: Finish,
    ended: bool,
}

impl ReplyDecoder for Decoder {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        if !self.head.status.is_success() || !is_grpc(&self.head.headers) {
            return Err(self.not_grpc(&frame));
        }
        if self.ended {
            return Ok(());
        }
        self.answered = true;
        self.message(frame, &mut |kind| events.push(Event { at, kind, raw: None }))
    }

    fn finish(&mut self, at: Instant, trailers: Option<&HeaderMap>, events: &mut Vec<Event>) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        let interrupted = |message: &str| Err(Error::new(ErrorKind::Interrupted, message));
        match trailers.and_then(grpc_status::read).or_else(|| grpc_status::read(&self.head.headers)) {
            None => return interrupted("the reply ended without a gRPC status"),
            Some(status) => status?,
        }
        match (self.method, self.form) {
            (Method::ModelStreamInfer, Form::Triton | Form::Longshore) => {
                return interrupted("the stream ended without the final response");
            }
            (Method::ModelStreamInfer, _) => {}
            _ if !self.answered => return Err(Error::protocol("the server answered OK without a message")),
            _ => {}
        }
        self.end(&mut |kind| events.push(Event { at, kind, raw: None }));
        Ok(())
    }
}

impl Decoder {
    /// What is no gRPC at all: a proxy's page, or a server that speaks something else on this port.
    fn not_grpc(&self, body: &[u8]) -> Error {
        if self.head.status == StatusCode::OK {
            return Error::protocol(format!("the reply is no gRPC: {}", excerpt(body))).sent(Sent::Yes);
        }
        let error = from_head(&self.head, excerpt(body), None);
        // Source: gRPC over HTTP/2, "HTTP2 status codes": a path that is not there is a method that is not there.
        if self.head.status == StatusCode::NOT_FOUND { error.with_kind(ErrorKind::Unsupported) } else { error }
    }

    fn end(&mut self, emit: &mut impl FnMut(EventKind)) {
        self.ended = true;
        emit(EventKind::Done(std::mem::take(&mut self.finish)));
    }

    fn message(&mut self, frame: Bytes, emit: &mut impl FnMut(EventKind)) -> Result<(), Error> {
        let health = |ok| EventKind::Health(HealthReport { ok, detail: None });
        emit(match self.method {
            Method::ModelInfer => return self.answer(read(frame)?, emit).map(|_| ()),
            Method::ModelStreamInfer => return self.piece(frame, emit),
            Method::ServerLive => health(read::<wire::ServerLiveResponse>(frame)?.live),
            Method::ServerReady => health(read::<wire::ServerReadyResponse>(frame)?.ready),
            Method::ModelReady | Method::HealthCheck => health(read::<wire::ModelReadyResponse>(frame)?.ready),
            Method::ServerMetadata => {
                let read: wire::ServerMetadataResponse = read(frame)?;
                let (name, version, extensions) = (read.name.into(), read.version, read.extensions);
                EventKind::Server(ServerInfo { name, version, extensions, told: Vec::new() })
            }
            Method::ModelMetadata => EventKind::Models(vec![documents::read_metadata(read(frame)?)]),
            Method::RepositoryIndex => EventKind::Models(documents::read_index(read(frame)?)),
            Method::ModelConfig => EventKind::ModelConfig(config::read(frame)?),
            Method::ModelStatistics => EventKind::Statistics(documents::read_statistics(read(frame)?)),
            Method::RepositoryModelLoad => self.progress(frame, ModelState::Ready)?,
            // Triton answers at once and lets running requests finish behind it.
            Method::RepositoryModelUnload if matches!(self.form, Form::Triton | Form::Unknown) => {
                self.progress(frame, ModelState::Draining)?
            }
            Method::RepositoryModelUnload => self.progress(frame, ModelState::Unloaded)?,
        });
        Ok(())
    }

    /// KServe says whether it has done it; the others would have answered with an error.
    fn progress(&self, frame: Bytes, state: ModelState) -> Result<EventKind, Error> {
        let done = read::<wire::RepositoryModelResponse>(frame)?.done;
        if self.form == Form::KServe && !done {
            return Err(Error::new(ErrorKind::Server, "the server says that it did not").sent(Sent::Yes));
        }
        Ok(EventKind::Progress(Progress { model: self.model.clone(), state, ..Progress::default() }))
    }

    /// One message of a stream.
    fn piece(&mut self, frame: Bytes, emit: &mut impl FnMut(EventKind)) -> Result<(), Error> {
        if self.form == Form::MlServer {
            return self.answer(read(frame)?, emit).map(|_| ());
        }
        let message: wire::ModelStreamInferResponse = read(frame)?;
        let response = message.infer_response.unwrap_or_default();
        if !message.error_message.is_empty() {
            let exact = tensors::read_parameters(response.parameters)
                .remove(ERROR_KIND)
                .and_then(|word| ErrorKind::from_word(word.as_str()?));
            let kind = exact.or_else(|| kind_of_message(&message.error_message)).unwrap_or(ErrorKind::Server);
            return Err(Error::new(kind, message.error_message).sent(Sent::Yes));
        }
        if self.answer(response, emit)? {
            self.end(emit);
        }
        Ok(())
    }

    /// The events of an answer; gives whether it says that it is the last of its stream.
    fn answer(&mut self, response: wire::ModelInferResponse, emit: &mut impl FnMut(EventKind)) -> Result<bool, Error> {
        let protocol = |error: Error| error.with_kind(ErrorKind::Protocol);
        if !std::mem::replace(&mut self.started, true) {
            let told = Some(response.model_name.as_str()).filter(|model| !model.is_empty()).map(Arc::from);
            emit(EventKind::Started { model: told.unwrap_or_else(|| self.model.clone()) });
        }
        let outputs = tensors::read(response.outputs, response.raw_output_contents).map_err(protocol)?;
        let mut parameters = tensors::read_parameters(response.parameters);
        let last = parameters.remove(FINAL).and_then(|last| last.as_bool()).unwrap_or_default();
        if self.text {
            let texts = texts_of(&outputs)?;
            if let Some(finish) = text::read(texts, &mut parameters, &mut *emit)? {
                self.finish = finish;
            }
        } else if !(last && outputs.is_empty()) {
            let some = |text: String| Some(text).filter(|text| !text.is_empty());
            let (version, id) = (some(response.model_version).map(Arc::from), some(response.id));
            emit(EventKind::Tensors(InferenceOutput { version, id, outputs, parameters }));
        }
        Ok(last)
    }
}

fn read<M: Message + Default>(frame: Bytes) -> Result<M, Error> {
    M::decode(frame).map_err(|e| Error::protocol(format!("the server's message makes no sense: {e}")))
}
