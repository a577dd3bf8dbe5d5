//! The port of a recorder or a player: [`Deck`] serves it, and tells what goes by.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use longshore_server::{ServerOptions, connection_builder};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{broadcast, mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    faults::{Broken, SimBody, Unwritten},
    wire::{ConnectionHandle, Roster, accepted_or_rest, converse, stopped},
};

/// A recorder or a player at work, until it is stopped or dropped.
pub struct Deck {
    address: SocketAddr,
    notes: broadcast::Sender<CassetteNote>,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
}

/// One request that went by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CassetteNote {
    /// What came of it.
    pub outcome: Outcome,
    /// Method, path and query, without secrets.
    pub route: String,
    /// The reply's status, where there was a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Pieces of the reply.
    pub chunks: usize,
    /// More about it: why it is not on the cassette, or how it was found there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It is on the cassette.
    Recorded,
    /// It went through, and is not on the cassette.
    NotRecorded,
    /// The client went away first; it is not on the cassette.
    Cancelled,
    /// The upstream could not be reached; the client got status 502.
    NoUpstream,
    /// The player answers it from the cassette.
    Replayed,
    /// The cassette does not have it.
    Unknown,
}

impl Outcome {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::NotRecorded => "not recorded",
            Self::Cancelled => "cancelled",
            Self::NoUpstream => "no upstream",
            Self::Replayed => "replayed",
            Self::Unknown => "unknown",
        }
    }
}

/// How long running replies may take to finish after a stop.
const DRAIN: Duration = Duration::from_secs(10);

impl Deck {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that go by from now on. A reader that is more than a thousand behind loses some, and is told.
    pub fn follow(&self) -> broadcast::Receiver<CassetteNote> {
        self.notes.subscribe()
    }

    /// Takes no more requests, lets the running ones finish for ten seconds, and stops.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(serving) = self.serving.take() {
            // Only a panic of its own could make this fail, and that was told already.
            let _ = serving.await;
        }
    }

    /// Takes the port, makes what answers there, and serves it. Where that cannot be made, nothing is left behind.
    ///
    /// # Errors
    /// The address is taken, or can be reached from other machines; `make`'s own.
    pub(super) async fn start<R: Respond>(
        listen: SocketAddr,
        make: impl FnOnce(broadcast::Sender<CassetteNote>) -> io::Result<R>,
    ) -> io::Result<Self> {
        let listener = bind(listen).await?;
        let address = listener.local_addr()?;
        let notes = broadcast::channel(1024).0;
        let respond = Arc::new(make(notes.clone())?);
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(accept(listener, address, stopped, respond));
        Ok(Self { address, notes, stop, serving: Some(serving) })
    }
}

/// What answers behind a deck's port.
pub(super) trait Respond: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// # Errors
    /// [`Broken`] where no reply is to be seen.
    fn handle(
        self: Arc<Self>,
        connection: ConnectionHandle,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<SimBody>, Broken>> + Send;
}

/// A free port of this machine.
pub(super) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Drop for Deck {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

impl fmt::Debug for Deck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deck").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// # Errors
/// The address is taken, or can be reached from other machines.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        let message = format!("{address} can be reached from other machines: listen on 127.0.0.1");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

/// An error about a file, which is named.
pub(super) fn about(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

async fn accept<R: Respond>(
    listener: TcpListener,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
    respond: Arc<R>,
) {
    let mut connections = JoinSet::new();
    let mut roster = Roster::default();
    let builder = Arc::new(connection_builder(&ServerOptions::new(address)));
    for index in 0.. {
        let stream = loop {
            tokio::select! {
                () = stopped(&mut stop) => break None,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => if let Some(stream) = accepted_or_rest(accepted).await {
                    break Some(stream);
                },
            }
        };
        let Some(stream) = stream else { break };
        // A piece must not wait for the next one to fill a packet.
        let _ = stream.set_nodelay(true);
        let connection = ConnectionHandle::new(index);
        roster.add(&connection);
        let (builder, respond) = (builder.clone(), respond.clone());
        connections.spawn(async move {
            let respond = move |connection, request| respond.clone().handle(connection, request);
            converse(&builder, stream, connection, respond).await;
        });
    }
    drop(listener);
    roster.go_away();
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("connections were still busy when the cassette stopped");
    }
}

/// Through which a task sends a reply, piece by piece.
pub(super) struct Outlet {
    frames: mpsc::Sender<Result<Frame<Bytes>, Broken>>,
    unwritten: Unwritten,
    connection: ConnectionHandle,
    http2: bool,
}

impl Outlet {
    /// The body that `task` writes; it is stopped when nobody reads.
    pub(super) fn body<T>(connection: ConnectionHandle, http2: bool, task: impl FnOnce(Self) -> T) -> SimBody
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let (frames, received) = mpsc::channel(1);
        let outlet = Self { frames, unwritten: Unwritten::default(), connection, http2 };
        SimBody::written(received, tokio::spawn(task(outlet)).abort_handle())
    }

    /// False when nobody reads any more.
    pub(super) async fn send(&self, frame: Frame<Bytes>) -> bool {
        let frame = frame.map_data(|data| self.unwritten.track(data));
        self.frames.send(Ok(frame)).await.is_ok()
    }

    /// Breaks the reply off when what was sent of it has left: over HTTP/2 the stream, with this code, over HTTP/1.1 the
    /// connection.
    pub(super) async fn break_off(&self, http2_code: Option<u32>) {
        self.unwritten.none().await;
        self.connection.flushed(self.connection.written()).await;
        if self.http2 {
            // Of a stream that its reader has ended, nothing is left to be reset.
            let _ = self.frames.send(Err(Broken::with_code(http2_code.unwrap_or(INTERNAL_ERROR)))).await;
        } else {
            self.connection.close();
        }
        std::future::pending().await
    }
}

/// HTTP/2's code where no better one is known.
pub(super) const INTERNAL_ERROR: u32 = 2;
