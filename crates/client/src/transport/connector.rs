//! How a connection is made: name, TCP (happy eyeballs), TLS; all of it within one limit.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, TryFutureExt, future::BoxFuture};
use hyper::{
    Uri,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{
    Connected, Connection, HttpConnector,
    dns::{GaiAddrs, GaiResolver, Name},
};
use longshore_core::Protocol;
use rustls::{ClientConfig, pki_types::ServerName};
use tower_service::Service;

use super::{
    dial::{Dial, Dialler, Wire},
    pool::{Book, Closed, Entry},
};
use crate::config::Stamps;

/// A silent connection is probed after this long, so that routers do not forget it.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// Between two unanswered probes.
const TCP_PROBES: Duration = Duration::from_secs(10);

type Stream = MaybeHttpsStream<Wire>;
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects to one server.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Dialler>,
    limit: Duration,
    book: Option<Arc<Book>>,
}

impl Connector {
    /// gRPC offers HTTP/2 alone by ALPN, REST whichever the server prefers. The address's scheme decides about TLS:
    /// there is no way from `https` to plain text.
    pub(crate) fn new(
        protocol: Protocol,
        limit: Duration,
        tls: ClientConfig,
        server_name: Option<ServerName<'static>>,
        own: Option<Arc<dyn Dial>>,
        stamps: Stamps,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        tcp.set_keepalive_interval(Some(TCP_PROBES));
        tcp.set_keepalive_retries(Some(3));
        tcp.set_connect_timeout(Some(limit));
        let dialler = own.map_or(Dialler::Tcp(tcp, stamps), Dialler::Own);
        let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        if let Some(name) = server_name {
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        let https = match protocol {
            Protocol::Grpc => builder.enable_http2().wrap_connector(dialler),
            Protocol::Rest | Protocol::InProcess => builder.enable_http1().enable_http2().wrap_connector(dialler),
        };
        Self { https, limit, book: None }
    }

    /// The same, whose connections are in this book, and not more than it allows.
    pub(super) fn booked(mut self, book: Arc<Book>) -> Self {
        self.book = Some(book);
        self
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }
}

impl Service<Uri> for Connector {
    type Response = Marked;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Marked, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let (mut https, limit, book) = (self.https.clone(), self.limit, self.book.clone());
        async move {
            let connecting = async {
                let permit = match &book {
                    Some(book) => book.permit().await,
                    None => None,
                };
                // With the last connection closed, its place is free: the name is resolved anew for the next.
                Ok::<_, BoxError>((https.call(address).await?, permit))
            };
            let (stream, permit) =
                tokio::time::timeout(limit, connecting).await.map_err(|_| ConnectTimeout(limit))??;
            Ok(Marked { stream, entry: book.map(|book| book.opened(permit)) })
        }
        .boxed()
    }
}

/// No connection within the limit.
#[derive(Debug)]
pub(crate) struct ConnectTimeout(Duration);

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.0)
    }
}

impl std::error::Error for ConnectTimeout {}

/// The system's resolver, whose errors name the host.
#[derive(Clone)]
pub(crate) struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = Unresolved;
    type Future = BoxFuture<'static, Result<GaiAddrs, Unresolved>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.as_str().to_owned();
        self.0.call(name).map_err(move |source| Unresolved { host, source }).boxed()
    }
}

/// A name that the system's resolver does not know.
#[derive(Debug)]
pub(crate) struct Unresolved {
    pub(crate) host: String,
    source: io::Error,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot resolve {}", self.host)
    }
}

impl std::error::Error for Unresolved {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A connection that stands in the book.
pub(crate) struct Marked {
    stream: Stream,
    entry: Option<Entry>,
}

impl Marked {
    fn heard<T>(&self, read: io::Result<T>) -> io::Result<T> {
        if let (Err(_), Some(entry)) = (&read, &self.entry) {
            entry.name.ended(Closed::Broken);
        }
        read
    }
}

impl Connection for Marked {
    fn connected(&self) -> Connected {
        let connected = self.stream.connected();
        match &self.entry {
            Some(entry) => connected.extra(entry.name.clone()),
            None => connected,
        }
    }
}

impl Read for Marked {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        read.map(|read| self.heard(read))
    }
}

impl Write for Marked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        written.map(|written| self.heard(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
