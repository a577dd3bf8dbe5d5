//! What the dialects' tests share: recorded exchanges, and both halves of a dialect driven the way the transport and
//! the server drive them.
//!
//! `#[path]` or `mod support;` brings it into a test; not every test uses all of it.

#![expect(unreachable_pub, reason = "a test is a crate of its own, and `pub(crate)` everywhere says nothing")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these helpers fail the test they serve")]
#![allow(clippy::allow_attributes, reason = "an expectation of dead code would fail in the test that uses everything")]
#![allow(dead_code, reason = "each test uses its own part of this")]

use std::{fs, path::PathBuf, time::Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, request, response};
use longshore_core::{Call, Dialect, Error, Event, EventKind, ServerInfo};

/// Longer than any frame of the tests.
pub const LIMIT: usize = 16 << 20;

/// A recorded exchange; see `fixtures/README.md` for the format.
#[derive(Debug)]
pub struct Capture {
    /// The request, its URI being the path and query alone.
    pub request: http::Request<Bytes>,
    /// Status and headers; `None` when the connection was refused.
    pub head: Option<response::Parts>,
    /// The response's body, de-chunked.
    pub body: Bytes,
    /// curl's exit code: 0 is a complete response.
    pub exit: u32,
}

impl Capture {
    /// The head of an exchange that has one.
    pub fn head(&self) -> &response::Parts {
        self.head.as_ref().expect("this capture has no response")
    }
}

/// The folder of the exchanges of one server, such as `triton-2.51`: recorded ones, else those written by hand.
pub fn captures(server: &str) -> PathBuf {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let recorded = fixtures.join("captures").join(server);
    if recorded.is_dir() { recorded } else { fixtures.join("written").join(server) }
}

/// The names (without `.txt`) of every file in a folder of recorded exchanges, sorted.
pub fn capture_names(server: &str) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(captures(server))
        .unwrap_or_else(|error| panic!("{server}: {error}"))
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Reads `fixtures/captures/SERVER/NAME.txt`.
pub fn capture(server: &str, name: &str) -> Capture {
    let file = captures(server).join(format!("{name}.txt"));
    let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    parse_capture(&bytes).unwrap_or_else(|| panic!("{} is no exchange", file.display()))
}

/// Understands the format of an exchange; `None` when it is none.
pub fn parse_capture(bytes: &[u8]) -> Option<Capture> {
    let (request, rest) = parse_request(bytes)?;
    let end = find_last(rest, b"\n<<< ").or_else(|| rest.starts_with(b"<<< ").then_some(0))?;
    let exit = std::str::from_utf8(&rest[end..]).ok()?.trim().rsplit_once("exit=")?.1.parse().ok()?;
    let (head, body) = match find(rest, b"\r\n\r\n").filter(|_| rest.starts_with(b"HTTP/")) {
        Some(head_end) => (Some(parse_head(&rest[..head_end])?), rest.get(head_end + 4..end).unwrap_or_default()),
        None => (None, &rest[..0]),
    };
    Some(Capture { request, head, body: Bytes::copy_from_slice(body), exit })
}

/// The `>>>` lines, and what follows their empty line.
fn parse_request(bytes: &[u8]) -> Option<(http::Request<Bytes>, &[u8])> {
    let mut rest = bytes;
    let mut builder: Option<request::Builder> = None;
    let mut body = Bytes::new();
    while let Some(line) = rest.strip_prefix(b">>> ") {
        let end = find(line, b"\n")?;
        let text = &line[..end];
        rest = &line[end + 1..];
        builder = Some(match builder {
            None => {
                let (method, url) = std::str::from_utf8(text).ok()?.split_once(' ')?;
                let path = url.split_once("://").map_or(url, |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
                http::Request::builder().method(method).uri(path)
            }
            Some(builder) if text.starts_with(b"{") => {
                body = Bytes::copy_from_slice(text);
                builder.header("content-type", "application/json")
            }
            Some(builder) => {
                let (name, value) = std::str::from_utf8(text).ok()?.split_once(": ")?;
                builder.header(name, value)
            }
        });
    }
    Some((builder?.body(body).ok()?, rest.strip_prefix(b"\n")?))
}

fn parse_head(head: &[u8]) -> Option<response::Parts> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut builder = http::Response::builder().status(status);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        builder = builder.header(name, value);
    }
    Some(builder.body(()).ok()?.into_parts().0)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn find_last(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).rposition(|window| window == part)
}

/// A server of which only the name is known.
pub fn peer(name: &str) -> ServerInfo {
    ServerInfo { name: name.into(), ..ServerInfo::default() }
}

