//! The book of one address's connections: how many there are and what they do, and when each has had its day.
//!
//! hyper-util keeps the idle ones and hands them out; this book bounds their number, counts what becomes of them, and
//! takes those out of use that are too old, or have been idle for nearly as long as the server said it would wait.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::CaptureConnection;
use longshore_core::Protocol;
use longshore_stamp::Arrival;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{config::Pool, member::since, metrics};

/// Connections are looked over at most this often.
const SWEEP: Duration = Duration::from_millis(100);

/// Why connections were closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closed {
    /// The server closed it: it ended while nothing was asked, and none of the others is why.
    Server,
    /// It broke.
    Broken,
    /// Its idle time was over, as we or the server have it, or there were enough idle ones.
    Idle,
    /// It was old.
    Age,
    /// A request on it was given up, or nobody needs the pool any more.
    Dropped,
}

impl Closed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Age => "age",
            Self::Dropped => "dropped",
        }
    }
}

/// The connections to one address.
pub(crate) struct Book {
    labels: metrics::Way,
    idle: Duration,
    most_idle: usize,
    age: Duration,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<u64, Conn>,
    created: u64,
    reused: u64,
    closed: BTreeMap<Closed, u64>,
    /// How long the server keeps an idle connection, by its own word.
    advertised: Option<Duration>,
    swept: Option<Instant>,
}

struct Conn {
    made: Instant,
    idle_since: Instant,
    /// Requests on it.
    streams: usize,
    requests: u64,
    /// The head of a reply has come over it.
    replied: bool,
    handle: Option<CaptureConnection>,
    /// Why it is out of use, or what was last heard of it.
    end: Option<Closed>,
}

/// How the connections to one address are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) open: usize,
    pub(crate) idle: usize,
    pub(crate) created: u64,
    pub(crate) reused: u64,
    pub(crate) closed: BTreeMap<&'static str, u64>,
    pub(crate) idle_limit: Duration,
}

impl Book {
    pub(crate) fn new(labels: metrics::Way, pool: &Pool) -> Arc<Self> {
        Arc::new(Self {
            labels,
            idle: pool.idle_timeout,
            most_idle: pool.max_idle_per_host,
            age: pool.max_age,
            permits: Arc::new(Semaphore::new(pool.max_connections)),
            state: Mutex::default(),
        })
    }

    /// Waits until there may be one more connection.
    pub(crate) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        // It fails only when closed, which nobody does.
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Whether there may be one more connection now.
    pub(crate) fn has_room(&self) -> bool {
        self.permits.available_permits() > 0
    }

    pub(crate) fn opened(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> Entry {
        let mut state = self.lock();
        let (id, now) = (state.created, Instant::now());
        state.created += 1;
        let conn =
            Conn { made: now, idle_since: now, streams: 0, requests: 0, replied: false, handle: None, end: None };
        state.open.insert(id, conn);
        metrics::connection_opened(&self.labels);
        Entry { name: Name { book: Arc::clone(self), id }, _permit: permit }
    }

    /// Takes out of use what is too old, or idle for too long, before somebody gets it.
    pub(crate) fn sweep(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        if state.swept.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP) {
            return;
        }
        state.swept = Some(now);
        let idle = state.idle_limit(self.idle);
        for conn in state.open.values_mut().filter(|conn| conn.end.is_none()) {
            let end = if since(conn.made) >= self.age {
                Closed::Age
            } else if conn.streams == 0 && since(conn.idle_since) >= idle {
                Closed::Idle
            } else {
                continue;
            };
            // One that was never used has told nobody how to reach it.
            if let Some(handle) = &conn.handle
                && let Some(connected) = handle.connection_metadata().as_ref()
            {
                connected.poison();
                conn.end = Some(end);
            }
        }
    }

