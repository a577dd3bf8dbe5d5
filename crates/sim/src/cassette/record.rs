//! The recorder: [`Record`] puts a proxy before a model server, and what goes through it on a cassette.

use std::{
    io, mem,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use futures_util::future::poll_fn;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::broadcast;

use super::{
    BODY_LIMIT, CassetteNote, Deck, Outcome,
    deck::{ANY_PORT, INTERNAL_ERROR, Outlet, Respond},
    format::{Asked, Chunk, End, Exchange, Format, Head, Writer},
    redact::Secrets,
    upstream::{Upstream, bad_gateway, because, http2_code, strip},
};
use crate::{
    faults::{Broken, SimBody},
    wire::ConnectionHandle,
};

/// Sets a recorder up.
#[derive(Clone, Debug)]
pub struct Record {
    upstream: String,
    authority: Option<PathBuf>,
    file: PathBuf,
    listen: SocketAddr,
    body_limit: usize,
}

impl Record {
    /// A recorder of what goes to `upstream`, an `http://` or `https://` URL, into a file that does not exist yet.
    pub fn new(upstream: impl Into<String>, file: impl AsRef<Path>) -> Self {
        let (upstream, file) = (upstream.into(), file.as_ref().to_owned());
        Self { upstream, authority: None, file, listen: ANY_PORT, body_limit: BODY_LIMIT }
    }

    /// The file, PEM, with the authorities that an `https` upstream must be certified by; the default are the system's.
    #[must_use]
    pub fn authority(mut self, file: impl AsRef<Path>) -> Self {
        self.authority = Some(file.as_ref().to_owned());
        self
    }

    /// The address; the default is a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The longest body, in bytes, that is recorded; an exchange with a longer one goes through, and is not. The
    /// default is [`BODY_LIMIT`].
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Makes the file, takes the port and begins to record.
    ///
    /// Needs a tokio runtime with I/O and time enabled; the recorder lives on it. An exchange is on the cassette before
    /// its client sees the end of it. One that the client gives up is given up upstream too, and is not recorded.
    ///
    /// # Errors
    /// The upstream is no URL of HTTP; its authorities cannot be read; the file exists or cannot be made; the address is
    /// taken, or can be reached from other machines.
    pub async fn start(self) -> io::Result<Deck> {
        let upstream = Upstream::new(&self.upstream, self.authority.as_deref())?;
        Deck::start(self.listen, |notes| {
            let writer = Mutex::new(Writer::create(&self.file)?);
            Ok(Recorder { upstream, writer, secrets: Mutex::default(), notes, body_limit: self.body_limit })
        })
        .await
    }
}

struct Recorder {
    upstream: Upstream,
    writer: Mutex<Writer>,
    /// What the session has shown so far.
    secrets: Mutex<Secrets>,
    notes: broadcast::Sender<CassetteNote>,
    body_limit: usize,
}

impl Respond for Recorder {
    /// Passes one request on, and its reply back.
    ///
    /// # Errors
    /// [`Broken`] where the upstream ended without a reply: so does the recorder.
    async fn handle(
        self: Arc<Self>,
        connection: ConnectionHandle,
        request: Request<Incoming>,
    ) -> Result<Response<SimBody>, Broken> {
        let http2 = request.version() == Version::HTTP_2;
        let (head, body) = request.into_parts();
        let asking = Arc::new(Mutex::new(Asking::new(self.body_limit)));
        let mut draft = Draft::new(self.clone(), &head, asking.clone());
        let body = Tee { body, asking };
        let reply = match self.upstream.request(head, body).await {
            Ok(reply) => reply,
            Err(error) if error.is_connect() => {
                draft.settle(Outcome::NoUpstream, Some(because(&error)));
                return Ok(bad_gateway(&self.upstream.base, &error));
            }
            Err(error) => {
                draft.http2_code = http2_code(&error);
                let code = draft.http2_code.unwrap_or(INTERNAL_ERROR);
                draft.finish(End::Broken).await;
                return Err(Broken::with_code(code));
            }
        };
        let (mut head, body) = reply.into_parts();
        strip(&mut head.headers, http2);
        draft.begin(&head);
        // The version is the upstream's; hyper speaks the client's.
        head.version = Version::default();
        if body.is_end_stream() {
            draft.finish(End::Clean).await;
            return Ok(Response::from_parts(head, SimBody::whole(Bytes::new())));
        }
        let body = Outlet::body(connection, http2, |outlet| pass_on(draft, body, outlet));
        Ok(Response::from_parts(head, body))
    }
}

/// Passes a body on as it comes. Whoever waits for its end finds the exchange on the cassette.
async fn pass_on(mut draft: Draft, mut body: Incoming, outlet: Outlet) {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                draft.http2_code = http2_code(&error);
                let code = draft.http2_code;
                draft.finish(End::Broken).await;
                return outlet.break_off(code).await;
            }
        };
        draft.note(&frame);
        // With a known length, nobody waits for the end once all bytes are there.
        let last = body.is_end_stream();
        if last {
            draft.finish(End::Clean).await;
        }
        if !outlet.send(frame).await || last {
            return;
        }
    }
    draft.finish(End::Clean).await;
}