/// The head of a response.
pub fn head(status: u16, headers: &[(&str, &str)]) -> response::Parts {
    let mut builder = http::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

/// Trailers, or any headers.
pub fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// The client half on a body that ends cleanly without trailers, read in pieces of `piece` bytes: the events, and how
/// it ended.
pub fn decode(
    dialect: &dyn Dialect,
    call: &Call,
    peer: &ServerInfo,
    head: &response::Parts,
    body: &[u8],
    piece: usize,
) -> (Vec<EventKind>, Result<(), Error>) {
    decode_with(dialect, call, peer, head, body, piece, None)
}

/// As [`decode`], with trailers.
pub fn decode_with(
    dialect: &dyn Dialect,
    call: &Call,
    peer: &ServerInfo,
    head: &response::Parts,
    body: &[u8],
    piece: usize,
    trailers: Option<&HeaderMap>,
) -> (Vec<EventKind>, Result<(), Error>) {
    let (events, result) = decode_events(dialect, call, peer, head, body, piece, trailers);
    (events.into_iter().map(|event| event.kind).collect(), result)
}

/// As [`decode_with`], giving whole events, raw frames included.
pub fn decode_events(
    dialect: &dyn Dialect,
    call: &Call,
    peer: &ServerInfo,
    head: &response::Parts,
    body: &[u8],
    piece: usize,
    trailers: Option<&HeaderMap>,
) -> (Vec<Event>, Result<(), Error>) {
    decode_pieces(dialect, call, peer, head, body.chunks(piece.max(1)), trailers)
}

/// As [`decode_events`], of a body read in these pieces.
pub fn decode_pieces<'a>(
    dialect: &dyn Dialect,
    call: &Call,
    peer: &ServerInfo,
    head: &response::Parts,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    trailers: Option<&HeaderMap>,
) -> (Vec<Event>, Result<(), Error>) {
    let mut events = Vec::new();
    let result = (|| {
        let mut framer = dialect.framing(call, head).framer(LIMIT);
        let mut decoder = dialect.reply_decoder(call, peer, head);
        let mut frames = Vec::new();
        // A framer may give frames and then fail: those frames come first.
        let mut cut = |bytes: Option<&[u8]>, events: &mut Vec<Event>| {
            let cut = match bytes {
                Some(bytes) => framer.push(Bytes::copy_from_slice(bytes), &mut frames),
                None => framer.finish(&mut frames),
            };
            for frame in frames.drain(..) {
                decoder.frame(Instant::now(), frame, events)?;
            }
            if bytes.is_none() && cut.is_ok() {
                return decoder.finish(Instant::now(), trailers, events);
            }
            cut
        };
        for piece in pieces {
            cut(Some(piece), &mut events)?;
        }
        cut(None, &mut events)
    })();
    (events, result)
}

/// A reply as the server half wrote it.
#[derive(Debug)]
pub struct Written {
    /// Status and headers.
    pub head: response::Parts,
    /// The body.
    pub body: Bytes,
    /// What stands after the body.
    pub trailers: Option<HeaderMap>,
}

/// The server half's answer of these events to `call`, in the order that [`longshore_core::ReplyEncoder`] asks for.
pub fn encode(dialect: &dyn Dialect, call: &Call, kinds: &[EventKind]) -> Written {
    let events: Vec<_> = kinds.iter().cloned().map(Event::now).collect();
    encode_events(dialect, call, &events)
}

/// As [`encode`], of whole events.
pub fn encode_events(dialect: &dyn Dialect, call: &Call, events: &[Event]) -> Written {
    let mut encoder = dialect.reply_encoder(call);
    let mut body = BytesMut::new();
    let early = encoder.streams().then(|| encoder.head());
    for event in events {
        encoder.event(event, &mut body);
    }
    let trailers = encoder.end(&mut body);
    let head = early.unwrap_or_else(|| encoder.head());
    Written { head: head.body(()).unwrap().into_parts().0, body: body.freeze(), trailers }
}

/// The server half's call of a request: routed, framed and understood; of a duplex exchange the first call.
pub fn receive(dialect: &dyn Dialect, request: http::Request<Bytes>) -> Result<Call, Error> {
    let (head, body) = request.into_parts();
    let exchange = dialect.route(&head).unwrap_or_else(|| panic!("{} {} is not routed", head.method, head.uri));
    let mut framer = exchange.framing.framer(LIMIT);
    let mut frames = Vec::new();
    framer.push(body, &mut frames)?;
    framer.finish(&mut frames)?;
    dialect.decode_call(&head, frames.into_iter().next().unwrap_or_default())
}
