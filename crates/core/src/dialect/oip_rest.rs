//! The Open Inference Protocol over REST: health, metadata, tensors as JSON or raw bytes, the model repository,
//! statistics, configuration, and Triton's text generation.
//!
//! Chats and completions travel by the conventions of [`text_model`](crate::text_model): to `generate` and
//! `generate_stream` where the server takes text there, else as tensors. What differs between Triton, MLServer and
//! KServe is told by [`Form`]. Floats that JSON has no word for are written as the strings `"NaN"`, `"Infinity"` and
//! `"-Infinity"`, and read in whatever way a server writes them. Not here: shared memory, trace and log settings.
//!
//! Source: Open Inference Protocol, "HTTP/REST"; Triton's extensions "binary tensor data", "model repository",
//! "statistics", "model configuration", "generate"; the recorded exchanges where they differ.

mod answer;
mod ask;
mod documents;
mod error;
mod generate;
mod hear;
mod json;
mod path;
mod tensors;
mod understand;

use bytes::Bytes;
use http::{header::CONTENT_TYPE, request, response};

use super::{Dialect, Exchange, ReplyDecoder, ReplyEncoder, oip::Form};
use crate::{Call, Capabilities, Error, Framing, Protocol, ServerInfo};

/// This dialect's name.
const NAME: &str = "oip-rest";
/// Where the JSON ends and the raw bytes begin.
const HEADER_LENGTH: &str = "inference-header-content-length";
/// The option of the last answer of a stream; Triton's gRPC has it, and so has Longshore's REST.
const FINAL: &str = "triton_final_response";

/// The Open Inference Protocol over REST.
#[derive(Debug)]
pub(super) struct OipRest;

impl Dialect for OipRest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn protocol(&self) -> Protocol {
        Protocol::Rest
    }

    fn supports(&self, peer: &ServerInfo) -> Capabilities {
        Form::of(peer).capabilities()
    }

    fn encode_call(&self, call: &Call, peer: &ServerInfo) -> Result<http::Request<Bytes>, Error> {
        ask::request(call, Form::of(peer))
    }

    /// A failed stream is one JSON text at Triton's, though its type says events.
    fn framing(&self, _: &Call, head: &response::Parts) -> Framing {
        let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        let sse = content_type.is_some_and(|value| value.starts_with(b"text/event-stream"));
        if sse && head.status.is_success() { Framing::Sse } else { Framing::Whole }
    }

    fn reply_decoder(&self, call: &Call, peer: &ServerInfo, head: &response::Parts) -> Box<dyn ReplyDecoder> {
        understand::decoder(call, Form::of(peer), head, self.framing(call, head))
    }

    fn route(&self, head: &request::Parts) -> Option<Exchange> {
        path::parse(&head.method, head.uri.path()).map(|_| Exchange::UNARY)
    }

    fn decode_call(&self, head: &request::Parts, body: Bytes) -> Result<Call, Error> {
        hear::call(head, body)
    }

    fn reply_encoder(&self, call: &Call) -> Box<dyn ReplyEncoder> {
        answer::encoder(call)
    }

    fn refuse(&self, _: &request::Parts, error: &Error) -> http::Response<Bytes> {
        error::refuse(error)
    }
}
