//! One connection: [`ConnectionHandle`] is how a fault reaches it from within a request.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// A connection, as its requests see it. Clones are the same connection.
#[derive(Clone)]
pub(crate) struct ConnectionHandle(Arc<Inner>);

struct Inner {
    index: u64,
    written: AtomicU64,
    used: AtomicBool,
    resets: AtomicBool,
    rewrites: AtomicBool,
    state: Mutex<State>,
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Default)]
struct State {
    rewrite: Option<(Bytes, Bytes)>,
    flushes: Vec<(u64, oneshot::Sender<()>)>,
}

/// What the task of a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Drop the connection.
    Drop,
    /// Take no more requests on it, and say so.
    GoAway,
    /// Look again whether something is to be written.
    Nudge,
}

impl ConnectionHandle {
    pub(crate) fn new(index: u64) -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, received) = mpsc::unbounded_channel();
        let inner = Inner {
            index,
            written: AtomicU64::new(0),
            used: AtomicBool::new(false),
            resets: AtomicBool::new(false),
            rewrites: AtomicBool::new(false),
            state: Mutex::default(),
            orders,
        };
        (Self(Arc::new(inner)), received)
    }

    /// Counted from 0, in order of arrival.
    pub(crate) fn index(&self) -> u64 {
        self.0.index
    }

    /// Notes that a request to a model came over it, and says whether that was the first.
    pub(super) fn use_first(&self) -> bool {
        !self.0.used.swap(true, Ordering::AcqRel)
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
        let written = self.written();
        let mut state = self.lock();
        if state.flushes.is_empty() {
            return;
        }
        for (_, done) in state.flushes.extract_if(.., |(wanted, _)| *wanted <= written) {
            let _ = done.send(());
        }
    }

    fn order(&self, order: Order) {
        // A connection that has ended takes no orders.
        let _ = self.0.orders.send(order);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