    /// Learns how long the server keeps idle connections: `Keep-Alive: timeout=5`.
    pub(crate) fn heard(&self, headers: &HeaderMap) {
        let Some(advertised) = headers.get("keep-alive").and_then(|value| timeout(value.to_str().ok()?)) else {
            return;
        };
        self.lock().advertised = Some(advertised);
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = self.lock();
        Counts {
            open: state.open.len(),
            idle: state.open.values().filter(|conn| conn.streams == 0).count(),
            created: state.created,
            reused: state.reused,
            closed: state.closed.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
            idle_limit: state.idle_limit(self.idle),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The server's clock starts when it has sent its last byte, ours when we have read it: a fifth, at most a second,
    /// is for the way there and back.
    fn idle_limit(&self, own: Duration) -> Duration {
        let margin = |told: Duration| told.saturating_sub((told / 5).min(Duration::from_secs(1)));
        self.advertised.map_or(own, |told| own.min(margin(told)))
    }
}

fn timeout(value: &str) -> Option<Duration> {
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// A connection's place in the book. Clones are the same.
#[derive(Clone)]
pub(crate) struct Name {
    book: Arc<Book>,
    id: u64,
}

impl Name {
    /// Whether it has carried a reply before: one that then closes without a word met its keep-alive's end.
    pub(crate) fn was_used(&self) -> bool {
        self.book.lock().open.get(&self.id).is_some_and(|conn| conn.replied)
    }

    /// A request goes over it.
    pub(crate) fn lend(&self, handle: &CaptureConnection, arrival: Option<Arrival>) -> Lease {
        let mut state = self.book.lock();
        if let Some(conn) = state.open.get_mut(&self.id) {
            conn.streams += 1;
            conn.requests += 1;
            let again = conn.requests > 1;
            conn.handle.get_or_insert_with(|| handle.clone());
            if again {
                state.reused += 1;
                metrics::connection_reused(&self.book.labels);
            }
        }
        Lease { name: self.clone(), arrival }
    }

    pub(crate) fn ended(&self, how: Closed) {
        if let Some(conn) = self.book.lock().open.get_mut(&self.id) {
            conn.end.get_or_insert(how);
        }
    }
}

/// A request on a connection, until its reply has been read or given up.
pub(crate) struct Lease {
    name: Name,
    /// When what was read last on it arrived, where that is known of its connections.
    arrival: Option<Arrival>,
}

impl Lease {
    /// The head of a reply has come.
    pub(crate) fn replied(&self) {
        if let Some(conn) = self.name.book.lock().open.get_mut(&self.name.id) {
            conn.replied = true;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(conn) = self.name.book.lock().open.get_mut(&self.name.id) {
            conn.streams = conn.streams.saturating_sub(1);
            conn.idle_since = Instant::now();
        }
    }
}

/// Held by the connection itself.
pub(crate) struct Entry {
    pub(crate) name: Name,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Name { book, id } = &self.name;
        let mut state = book.lock();
        let Some(conn) = state.open.remove(id) else { return };
        let reason = conn.end.unwrap_or_else(|| {
            let others = state.open.values().filter(|conn| conn.streams == 0).count();
            if conn.streams > 0 {
                Closed::Dropped
            } else if since(conn.idle_since) >= book.idle || others >= book.most_idle {
                Closed::Idle
            } else {
                Closed::Server
            }
        });
        *state.closed.entry(reason).or_default() += 1;
        metrics::connection_closed(&book.labels, reason.as_str());
    }
}

/// A reply's body, and its hold on the connection.
pub(crate) struct Leased {
    body: Incoming,
    lease: Option<Lease>,
    /// Counts it on its line.
    _held: Arc<()>,
}

impl Leased {
    pub(crate) fn new(body: Incoming, lease: Option<Lease>, held: Arc<()>) -> Self {
        Self { body, lease, _held: held }
    }

    /// What tells when the pieces of the body arrived; `None`: nobody does.
    pub(crate) fn arrival(&self) -> Option<&Arrival> {
        self.lease.as_ref()?.arrival.as_ref()
    }
}

impl Body for Leased {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How the connections to one address are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// The server's name.
    pub server: Arc<str>,
    /// The address.
    pub endpoint: Arc<str>,
    /// What goes over them.
    pub protocol: Protocol,
    /// Connections that are open.
    pub open: usize,
    /// Of these, those without a request.
    pub idle: usize,
    /// Of these, those with one or more.
    pub in_use: usize,
    /// Connections that were ever made.
    pub created: u64,
    /// Requests that found a connection that had served others.
    pub reused: u64,
    /// How many were closed, by reason: `server` (it closed it), `broken`, `idle`, `age`, `dropped` (a request on it was
    /// given up).
    pub closed: BTreeMap<&'static str, u64>,
    /// How long an idle one is used: the configured time, or less where the server has told that it waits for less.
    pub idle_limit: Duration,
}

impl PoolState {
    pub(crate) fn new(server: Arc<str>, endpoint: Arc<str>, protocol: Protocol, counts: Counts) -> Self {
        let Counts { open, idle, created, reused, closed, idle_limit } = counts;
        Self { server, endpoint, protocol, open, idle, in_use: open - idle, created, reused, closed, idle_limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_waits_for_less_is_believed() {
        let book = Book::new(metrics::Way::default(), &Pool::default());
        for (value, expected) in [
            ("max=100", 4000),
            ("timeout=60, max=100", 4000),
            ("timeout=5", 4000),
            ("max=5, timeout=2", 1600),
            ("timeout=0", 0),
            ("timeout=soon", 0),
        ] {
            let headers = [(http::HeaderName::from_static("keep-alive"), http::HeaderValue::from_static(value))];
            book.heard(&headers.into_iter().collect());
            assert_eq!(book.counts().idle_limit.as_millis(), expected, "{value}");
        }
    }

    #[test]
    fn what_becomes_of_connections_is_counted() {
        let book = Book::new(metrics::Way::default(), &Pool::default());
        let (one, other) = (book.opened(None), book.opened(None));
        one.name.ended(Closed::Broken);
        one.name.ended(Closed::Age);
        assert_eq!((book.counts().open, book.counts().idle), (2, 2));
        drop((one, other));
        let counts = book.counts();
        assert_eq!((counts.open, counts.created), (0, 2));
        assert_eq!(counts.closed, [("broken", 1), ("server", 1)].into());
    }
}
