//! The calls in flight by one way, limited: one server cannot swallow everything. Beyond the limit calls wait in the
//! order in which they came; beyond a second limit they do not even wait.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use longshore_core::{Error, ErrorKind, Sent};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::Limits, metrics};

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    capacity: usize,
    queue: usize,
    waiting: AtomicUsize,
    labels: metrics::Way,
}

impl Gate {
    pub(crate) fn new(limits: &Limits, labels: metrics::Way) -> Self {
        // The semaphore's own limit is far above any number of calls.
        let capacity = limits.in_flight.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(capacity));
        Self { places, capacity, queue: limits.queue, waiting: AtomicUsize::new(0), labels }
    }

    /// Calls that are being worked on.
    pub(crate) fn in_flight(&self) -> usize {
        self.capacity - self.places.available_permits()
    }

    /// Calls that wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a place, in the order of coming. Dropping the future gives up waiting.
    ///
    /// # Errors
    /// `Overloaded`, with nothing sent, when too many wait already.
    pub(crate) async fn enter(&self) -> Result<Slot, Error> {
        let permit = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = self.queue_up()?;
                let closed = |_| Error::new(ErrorKind::Cancelled, "the fleet is closed").sent(Sent::No);
                Arc::clone(&self.places).acquire_owned().await.map_err(closed)?
            }
        };
        metrics::in_flight(&self.labels, 1.0);
        Ok(Slot { _permit: permit, labels: self.labels.clone() })
    }

    fn queue_up(&self) -> Result<Waiting<'_>, Error> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        if before < self.queue {
            return Ok(waiting);
        }
        let message = format!(
            "{} calls to it are in flight and {} wait already (limits.in_flight and limits.queue)",
            self.capacity, self.queue
        );
        Err(Error::new(ErrorKind::Overloaded, message).sent(Sent::No))
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place among the calls in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    labels: metrics::Way,
}

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::in_flight(&self.labels, -1.0);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn so_many_fly_so_many_wait_and_the_rest_is_refused() {
        let limits = Limits { in_flight: 1, queue: 1, ..Limits::default() };
        let gate = Gate::new(&limits, metrics::Way::default());
        let first = gate.enter().await.unwrap();
        let mut second = Box::pin(gate.enter());
        assert!((&mut second).now_or_never().is_none());
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 1));
        let refused = gate.enter().await.unwrap_err();
        assert_eq!((refused.kind(), refused.was_sent()), (ErrorKind::Overloaded, Sent::No));
        assert!(refused.message().contains("limits.queue"), "{refused}");
        drop(first);
        let second = second.await.unwrap();
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));
        let given_up = Box::pin(gate.enter());
        assert!(given_up.now_or_never().is_none());
        assert_eq!(gate.waiting(), 0);
        drop(second);
        assert_eq!(gate.in_flight(), 0);
    }
}