/// An exchange that has not ended. Dropped before that, the client has gone.
struct Draft {
    recorder: Arc<Recorder>,
    method: String,
    target: String,
    headers: HeaderMap,
    asking: Arc<Mutex<Asking>>,
    /// Zero of the exchange's times.
    origin: Option<Instant>,
    head: Option<(f64, StatusCode, HeaderMap)>,
    /// When each piece came, and its length; the bytes stand in `body`.
    pieces: Vec<(f64, usize)>,
    body: Vec<u8>,
    too_long: bool,
    trailers: Option<HeaderMap>,
    http2_code: Option<u32>,
    settled: bool,
}

impl Draft {
    fn new(recorder: Arc<Recorder>, head: &http::request::Parts, asking: Arc<Mutex<Asking>>) -> Self {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let mut secrets = lock(&recorder.secrets);
        secrets.learn_headers(&head.headers);
        secrets.learn_target(&target);
        drop(secrets);
        let mut headers = head.headers.clone();
        strip(&mut headers, head.version == Version::HTTP_2);
        Self {
            recorder,
            method: head.method.to_string(),
            target,
            headers,
            asking,
            origin: None,
            head: None,
            pieces: Vec::new(),
            body: Vec::new(),
            too_long: false,
            trailers: None,
            http2_code: None,
            settled: false,
        }
    }

    /// The reply begins.
    fn begin(&mut self, head: &http::response::Parts) {
        let at = self.elapsed_ms();
        self.head = Some((at, head.status, head.headers.clone()));
        lock(&self.recorder.secrets).learn_headers(&head.headers);
    }

