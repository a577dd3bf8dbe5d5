//! The port: accepting connections, and draining them.

use std::{convert::Infallible, fmt, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use longshore_core::Backend;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{options::ServerOptions, service::Service, site::Site, tls};

/// A port that has been taken and is not served yet.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    options: ServerOptions,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Takes the address. Connections that come before [`Server::serve`] wait.
    ///
    /// # Errors
    /// The address is taken or not this machine's; the TLS identity cannot be used; other machines could reach the
    /// address and there is no token.
    pub async fn bind(options: ServerOptions) -> io::Result<Self> {
        if !options.listen.ip().is_loopback() && options.token.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{} can be reached from other machines and no token is set: set gateway.token, or listen on 127.0.0.1",
                    options.listen
                ),
            ));
        }
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {}: {e}", options.listen)))?;
        Ok(Self { listener, tls, options })
    }

    /// The address, with the port that was picked.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// `http://…` or `https://…`, as a client on this machine writes it.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let address = self.local_addr().unwrap_or(self.options.listen);
        match address.ip() {
            ip if ip.is_unspecified() => format!("{scheme}://localhost:{}", address.port()),
            _ => format!("{scheme}://{address}"),
        }
    }

    /// The same server, with this site beside the dialects.
    #[must_use]
    pub fn with_site(mut self, site: Arc<dyn Site>) -> Self {
        self.options.site = Some(site);
        self
    }

    /// Answers requests from `backend` until `shutdown` resolves; then takes no more, lets the running ones finish
    /// for [`Limits::drain_timeout`](crate::Limits::drain_timeout), and breaks off what is left. Dropping the future
    /// breaks everything off at once.
    ///
    /// Returns whether everything had finished in time.
    pub async fn serve(self, backend: Arc<dyn Backend>, shutdown: impl Future<Output = ()>) -> bool {
        let limits = self.options.limits.clone();
        let service = Arc::new(Service::new(&self.options));
        let connections = Connections {
            builder: connection_builder(&self.options),
            graceful: GracefulShutdown::new(),
            service: service.clone(),
            backend,
            tls: self.tls,
            handshake: limits.read_timeout,
        };
        let mut tasks = tokio::task::JoinSet::new();
        let slots = Arc::new(Semaphore::new(limits.connections));
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = async {
                let slot = slots.clone().acquire_owned().await;
                (slot, self.listener.accept().await)
            };
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = tasks.join_next() => {}
                (slot, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let connection = connections.run(stream);
                        tasks.spawn(async move {
                            connection.await;
                            drop(slot);
                        });
                    }
                    Err(error) => rest_after(&error).await,
                },
            }
        }
        drop(self.listener);
        service.drain();
        let drained = timeout(limits.drain_timeout, async {
            connections.graceful.shutdown().await;
            while tasks.join_next().await.is_some() {}
        });
        drained.await.is_ok()
    }
}

/// Running out of descriptors is no reason to spin, nor to stop: some connection will close.
async fn rest_after(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How HTTP is spoken on a connection: both versions, with the limits of these options.
pub fn connection_builder(options: &ServerOptions) -> auto::Builder<TokioExecutor> {
    let limits = &options.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read_timeout)
        // hyper's smallest buffer is 8 KiB.
        .max_buf_size(limits.header_bytes.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.header_bytes.try_into().unwrap_or(u32::MAX))
        .max_concurrent_streams(u32::try_from(limits.concurrent_requests).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

struct Connections {
    builder: auto::Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    service: Arc<Service>,
    backend: Arc<dyn Backend>,
    tls: Option<TlsAcceptor>,
    handshake: Duration,
}

impl Connections {
    /// Serves one connection to its end.
    fn run(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let (builder, tls) = (self.builder.clone(), self.tls.clone());
        let answering = (self.service.clone(), self.backend.clone());
        let (watcher, handshake) = (self.graceful.watcher(), self.handshake);
        async move {
            // A token must not wait for the next one to fill a packet.
            let _ = stream.set_nodelay(true);
            match tls {
                None => serve(builder, watcher, answering, stream).await,
                Some(tls) => match timeout(handshake, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(builder, watcher, answering, stream).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                    Err(_) => tracing::debug!("TLS handshake took too long"),
                },
            }
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    builder: auto::Builder<TokioExecutor>,
    watcher: hyper_util::server::graceful::Watcher,
    (service, backend): (Arc<Service>, Arc<dyn Backend>),
    stream: S,
) {
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let (service, backend) = (service.clone(), backend.clone());
        async move { Ok::<_, Infallible>(service.respond(request, &backend).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}
