//! The server half: from events to a reply's messages.

use bytes::BytesMut;
use http::{HeaderMap, header::CONTENT_TYPE, response};
use prost::Message;

use super::{
    ERROR_KIND, FINAL, GRPC, Method, NAME, config, documents, hear, tensors,
    wire::{
        health::{HealthCheckResponse, health_check_response::ServingStatus},
        inference as wire,
    },
};
use crate::{
    Answer, Call, Error, ErrorKind, Event, EventKind, ModelState, Op, Parameters, ReplyEncoder, Usage,
    dialect::{grpc_status, oip::text},
    event::InferenceOutput,
    framing, text_model,
};

/// The method decides: as it was asked, else as Longshore's own client asks.
pub(super) fn encoder(call: &Call) -> Box<dyn ReplyEncoder> {
    let origin = call.origin.as_ref().filter(|origin| origin.dialect == NAME);
    let method = origin.and_then(|origin| Method::of_path(&origin.path));
    let method = method.or_else(|| Method::of_op(&call.op, call.op.streams())).unwrap_or(Method::ServerLive);
    let call = call.clone();
    if method == Method::ModelStreamInfer {
        let (model, wants_final) = (call.model_name().to_owned(), hear::wants_final(&call));
        Box::new(Stream { call, model, wants_final, usage: None })
    } else {
        Box::new(Whole { call, method, answer: Answer::default() })
    }
}

fn head() -> response::Builder {
    http::Response::builder().header(CONTENT_TYPE, GRPC)
}

/// The id that the caller gave its request, for the answer to be told by.
fn id_of(call: &Call) -> String {
    match &*call.op {
        Op::Infer(inference) => inference.id.clone().unwrap_or_default(),
        _ => call.id.to_string(),
    }
}

fn response(call: &Call, model: &str, output: &InferenceOutput) -> wire::ModelInferResponse {
    let (outputs, raw_output_contents) = tensors::write(&output.outputs);
    wire::ModelInferResponse {
        model_name: model.to_owned(),
        model_version: output.version.as_deref().unwrap_or_default().to_owned(),
        id: output.id.clone().unwrap_or_else(|| id_of(call)),
        parameters: tensors::write_parameters(&output.parameters),
        outputs,
        raw_output_contents,
    }
}

// === streams ===

struct Stream {
    call: Call,
    model: String,
    /// The request asked for an end mark. Without it no answer can be known to be the last when it is written.
    wants_final: bool,
    usage: Option<Usage>,
}

impl ReplyEncoder for Stream {
    fn streams(&self) -> bool {
        true
    }

    fn head(&mut self) -> response::Builder {
        head()
    }

    fn event(&mut self, event: &Event, body: &mut BytesMut) {
        match (&event.kind, &*self.call.op) {
            (EventKind::Started { model }, _) => self.model = model.to_string(),
            (EventKind::Usage(usage), _) => self.usage = Some(*usage),
            (EventKind::Done(_), _) if !self.wants_final => {}
            (EventKind::Done(_), Op::Infer(_)) => self.write(&InferenceOutput::default(), true, body),
            (EventKind::Tensors(output), _) => self.write(output, false, body),
            (_, Op::Infer(_)) => {}
            (kind, _) => {
                let Some((text, parameters)) = text::piece(kind, self.usage) else { return };
                let output =
                    if text.is_empty() { Ok(InferenceOutput::default()) } else { text_model::output(&[&text]) };
                let last = matches!(kind, EventKind::Done(_));
                match output {
                    Ok(output) => self.write(&InferenceOutput { parameters, ..output }, last, body),
                    Err(error) => self.interrupted(&error, body),
                }
            }
        }
    }

    /// In-band, as Triton does it: other requests on the stream live on.
    fn interrupted(&mut self, error: &Error, body: &mut BytesMut) {
        let parameters = Parameters::from([(ERROR_KIND.to_owned(), error.kind().as_str().into())]);
        let infer_response = wire::ModelInferResponse {
            model_name: self.model.clone(),
            id: id_of(&self.call),
            parameters: tensors::write_parameters(&parameters),
            ..Default::default()
        };
        put(body, &error.to_string(), infer_response);
    }

    fn end(&mut self, _: &mut BytesMut) -> Option<HeaderMap> {
        Some(grpc_status::ok())
    }
}

impl Stream {
    fn write(&self, output: &InferenceOutput, last: bool, body: &mut BytesMut) {
        let mut response = response(&self.call, &self.model, output);
        response.parameters.insert(FINAL.to_owned(), tensors::write_parameter(&last.into()));
        put(body, "", response);
    }
}

