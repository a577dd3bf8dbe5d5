//! The rows: which fault, and what is to come of it.

use std::time::Duration;

use longshore_client::FleetConfig;
use longshore_core::ErrorKind::{self, *};
use longshore_sim::{Effect, RetryAfter, SimConfig};

/// One fault and what the client makes of it.
pub(crate) struct Row {
    /// Its number in the list of faults; several rows may be variants of one.
    pub(crate) number: u8,
    /// The fault in words.
    pub(crate) fault: &'static str,
    pub(crate) place: Place,
    pub(crate) asks: Asks,
    /// Limits that the row needs, so that nobody waits for a minute.
    pub(crate) tune: fn(&mut FleetConfig),
    /// REST whole, REST streamed, gRPC whole, gRPC streamed.
    pub(crate) sees: [Sees; 4],
    /// Whether another server is asked when nothing of an answer has come.
    pub(crate) moves: bool,
}

/// Where the fault is made.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// The simulator, for requests to the model. The seed chooses where a reply breaks.
    Request(fn(u64) -> Effect),
    /// The simulator, for every connection.
    Connection(fn() -> Effect),
    /// The simulator with TLS, for every connection.
    Tls(fn() -> Effect),
    /// A simulator that is set up so.
    Setup(fn(&mut SimConfig)),
    /// An address with nobody there.
    Closed,
    /// A name that nobody has.
    NoName,
    /// An address that takes no connection and refuses none.
    BlackHole,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Asks {
    Chat,
    /// A prompt of a hundred words.
    LongChat,
    /// Of a model that nobody has.
    Absent,
    /// A load.
    Load,
}

