//! Who computes, and who waits: a few slots behind a short queue.
//!
//! [`Slots::enter`] answers at once, with a place or with back-pressure; [`Place::turn`] waits for a slot; a [`Turn`]
//! runs on a thread of its own until its work returns, and only then is the slot free again. Nothing blocks a thread of
//! the async runtime.

use std::sync::{Arc, Mutex, PoisonError};

use longshore_core::Sent;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, ErrorKind};

/// A bounded number of places to compute and to wait.
pub(crate) struct Slots {
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
    slots: usize,
    queue: usize,
    /// Threads that rest, with how many of them stand in each pool.
    idle: Mutex<Vec<(usize, ThreadPool)>>,
}

impl Slots {
    pub(crate) fn new(slots: usize, queue: usize) -> Arc<Self> {
        let slots = slots.clamp(1, 1024);
        let queue = queue.min(1 << 20);
        Arc::new(Self {
            places: Arc::new(Semaphore::new(slots + queue)),
            running: Arc::new(Semaphore::new(slots)),
            slots,
            queue,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// A place in the queue.
    ///
    /// # Errors
    /// [`ErrorKind::Overloaded`] when all are taken.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Place, Error> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => Ok(Place { slots: self.clone(), permit }),
            Err(_) => Err(Error::new(
                ErrorKind::Overloaded,
                format!(
                    "the engine computes {} requests and {} wait already; try again when one has ended",
                    self.slots, self.queue
                ),
            )
            .sent(Sent::No)),
        }
    }

    /// Requests that compute now.
    pub(crate) fn busy(&self) -> usize {
        self.slots - self.running.available_permits()
    }

    fn pool(&self, threads: usize) -> Result<ThreadPool, Error> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = idle.iter().position(|(width, _)| *width == threads) {
            return Ok(idle.swap_remove(at).1);
        }
        drop(idle);
        pool("longshore-slot", threads)
    }
}

/// Threads on which candle computes: what it hands to rayon stays among them.
pub(crate) fn pool(name: &'static str, threads: usize) -> Result<ThreadPool, Error> {
    let built = ThreadPoolBuilder::new().num_threads(threads.max(1)).thread_name(move |_| name.to_owned()).build();
    built.map_err(|error| Error::new(ErrorKind::Server, format!("no thread to compute on: {error}")).caused_by(error))
}

/// A place in the queue; dropping it gives it back.
pub(crate) struct Place {
    slots: Arc<Slots>,
    permit: OwnedSemaphorePermit,
}

impl Place {
    /// Waits for a slot, in order of arrival.
    ///
    /// # Errors
    /// None in practice: slots are never closed.
    pub(crate) async fn turn(self) -> Result<Turn, Error> {
        let running = self.slots.running.clone().acquire_owned().await;
        let running = running.map_err(|_| Error::new(ErrorKind::Server, "the engine is shutting down"))?;
        Ok(Turn { slots: self.slots, permits: (self.permit, running) })
    }
}

/// A slot.
pub(crate) struct Turn {
    slots: Arc<Slots>,
    permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Turn {
    /// Runs `work` on `threads` threads of its own; returns at once. The slot is free when `work` returns.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the system gives no thread.
    pub(crate) fn run(self, threads: usize, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let pool = Arc::new(self.slots.pool(threads)?);
        let own = pool.clone();
        pool.spawn(move || {
            // `work` catches its own panics; this is for the slot's sake.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let Self { slots, permits } = self;
            if let Some(pool) = Arc::into_inner(own) {
                slots.idle.lock().unwrap_or_else(PoisonError::into_inner).push((threads, pool));
            }
            drop(permits);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_says_so_and_order_is_kept() {
        let slots = Slots::new(1, 1);
        let first = slots.enter().unwrap().turn().await.unwrap();
        let (go, wait) = mpsc::channel::<()>();
        first
            .run(1, move || {
                let _ = wait.recv();
            })
            .unwrap();
        assert_eq!(slots.busy(), 1);
        let second = slots.enter().unwrap();
        let full = slots.enter().err().unwrap();
        assert_eq!((full.kind(), full.was_sent()), (ErrorKind::Overloaded, Sent::No));
        go.send(()).unwrap();
        let turn = second.turn().await.unwrap();
        assert!(slots.enter().is_ok());
        drop(turn);
        assert_eq!(slots.busy(), 0);
    }

    #[tokio::test]
    async fn a_panic_gives_the_slot_back() {
        let slots = Slots::new(1, 0);
        slots.enter().unwrap().turn().await.unwrap().run(1, || std::panic::resume_unwind(Box::new("work"))).unwrap();
        let permit = slots.running.clone().acquire_owned().await.unwrap();
        drop(permit);
    }
}
