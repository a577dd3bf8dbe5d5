//! Ollama's REST API: chat, generation, embeddings, the models that are there and those that run, pulling.
//!
//! Streams are lines of JSON, and streaming is the default. A model is loaded by a request without a prompt, and
//! unloaded by one that keeps it alive for no time. What is installed and what runs are two lists, so that listing asks
//! for both. Deleting, copying, creating and pushing models have no words here and are refused.
//!
//! Source: Ollama's `docs/api.md` and its Python client; nothing of it was recorded from a server.

mod ask;
mod decode;
mod encode;
mod error;
mod hear;
mod messages;
mod models;
mod options;
mod place;
mod time;

use bytes::Bytes;
use http::{Method, header::CONTENT_TYPE, request as http_request, response};
use serde_json::Value;

use self::place::Place;
use super::{Dialect, Exchange, ReplyDecoder, ReplyEncoder, forward};
use crate::{
    Call, Capabilities, Error, ErrorKind, Framing, Op, Origin, Protocol, ServerInfo, call::HealthScope,
    capability::OpKind,
};

/// This dialect's name.
const NAME: &str = "ollama";

/// The version of Ollama's API that is spoken here. Clients compare it before they use what is newer.
const API_VERSION: &str = "0.12.6";

const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";

const SUPPORTED: Capabilities = Capabilities::of(&[
    OpKind::Chat,
    OpKind::Complete,
    OpKind::Embed,
    OpKind::ListModels,
    OpKind::Describe,
    OpKind::Load,
    OpKind::Unload,
    OpKind::Pull,
    OpKind::Health,
    OpKind::ServerInfo,
]);

/// Ollama's REST API.
#[derive(Debug)]
pub(super) struct Ollama;

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        NAME
    }

    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn supports(&self, _: &ServerInfo) -> Capabilities {
        SUPPORTED
    }

    fn aside(&self, call: &Call, peer: &ServerInfo) -> Option<http::Request<Bytes>> {
        if !peer.told.is_empty() {
            return None;
        }
        match &*call.op {
            // Which of the models run.
            Op::ListModels { ready_only: false } | Op::Describe { .. } => get(Place::Running).ok(),
            // Others tell a version there too; only Ollama has tags.
            Op::ServerInfo if &*peer.name == NAME => get(Place::Tags).ok(),
            // Whether it generates: a model for embeddings is loaded in another place.
            Op::Load { .. } => post(Place::Show, ask::named(call)).ok(),
            _ => None,
        }
    }

    fn encode_call(&self, call: &Call, peer: &ServerInfo) -> Result<http::Request<Bytes>, Error> {
        let place = self::place(call, peer)?;
        if let Some(body) = forward::forwarded_body(call, NAME, place.path()) {
            return post(place, body);
        }
        match ask::body(call, place)? {
            Some(body) => post(place, body),
            None => get(place),
        }
    }

    fn framing(&self, _: &Call, head: &response::Parts) -> Framing {
        let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        if head.status.is_success() && content_type.is_some_and(|value| value.starts_with(NDJSON.as_bytes())) {
            Framing::Ndjson
        } else {
            Framing::Whole
        }
    }

    fn reply_decoder(&self, call: &Call, peer: &ServerInfo, head: &response::Parts) -> Box<dyn ReplyDecoder> {
        decode::decoder(call, peer, head)
    }

    fn route(&self, head: &http_request::Parts) -> Option<Exchange> {
        Place::of(&head.method, head.uri.path()).map(|_| Exchange::UNARY)
    }

    fn decode_call(&self, head: &http_request::Parts, body: Bytes) -> Result<Call, Error> {
        let path = head.uri.path();
        let place = Place::of(&head.method, path)
            .ok_or_else(|| Error::invalid(format!("there is no {} {path} here", head.method)))?;
        let mut call = hear::read(place, &body)?;
        if head.method == Method::POST {
            call.origin = Some(Origin { dialect: NAME, path: path.into(), body });
        }
        Ok(call)
    }

    fn reply_encoder(&self, call: &Call) -> Box<dyn ReplyEncoder> {
        encode::encoder(call)
    }

    fn refuse(&self, _: &http_request::Parts, error: &Error) -> http::Response<Bytes> {
        error::refuse(error)
    }
}

/// Where `call` is put: where it came from, if it came in this dialect and can travel as it is.
fn place(call: &Call, peer: &ServerInfo) -> Result<Place, Error> {
    if let Some(origin) = call.origin.as_ref().filter(|origin| origin.dialect == NAME)
        && let Some(place) = Place::of(&Method::POST, &origin.path)
        && matches!(*call.op, Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Pull { .. })
        && forward::forwarded_body(call, NAME, place.path()).is_some()
    {
        return Ok(place);
    }
    Ok(match &*call.op {
        Op::Chat(_) => Place::Chat,
        Op::Complete(_) | Op::Unload { .. } => Place::Generate,
        Op::Load { .. } if only_embeds(peer) => Place::Embed,
        Op::Load { .. } => Place::Generate,
        Op::Embed(_) => Place::Embed,
        Op::ListModels { ready_only: false } => Place::Tags,
        Op::ListModels { ready_only: true } => Place::Running,
        Op::Describe { version: None } => Place::Show,
        Op::Pull { .. } => Place::Pull,
        Op::ServerInfo | Op::Health(HealthScope::Live | HealthScope::Ready) => Place::Version,
        other => {
            let message = format!("Ollama's API has no way to {}", other.kind().name());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    })
}

/// Whether `/api/show` has told that the model is for embeddings alone.
fn only_embeds(peer: &ServerInfo) -> bool {
    let Some(Some(shown)) = peer.told.first() else { return false };
    let shown: Value = serde_json::from_slice(shown).unwrap_or_default();
    let can = |what: &str| shown["capabilities"].as_array().is_some_and(|list| list.iter().any(|word| word == what));
    can("embedding") && !can("completion")
}

fn get(place: Place) -> Result<http::Request<Bytes>, Error> {
    built(http::Request::get(place.path()).body(Bytes::new()))
}

fn post(place: Place, body: Bytes) -> Result<http::Request<Bytes>, Error> {
    built(http::Request::post(place.path()).header(CONTENT_TYPE, JSON).body(body))
}

fn built(request: Result<http::Request<Bytes>, http::Error>) -> Result<http::Request<Bytes>, Error> {
    request.map_err(|e| Error::invalid("build the request").caused_by(e))
}

/// Whether a request wants its answer in pieces: unless it says otherwise.
fn wants_stream(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Wish {
        stream: Option<bool>,
    }
    serde_json::from_slice::<Wish>(body).ok().and_then(|wish| wish.stream).unwrap_or(true)
}