/// What is to come of one call.
#[derive(Clone, Copy)]
pub(crate) enum Sees {
    /// The answer, as without the fault.
    Same,
    /// The answer, in which a piece stands twice.
    Twice,
    /// An error of this kind, with these words, and nothing of an answer.
    Fails(ErrorKind, &'static str),
    /// The tokens before the break (see [`before`]) and so many more; then `Interrupted`, with these words.
    Breaks(u32, &'static str),
    /// The tokens before the break, which the server calls the whole answer.
    Short,
    /// There is no such fault on this wire.
    Nothing,
}

use Sees::{Breaks, Fails, Nothing, Same, Short, Twice};

/// Tokens before a break.
pub(crate) fn before(seed: u64) -> u32 {
    1 + (seed % 3) as u32
}

/// Tokens of a whole answer.
pub(crate) const TOKENS: u32 = 8;

const PLAIN: Row = Row {
    number: 0,
    fault: "",
    place: Place::Setup(|_| ()),
    asks: Asks::Chat,
    tune: |_| (),
    sees: [Same; 4],
    moves: true,
};

/// Long enough for a busy machine, short enough to be waited for.
const SHORT: Duration = Duration::from_secs(2);

const fn request(number: u8, fault: &'static str, effect: fn(u64) -> Effect, sees: [Sees; 4]) -> Row {
    Row { number, fault, place: Place::Request(effect), sees, ..PLAIN }
}

const fn everywhere(sees: Sees) -> [Sees; 4] {
    [sees; 4]
}

fn status(status: u16, retry_after: Option<RetryAfter>) -> Effect {
    Effect::Status { status, body: None, headers: Default::default(), retry_after }
}

fn grpc(code: u32, message: &str) -> Effect {
    Effect::Grpc { code, message: Some(message.into()), pushback: None }
}

fn noise(bom: bool, crlf: bool, comments: bool, multi_line: bool) -> Effect {
    Effect::SseNoise { bom, crlf, comments, multi_line }
}

/// In the order of their numbers.
pub(crate) const ROWS: &[Row] = &[
    Row {
        number: 1,
        fault: "connection refused",
        place: Place::Closed,
        sees: everywhere(Fails(Connect, "connection refused")),
        ..PLAIN
    },
    Row {
        number: 2,
        fault: "name does not resolve",
        place: Place::NoName,
        sees: everywhere(Fails(Connect, "cannot resolve nowhere.invalid")),
        ..PLAIN
    },
    Row {
        number: 3,
        fault: "connect black hole",
        place: Place::BlackHole,
        tune: |config| config.timeouts.connect = SHORT,
        sees: everywhere(Fails(Timeout, "(connect timeout)")),
        ..PLAIN
    },
    Row {
        number: 4,
        fault: "slow accept",
        place: Place::Connection(|| Effect::SlowAccept { delay: Duration::from_millis(200) }),
        ..PLAIN
    },
    Row {
        number: 4,
        fault: "slow accept, with TLS",
        place: Place::Tls(|| Effect::SlowAccept { delay: 20 * SHORT }),
        tune: |config| config.timeouts.connect = SHORT,
        sees: everywhere(Fails(Timeout, "(connect timeout)")),
        ..PLAIN
    },
    Row {
        number: 4,
        fault: "accepted, and never read",
        place: Place::Connection(|| Effect::AcceptAndNeverRead),
        tune: |config| {
            (config.timeouts.headers, config.timeouts.first_token) = (SHORT, SHORT);
            config.timeouts.probe = 2 * SHORT;
        },
        // Whether it has the model cannot be asked, so it is taken for cold.
        sees: everywhere(Fails(Timeout, "(headers timeout)")),
        ..PLAIN
    },
    Row {
        number: 5,
        fault: "TLS certificate expired",
        place: Place::Tls(|| Effect::TlsExpired),
        sees: everywhere(Fails(Connect, "the server's certificate has expired")),
        ..PLAIN
    },
    Row {
        number: 5,
        fault: "TLS certificate for another name",
        place: Place::Tls(|| Effect::TlsWrongName),
        sees: everywhere(Fails(Connect, "is not for localhost, but for another-name.example")),
        ..PLAIN
    },
    Row {
        number: 6,
        fault: "TLS closed in the handshake",
        place: Place::Tls(|| Effect::TlsClosedInHandshake),
        sees: everywhere(Fails(Connect, "in the TLS handshake")),
        ..PLAIN
    },
    request(
        7,
        "401",
        |_| status(401, None),
        everywhere(Fails(Unauthenticated, "a fault of the simulator: status 401")),
    ),
    request(
        7,
        "403",
        |_| status(403, None),
        everywhere(Fails(Unauthenticated, "a fault of the simulator: status 403")),
    ),
    Row {
        moves: false,
        ..request(
            8,
            "400",
            |_| status(400, None),
            everywhere(Fails(InvalidRequest, "a fault of the simulator: status 400")),
        )
    },
    Row {
        moves: false,
        ..request(
            8,
            "422",
            |_| status(422, None),
            everywhere(Fails(InvalidRequest, "a fault of the simulator: status 422")),
        )
    },
    Row {
        number: 8,
        fault: "the context is too long",
        place: Place::Setup(|config| config.models[0].context_window = 50),
        asks: Asks::LongChat,
        sees: everywhere(Fails(ContextTooLong, "the maximum context length of `m` is 50 tokens")),
        moves: false,
        ..PLAIN
    },
    Row {
        number: 9,
        fault: "no such model",
        asks: Asks::Absent,
        sees: everywhere(Fails(UnknownModel, "no model `absent`; there are `m`")),
        moves: false,
        ..PLAIN
    },
    request(
        10,
        "429 with Retry-After in seconds",
        |_| status(429, Some(RetryAfter::Seconds(7))),
        everywhere(Fails(Overloaded, "status 429")),
    ),
    request(
        10,
        "429 with Retry-After as a date",
        |_| status(429, Some(RetryAfter::Date(7))),
        everywhere(Fails(Overloaded, "status 429")),
    ),
    request(11, "429 without Retry-After", |_| status(429, None), everywhere(Fails(Overloaded, "status 429"))),
    request(
        11,
        "429 with an absurd Retry-After",
        |_| status(429, Some(RetryAfter::Text("next tuesday".into()))),
        everywhere(Fails(Overloaded, "status 429")),
    ),
    request(12, "500", |_| status(500, None), everywhere(Fails(Server, "status 500"))),
    request(
        12,
        "502",
        |_| status(502, None),
        // Over gRPC it is UNAVAILABLE.
        [
            Fails(Server, "status 502"),
            Fails(Server, "status 502"),
            Fails(Overloaded, "status 502"),
            Fails(Overloaded, "status 502"),
        ],
    ),
    request(12, "503", |_| status(503, None), everywhere(Fails(Overloaded, "status 503"))),
    Row {
        tune: |config| (config.timeouts.headers, config.timeouts.first_token) = (SHORT, SHORT),
        ..request(
            15,
            "headers never come",
            |_| Effect::NoHeaders,
            // The head of a whole answer comes when the answer is there.
            [
                Fails(Timeout, "(first token timeout)"),
                Fails(Timeout, "(headers timeout)"),
                Fails(Timeout, "(first token timeout)"),
                Fails(Timeout, "(headers timeout)"),
            ],
        )
    },
    Row {
        tune: |config| config.timeouts.total = SHORT,
        moves: false,
        ..request(
            15,
            "headers never come before the deadline",
            |_| Effect::NoHeaders,
            everywhere(Fails(Timeout, "when the deadline of the whole call passed")),
        )
    },
    Row {
        tune: |config| (config.timeouts.first_token, config.timeouts.idle) = (SHORT, SHORT),
        ..request(
            15,
            "headers, and then no token",
            |_| Effect::Stall { after_tokens: 0 },
            everywhere(Fails(Timeout, "(first token timeout)")),
        )
    },
    Row {
        tune: |config| (config.timeouts.first_token, config.timeouts.idle) = (SHORT, SHORT),
        ..request(
            16,
            "stall after some tokens",
            |seed| Effect::Stall { after_tokens: before(seed) },
            [
                Fails(Timeout, "(first token timeout)"),
                Breaks(0, "(idle timeout)"),
                Fails(Timeout, "(first token timeout)"),
                Breaks(0, "(idle timeout)"),
            ],
        )
    },
    request(17, "slow drip", |_| Effect::Drip { bytes: 40, every: Duration::from_millis(2) }, everywhere(Same)),
    Row {
        tune: |config| config.timeouts.total = 2 * SHORT,
        moves: false,
        ..request(
            17,
            "a drip that is too slow for the deadline",
            |_| Effect::Drip { bytes: 1, every: Duration::from_millis(100) },
            everywhere(Fails(Timeout, "the deadline of the whole call passed")),
        )
    },
    request(
        18,
        "reset before the first byte",
        |_| Effect::ResetBeforeFirstByte,
        everywhere(Fails(Connect, "the server reset the connection")),
    ),
    request(
        19,
        "reset in the middle",
        |seed| Effect::ResetMidStream { after_tokens: before(seed) },
        [
            Fails(Interrupted, "the server reset the connection"),
            Breaks(0, "the server reset the connection"),
            Fails(Interrupted, "the server reset the connection"),
            Breaks(0, "the server reset the connection"),
        ],
    ),
    request(
        19,
        "closed in the middle",
        |seed| Effect::TruncateBody { after_tokens: before(seed) },
        [
            Fails(Interrupted, "the server closed the connection too early"),
            Breaks(0, "the server closed the connection"),
            Fails(Interrupted, "the server ended the HTTP/2 stream"),
            Breaks(0, "the server ended the HTTP/2 stream"),
        ],
    ),
    request(
        20,
        "clean end without an end mark",
        |seed| Effect::EndWithoutMark { after_tokens: Some(before(seed)) },
        [
            Fails(Protocol, "JSON"),
            Breaks(0, "without a finish reason or [DONE]"),
            Nothing,
            // The status says that it is complete.
            Short,
        ],
    ),
    request(21, "split at every byte", |_| Effect::SplitAtEveryByte, everywhere(Same)),
    request(
        22,
        "garbled chunk",
        |seed| Effect::Garble { piece: before(seed) as usize + 1 },
        [Nothing, Breaks(0, "is not what OpenAI's API promises"), Nothing, Breaks(1, "Protobuf")],
    ),
    request(
        22,
        "garbled answer",
        |_| Effect::Garble { piece: 0 },
        [
            Fails(Protocol, "is not JSON"),
            Fails(Protocol, "is not what OpenAI's API promises"),
            Fails(Protocol, "Protobuf"),
            Fails(Protocol, "Protobuf"),
        ],
    ),
    request(23, "SSE with a BOM", |_| noise(true, false, false, false), [Nothing, Same, Nothing, Nothing]),
    request(23, "SSE with CR LF", |_| noise(false, true, false, false), [Nothing, Same, Nothing, Nothing]),
    request(23, "SSE with comments", |_| noise(false, false, true, false), [Nothing, Same, Nothing, Nothing]),
    request(
        23,
        "SSE with data over several lines",
        |_| noise(false, false, false, true),
        [Nothing, Same, Nothing, Nothing],
    ),
    request(
        24,
        "200 with an error in place of an answer",
        |_| Effect::InBandError { after_tokens: 0, message: "the model failed".into() },
        everywhere(Fails(Server, "the model failed")),
    ),
    request(
        24,
        "200 with an error after some tokens",
        |seed| Effect::InBandError { after_tokens: before(seed), message: "the model failed".into() },
        [
            Fails(Server, "the model failed"),
            Breaks(0, "the model failed"),
            Fails(Server, "the model failed"),
            Breaks(0, "the model failed"),
        ],
    ),
    request(
        24,
        "an error, and then the end mark",
        |seed| Effect::DoneAfterError { after_tokens: before(seed), message: "the model failed".into() },
        [
            Fails(Server, "the model failed"),
            Breaks(0, "the model failed"),
            Fails(Server, "the model failed"),
            Breaks(0, "the model failed"),
        ],
    ),
    request(
        25,
        "duplicate frame",
        |seed| Effect::Duplicate { piece: before(seed) as usize },
        [Nothing, Twice, Nothing, Twice],
    ),
    request(
        25,
        "duplicate answer",
        |_| Effect::Duplicate { piece: 0 },
        [Fails(Protocol, "trailing characters"), Nothing, Same, Nothing],
    ),
    request(
        26,
        "Content-Length too long",
        |seed| Effect::WrongContentLength { by: seed as i64 },
        [Fails(Interrupted, "the server closed the connection too early"), Nothing, Nothing, Nothing],
    ),
    request(
        26,
        "Content-Length too short",
        |seed| Effect::WrongContentLength { by: -(seed as i64) },
        [Fails(Protocol, "is not JSON"), Nothing, Nothing, Nothing],
    ),
    request(
        27,
        "HTML page with 200",
        |_| Effect::HtmlAt200,
        [
            Fails(Protocol, "Sign in"),
            Fails(Protocol, "Sign in"),
            Fails(Protocol, "is no gRPC"),
            Fails(Protocol, "is no gRPC"),
        ],
    ),
    Row {
        tune: |config| config.limits.reply_body_bytes = 1 << 20,
        ..request(
            28,
            "a line of 100 MB",
            |_| Effect::HugeLine { bytes: 100 << 20 },
            [
                Fails(TooLarge, "1048576 bytes"),
                Fails(TooLarge, "4194304 bytes"),
                Fails(TooLarge, "1048576 bytes"),
                Fails(TooLarge, "1048576 bytes"),
            ],
        )
    },
    request(28, "gzip bomb", |_| Effect::GzipBomb { bytes: 100 << 20 }, everywhere(Fails(Protocol, "compress"))),
    request(29, "gRPC UNAVAILABLE", |_| grpc(14, "come back later"), everywhere(Fails(Overloaded, "come back later"))),
    request(
        29,
        "gRPC RESOURCE_EXHAUSTED with push-back",
        |_| Effect::Grpc { code: 8, message: Some("no room".into()), pushback: Some(Duration::from_secs(7)) },
        everywhere(Fails(Overloaded, "no room")),
    ),
    request(
        30,
        "gRPC DEADLINE_EXCEEDED",
        |_| grpc(4, "it took too long"),
        everywhere(Fails(Timeout, "it took too long")),
    ),
    Row {
        moves: false,
        ..request(30, "gRPC CANCELLED", |_| grpc(1, "called off"), everywhere(Fails(Cancelled, "called off")))
    },
    request(
        31,
        "missing grpc-status trailer, after the last message",
        |_| Effect::MissingGrpcStatus { after_tokens: None },
        // The stream's last message is marked as such.
        [Nothing, Nothing, Breaks(0, "without a gRPC status"), Same],
    ),
    request(
        31,
        "missing grpc-status trailer, before the last message",
        |seed| Effect::MissingGrpcStatus { after_tokens: Some(before(seed)) },
        [Nothing, Nothing, Nothing, Breaks(0, "without a gRPC status")],
    ),
    request(32, "GOAWAY with open streams", |_| Effect::Goaway, everywhere(Same)),
    request(
        33,
        "RST_STREAM INTERNAL_ERROR",
        |seed| Effect::RstStream { code: 2, after_tokens: Some(before(seed)) },
        [Nothing, Nothing, Fails(Interrupted, "internal error"), Breaks(0, "internal error")],
    ),
    request(
        33,
        "RST_STREAM REFUSED_STREAM, always",
        |_| Effect::RstStream { code: 7, after_tokens: None },
        [Nothing, Nothing, Fails(Connect, "refused the HTTP/2 stream"), Fails(Connect, "refused the HTTP/2 stream")],
    ),
    Row {
        asks: Asks::Load,
        moves: false,
        ..request(
            35,
            "a load fails",
            |_| Effect::LoadFails { reason: "the weights are damaged".into() },
            [Fails(Server, "the weights are damaged"), Nothing, Fails(Server, "the weights are damaged"), Nothing],
        )
    },
    Row {
        asks: Asks::Load,
        moves: false,
        ..request(
            35,
            "a load finds no memory",
            |_| Effect::LoadOutOfMemory { needed: 9_000_000_000 },
            [Fails(Overloaded, "9000000000 bytes"), Nothing, Fails(Overloaded, "9000000000 bytes"), Nothing],
        )
    },
    request(
        36,
        "unloaded in the middle",
        |seed| Effect::UnloadMidStream { after_tokens: before(seed) },
        [
            Fails(ModelNotReady, "unloaded while it answered"),
            Breaks(0, "unloaded while it answered"),
            Fails(ModelNotReady, "unloaded while it answered"),
            Breaks(0, "unloaded while it answered"),
        ],
    ),
];
