//! What a fleet is made of: [`FleetConfig`] and its small parts. Plain values with defaults; what fits together is
//! checked by [`FleetBuilder::build`](crate::FleetBuilder::build).

use std::{borrow::Cow, fmt, fs, path::PathBuf, sync::Arc, time::Duration};

use longshore_core::{Dialect, Error, Protocol};

use crate::{batch::BatchConfig, cache::CacheConfig};

/// A fleet's servers, and how they are called.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// In order of preference, where nothing else decides.
    pub servers: Vec<ServerConfig>,
    /// The model of calls that name none.
    pub default_model: Option<String>,
    /// How long each phase of a call may take.
    pub timeouts: Timeouts,
    /// How failed calls are tried again.
    pub retry: Retry,
    /// When a server that fails is left alone.
    pub breaker: Breaker,
    /// How servers are asked for their health.
    pub health: Health,
    /// Connections that are kept open.
    pub pool: Pool,
    /// How much of an answer is accepted.
    pub limits: Limits,
    /// Answers that are kept to be given again; `None`: none are.
    pub cache: Option<CacheConfig>,
    /// Calls that are joined into one request; `None`: none are.
    pub batch: Option<BatchConfig>,
    /// After this long a server's list of models is renewed, though still believed until then.
    pub models_ttl: Duration,
    /// How models are loaded and unloaded.
    pub lifecycle: Lifecycle,
    /// Whose instants events have ([`Event::at`](longshore_core::Event::at)).
    pub stamps: Stamps,
}

impl Default for FleetConfig {
    /// No servers, and lists that are renewed after five seconds: others load and unload models too.
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            default_model: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            breaker: Breaker::default(),
            health: Health::default(),
            pool: Pool::default(),
            limits: Limits::default(),
            cache: None,
            batch: None,
            models_ttl: Duration::from_secs(5),
            lifecycle: Lifecycle::default(),
            stamps: Stamps::default(),
        }
    }
}

/// Whose instants events have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamps {
    /// When this program has read their bytes.
    #[default]
    Read,
    /// When the kernel received their bytes, which leaves out how late this program was. Only where the system tells (Linux,
    /// over TCP), and only where it is sure; else as [`Stamps::Read`]. Reading costs a little more.
    /// [`Received::stamps`](longshore_core::Received::stamps) tells how many pieces of an answer had which.
    Kernel,
}

/// One server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// What it is called in calls, replies and messages. Unique, upper and lower case being the same.
    pub name: String,
    /// Its REST address, `http` or `https`; may have a path that stands before every request's own.
    pub rest: Option<String>,
    /// Its gRPC address, `http` or `https`.
    pub grpc: Option<String>,
    /// What it speaks.
    pub dialect: DialectChoice,
    /// Sent as `Authorization: Bearer`, to this server's addresses only.
    pub credential: Option<Secret>,
    /// How `https` is verified.
    pub tls: Tls,
    /// Its share of the calls in flight compared with others'.
    pub weight: u32,
    /// The protocol that is tried first; `None`: REST.
    pub prefer: Option<Protocol>,
    /// Whether its streams must say that they are complete.
    pub end_mark: EndMark,
}

impl ServerConfig {
    /// A server of this name, without an address so far.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rest: None,
            grpc: None,
            dialect: DialectChoice::default(),
            credential: None,
            tls: Tls::default(),
            weight: 1,
            prefer: None,
            end_mark: EndMark::default(),
        }
    }
}

/// What a server speaks.
#[derive(Clone, Debug, Default)]
pub enum DialectChoice {
    /// Ask it.
    #[default]
    Auto,
    /// These, the earlier one preferred. Each address uses those that its protocol carries.
    Named(Vec<&'static dyn Dialect>),
}

/// Whether a streamed answer must say that it is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndMark {
    /// An answer that stops without its protocol's end mark is `Interrupted`.
    #[default]
    Required,
    /// An answer of a model over SSE or NDJSON that has content, ends as HTTP says it should, and breaks off no event, is
    /// complete without it. Its end is `Finish::Other("no_end_mark")`; it is not cached. What the server itself breaks
    /// off looks complete then. Over gRPC the status always tells, so there it changes nothing.
    Optional,
}

/// A text that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps `text` from being printed.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one header it goes into.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// How an `https` server is verified, and how this client shows who it is. Verification cannot be turned off.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The authorities to trust, in place of the system's.
    pub ca: Option<Pem>,
    /// This client's certificate chain. Goes with `client_key`.
    pub client_certificate: Option<Pem>,
    /// The private key of `client_certificate`.
    pub client_key: Option<Pem>,
    /// The name that the server's certificate must have, where it is not the address's host.
    pub server_name: Option<String>,
}

/// PEM text, here or in a file.
#[derive(Clone)]
pub enum Pem {
    /// In a file, read when the fleet is built.
    File(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

impl Pem {
    /// # Errors
    /// `InvalidRequest` when the file cannot be read; `what` it is stands in the message.
    pub(crate) fn read(&self, what: &str) -> Result<Cow<'_, [u8]>, Error> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => fs::read(path)
                .map(Cow::Owned)
                .map_err(|error| Error::invalid(format!("the {what} {} cannot be read: {error}", path.display()))),
        }
    }
}

/// The path, or that there is none; never the text.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Bytes(bytes) => write!(f, "({} bytes)", bytes.len()),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}

