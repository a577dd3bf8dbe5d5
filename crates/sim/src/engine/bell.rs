//! How timers that are due reach their tasks: [`Bell`] wakes a thread once for all of them.
//!
//! Waking a task from a foreign thread costs a system call and a switch. A thread that serves has a bell; whatever waits
//! there is handed to the bell, which is rung once, and the thread wakes its own tasks, which costs next to nothing.

use std::{
    cell::RefCell,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use futures_util::task::AtomicWaker;

/// A thread that wakes its own tasks.
#[derive(Default)]
pub(crate) struct Bell {
    due: Mutex<Vec<Arc<Slot>>>,
    waker: AtomicWaker,
}

/// A task that waits for an instant.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) waker: AtomicWaker,
    /// The bell of the thread on which it waits.
    bell: Option<Arc<Bell>>,
}

thread_local! {
    static HERE: RefCell<Option<Arc<Bell>>> = const { RefCell::new(None) };
}

impl Bell {
    /// Gives this thread a bell, and answers it for as long as the future is polled: it never ends. To be polled on a
    /// runtime that has one thread.
    pub(crate) async fn answer() {
        let bell = Arc::new(Self::default());
        HERE.set(Some(bell.clone()));
        poll_fn(|cx| {
            bell.waker.register(cx.waker());
            for slot in bell.take() {
                slot.waker.wake();
            }
            Poll::<()>::Pending
        })
        .await;
    }

    fn take(&self) -> Vec<Arc<Slot>> {
        std::mem::take(&mut *self.due.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Slot {
    /// One for a task of this thread.
    pub(super) fn here() -> Arc<Self> {
        let bell = HERE.with_borrow(Clone::clone);
        Arc::new(Self { waker: AtomicWaker::new(), bell })
    }
}

/// Wakes those that are due, each thread that has a bell once. Not to be called under a lock that a woken task wants.
pub(super) fn wake(due: Vec<Arc<Slot>>) {
    let mut rung: Vec<Arc<Bell>> = Vec::new();
    for slot in due {
        let Some(bell) = slot.bell.clone() else {
            slot.waker.wake();
            continue;
        };
        bell.due.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        if !rung.iter().any(|known| Arc::ptr_eq(known, &bell)) {
            rung.push(bell);
        }
    }
    for bell in rung {
        bell.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::clock::Clock;

    /// Tasks of two threads with bells and one without wait for instants of one clock, and all of them come by.
    #[test]
    fn every_thread_wakes_its_own() {
        let clock = Clock::real().unwrap();
        let wait = |with_bell: bool| {
            let clock = clock.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    if with_bell {
                        tokio::spawn(Bell::answer());
                        tokio::task::yield_now().await;
                    }
                    let begun = clock.now();
                    let waits = (0..100).map(|step| {
                        let (clock, at) = (clock.clone(), begun + Duration::from_micros(50 * step));
                        tokio::spawn(async move {
                            clock.until(at).await;
                            clock.now() >= at
                        })
                    });
                    let mut punctual = 0;
                    for wait in waits.collect::<Vec<_>>() {
                        punctual += u32::from(wait.await.unwrap());
                    }
                    punctual
                })
            })
        };
        let threads = [true, true, false].map(wait);
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [100; 3]);
    }
}
