//! The port: connections are accepted, numbered, and served or broken.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use longshore_server::Service;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use super::{ConnectionHandle, Identities, Roster, exchange, io::Socket, io::Tap};
use crate::{
    engine::Engine,
    faults::{Broken, Effect, Fault, Rule, RuleError, SimBody, Timeline},
    observe::{CONNECT, Record, Verdict},
};

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) timeline: Timeline,
    pub(crate) service: Arc<Service>,
    pub(crate) builder: auto::Builder<TokioExecutor>,
    pub(crate) tls: Option<Identities>,
    /// What the control API wants to be shown.
    pub(crate) token: String,
}

impl Shared {
    /// From now on these rules hold.
    ///
    /// # Errors
    /// One makes no sense; nothing was changed.
    pub(crate) fn set_rules(&self, rules: &[Rule]) -> Result<(), RuleError> {
        rules.iter().try_for_each(Rule::check)?;
        if self.tls.is_none() && rules.iter().any(|rule| rule.what.needs_tls()) {
            return Err(RuleError("a rule breaks TLS, and the simulator does not serve it".into()));
        }
        self.timeline.set(rules);
        Ok(())
    }

    /// Forgets what was asked so far.
    pub(crate) fn reset(&self) {
        self.engine.reset();
        let rules: Vec<_> = self.timeline.rules().into_iter().map(|(rule, _)| rule).collect();
        self.timeline.set(&rules);
    }

    /// What the clients did wrong so far.
    pub(crate) fn verdict(&self) -> Verdict {
        let observer = self.engine.observer();
        observer.verdict.give(observer.metrics.connections_used(), self.engine.clock().now())
    }
}

/// A port that is served.
pub(crate) struct Listening {
    pub(crate) shared: Arc<Shared>,
    pub(crate) listener: TcpListener,
    /// On whose threads connections are served; they take turns.
    pub(crate) workers: Vec<Handle>,
    /// True when the server is to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// How long running requests may take to finish after the server has been told to stop.
const DRAIN: Duration = Duration::from_secs(10);

impl Listening {
    /// Serves until told to stop, then lets running requests finish for ten seconds. Dropping the future breaks
    /// everything off.
    pub(crate) async fn run(self) {
        let Self { shared, listener, workers, mut stop } = self;
        let mut turns = workers.iter().cycle();
        let mut roster = Roster::default();
        let mut connections = JoinSet::new();
        let address = listener.local_addr();
        let mut listener = Some(listener);
        while let Some(open) = &listener {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => {}
                accepted = open.accept() => {
                    let Some(stream) = accepted_or_rest(accepted).await else { continue };
                    let connection = ConnectionHandle::new(shared.engine.observer().metrics.connection_opened());
                    let fault = shared.timeline.of_connection(connection.index(), shared.engine.clock().now());
                    if let Some(fault) = &fault {
                        note(&shared, &connection, fault);
                    }
                    if let Some(Fault { effect: Effect::Refuse { lasting }, .. }) = fault {
                        connection.reset();
                        drop(Socket::new(stream, connection));
                        shared.engine.observer().metrics.connection_closed();
                        drop(listener.take());
                        listener = reopen(&shared, &address, lasting, &mut stop).await;
                        continue;
                    }
                    // From here on it belongs to the thread that serves it.
                    let Some((worker, stream)) = turns.next().zip(stream.into_std().ok()) else { continue };
                    roster.add(&connection);
                    let serving = serve(shared.clone(), stream, connection, fault, stop.clone());
                    connections.spawn_on(serving, worker);
                }
            }
        }
        drop(listener);
        roster.go_away();
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("connections were still busy when the simulator stopped");
        }
    }
}

