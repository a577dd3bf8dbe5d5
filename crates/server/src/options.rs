//! What a server is told when it starts. Every bound has a name here.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use crate::{guard::AccessToken, site::Site};

/// Where to listen, whom to let in, and how much to take.
#[derive(Clone)]
pub struct ServerOptions {
    /// The address; port 0 picks a free one. An address that other machines can reach needs a token.
    pub listen: SocketAddr,
    /// Serves TLS with this identity; `None` serves plain HTTP.
    pub tls: Option<TlsIdentity>,
    /// What a client must show, as `Authorization: Bearer` or `x-api-key`.
    pub token: Option<AccessToken>,
    /// Names by which this server may be called, beside `localhost` and addresses. Any other `Host` is refused: it
    /// may be a web page whose name has been pointed at this machine (DNS rebinding).
    pub hosts: Vec<String>,
    /// The product name that clients are told.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How much to take.
    pub limits: Limits,
    /// What `GET /metrics` answers; `None`: there is no such page.
    pub metrics: Option<MetricsPage>,
    /// What answers beside the dialects, by a door of its own; `None`: nothing does.
    pub site: Option<Arc<dyn Site>>,
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("listen", &self.listen)
            .field("token", &self.token)
            .field("hosts", &self.hosts)
            .field("limits", &self.limits)
            .field("site", &self.site.is_some())
            .finish_non_exhaustive()
    }
}

/// Makes the text of the metrics' page, in Prometheus' format, each time it is asked for.
#[derive(Clone)]
pub struct MetricsPage(Arc<dyn Fn() -> String + Send + Sync>);

impl MetricsPage {
    /// `render` is called for each request of the page, and must be quick.
    pub fn new(render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }

    pub(crate) fn text(&self) -> String {
        (self.0)()
    }
}

impl fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetricsPage(…)")
    }
}

impl ServerOptions {
    /// Plain HTTP for this machine's own clients, with the default limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            token: None,
            hosts: Vec::new(),
            name: "longshore".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            limits: Limits::default(),
            metrics: None,
            site: None,
        }
    }
}

/// A certificate chain and its key, both PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The chain, leaf first.
    pub certificates: Vec<u8>,
    /// The leaf's private key.
    pub key: Vec<u8>,
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsIdentity(…)")
    }
}

/// How much a server takes before it refuses.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's body, and of one message of a stream of requests. Beyond it: 413.
    pub request_bytes: usize,
    /// Bytes of a request's head. Beyond it: 431.
    pub header_bytes: usize,
    /// Requests answered at a time. Beyond it: 429 with `Retry-After`.
    pub concurrent_requests: usize,
    /// Connections open at a time. Beyond it new ones wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send a request's head, or to go on with its body.
    pub read_timeout: Duration,
    /// How long running requests may take to finish after the server has been told to stop.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    /// Sizes for tensors and long conversations; a thousand requests is beyond what one machine's models answer.
    fn default() -> Self {
        Self {
            request_bytes: 64 << 20,
            header_bytes: 64 << 10,
            concurrent_requests: 1024,
            connections: 4096,
            read_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
