//! A wire protocol, in two halves. The client half asks and understands; the server half hears and answers.
//!
//! A dialect does no I/O and keeps no state between calls: it makes a request out of a [`Call`], [`Event`]s out of a
//! reply's frames, and the other way round. To add one: a file in this folder that implements [`Dialect`], a line in
//! [`DIALECTS`], a folder of fixtures. The conformance tests, the gateway and the simulator find it in the table.

mod emitter;
mod fields;
mod forward;
mod grpc_status;
mod http_error;
mod model_id;
mod native;
mod oip;
mod oip_grpc;
mod oip_rest;
mod ollama;
mod openai;
mod parameters;

use std::{fmt, time::Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, request, response};

use crate::{Call, Capabilities, Error, Event, Framing, Protocol, ServerInfo};

pub use http_error::{kind_of_status, status_of};
pub use model_id::check_model_id;
pub use native::problem;

/// One wire protocol.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// A short name that stands in configurations, ledgers and [`Raw`](crate::event::Raw) frames.
    fn name(&self) -> &'static str;

    /// What carries it.
    fn protocol(&self) -> Protocol;

    /// What can be asked in it of `peer` (of a server about which nothing is known, when the default is given).
    fn supports(&self, peer: &ServerInfo) -> Capabilities;

    // === the client half ===

    /// What must be asked of `peer` before `call` can be written down or its answer understood, where a server has the
    /// pieces in several places: an instance's id before it can be unloaded, what runs beside what is there. Called
    /// again with each answer added to [`ServerInfo::told`] until there is nothing left to ask; at most [`ASIDES`]
    /// times. A refusal is told as `None` and is no failure of the call.
    ///
    /// With [`Op::ServerInfo`](crate::Op::ServerInfo) and a peer whose name is known: what it takes to know it better.
    fn aside(&self, call: &Call, peer: &ServerInfo) -> Option<http::Request<Bytes>> {
        let _ = (call, peer);
        None
    }

    /// Writes `call` down for `peer`. The URI is a path (and query) alone: the transport knows the authority.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidRequest` when this dialect has no words for it; nothing was sent then.
    fn encode_call(&self, call: &Call, peer: &ServerInfo) -> Result<http::Request<Bytes>, Error>;

    /// How to watch what `peer` does in the background after it has accepted `call`, a load or unload, where it tells of
    /// it as it happens. Whoever watches looks at the list of models too: a watch may begin late or break off.
    fn watch(&self, call: &Call, peer: &ServerInfo) -> Option<StatusStream> {
        let _ = (call, peer);
        None
    }

    /// How to cut this reply's body into frames; decided by its head, since an error may come framed otherwise.
    fn framing(&self, call: &Call, head: &response::Parts) -> Framing;

    /// What understands this reply's frames.
    fn reply_decoder(&self, call: &Call, peer: &ServerInfo, head: &response::Parts) -> Box<dyn ReplyDecoder>;

    // === the server half ===

    /// Whether the request is one of this dialect's, judged by method, path and headers; and how it is exchanged.
    fn route(&self, head: &request::Parts) -> Option<Exchange>;

    /// Understands a request that [`Dialect::route`] accepted: its whole body, or one message of it. Called once for
    /// a unary exchange, once for each message of a duplex one.
    ///
    /// # Errors
    /// `InvalidRequest` or `Unsupported`, with a message for whoever wrote the request.
    fn decode_call(&self, head: &request::Parts, body: Bytes) -> Result<Call, Error>;

    /// What writes the answer to `call`.
    fn reply_encoder(&self, call: &Call) -> Box<dyn ReplyEncoder>;

    /// A whole response that refuses the request of this head: nothing of an answer has been written yet.
    fn refuse(&self, head: &request::Parts, error: &Error) -> http::Response<Bytes>;
}

/// A request whose answer tells how a load or unload gets on, for as long as somebody listens.
pub struct StatusStream {
    /// To be sent as those of [`Dialect::encode_call`] are.
    pub request: http::Request<Bytes>,
    /// How its answer is cut, if that is a success.
    pub framing: Framing,
    /// What understands it: gives [`Progress`](crate::EventKind::Progress) of the call's own model alone, and no end.
    pub decoder: Box<dyn ReplyDecoder>,
}

/// How many asides a call may need; a dialect that wants more is going in circles.
pub const ASIDES: usize = 8;

/// How requests and replies follow each other on one HTTP exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// How the request's body is cut.
    pub framing: Framing,
    /// Whether each frame of the request is a call of its own, answered while more may follow (a gRPC bidirectional
    /// stream). Else the body holds exactly one call.
    pub duplex: bool,
}

impl Exchange {
    /// One request whose body is the call.
    pub const UNARY: Self = Self { framing: Framing::Whole, duplex: false };
}

/// Understands one reply.
pub trait ReplyDecoder: Send {
    /// Takes one frame that was read at `at`; may give several events, or none.
    ///
    /// # Errors
    /// What the frame says went wrong (`Server`, `UnknownModel`, …), or `Protocol` when it makes no sense. Events
    /// given before that are good.
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error>;

    /// The body ended cleanly at `at`, with these trailers. Gives [`Done`](crate::EventKind::Done) if the protocol's
    /// end mark is the end itself and `Done` was not given before.
    ///
    /// # Errors
    /// `Interrupted` where the protocol has an end mark that did not come; what the trailers say went wrong.
    fn finish(&mut self, at: Instant, trailers: Option<&HeaderMap>, events: &mut Vec<Event>) -> Result<(), Error>;
}

/// Writes one reply.
///
/// A streamed reply: `head`, then `event`s as they come, then `end`. A reply that does not stream: all `event`s and
/// `end` first, then `head`, since its headers may tell what the body has become; an error on the way becomes
/// [`Dialect::refuse`].
pub trait ReplyEncoder: Send {
    /// Whether the body goes out event by event.
    fn streams(&self) -> bool;

    /// Status and headers of a reply that has been committed.
    fn head(&mut self) -> response::Builder;

    /// Appends what `event` is in this dialect to the body; may be nothing.
    fn event(&mut self, event: &Event, body: &mut BytesMut);

    /// After the head of a stream is out: the error in this dialect's in-band form, never followed by an end mark
    /// that would make it look complete.
    fn interrupted(&mut self, error: &Error, body: &mut BytesMut);

    /// Appends what stands after the last event, and gives the trailers.
    fn end(&mut self, body: &mut BytesMut) -> Option<HeaderMap>;
}

/// Every dialect. Of several that a server understands, the earlier one is preferred.
pub static DIALECTS: &[&dyn Dialect] =
    &[&native::Native, &ollama::Ollama, &openai::OpenAi, &oip_rest::OipRest, &oip_grpc::OipGrpc];

/// The dialect of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.name() == name)
}
