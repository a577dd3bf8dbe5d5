//! What a fault does: [`Effect`], each named by what is seen on the wire.

use std::{collections::BTreeMap, time::Duration};

use longshore_core::capability::OpKind;
use serde::{Deserialize, Serialize};

use crate::config::human;

/// What happens to a request, or to a connection before there is one.
///
/// `after_tokens` counts events with content in a reply that streams. A reply of one piece breaks after half of its
/// bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Effect {
    /// This status; over gRPC, the code that means the same. The body is the dialect's own unless one is given.
    Status {
        /// From 400 to 599.
        status: u16,
        /// The body, in place of the dialect's own (REST).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// More headers; over gRPC, metadata beside the status.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// How long to stay away; over gRPC, as push-back in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<RetryAfter>,
    },
    /// This gRPC code; over REST, the status that means the same.
    Grpc {
        /// From 1 to 16.
        code: u32,
        /// The message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// `grpc-retry-pushback-ms`; over REST, `Retry-After`.
        #[serde(default, with = "human::optional_duration", skip_serializing_if = "Option::is_none")]
        pushback: Option<Duration>,
    },
    /// Status 200, and then the dialect's own form of an error where an answer should be.
    InBandError {
        /// Tokens before it.
        #[serde(default)]
        after_tokens: u32,
        /// The message.
        #[serde(default = "in_band_message")]
        message: String,
    },
    /// An in-band error, and then the end mark, as if all had gone well. A reply of one piece has no end mark: there it
    /// is an [`Effect::InBandError`].
    DoneAfterError {
        /// Tokens before it.
        #[serde(default)]
        after_tokens: u32,
        /// The message.
        #[serde(default = "in_band_message")]
        message: String,
    },
    /// A load fails half-way; the model is then `failed`. A model that is ready stays so, as with Triton.
    LoadFails {
        /// Why.
        #[serde(default = "load_reason")]
        reason: String,
    },
    /// A load is refused for want of memory; the model is then `failed`. A model that is ready stays so.
    LoadOutOfMemory {
        /// Bytes that it would have taken.
        #[serde(with = "human::bytes")]
        needed: u64,
    },
    /// The model is unloaded while it answers: the reply breaks off with an error that says so.
    UnloadMidStream {
        /// Tokens before it.
        #[serde(default)]
        after_tokens: u32,
    },
    /// The request is read and nothing comes back, ever.
    NoHeaders,
    /// The whole reply waits.
    SlowHeaders {
        /// How long.
        #[serde(with = "human::duration")]
        delay: Duration,
    },
    /// The reply stops, the connection stays open.
    Stall {
        /// Tokens before it.
        #[serde(default)]
        after_tokens: u32,
    },
    /// The body comes in small pieces.
    Drip {
        /// Bytes of a piece.
        bytes: usize,
        /// From one to the next.
        #[serde(with = "human::duration")]
        every: Duration,
    },
    /// A piece of the stream (an SSE event, a gRPC message; else the whole body) comes twice.
    Duplicate {
        /// Which, counted from 0.
        piece: usize,
    },
    /// The inside of a piece is overwritten with bytes that are no UTF-8, no JSON and no protobuf.
    Garble {
        /// Which, counted from 0.
        piece: usize,
    },
    /// The same bytes, each in a chunk (or HTTP/2 frame) of its own. Over HTTP/2 about 3 kB/s, lest clients take it for a
    /// flood.
    SplitAtEveryByte,
    /// The same events, in an unusual but allowed form of SSE. Without effect on anything else.
    SseNoise {
        /// A byte-order mark at the beginning.
        #[serde(default)]
        bom: bool,
        /// CR LF at the ends of lines.
        #[serde(default)]
        crlf: bool,
        /// A comment before each event.
        #[serde(default)]
        comments: bool,
        /// JSON over several `data` lines.
        #[serde(default)]
        multi_line: bool,
    },
    /// The body ends as a complete one does, the protocol's end mark is missing.
    EndWithoutMark {
        /// Tokens before it; all of them if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_tokens: Option<u32>,
    },
    /// The connection is closed in the middle of the body (HTTP/2: the stream is reset with INTERNAL_ERROR).
    TruncateBody {
        /// Tokens before it.
        #[serde(default)]
        after_tokens: u32,
    },
    /// As [`Effect::TruncateBody`], at a byte in place of a token. A body that is shorter is not broken.
    TruncateAtByte {
        /// Bytes of the body before it.
        byte: u64,
    },
    /// `Content-Length` is wrong by so many bytes; the body is complete, then the connection is closed.
    WrongContentLength {
        /// Positive: more is announced than comes.
        by: i64,
    },
    /// A page of HTML, with status 200.
    #[serde(rename = "html_at_200")]
    HtmlAt200,
    /// The body is one endless line (or gRPC message).
    HugeLine {
        /// Its bytes.
        #[serde(with = "human::bytes")]
        bytes: u64,
    },
    /// The body is gzip that unpacks to a thousand times its size.
    GzipBomb {
        /// Bytes unpacked.
        #[serde(with = "human::bytes")]
        bytes: u64,
    },
    /// The request is read, then the connection is reset (RST).
    ResetBeforeFirstByte,
    /// The connection is reset (RST) in the middle of the body.
    ResetMidStream {
        /// Tokens before it.
        #[serde(default)]
        after_tokens: u32,
    },
    /// As [`Effect::ResetMidStream`], at a byte in place of a token. A body that is shorter is not broken.
    ResetAtByte {
        /// Bytes of the body before it.
        byte: u64,
    },
    /// HTTP/2: the stream is reset with this code. HTTP/1.1: the connection is closed.
    RstStream {
        /// HTTP/2's error code; 7 is REFUSED_STREAM, 2 INTERNAL_ERROR, 8 CANCEL.
        #[serde(default = "refused_stream")]
        code: u32,
        /// Tokens before it; if not given, before the head.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_tokens: Option<u32>,
    },
    /// HTTP/2: GOAWAY while the reply, which comes complete, is on its way. HTTP/1.1: `Connection: close`.
    Goaway,
    /// gRPC: the reply ends without trailers. Without effect on REST.
    MissingGrpcStatus {
        /// Tokens of a stream before it; all of them, and what marks the last one, if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_tokens: Option<u32>,
    },
    /// The connection is reset, and the port is closed for a while: connecting is refused.
    Refuse {
        /// How long.
        #[serde(with = "human::duration")]
        lasting: Duration,
    },
    /// The connection is accepted and never read.
    AcceptAndNeverRead,
    /// The connection stands (the system sees to that) and is not read for a while.
    SlowAccept {
        /// How long.
        #[serde(with = "human::duration")]
        delay: Duration,
    },
    /// TLS with a certificate that has expired.
    TlsExpired,
    /// TLS with a certificate for another name.
    TlsWrongName,
    /// The connection is closed when the client has begun the TLS handshake.
    TlsClosedInHandshake,
}