    /// A part of the reply has come.
    fn note(&mut self, frame: &Frame<Bytes>) {
        let at = self.elapsed_ms();
        if let Some(data) = frame.data_ref() {
            self.too_long |= self.body.len() + data.len() > self.recorder.body_limit;
            self.pieces.push((at, data.len()));
            if self.too_long {
                self.body = Vec::new();
            } else {
                self.body.extend_from_slice(data);
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
    }

    fn elapsed_ms(&mut self) -> f64 {
        let origin = *self.origin.get_or_insert_with(|| lock(&self.asking).last);
        // Microseconds are as fine as anybody can tell them apart.
        (origin.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }

    /// Writes the exchange down.
    async fn finish(&mut self, end: End) {
        let end_ms = self.elapsed_ms();
        let asking = mem::take(&mut *lock(&self.asking));
        if asking.broken {
            return;
        }
        let limit = self.recorder.body_limit;
        if asking.too_long || self.too_long {
            let whose = if asking.too_long { "request" } else { "reply" };
            let why = format!("the {whose}'s body is above the limit of {limit} bytes");
            return self.settle(Outcome::NotRecorded, Some(why));
        }
        let (recorder, body) = (self.recorder.clone(), mem::take(&mut self.body));
        let (pieces, http2_code) = (self.pieces.clone(), self.http2_code);
        let (method, target, headers) = (self.method.clone(), self.target.clone(), self.headers.clone());
        let (head, trailers) = (self.head.clone(), self.trailers.take());
        let written = tokio::task::spawn_blocking(move || {
            let secrets = {
                let mut secrets = lock(&recorder.secrets);
                secrets.learn_body(&asking.body);
                secrets.learn_body(&body);
                secrets.clone()
            };
            let (mut request, mut body) = (asking.body, body);
            secrets.blot(&mut request);
            secrets.blot(&mut body);
            let exchange = Exchange {
                format: Format,
                request: Asked::new(method, secrets.target(&target), secrets.headers(&headers), request),
                response: head.map(|(at_ms, status, headers)| Head {
                    at_ms,
                    status: status.as_u16(),
                    headers: secrets.headers(&headers),
                }),
                chunks: chunks(&pieces, &body),
                trailers: trailers.map(|trailers| secrets.headers(&trailers)),
                end,
                end_ms,
                http2_code,
            };
            lock(&recorder.writer).add(&exchange)
        });
        match written.await {
            Ok(Ok(())) => {
                let broken = (end == End::Broken).then(|| "it broke off upstream".to_owned());
                self.settle(Outcome::Recorded, broken);
            }
            Ok(Err(error)) => self.settle(Outcome::NotRecorded, Some(format!("it could not be written: {error}"))),
            Err(error) => self.settle(Outcome::NotRecorded, Some(format!("it could not be written: {error}"))),
        }
    }

    /// Tells what came of it.
    fn settle(&mut self, outcome: Outcome, detail: Option<String>) {
        self.settled = true;
        let target = lock(&self.recorder.secrets).target(&self.target);
        let note = CassetteNote {
            outcome,
            route: format!("{} {target}", self.method),
            status: self.head.as_ref().map(|(_, status, _)| status.as_u16()),
            chunks: self.pieces.len(),
            detail,
        };
        // Nobody has to listen.
        let _ = self.recorder.notes.send(note);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(Outcome::Cancelled, None);
        }
    }
}

fn chunks(pieces: &[(f64, usize)], mut body: &[u8]) -> Vec<Chunk> {
    let piece = |&(at_ms, length): &(f64, usize)| {
        let (piece, rest) = body.split_at(length);
        body = rest;
        Chunk::new(at_ms, piece.to_vec())
    };
    pieces.iter().map(piece).collect()
}

/// A request that is being read.
struct Asking {
    body: Vec<u8>,
    limit: usize,
    too_long: bool,
    /// The client stopped in the middle.
    broken: bool,
    /// When something of it was read last.
    last: Instant,
}

impl Asking {
    fn new(limit: usize) -> Self {
        Self { body: Vec::new(), limit, too_long: false, broken: false, last: Instant::now() }
    }
}

impl Default for Asking {
    fn default() -> Self {
        Self::new(0)
    }
}

/// A request's body, which goes by and is remembered.
pub(super) struct Tee {
    body: Incoming,
    asking: Arc<Mutex<Asking>>,
}

impl Body for Tee {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let mut asking = lock(&self.asking);
        match &frame {
            Some(Ok(frame)) => {
                asking.last = Instant::now();
                if let Some(data) = frame.data_ref() {
                    asking.too_long |= asking.body.len() + data.len() > asking.limit;
                    if asking.too_long {
                        asking.body = Vec::new();
                    } else {
                        asking.body.extend_from_slice(data);
                    }
                }
            }
            Some(Err(_)) => asking.broken = true,
            None => {}
        }
        drop(asking);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
