//! The player: [`Replay`] serves what is on a cassette, when and as it was.
//!
//! A request is found by method, target and body, where JSON is compared as JSON. What differs in the body alone gets the
//! exchanges of its method and target, one after the other and again from the first; then those of its path. A gRPC
//! client may wait for an answer before it ends its request: it is answered as soon as all that was recorded has come.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::poll_fn;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, request::Parts};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{
    BODY_LIMIT, CassetteNote, Deck, Outcome,
    deck::{ANY_PORT, INTERNAL_ERROR, Outlet, Respond},
    format::{End, Exchange, read},
    redact::Secrets,
};
use crate::{
    engine::clock::{Clock, Tick},
    faults::{Broken, SimBody},
    wire::ConnectionHandle,
};

/// Sets a player up.
#[derive(Clone, Debug)]
pub struct Replay {
    file: PathBuf,
    listen: SocketAddr,
    speed: f64,
    body_limit: usize,
}

impl Replay {
    /// A player of this cassette.
    pub fn new(file: impl AsRef<Path>) -> Self {
        Self { file: file.as_ref().to_owned(), listen: ANY_PORT, speed: 1.0, body_limit: BODY_LIMIT }
    }

    /// The address; the default is a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// How many times faster than it was; 0: without any waiting.
    #[must_use]
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// The longest body, in bytes, that is read, from the cassette or from a client. The default is [`BODY_LIMIT`].
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Reads the file, takes the port and begins to serve.
    ///
    /// Needs a tokio runtime with I/O and time enabled; the player lives on it.
    ///
    /// # Errors
    /// The speed is no number from 0 on; the file cannot be read or is no cassette; the address is taken, or can be
    /// reached from other machines.
    pub async fn start(self) -> io::Result<Deck> {
        if !self.speed.is_finite() || self.speed < 0.0 {
            let message = format!("{} is no speed: 1 is as it was, 2 twice as fast, 0 without waiting", self.speed);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let exchanges = read(&self.file, self.body_limit)?;
        let cassette = exchanges.into_iter().map(|exchange| Arc::new(Track::new(exchange))).collect();
        Deck::start(self.listen, |notes| {
            let (turns, clock) = (Mutex::default(), Clock::real()?);
            Ok(Player { cassette, turns, clock, speed: self.speed, notes, body_limit: self.body_limit })
        })
        .await
    }
}

struct Player {
    cassette: Vec<Arc<Track>>,
    /// For each set of exchanges that fit a request, how often one was taken.
    turns: Mutex<HashMap<Vec<usize>, usize>>,
    clock: Clock,
    speed: f64,
    notes: broadcast::Sender<CassetteNote>,
    body_limit: usize,
}

/// An exchange, ready to be found.
struct Track {
    exchange: Exchange,
    body: Canonical,
}

impl Track {
    fn new(exchange: Exchange) -> Self {
        let body = Canonical::of(exchange.request.body());
        Self { exchange, body }
    }

    fn is_for(&self, wanted: &Wanted) -> bool {
        self.exchange.request.method == wanted.method && path(&self.exchange.request.target) == path(&wanted.target)
    }
}

/// A body to compare: JSON by what it says, all else by its bytes.
#[derive(PartialEq)]
enum Canonical {
    Json(Value),
    Bytes(Vec<u8>),
}

impl Canonical {
    fn of(body: &[u8]) -> Self {
        serde_json::from_slice(body).map_or_else(|_| Self::Bytes(body.to_vec()), Self::Json)
    }
}

/// What a request asks for, without its secrets, as it would stand on a cassette.
struct Wanted {
    method: String,
    target: String,
    secrets: Secrets,
}

impl Wanted {
    fn new(head: &Parts) -> Self {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut secrets = Secrets::default();
        secrets.learn_headers(&head.headers);
        secrets.learn_target(target);
        Self { method: head.method.to_string(), target: secrets.target(target), secrets }
    }

