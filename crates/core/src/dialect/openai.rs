//! OpenAI's REST API, as the whole family speaks it: llama-server, vLLM, LM Studio, Ollama's `/v1`, and OpenAI itself.
//!
//! Chat completions, completions, embeddings and the list of models; unary and as server-sent events. Fields that the
//! vocabulary does not know (tools, response formats, …) pass through untouched.
//!
//! Source: OpenAI API reference; differences of llama-server and vLLM from recorded exchanges.

mod decode;
mod encode;
mod error;
mod lifecycle;
mod models;
mod request;

use bytes::Bytes;
use http::{Method, header::CONTENT_TYPE, request as http_request, response};

use super::{
    Dialect, Exchange, ReplyDecoder, ReplyEncoder, check_model_id, forward,
    model_id::{from_path_segment, to_path_segment},
};
use crate::{
    Call, Capabilities, Error, ErrorKind, Framing, Op, Origin, Protocol, ServerInfo, call::HealthScope,
    capability::OpKind,
};

/// This dialect's name.
const NAME: &str = "openai";

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const MODELS: &str = "/v1/models";
const HEALTH: &str = "/health";

const SUPPORTED: Capabilities = Capabilities::of(&[
    OpKind::Chat,
    OpKind::Complete,
    OpKind::Embed,
    OpKind::ListModels,
    OpKind::Describe,
    OpKind::Health,
    OpKind::ServerInfo,
]);

/// OpenAI's REST API.
#[derive(Debug)]
pub(super) struct OpenAi;

impl Dialect for OpenAi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn supports(&self, peer: &ServerInfo) -> Capabilities {
        if peer.extensions.iter().any(|extension| extension == lifecycle::ROUTER) {
            return SUPPORTED.union(Capabilities::of(&[OpKind::Load, OpKind::Unload]));
        }
        SUPPORTED
    }

    fn encode_call(&self, call: &Call, peer: &ServerInfo) -> Result<http::Request<Bytes>, Error> {
        let (path, body) = match &*call.op {
            Op::Chat(chat) => (CHAT.to_owned(), Some(request::chat_body(call, chat)?)),
            Op::Complete(completion) => (COMPLETIONS.to_owned(), Some(request::completion_body(call, completion)?)),
            Op::Embed(embedding) => (EMBEDDINGS.to_owned(), Some(request::embedding_body(call, embedding)?)),
            // There is no route that names the server: the list of models says who owns them.
            Op::ListModels { .. } | Op::ServerInfo => (MODELS.to_owned(), None),
            Op::Describe { version: None } => (format!("{MODELS}/{}", to_path_segment(call.model_name())), None),
            Op::Health(HealthScope::Ready | HealthScope::Live) => (HEALTH.to_owned(), None),
            Op::Load { .. } if self.supports(peer).contains(OpKind::Load) => {
                (lifecycle::LOAD.to_owned(), Some(lifecycle::body(call)))
            }
            Op::Unload { .. } if self.supports(peer).contains(OpKind::Unload) => {
                (lifecycle::UNLOAD.to_owned(), Some(lifecycle::body(call)))
            }
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("the OpenAI API has no way to {}", other.kind().name()),
                ));
            }
        };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = http::Request::builder().method(method).uri(&path);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = match body {
            Some(body) => forward::forwarded_body(call, NAME, &path).unwrap_or(body),
            None => Bytes::new(),
        };
        request.body(body).map_err(|e| Error::invalid("build the request").caused_by(e))
    }

    fn framing(&self, _: &Call, head: &response::Parts) -> Framing {
        let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        if head.status.is_success() && content_type.is_some_and(|value| value.starts_with(b"text/event-stream")) {
            Framing::Sse
        } else {
            Framing::Whole
        }
    }

    fn reply_decoder(&self, call: &Call, _: &ServerInfo, head: &response::Parts) -> Box<dyn ReplyDecoder> {
        decode::decoder(call, head, self.framing(call, head))
    }

    fn route(&self, head: &http_request::Parts) -> Option<Exchange> {
        let path = head.uri.path();
        let known = match head.method {
            Method::POST => matches!(path, CHAT | COMPLETIONS | EMBEDDINGS),
            Method::GET => path == MODELS || path == HEALTH || described(path).is_some(),
            _ => false,
        };
        known.then_some(Exchange::UNARY)
    }

    fn decode_call(&self, head: &http_request::Parts, body: Bytes) -> Result<Call, Error> {
        let path = head.uri.path();
        let mut call = match path {
            CHAT => request::read_chat(&body)?,
            COMPLETIONS => request::read_completion(&body)?,
            EMBEDDINGS => request::read_embedding(&body)?,
            MODELS => return Ok(Call::new(Op::ListModels { ready_only: false })),
            HEALTH => return Ok(Call::new(Op::Health(HealthScope::Ready))),
            _ => {
                let model = from_path_segment(described(path).unwrap_or_default())?;
                return Ok(Call::new(Op::Describe { version: None }).model(model));
            }
        };
        if let Some(model) = &call.model {
            check_model_id(model)?;
        }
        call.origin = Some(Origin { dialect: NAME, path: path.into(), body });
        Ok(call)
    }

    fn reply_encoder(&self, call: &Call) -> Box<dyn ReplyEncoder> {
        encode::encoder(call)
    }

    fn refuse(&self, _: &http_request::Parts, error: &Error) -> http::Response<Bytes> {
        error::refuse(error)
    }
}

/// The model that `/v1/models/{id}` asks about, still percent-encoded. Ids may have slashes, encoded or not.
fn described(path: &str) -> Option<&str> {
    path.strip_prefix(MODELS)?.strip_prefix('/').filter(|id| !id.is_empty())
}
