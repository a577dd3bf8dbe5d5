//! One pool of connections to one address, and a request's way to the head of its reply.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Extensions, Request, Response};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{CaptureConnection, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use longshore_core::{Error, ErrorKind, Protocol};
use tokio::time::{Instant, timeout_at};

use super::{
    connector::Connector,
    fault::{self, Failure},
    pool::{Book, Counts, Lease, Leased, Name},
};
use crate::{config::Pool, metrics::Way};

/// A reply's head, headers included, may not be larger than this.
const MAX_HEAD_BYTES: u32 = 256 << 10;
/// A server that does not answer an HTTP/2 ping for this long is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Room for tensors to flow without waiting for the window; tokens never fill it.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// Calls that a gRPC connection takes before another one is begun: what servers allow at least (RFC 9113, section
/// 6.5.2, "SETTINGS_MAX_CONCURRENT_STREAMS").
const STREAMS: usize = 100;

/// The connections to one address.
pub(crate) struct Http {
    /// Each has one connection over HTTP/2, any number over HTTP/1.1.
    clients: Vec<Line>,
    book: Arc<Book>,
    connect_limit: Duration,
}

struct Line {
    client: Client<Connector, Full<Bytes>>,
    /// Counts the requests on it, beside this one.
    in_flight: Arc<()>,
}

impl Http {
    pub(crate) fn new(server: &Arc<str>, protocol: Protocol, connector: Connector, pool: &Pool) -> Self {
        let connect_limit = connector.limit();
        let book = Book::new(Way::new(server, protocol), pool);
        let connector = connector.booked(Arc::clone(&book));
        let line = |_| Line { client: client(protocol, connector.clone(), pool), in_flight: Arc::default() };
        let lines = if protocol == Protocol::Grpc { pool.grpc_connections.max(1) } else { 1 };
        Self { clients: (0..lines).map(line).collect(), book, connect_limit }
    }

    /// How the connections are.
    pub(crate) fn counts(&self) -> Counts {
        self.book.counts()
    }

    /// Whether one more connection may be made at once.
    pub(crate) fn has_room(&self) -> bool {
        self.book.has_room()
    }

    /// The first line that is not full, else the one with the fewest requests: as few connections as do.
    fn line(&self) -> &Line {
        let load = |line: &&Line| Arc::strong_count(&line.in_flight);
        let free = self.clients.iter().find(|line| load(line) <= STREAMS);
        free.or_else(|| self.clients.iter().min_by_key(load)).unwrap_or(&self.clients[0])
    }

    /// Sends `request`; gives the reply's head and when the request had a connection. The connector limits the time
    /// until then, `head` the time from there to the head; `connected` is called between them, unless the reply was
    /// there at once. Dropping the future takes the request back.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        head: Option<(Duration, &'static str)>,
        connected: impl FnOnce(),
    ) -> Result<(Response<Leased>, Instant), Failure> {
        self.book.sweep();
        let line = self.line();
        let held = Arc::clone(&line.in_flight);
        let mut captured = capture_connection(&mut request);
        let connection = captured.clone();
        let mut response = pin!(line.client.request(request));
        let connecting = pin!(async { drop(captured.wait_for_connection_metadata().await) });
        let (result, lease, connected_at) = match select(response.as_mut(), connecting).await {
            Either::Left((result, _)) => (result, lend(&connection), Instant::now()),
            Either::Right(_) => {
                let (lease, connected_at) = (lend(&connection), Instant::now());
                connected();
                let result = match head {
                    None => response.await,
                    Some((limit, name)) => timeout_at(connected_at + limit, response).await.map_err(|_| {
                        distrust(&connection);
                        late(limit, name)
                    })?,
                };
                (result, lease, connected_at)
            }
        };
        let response = result.map_err(|error| fault::of_request(error, was_used(&connection), self.connect_limit))?;
        self.book.heard(response.headers());
        if let Some(lease) = &lease {
            lease.replied();
        }
        Ok((response.map(|body| Leased::new(body, lease, held)), connected_at))
    }
}

fn client(protocol: Protocol, connector: Connector, pool: &Pool) -> Client<Connector, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .http2_only(protocol == Protocol::Grpc)
        .pool_idle_timeout(pool.idle_timeout)
        .pool_max_idle_per_host(pool.max_idle_per_host)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http1_max_buf_size(MAX_HEAD_BYTES as usize)
        .http2_max_header_list_size(MAX_HEAD_BYTES)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(pool.http2_keepalive)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build(connector)
}

fn late(limit: Duration, name: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("no answer within {limit:?} ({name} timeout)"))
}

/// A connection that has never carried a reply and is silent now may be one that nobody reads: the next request gets
/// another. (Of HTTP/2; over HTTP/1.1 it is closed anyway.)
fn distrust(connection: &CaptureConnection) {
    if !was_used(connection)
        && let Some(connected) = connection.connection_metadata().as_ref()
    {
        connected.poison();
    }
}

/// What the connector has left at the connection.
fn extras(connection: &CaptureConnection) -> Option<Extensions> {
    let mut extras = Extensions::new();
    connection.connection_metadata().as_ref()?.get_extras(&mut extras);
    Some(extras)
}

fn lend(connection: &CaptureConnection) -> Option<Lease> {
    let mut extras = extras(connection)?;
    let arrival = extras.remove();
    Some(extras.remove::<Name>()?.lend(connection, arrival))
}

fn was_used(connection: &CaptureConnection) -> bool {
    extras(connection).and_then(|mut extras| extras.remove::<Name>()).is_some_and(|name| name.was_used())
}
