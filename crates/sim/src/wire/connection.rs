//! One connection: [`ConnectionHandle`] is how a fault reaches it from within a request.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use longshore_stamp::Arrival;
use tokio::sync::oneshot;

/// A connection, as its requests see it. Clones are the same connection.
#[derive(Clone)]
pub(crate) struct ConnectionHandle(Arc<Inner>);

struct Inner {
    index: u64,
    /// When the last of what was read from it came.
    arrival: OnceLock<Arrival>,
    written: AtomicU64,
    used: AtomicBool,
    resets: AtomicBool,
    rewrites: AtomicBool,
    /// Somebody waits for something to have left.
    flushes: AtomicBool,
    /// [`Order`]s that were not carried out yet.
    orders: AtomicU8,
    task: AtomicWaker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rewrite: Option<(Bytes, Bytes)>,
    flushes: Vec<(u64, oneshot::Sender<()>)>,
}

/// What the task of a connection is told.
#[derive(Clone, Copy)]
enum Order {
    /// Drop the connection.
    Drop = 1,
    /// Take no more requests on it, and say so.
    GoAway = 2,
    /// Look again whether something is to be written.
    Nudge = 4,
}

/// What the task of a connection was told since it last asked.
#[derive(Clone, Copy)]
pub(super) struct Orders(u8);

impl Orders {
    pub(super) fn to_drop(self) -> bool {
        self.0 & Order::Drop as u8 != 0
    }

    pub(super) fn to_go_away(self) -> bool {
        self.0 & Order::GoAway as u8 != 0
    }
}

/// The connections that are open, for telling them all.
#[derive(Default)]
pub(crate) struct Roster {
    connections: Vec<Weak<Inner>>,
    prune_at: usize,
}

impl Roster {
    pub(crate) fn add(&mut self, connection: &ConnectionHandle) {
        if self.connections.len() >= self.prune_at {
            self.connections.retain(|connection| connection.strong_count() > 0);
            self.prune_at = (2 * self.connections.len()).max(64);
        }
        self.connections.push(Arc::downgrade(&connection.0));
    }

    /// Tells them all to finish what runs on them, and to end.
    pub(crate) fn go_away(&self) {
        self.connections.iter().filter_map(Weak::upgrade).for_each(|inner| ConnectionHandle(inner).go_away());
    }
}

impl ConnectionHandle {
    pub(crate) fn new(index: u64) -> Self {
        Self(Arc::new(Inner {
            index,
            arrival: OnceLock::new(),
            written: AtomicU64::new(0),
            used: AtomicBool::new(false),
            resets: AtomicBool::new(false),
            rewrites: AtomicBool::new(false),
            flushes: AtomicBool::new(false),
            orders: AtomicU8::new(0),
            task: AtomicWaker::new(),
            state: Mutex::default(),
        }))
    }

    /// Counted from 0, in order of arrival.
    pub(crate) fn index(&self) -> u64 {
        self.0.index
    }

    /// Notes that a request to a model came over it, and says whether that was the first.
    pub(super) fn use_first(&self) -> bool {
        !self.0.used.swap(true, Ordering::AcqRel)
    }

    /// From now on its socket tells when bytes came.
    pub(super) fn tells(&self, arrival: &Arrival) {
        // A connection has one socket.
        let _ = self.0.arrival.set(arrival.clone());
    }

    /// When the last of what was read from it had reached this machine; now, where the system does not tell. For a
    /// request that was just read to its end, that is when it arrived; where requests share the connection, it may be
    /// later, and is never later than now.
    pub(super) fn received(&self) -> Instant {
        self.0.arrival.get().and_then(Arrival::latest).unwrap_or_else(Instant::now)
    }

    /// Ends the connection with RST; what was not read by the other side yet may be lost.
    pub(crate) fn reset(&self) {
        self.0.resets.store(true, Ordering::Release);
        self.order(Order::Drop);
    }

    /// Ends the connection with FIN.
    pub(crate) fn close(&self) {
        self.order(Order::Drop);
    }

    /// HTTP/2: GOAWAY; HTTP/1.1: the next reply is the last. Running replies are finished.
    pub(crate) fn go_away(&self) {
        self.order(Order::GoAway);
    }

    /// Replaces the first `from` that is written from now on.
    pub(crate) fn rewrite(&self, from: Bytes, to: Bytes) {
        self.lock().rewrite = Some((from, to));
        self.0.rewrites.store(true, Ordering::Release);
    }

    /// Bytes that were written to the connection so far, before TLS.
    pub(crate) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Acquire)
    }

    /// Resolves when that many bytes were written and have left.
    pub(crate) async fn flushed(&self, written: u64) {
        let (done, flushed) = oneshot::channel();
        self.lock().flushes.push((written, done));
        self.0.flushes.store(true, Ordering::Release);
        self.order(Order::Nudge);
        // A connection that is gone has nothing left to flush.
        let _ = flushed.await;
    }

    pub(super) fn resets(&self) -> bool {
        self.0.resets.load(Ordering::Acquire)
    }

    /// Applies the rewriting to what is about to be written; `None` leaves it as it is.
    pub(super) fn rewritten(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if !self.0.rewrites.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.lock();
        let (from, to) = state.rewrite.as_ref()?;
        let at = bytes.windows(from.len()).position(|part| part == from)?;
        let out = [&bytes[..at], to, &bytes[at + from.len()..]].concat();
        state.rewrite = None;
        self.0.rewrites.store(false, Ordering::Release);
        Some(out)
    }

    pub(super) fn count(&self, written: usize) {
        self.0.written.fetch_add(written as u64, Ordering::AcqRel);
    }

    /// Everything that was written has left.
    pub(super) fn note_flush(&self) {
        if !self.0.flushes.load(Ordering::Acquire) {
            return;
        }
        let written = self.written();
        let mut state = self.lock();
        for (_, done) in state.flushes.extract_if(.., |(wanted, _)| *wanted <= written) {
            let _ = done.send(());
        }
        self.0.flushes.store(!state.flushes.is_empty(), Ordering::Release);
    }

    /// What the connection's one task was told and has not asked for yet.
    pub(super) fn poll_orders(&self, cx: &mut Context<'_>) -> Poll<Orders> {
        if self.0.orders.load(Ordering::Acquire) == 0 {
            self.0.task.register(cx.waker());
        }
        // It may have come before the registration.
        match self.0.orders.load(Ordering::Acquire) {
            0 => Poll::Pending,
            _ => Poll::Ready(Orders(self.0.orders.swap(0, Ordering::AcqRel))),
        }
    }

    fn order(&self, order: Order) {
        self.0.orders.fetch_or(order as u8, Ordering::AcqRel);
        self.0.task.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
