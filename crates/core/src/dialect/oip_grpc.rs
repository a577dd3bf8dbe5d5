//! The Open Inference Protocol over gRPC: `inference.GRPCInferenceService`, and `grpc.health.v1.Health/Check`.
//!
//! Tensors are written as raw contents and read in either form; they stay in the buffer that their message came in.
//! Chats and completions travel by the conventions of [`text_model`](crate::text_model). A peer that is Longshore is
//! told which of the two a request is (the parameter `longshore_op`), so that it need not guess from the tensors, and
//! tells the end of an answer and its token counts as options of the last response. What differs between Triton,
//! MLServer and KServe is told by [`Form`]. Not here: shared memory, trace and log settings, health's `Watch`.
//!
//! Source: Open Inference Protocol, "GRPC"; Triton's and KServe's field tables; gRPC over HTTP/2; the recorded
//! exchanges where servers differ.

mod answer;
mod ask;
mod config;
mod documents;
mod hear;
mod method;
mod tensors;
mod understand;
mod wire;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method as HttpMethod,
    header::{CONTENT_TYPE, HeaderName},
    request, response,
};

use self::method::Method;
use super::{Dialect, Exchange, ReplyDecoder, ReplyEncoder, grpc_status, oip::Form};
use crate::{Call, Capabilities, Error, Framing, Protocol, ServerInfo, capability::OpKind};

/// This dialect's name.
const NAME: &str = "oip-grpc";
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// The request parameter that asks for an end mark on a stream.
const WANTS_FINAL: &str = "triton_enable_empty_final_response";
/// The response parameter that is the end mark.
const FINAL: &str = "triton_final_response";
/// Longshore's own request parameter: which text operation the tensors are.
const TEXT_OP: &str = "longshore_op";
/// Longshore's own response parameter beside an error in a stream: its exact kind.
const ERROR_KIND: &str = "longshore_error";

/// The Open Inference Protocol over gRPC.
#[derive(Debug)]
pub(super) struct OipGrpc;

impl Dialect for OipGrpc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn protocol(&self) -> Protocol {
        Protocol::Grpc
    }

    fn supports(&self, peer: &ServerInfo) -> Capabilities {
        capabilities(Form::of(peer))
    }

    fn encode_call(&self, call: &Call, peer: &ServerInfo) -> Result<http::Request<Bytes>, Error> {
        ask::request(call, Form::of(peer))
    }

    fn framing(&self, _: &Call, head: &response::Parts) -> Framing {
        if head.status.is_success() && is_grpc(&head.headers) { Framing::Grpc } else { Framing::Whole }
    }

    fn reply_decoder(&self, call: &Call, peer: &ServerInfo, head: &response::Parts) -> Box<dyn ReplyDecoder> {
        understand::decoder(call, Form::of(peer), head)
    }

    /// Every gRPC request, so that a method which is not there is refused the way gRPC does it.
    fn route(&self, head: &request::Parts) -> Option<Exchange> {
        (head.method == HttpMethod::POST && is_grpc(&head.headers)).then(|| Exchange {
            framing: Framing::Grpc,
            duplex: Method::of_path(head.uri.path()) == Some(Method::ModelStreamInfer),
        })
    }

    fn decode_call(&self, head: &request::Parts, body: Bytes) -> Result<Call, Error> {
        hear::call(head, body)
    }

    fn reply_encoder(&self, call: &Call) -> Box<dyn ReplyEncoder> {
        answer::encoder(call)
    }

    /// A response of trailers alone, which gRPC writes as the head.
    fn refuse(&self, _: &request::Parts, error: &Error) -> http::Response<Bytes> {
        let mut response = http::Response::new(Bytes::new());
        *response.headers_mut() = grpc_status::trailers_of(error);
        response.headers_mut().insert(CONTENT_TYPE, GRPC);
        response
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

fn capabilities(form: Form) -> Capabilities {
    let capabilities = form.capabilities();
    match form {
        Form::KServe => capabilities.without(Capabilities::of(&[OpKind::ListModels])),
        _ => capabilities,
    }
}