fn put(body: &mut BytesMut, error: &str, response: wire::ModelInferResponse) {
    let message = wire::ModelStreamInferResponse { error_message: error.to_owned(), infer_response: Some(response) };
    framing::put_message(&message.encode_to_vec(), body);
}

// === single messages ===

struct Whole {
    call: Call,
    method: Method,
    answer: Answer,
}

impl ReplyEncoder for Whole {
    fn streams(&self) -> bool {
        false
    }

    fn head(&mut self) -> response::Builder {
        head()
    }

    fn event(&mut self, event: &Event, _: &mut BytesMut) {
        self.answer.add(event.clone());
    }

    fn interrupted(&mut self, _: &Error, _: &mut BytesMut) {}

    fn end(&mut self, body: &mut BytesMut) -> Option<HeaderMap> {
        Some(match self.message() {
            Ok(message) => {
                framing::put_message(&message, body);
                grpc_status::ok()
            }
            Err(error) => grpc_status::trailers_of(&error),
        })
    }
}

impl Whole {
    fn message(&self) -> Result<Vec<u8>, Error> {
        let answer = &self.answer;
        if let Some((_, error)) = answer.unavailable.first().filter(|_| answer.models.is_empty()) {
            return Err(error.clone());
        }
        Ok(match self.method {
            Method::ServerLive => wire::ServerLiveResponse { live: self.healthy() }.encode_to_vec(),
            Method::ServerReady => wire::ServerReadyResponse { ready: self.healthy() }.encode_to_vec(),
            Method::ModelReady => wire::ModelReadyResponse { ready: self.healthy() }.encode_to_vec(),
            Method::HealthCheck => {
                let status = if self.healthy() { ServingStatus::Serving } else { ServingStatus::NotServing };
                HealthCheckResponse { status: status.into() }.encode_to_vec()
            }
            Method::RepositoryIndex => documents::write_index(&answer.models).encode_to_vec(),
            Method::RepositoryModelLoad | Method::RepositoryModelUnload => self.lifecycle()?.encode_to_vec(),
            Method::ModelMetadata => match answer.models.first() {
                Some(model) => documents::write_metadata(model).encode_to_vec(),
                None => return Err(self.silent()),
            },
            Method::ModelInfer | Method::ModelStreamInfer => self.inferred()?.encode_to_vec(),
            Method::ServerMetadata | Method::ModelConfig | Method::ModelStatistics => match answer.others.last() {
                Some(EventKind::Server(server)) => wire::ServerMetadataResponse {
                    name: server.name.to_string(),
                    version: server.version.clone(),
                    extensions: server.extensions.clone(),
                }
                .encode_to_vec(),
                Some(EventKind::ModelConfig(value)) => config::write(value, self.call.model_name())?,
                Some(EventKind::Statistics(statistics)) => documents::write_statistics(statistics).encode_to_vec(),
                _ => return Err(self.silent()),
            },
        })
    }

    fn silent(&self) -> Error {
        Error::new(ErrorKind::Server, format!("the answer to `{}` says nothing", self.call.op.kind().name()))
    }

    fn healthy(&self) -> bool {
        self.answer.others.iter().any(|event| matches!(event, EventKind::Health(report) if report.ok))
    }

    /// Triton's clients want an empty message and skip what they do not know; KServe's want these words.
    fn lifecycle(&self) -> Result<wire::RepositoryModelResponse, Error> {
        let failed = self.answer.others.iter().rev().find_map(|event| match event {
            EventKind::Progress(progress) => Some(&progress.state),
            _ => None,
        });
        match failed {
            Some(ModelState::Failed(reason)) => Err(Error::new(ErrorKind::Server, reason.clone())),
            _ => Ok(wire::RepositoryModelResponse { model_name: self.call.model_name().to_owned(), done: true }),
        }
    }

    fn inferred(&self) -> Result<wire::ModelInferResponse, Error> {
        let answer = &self.answer;
        let model = answer.model.as_deref().unwrap_or(self.call.model_name());
        let Op::Infer(_) = &*self.call.op else {
            let (texts, parameters) = text::whole(answer);
            let output = InferenceOutput { parameters, ..text_model::output(&texts)? };
            return Ok(response(&self.call, model, &output));
        };
        let [output] = &answer.outputs[..] else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the model gave {} answers where ModelInfer has one: use ModelStreamInfer",
                    answer.outputs.len()
                ),
            ));
        };
        Ok(response(&self.call, model, output))
    }
}
