//! OpenAI's REST API, as the whole family speaks it: llama-server, vLLM, LM Studio, Ollama's `/v1`, and OpenAI itself.
//!
//! Chat completions, completions, embeddings and the list of models; unary and as server-sent events. Fields that the
//! vocabulary does not know (tools, response formats, …) pass through untouched.
//!
//! What its members have beyond it stands in a table (`family`): how they are recognised, how they load and unload.
//!
//! Source: OpenAI API reference; recorded exchanges of llama-server; the documentation of vLLM and LM Studio.

mod chunk;
mod decode;
mod encode;
mod error;
mod family;
mod lifecycle;
mod lmstudio;
mod models;
mod request;
mod router;

use bytes::Bytes;
use http::{Method, header::CONTENT_TYPE, request as http_request, response};

use self::lifecycle::{Lifecycle, Written};
use super::{
    Dialect, Exchange, ReplyDecoder, ReplyEncoder, StatusStream, check_model_id, forward,
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
        match family::lifecycles(peer).next() {
            Some(_) => SUPPORTED.union(Capabilities::of(&[OpKind::Load, OpKind::Unload])),
            None => SUPPORTED,
        }
    }

    fn aside(&self, call: &Call, peer: &ServerInfo) -> Option<http::Request<Bytes>> {
        let written = match &*call.op {
            Op::ServerInfo => Written { path: family::question(peer)?.to_owned(), body: None },
            Op::ListModels { .. } | Op::Describe { .. } => lifecycle::before_list(peer)?,
            Op::Load { .. } | Op::Unload { .. } => family::lifecycles(peer).find_map(|way| way.aside(call, peer))?,
            _ => return None,
        };
        request_of(written).ok()
    }

    fn encode_call(&self, call: &Call, peer: &ServerInfo) -> Result<http::Request<Bytes>, Error> {
        let get = |path: &str| Written { path: path.to_owned(), body: None };
        let post = |path: &str, body: Bytes| {
            let body = forward::forwarded_body(call, NAME, path).unwrap_or(body);
            Written { path: path.to_owned(), body: Some(body) }
        };
        if let Some(lifecycle) = lifecycle::of_call(call, peer) {
            return request_of(lifecycle.write(call, peer)?);
        }
        request_of(match &*call.op {
            Op::Chat(chat) => post(CHAT, request::chat_body(call, chat, peer)?),
            Op::Complete(completion) => post(COMPLETIONS, request::completion_body(call, completion)?),
            Op::Embed(embedding) => post(EMBEDDINGS, request::embedding_body(call, embedding)?),
            // LM Studio's own list says what is loaded.
            Op::ListModels { .. } | Op::Describe { version: None } if Lifecycle::Instances.is_of(peer) => {
                get(lmstudio::MODELS)
            }
            // There is no route that names the server: the list of models says who owns them.
            Op::ListModels { .. } | Op::ServerInfo => get(MODELS),
            Op::Describe { version: None } => get(&format!("{MODELS}/{}", to_path_segment(call.model_name()))),
            Op::Health(HealthScope::Ready | HealthScope::Live) => get(HEALTH),
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("the OpenAI API has no way to {}", other.kind().name()),
                ));
            }
        })
    }

    fn watch(&self, call: &Call, peer: &ServerInfo) -> Option<StatusStream> {
        let watched = lifecycle::of_call(call, peer) == Some(Lifecycle::Router);
        let request = request_of(Written { path: router::EVENTS.to_owned(), body: None }).ok().filter(|_| watched)?;
        let decoder = Box::new(router::Events::new(call.model.clone().unwrap_or_default()));
        Some(StatusStream { request, framing: Framing::Sse, decoder })
    }

    fn framing(&self, _: &Call, head: &response::Parts) -> Framing {
        let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        if head.status.is_success() && content_type.is_some_and(|value| value.starts_with(b"text/event-stream")) {
            Framing::Sse
        } else {
            Framing::Whole
        }
    }

    fn reply_decoder(&self, call: &Call, peer: &ServerInfo, head: &response::Parts) -> Box<dyn ReplyDecoder> {
        decode::decoder(call, peer, head, self.framing(call, head))
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

fn request_of(written: Written) -> Result<http::Request<Bytes>, Error> {
    let Written { path, body } = written;
    let request = match body {
        Some(body) => http::Request::post(&path).header(CONTENT_TYPE, "application/json").body(body),
        None => http::Request::get(&path).body(Bytes::new()),
    };
    request.map_err(|e| Error::invalid("build the request").caused_by(e))
}

/// The model that `/v1/models/{id}` asks about, still percent-encoded. Ids may have slashes, encoded or not.
fn described(path: &str) -> Option<&str> {
    path.strip_prefix(MODELS)?.strip_prefix('/').filter(|id| !id.is_empty())
}