/// How `Retry-After` is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// A date, so many seconds from now.
    Date(u64),
    /// Whatever is written here.
    Text(String),
}

fn in_band_message() -> String {
    "the model failed".into()
}

fn load_reason() -> String {
    "the weights are damaged".into()
}

fn refused_stream() -> u32 {
    7
}

impl Effect {
    /// A wait as a client can read it: a date has whole seconds, so up to one of them is lost.
    pub(crate) fn as_written(&self, wait: Duration, grpc: bool) -> Duration {
        let date = matches!(self, Self::Status { retry_after: Some(RetryAfter::Date(_)), .. });
        if date && !grpc { wait.saturating_sub(Duration::from_secs(1)) } else { wait }
    }

    /// The name that stands in rules and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Grpc { .. } => "grpc",
            Self::InBandError { .. } => "in_band_error",
            Self::DoneAfterError { .. } => "done_after_error",
            Self::LoadFails { .. } => "load_fails",
            Self::LoadOutOfMemory { .. } => "load_out_of_memory",
            Self::UnloadMidStream { .. } => "unload_mid_stream",
            Self::NoHeaders => "no_headers",
            Self::SlowHeaders { .. } => "slow_headers",
            Self::Stall { .. } => "stall",
            Self::Drip { .. } => "drip",
            Self::Duplicate { .. } => "duplicate",
            Self::Garble { .. } => "garble",
            Self::SplitAtEveryByte => "split_at_every_byte",
            Self::SseNoise { .. } => "sse_noise",
            Self::EndWithoutMark { .. } => "end_without_mark",
            Self::TruncateBody { .. } => "truncate_body",
            Self::TruncateAtByte { .. } => "truncate_at_byte",
            Self::WrongContentLength { .. } => "wrong_content_length",
            Self::HtmlAt200 => "html_at_200",
            Self::HugeLine { .. } => "huge_line",
            Self::GzipBomb { .. } => "gzip_bomb",
            Self::ResetBeforeFirstByte => "reset_before_first_byte",
            Self::ResetMidStream { .. } => "reset_mid_stream",
            Self::ResetAtByte { .. } => "reset_at_byte",
            Self::RstStream { .. } => "rst_stream",
            Self::Goaway => "goaway",
            Self::MissingGrpcStatus { .. } => "missing_grpc_status",
            Self::Refuse { .. } => "refuse",
            Self::AcceptAndNeverRead => "accept_and_never_read",
            Self::SlowAccept { .. } => "slow_accept",
            Self::TlsExpired => "tls_expired",
            Self::TlsWrongName => "tls_wrong_name",
            Self::TlsClosedInHandshake => "tls_closed_in_handshake",
        }
    }

    /// Whether it happens to a connection, before there is a request.
    pub(crate) fn is_of_connection(&self) -> bool {
        matches!(
            self,
            Self::Refuse { .. }
                | Self::AcceptAndNeverRead
                | Self::SlowAccept { .. }
                | Self::TlsExpired
                | Self::TlsWrongName
                | Self::TlsClosedInHandshake
        )
    }

    /// Whether it happens to TLS.
    pub(crate) fn needs_tls(&self) -> bool {
        matches!(self, Self::TlsExpired | Self::TlsWrongName | Self::TlsClosedInHandshake)
    }

    /// Whether a reply that streams ends before it is complete, after some of its text.
    pub(crate) fn breaks_off(&self) -> bool {
        self.cut_after().is_some()
            || self.breaks_with_error()
            || matches!(self, Self::EndWithoutMark { after_tokens: Some(_) })
    }

    /// Whether it can happen to requests for this operation, named as in the log.
    pub(super) fn reaches(&self, op: &str) -> bool {
        match self {
            Self::LoadFails { .. } | Self::LoadOutOfMemory { .. } => op == OpKind::Load.name(),
            Self::UnloadMidStream { .. } => {
                [OpKind::Chat, OpKind::Complete, OpKind::Infer].iter().any(|kind| kind.name() == op)
            }
            _ => !self.is_of_connection(),
        }
    }

    /// Whether an error takes the place of a reply that does not stream.
    pub(crate) fn breaks_with_error(&self) -> bool {
        matches!(self, Self::InBandError { .. } | Self::DoneAfterError { .. } | Self::UnloadMidStream { .. })
    }

    /// Where a reply is cut, in bytes of its body.
    pub(super) fn cut_at_byte(&self) -> Option<u64> {
        match self {
            Self::TruncateAtByte { byte } | Self::ResetAtByte { byte } => Some(*byte),
            _ => None,
        }
    }

    /// Where a reply that streams is cut, in tokens.
    pub(crate) fn cut_after(&self) -> Option<u32> {
        match self {
            Self::Stall { after_tokens }
            | Self::TruncateBody { after_tokens }
            | Self::ResetMidStream { after_tokens }
            | Self::RstStream { after_tokens: Some(after_tokens), .. } => Some(*after_tokens),
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Status { status, .. } if !(400..=599).contains(status) => {
                Err(format!("{status} is no status of an error: from 400 to 599"))
            }
            Self::Status { headers, .. } => headers.iter().try_for_each(|(name, value)| {
                let name: Result<http::HeaderName, _> = name.parse();
                let fine = name.is_ok() && http::HeaderValue::from_str(value).is_ok();
                if fine { Ok(()) } else { Err(format!("`{value}` cannot be sent as a header")) }
            }),
            Self::Grpc { code, .. } if !(1..=16).contains(code) => {
                Err(format!("{code} is no code of a gRPC error: from 1 to 16"))
            }
            Self::Drip { bytes: 0, .. } => Err("a drip has at least one byte".into()),
            _ => Ok(()),
        }
    }
}