/// How long each phase of a call may take.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// Opening a connection: name, TCP and TLS.
    pub connect: Duration,
    /// From having a connection to the answer's headers. Where a model answers without streaming, or has to be loaded
    /// first, the head comes with the answer, and `first_token` or `first_token_cold` holds in its place.
    pub headers: Duration,
    /// From having a connection to the first token of a stream, or to a whole answer.
    pub first_token: Duration,
    /// As `first_token`, where the model is known to be not loaded yet.
    pub first_token_cold: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// The whole call, all attempts together, where the call has no deadline of its own.
    pub total: Duration,
    /// As `total`, for loading and unloading: neither headers nor pieces are waited for less long, since some servers
    /// answer only when they are done.
    pub load: Duration,
    /// Asking a server what it speaks, which models it has, or how it is.
    pub probe: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            headers: Duration::from_secs(60),
            first_token: Duration::from_secs(120),
            first_token_cold: Duration::from_secs(600),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(120),
            load: Duration::from_secs(1800),
            // A server that is there answers such a question at once; one that is not must not hold up the others.
            probe: Duration::from_secs(5),
        }
    }
}

/// How failed calls are tried again.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Attempts for one call, the first included. Questions about dialects and models are not counted.
    pub max_attempts: usize,
    /// The share of a server's calls that may be asked of it again, in percent, beside a small floor; 0 allows none.
    /// Going on to another server that is well does not count, and neither does what was never sent.
    pub budget_percent: u32,
    /// The longest wait before everybody is asked a second time; a random part of it is taken. It doubles each time.
    pub base_delay: Duration,
    /// The limit of that doubling.
    pub max_delay: Duration,
    /// A replayable call without a first token after this long is sent to a second server as well, if one has the model
    /// ready, and the quicker one answers. `None`: never.
    pub hedge_after: Option<Duration>,
    /// The share of calls that may be hedged, in percent.
    pub hedge_percent: u32,
    /// Continue a raw completion that broke off, from the text that had come, where nothing forbids it.
    pub resume: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            budget_percent: 20,
            base_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(10),
            hedge_after: None,
            hedge_percent: 5,
            resume: false,
        }
    }
}

/// When a way to a server is left alone because it fails: one breaker for each endpoint, protocol and model. The last
/// way that is left is tried in any case.
#[derive(Clone, Debug)]
pub struct Breaker {
    /// This many faults in a row open it.
    pub consecutive_faults: u32,
    /// So does this share of faults, in percent, among at least `min_calls` calls within `window`.
    pub failure_percent: u32,
    /// See `failure_percent`.
    pub min_calls: u32,
    /// See `failure_percent`.
    pub window: Duration,
    /// How long it is open the first time; it doubles each time.
    pub open: Duration,
    /// The limit of that doubling.
    pub max_open: Duration,
    /// A call that was let through to see, and of which nothing is heard for this long, is given up for lost.
    pub probe_lease: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            consecutive_faults: 5,
            failure_percent: 50,
            min_calls: 20,
            window: Duration::from_secs(30),
            open: Duration::from_secs(1),
            max_open: Duration::from_secs(60),
            probe_lease: Duration::from_secs(30),
        }
    }
}

/// How servers are asked for their health, beside what their answers to calls tell.
#[derive(Clone, Debug)]
pub struct Health {
    /// How often, about; zero: never. A single server is never asked.
    pub interval: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30) }
    }
}

/// Connections that are kept open.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Idle connections kept for each address.
    pub max_idle_per_host: usize,
    /// How long an idle connection is kept. llama-server closes after 5 seconds; less than that avoids meeting it.
    pub idle_timeout: Duration,
    /// Connections to each address, idle or not; whoever finds no free one waits, as long as a connection may take.
    pub max_connections: usize,
    /// A connection that is older is not used any more, so that a name that has moved is noticed.
    pub max_age: Duration,
    /// HTTP/2 connections to each gRPC address; another one is begun when a hundred calls are on those there are.
    pub grpc_connections: usize,
    /// How often an HTTP/2 connection with calls on it is probed.
    pub http2_keepalive: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            max_idle_per_host: 16,
            idle_timeout: Duration::from_secs(4),
            max_connections: 1024,
            max_age: Duration::from_secs(1800),
            grpc_connections: 1,
            http2_keepalive: Duration::from_secs(20),
        }
    }
}

/// How much of an answer is accepted.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A whole answer, or one gRPC message: either may carry tensors.
    pub reply_body_bytes: usize,
    /// One event of a stream of text.
    pub stream_event_bytes: usize,
    /// Calls that each address of a server works on at once, answers that are still arriving included.
    pub in_flight: usize,
    /// Calls that wait beyond these, for each address; more are refused, or go elsewhere.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { reply_body_bytes: 256 << 20, stream_event_bytes: 4 << 20, in_flight: 1024, queue: 1024 }
    }
}

/// How models are loaded and unloaded.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    /// How often a server that loads or unloads in the background is asked how far it is.
    pub poll: Duration,
    /// Load a model that no server has ready before a call to it, within the call's deadline.
    pub ensure_loaded: bool,
    /// How long an unload waits for our own calls on the model.
    pub drain: Duration,
    /// Unload all the same when calls are still running after that; otherwise the unload fails, and they go on.
    pub unload_busy: bool,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            // Loads take seconds; a list costs a server next to nothing.
            poll: Duration::from_millis(500),
            ensure_loaded: false,
            drain: Duration::from_secs(30),
            unload_busy: false,
        }
    }
}