/// Resolves when the server is to stop; also when nobody is left who could say so.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A connection, or a short rest after none could be had.
pub(crate) async fn accepted_or_rest(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<TcpStream> {
    match accepted {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            // Running out of descriptors is no reason to spin.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// A connection that is broken before there is a request stands in the log by itself.
fn note(shared: &Shared, connection: &ConnectionHandle, fault: &Fault) {
    let record = Record::new(shared.engine.observer().clone(), CONNECT.into(), "tcp");
    record.note(|draft| {
        draft.connection = connection.index();
        draft.fault = Some((fault.rule, fault.effect.name()));
    });
}

/// The same port again, after a while in which connecting is refused; `None` when the server is to stop.
async fn reopen(
    shared: &Shared,
    address: &io::Result<SocketAddr>,
    lasting: Duration,
    stop: &mut watch::Receiver<bool>,
) -> Option<TcpListener> {
    let clock = shared.engine.clock();
    let address = address.as_ref().ok()?;
    let mut at = clock.now() + lasting;
    loop {
        tokio::select! {
            () = stopped(stop) => return None,
            () = clock.until(at) => {}
        }
        match listen(*address) {
            Ok(listener) => return Some(listener),
            Err(error) => {
                tracing::warn!(%error, %address, "the port could not be opened again; trying on");
                at = clock.now() + Duration::from_millis(50);
            }
        }
    }
}

/// Connections that may wait to be accepted: with the usual thousand, some of two thousand clients that come at once
/// would have to try again a second later.
const BACKLOG: u32 = 4096;

/// Takes the address. Needs a tokio runtime, on which the port is then accepted from.
///
/// # Errors
/// The operating system's.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Windows the option would let others take the port as well.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves one connection to its end.
async fn serve(
    shared: Arc<Shared>,
    stream: std::net::TcpStream,
    connection: ConnectionHandle,
    fault: Option<Fault>,
    mut stop: watch::Receiver<bool>,
) {
    let _closed = Closed(shared.clone());
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "a connection cannot be served"),
    };
    // A token must not wait for the next one to fill a packet.
    let _ = stream.set_nodelay(true);
    let mut stream = Socket::new(stream, connection.clone());
    let effect = fault.map(|fault| fault.effect);
    match &effect {
        Some(Effect::AcceptAndNeverRead) => {
            stopped(&mut stop).await;
            return;
        }
        Some(Effect::SlowAccept { delay }) => {
            let clock = shared.engine.clock();
            tokio::select! {
                () = clock.until(clock.now() + *delay) => {}
                () = stopped(&mut stop) => return,
            }
        }
        Some(Effect::TlsClosedInHandshake) => {
            // The beginning of the client's hello, whatever it is.
            let _ = stream.read(&mut [0; 1024]).await;
            return;
        }
        _ => {}
    }
    match &shared.tls {
        None => speak(shared.clone(), stream, connection).await,
        Some(tls) => match timeout(HANDSHAKE, tls.acceptor(effect.as_ref()).accept(stream)).await {
            Ok(Ok(stream)) => speak(shared.clone(), stream, connection).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
    }
}

const HANDSHAKE: Duration = Duration::from_secs(30);

struct Closed(Arc<Shared>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.engine.observer().metrics.connection_closed();
    }
}

/// HTTP with models behind it.
async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    shared: Arc<Shared>,
    stream: S,
    connection: ConnectionHandle,
) {
    let builder = shared.builder.clone();
    let respond = move |connection, request| exchange::handle(shared.clone(), connection, request);
    converse(&builder, stream, connection, respond).await;
}

/// HTTP, until the connection ends or is told to.
pub(crate) async fn converse<S, F, R>(
    builder: &auto::Builder<TokioExecutor>,
    stream: S,
    connection: ConnectionHandle,
    respond: F,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(ConnectionHandle, Request<Incoming>) -> R,
    R: Future<Output = Result<Response<SimBody>, Broken>> + Send + 'static,
{
    let io = TokioIo::new(Tap::new(stream, connection.clone()));
    let told = connection.clone();
    let service = service_fn(move |request| respond(connection.clone(), request));
    let mut serving = pin!(builder.serve_connection(io, service));
    // For each token: no more is looked at than must be.
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = serving.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return Poll::Ready(());
            }
            let orders = ready!(told.poll_orders(cx));
            if orders.to_drop() {
                return Poll::Ready(());
            }
            if orders.to_go_away() {
                serving.as_mut().graceful_shutdown();
            }
        }
    })
    .await;
}
