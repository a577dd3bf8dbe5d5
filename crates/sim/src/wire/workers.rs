//! The threads that serve: [`Workers`], each with a runtime of its own.
//!
//! A connection stays on the thread that it was given to: nothing hops from one to another between a request and its
//! reply. And whoever uses a simulator in a test may block the runtime that the test is on.

use std::{io, num::NonZero, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::engine::alarm;

/// Threads that serve, until this is dropped.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    handle: Handle,
    /// The thread ends when this goes.
    _alive: oneshot::Sender<()>,
}

/// More threads than this would wait for one another more than they serve.
const MOST: usize = 8;

impl Workers {
    /// One for each core.
    ///
    /// # Errors
    /// The system gives no threads, or nothing to wait for sockets with.
    pub(crate) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        (0..cores.min(MOST)).map(Worker::start).collect::<io::Result<_>>().map(Self)
    }

    /// The runtime of the first one.
    pub(crate) fn first(&self) -> Handle {
        self.0[0].handle.clone()
    }

    /// All their runtimes.
    pub(crate) fn all(&self) -> Vec<Handle> {
        self.0.iter().map(|worker| worker.handle.clone()).collect()
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (alive, gone) = oneshot::channel::<()>();
        thread::Builder::new().name(format!("sim-{number}")).spawn(move || {
            runtime.block_on(async {
                // Without an alarm of its own, the clock's thread wakes this one.
                let alarm = async {
                    match alarm::answer() {
                        Ok(answering) => answering.await,
                        Err(error) => tracing::warn!(%error, "a thread has no alarm of its own"),
                    }
                    std::future::pending().await
                };
                // Nothing is ever sent: the channel's end is what is waited for.
                tokio::select! { _ = gone => {} () = alarm => {} }
            });
        })?;
        Ok(Self { handle, _alive: alive })
    }
}