    fn body(&self, body: &[u8]) -> Vec<u8> {
        let (mut secrets, mut body) = (self.secrets.clone(), body.to_vec());
        secrets.learn_body(&body);
        secrets.blot(&mut body);
        body
    }
}

/// How a request was found.
#[derive(Clone, Copy)]
enum Found {
    Exactly,
    ByTarget,
    ByPath,
}

impl Found {
    fn detail(self) -> Option<String> {
        match self {
            Self::Exactly => None,
            Self::ByTarget => Some("with another body".into()),
            Self::ByPath => Some("with another query and body".into()),
        }
    }
}

impl Respond for Player {
    /// Answers one request.
    ///
    /// # Errors
    /// [`Broken`] where there was no reply, or the request broke off.
    async fn handle(
        self: Arc<Self>,
        connection: ConnectionHandle,
        request: Request<Incoming>,
    ) -> Result<Response<SimBody>, Broken> {
        let http2 = request.version() == Version::HTTP_2;
        let (head, body) = request.into_parts();
        let wanted = Wanted::new(&head);
        let grpc = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        let asked = match self.read(body, grpc.then_some(&wanted)).await {
            Ok(asked) => wanted.body(&asked),
            Err(Unread::Broken) => return Err(Broken::with_code(CANCEL)),
            Err(Unread::TooLong) => {
                let message = format!("the request's body is above the limit of {} bytes", self.body_limit);
                return Ok(self.refuse(&wanted, StatusCode::PAYLOAD_TOO_LARGE, message));
            }
        };
        let begun = self.clock.now();
        let Some((track, found)) = self.find(&wanted, &asked) else {
            let message = self.unknown(&wanted);
            return Ok(self.refuse(&wanted, StatusCode::NOT_FOUND, message));
        };
        let exchange = &track.exchange;
        self.tell(
            Outcome::Replayed,
            &wanted,
            exchange.response.as_ref().map(|head| head.status),
            &track,
            found.detail(),
        );
        let code = exchange.http2_code.unwrap_or(INTERNAL_ERROR);
        let Some(head) = &exchange.response else {
            self.wait(begun, exchange.end_ms).await;
            return Err(Broken::with_code(code));
        };
        self.wait(begun, head.at_ms).await;
        let nothing_more = exchange.chunks.is_empty() && exchange.trailers.is_none() && exchange.end == End::Clean;
        let body = if nothing_more {
            SimBody::whole(Bytes::new())
        } else {
            let player = self.clone();
            Outlet::body(connection, http2, |outlet| play(player, track.clone(), begun, outlet))
        };
        let mut response = Response::new(body);
        // Status and headers were looked at when the cassette was read.
        *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or_default();
        *response.headers_mut() = head.headers.map().unwrap_or_default();
        Ok(response)
    }
}

impl Player {
    /// The request's body; of a stream of calls, as much as was recorded of it.
    async fn read(&self, mut body: Incoming, grpc: Option<&Wanted>) -> Result<Vec<u8>, Unread> {
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            if bytes.len() + data.len() > self.body_limit {
                return Err(Unread::TooLong);
            }
            bytes.extend_from_slice(&data);
            if !body.is_end_stream() && grpc.is_some_and(|wanted| self.is_all_of(wanted, &wanted.body(&bytes))) {
                // What still comes is read and means nothing; to drop it would reset the stream.
                tokio::spawn(async move {
                    while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
                });
                return Ok(bytes);
            }
        }
        Ok(bytes)
    }

    /// Whether these bytes are all that was recorded of some request, and nowhere only the beginning.
    fn is_all_of(&self, wanted: &Wanted, bytes: &[u8]) -> bool {
        let mut fitting = self
            .cassette
            .iter()
            .filter(|track| track.is_for(wanted))
            .filter_map(|track| track.exchange.request.body().strip_prefix(bytes).map(<[u8]>::is_empty));
        fitting.next().is_some_and(|first| first && fitting.all(|all| all))
    }

