//! Longshore's own REST API, which has a word for everything in the vocabulary; `docs/openapi.yaml` describes it.
//!
//! One route infers: which of `messages`, `prompt`, `input` and `inputs` a body has says for what. Replies are one JSON
//! object or server-sent events that each name themselves (`{"event": "text", …}`) and end with `done`; errors are
//! RFC 9457 problems in both. Not here: the ledger and the route of an answer, which the server adds as headers.

mod decode;
mod encode;
mod event;
mod problem;
mod request;
mod tensor;
mod uri;

use bytes::Bytes;
use http::{
    Method,
    header::{ACCEPT, CONTENT_TYPE},
    request as http_request, response,
};

use self::uri::Place;
use super::{Dialect, Exchange, ReplyDecoder, ReplyEncoder, forward};
use crate::{Call, Capabilities, Error, Framing, Origin, Protocol, ServerInfo};

/// This dialect's name.
const NAME: &str = "native";

/// What a server of this dialect calls itself: a client that looks for one knows it by this.
const PRODUCT: &str = "longshore";

const EVENT_STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// An error as an RFC 9457 problem, as this dialect writes it: for those who say more beside it.
pub fn problem(error: &Error) -> serde_json::Value {
    // Plain structures of texts and numbers cannot fail to be written.
    serde_json::to_value(problem::Problem::from(error)).unwrap_or_default()
}

/// Longshore's own REST API.
#[derive(Debug)]
pub(super) struct Native;

impl Dialect for Native {
    fn name(&self) -> &'static str {
        NAME
    }

    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn supports(&self, _: &ServerInfo) -> Capabilities {
        Capabilities::ALL
    }

    fn encode_call(&self, call: &Call, _: &ServerInfo) -> Result<http::Request<Bytes>, Error> {
        let path = uri::written(call)?;
        let body = match forward::forwarded_body(call, NAME, &path) {
            Some(body) => Some(body),
            None => request::body(call)?,
        };
        let request = http::Request::builder().uri(&path);
        let request = match body {
            Some(body) => {
                let accept = if asks_for_stream(call) { EVENT_STREAM } else { JSON };
                request.method(Method::POST).header(CONTENT_TYPE, JSON).header(ACCEPT, accept).body(body)
            }
            None => request.header(ACCEPT, JSON).body(Bytes::new()),
        };
        request.map_err(|e| Error::invalid("build the request").caused_by(e))
    }

    fn framing(&self, _: &Call, head: &response::Parts) -> Framing {
        framing(head)
    }

    fn reply_decoder(&self, call: &Call, _: &ServerInfo, head: &response::Parts) -> Box<dyn ReplyDecoder> {
        decode::decoder(call, head)
    }

    fn route(&self, head: &http_request::Parts) -> Option<Exchange> {
        Place::of(&head.method, head.uri.path()).map(|_| Exchange::UNARY)
    }

    fn decode_call(&self, head: &http_request::Parts, body: Bytes) -> Result<Call, Error> {
        let mut call = match Place::of(&head.method, head.uri.path()) {
            Some(Place::Infer) => request::read_inference(&body)?,
            Some(Place::Load) => request::read_load(&body)?,
            Some(Place::Unload) => request::read_unload(&body)?,
            Some(Place::Pull) => request::read_pull(&body)?,
            Some(place) => return uri::read(place, head.uri.query().unwrap_or_default()),
            None => return Err(Error::invalid(format!("there is no {} {} here", head.method, head.uri.path()))),
        };
        call.origin = Some(Origin { dialect: NAME, path: head.uri.path().into(), body });
        Ok(call)
    }

    fn reply_encoder(&self, call: &Call) -> Box<dyn ReplyEncoder> {
        encode::encoder(call)
    }

    fn refuse(&self, _: &http_request::Parts, error: &Error) -> http::Response<Bytes> {
        problem::refuse(error)
    }
}

/// Whether the reply shall be a stream. A load, unload or pull streams when its request says so; of those calls that did not
/// come in by this dialect, the client half always asks for it.
fn asks_for_stream(call: &Call) -> bool {
    if !call.op.is_lifecycle() {
        return call.op.streams();
    }
    let origin = call.origin.as_ref().filter(|origin| origin.dialect == NAME);
    origin.is_none_or(|origin| request::wants_stream(&origin.body))
}

/// Errors before the first event come whole.
fn framing(head: &response::Parts) -> Framing {
    if head.status.is_success() && has_type(head, EVENT_STREAM) { Framing::Sse } else { Framing::Whole }
}

fn has_type(head: &response::Parts, media_type: &str) -> bool {
    let given = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(media_type))
}
