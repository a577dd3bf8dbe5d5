//! One pool of connections to one address, and a request's way to the head of its reply.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Extensions, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client, Error as ClientError,
        connect::{CaptureConnection, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use longshore_core::{Error, ErrorKind, Protocol};
use tokio::time::{Instant, timeout_at};

use super::{
    connector::{Connector, Used},
    fault::{self, Failure},
};
use crate::config::Pool;

/// A reply's head, headers included, may not be larger than this.
const MAX_HEAD_BYTES: u32 = 256 << 10;
/// A server that does not answer an HTTP/2 ping for this long is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Room for tensors to flow without waiting for the window; tokens never fill it.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// The connections to one address.
pub(crate) struct Http {
    client: Client<Connector, Full<Bytes>>,
    connect_limit: Duration,
}

impl Http {
    pub(crate) fn new(protocol: Protocol, connector: Connector, pool: &Pool) -> Self {
        let connect_limit = connector.limit();
        let client = Client::builder(TokioExecutor::new())
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
            .build(connector);
        Self { client, connect_limit }
    }

    /// Sends `request`; gives the reply's head and when the request had a connection. The connector limits the time
    /// until then, `head` the time from there to the head. Dropping the future takes the request back.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        head: Option<(Duration, &'static str)>,
    ) -> Result<(Response<Incoming>, Instant), Failure> {
        let mut captured = capture_connection(&mut request);
        let connection = captured.clone();
        let mut response = pin!(self.client.request(request));
        let connected = pin!(async { drop(captured.wait_for_connection_metadata().await) });
        let connected_at = match select(response.as_mut(), connected).await {
            Either::Left((result, _)) => {
                return self.sort(result, &connection).map(|response| (response, Instant::now()));
            }
            Either::Right(_) => Instant::now(),
        };
        let result = match head {
            None => response.await,
            Some((limit, name)) => timeout_at(connected_at + limit, response).await.map_err(|_| late(limit, name))?,
        };
        self.sort(result, &connection).map(|response| (response, connected_at))
    }

    fn sort(
        &self,
        result: Result<Response<Incoming>, ClientError>,
        connection: &CaptureConnection,
    ) -> Result<Response<Incoming>, Failure> {
        let response = result.map_err(|error| fault::of_request(error, was_used(connection), self.connect_limit))?;
        if let Some(used) = response.extensions().get::<Used>() {
            used.mark();
        }
        Ok(response)
    }
}

fn late(limit: Duration, name: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("no answer within {limit:?} ({name} timeout)"))
}

fn was_used(connection: &CaptureConnection) -> bool {
    let mut extras = Extensions::new();
    if let Some(connected) = connection.connection_metadata().as_ref() {
        connected.get_extras(&mut extras);
    }
    extras.get::<Used>().is_some_and(Used::was)
}