    fn find(&self, wanted: &Wanted, body: &[u8]) -> Option<(Arc<Track>, Found)> {
        let body = Canonical::of(body);
        let on_path: Vec<_> = (0..self.cassette.len()).filter(|&index| self.cassette[index].is_for(wanted)).collect();
        let same_target = |index: &usize| self.cassette[*index].exchange.request.target == wanted.target;
        let on_target: Vec<_> = on_path.iter().copied().filter(same_target).collect();
        let exact: Vec<_> = on_target.iter().copied().filter(|&index| self.cassette[index].body == body).collect();
        let steps = [(exact, Found::Exactly), (on_target, Found::ByTarget), (on_path, Found::ByPath)];
        let (fitting, found) = steps.into_iter().find(|(fitting, _)| !fitting.is_empty())?;
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(fitting.clone()).or_default();
        let index = fitting[*turn % fitting.len()];
        *turn += 1;
        Some((self.cassette[index].clone(), found))
    }

    /// Waits until that much of the recorded time has passed.
    async fn wait(&self, begun: Tick, at_ms: f64) {
        if self.speed > 0.0 {
            let after = Duration::try_from_secs_f64(at_ms / 1e3 / self.speed).unwrap_or(Duration::MAX);
            self.clock.until(begun.saturating_add(after)).await;
        }
    }

    fn unknown(&self, wanted: &Wanted) -> String {
        let known: BTreeSet<_> = self
            .cassette
            .iter()
            .map(|track| format!("{} {}", track.exchange.request.method, path(&track.exchange.request.target)))
            .collect();
        let more = known.len().saturating_sub(LISTED);
        let mut list = known.into_iter().take(LISTED).collect::<Vec<_>>().join(", ");
        if more > 0 {
            list += &format!(" and {more} more");
        }
        format!("{} {} is not on this cassette; it has {list}", wanted.method, path(&wanted.target))
    }

    fn refuse(&self, wanted: &Wanted, status: StatusCode, message: String) -> Response<SimBody> {
        let kind = if status == StatusCode::NOT_FOUND { "not_on_cassette" } else { "too_long" };
        let body = json!({ "error": { "message": message, "type": kind } }).to_string();
        let _ = self.notes.send(CassetteNote {
            outcome: Outcome::Unknown,
            route: format!("{} {}", wanted.method, wanted.target),
            status: Some(status.as_u16()),
            chunks: 0,
            detail: Some(message),
        });
        let mut response = Response::new(SimBody::whole(body.into()));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn tell(&self, outcome: Outcome, wanted: &Wanted, status: Option<u16>, track: &Track, detail: Option<String>) {
        let route = format!("{} {}", wanted.method, wanted.target);
        // Nobody has to listen.
        let _ = self.notes.send(CassetteNote { outcome, route, status, chunks: track.exchange.chunks.len(), detail });
    }
}

/// Why a request was not read.
enum Unread {
    Broken,
    TooLong,
}

/// HTTP/2's code for a request that is given up.
const CANCEL: u32 = 8;

/// How many routes an unknown request is told.
const LISTED: usize = 20;

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or(target)
}

/// Plays a reply, which ends well when this returns.
async fn play(player: Arc<Player>, track: Arc<Track>, begun: Tick, outlet: Outlet) {
    let exchange = &track.exchange;
    for chunk in &exchange.chunks {
        player.wait(begun, chunk.at_ms).await;
        if !outlet.send(Frame::data(Bytes::copy_from_slice(chunk.bytes()))).await {
            return;
        }
    }
    player.wait(begun, exchange.end_ms).await;
    if exchange.end == End::Broken {
        return outlet.break_off(exchange.http2_code).await;
    }
    if let Some(Ok(trailers)) = exchange.trailers.as_ref().map(|trailers| trailers.map()) {
        outlet.send(Frame::trailers(trailers)).await;
    }
}
