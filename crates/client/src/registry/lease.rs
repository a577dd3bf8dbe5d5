//! Our own calls in flight on each model of one server: [`Leases`]. An unload waits for them, and meanwhile nothing
//! new begins.
//!
//! Calls of others are not seen; a server that drains by itself sees those.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::StreamExt;
use longshore_core::{Error, ErrorKind, Event, Events, Sent};
use tokio::sync::Notify;

/// The calls in flight on one server's models. A call without a model may use any of them.
#[derive(Clone, Default)]
pub(crate) struct Leases(Arc<Inner>);

#[derive(Default)]
struct Inner {
    models: Mutex<HashMap<Arc<str>, Entry>>,
    /// A lease was given back.
    returned: Notify,
}

#[derive(Default)]
struct Entry {
    running: usize,
    /// Unloads that wait.
    drains: usize,
}

impl Leases {
    /// One more call on `model`.
    ///
    /// # Errors
    /// `ModelNotReady` while the model is being unloaded; nothing was sent.
    pub(crate) fn take(&self, model: &str) -> Result<Lease, Error> {
        let mut models = self.lock();
        let model = match models.get_key_value(key(model)) {
            Some((_, entry)) if entry.drains > 0 => {
                let message = format!("the model `{model}` is being unloaded");
                return Err(Error::new(ErrorKind::ModelNotReady, message).sent(Sent::No));
            }
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(key(model)),
        };
        models.entry(Arc::clone(&model)).or_default().running += 1;
        Ok(Lease { leases: self.clone(), model })
    }

    /// Calls that may be using `model`.
    pub(crate) fn running(&self, model: &str) -> usize {
        let models = self.lock();
        let of = |name: &str| models.get(name).map_or(0, |entry| entry.running);
        of(key(model)) + if model.is_empty() { 0 } else { of("") }
    }

    /// Calls that name `model`.
    pub(crate) fn running_on(&self, model: &str) -> usize {
        self.lock().get(key(model)).map_or(0, |entry| entry.running)
    }

    /// From now until the guard is dropped, no lease of `model` is given.
    pub(crate) fn drain(&self, model: &str) -> Drain {
        let model = Arc::from(key(model));
        self.lock().entry(Arc::clone(&model)).or_default().drains += 1;
        Drain { leases: self.clone(), model }
    }

    /// Whether an unload of `model` keeps new calls away.
    pub(crate) fn is_draining(&self, model: &str) -> bool {
        self.lock().get(key(model)).is_some_and(|entry| entry.drains > 0)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.0.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, model: &str, give: impl FnOnce(&mut Entry)) {
        let mut models = self.lock();
        if let Some(entry) = models.get_mut(model) {
            give(entry);
            if entry.running == 0 && entry.drains == 0 {
                models.remove(model);
            }
        }
        drop(models);
        self.0.returned.notify_waiters();
    }
}

/// Ollama's `:latest` may be left out.
pub(super) fn key(model: &str) -> &str {
    model.strip_suffix(":latest").unwrap_or(model)
}

/// One call in flight. Dropping it ends the call.
pub(crate) struct Lease {
    leases: Leases,
    model: Arc<str>,
}

impl Lease {
    /// The same events; the lease is given back at their end, or when they are dropped.
    pub(crate) fn hold(self, events: Events) -> Events {
        Box::pin(Held { events, lease: Some(self) })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.give_back(&self.model, |entry| entry.running = entry.running.saturating_sub(1));
    }
}

/// An unload that waits. Dropping it lets calls in again.
pub(crate) struct Drain {
    leases: Leases,
    model: Arc<str>,
}

impl Drain {
    /// Resolves when no call is in flight that may be using the model.
    pub(crate) async fn drained(&self) {
        loop {
            let mut returned = std::pin::pin!(self.leases.0.returned.notified());
            returned.as_mut().enable();
            if self.leases.running(&self.model) == 0 {
                return;
            }
            returned.await;
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.leases.give_back(&self.model, |entry| entry.drains = entry.drains.saturating_sub(1));
    }
}

struct Held {
    events: Events,
    lease: Option<Lease>,
}

impl Stream for Held {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.events.poll_next_unpin(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.lease = None;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};

    use super::*;

    #[test]
    fn a_drain_waits_for_every_call_that_may_use_the_model() {
        let leases = Leases::default();
        let (one, nameless, other) = (leases.take("m").unwrap(), leases.take("").unwrap(), leases.take("n").unwrap());
        assert_eq!((leases.running("m"), leases.running("n"), leases.running("o")), (2, 2, 1));
        let drain = leases.drain("m:latest");
        assert!(leases.is_draining("m") && !leases.is_draining("n"));
        assert_eq!(leases.take("m").err().unwrap().kind(), ErrorKind::ModelNotReady);
        assert!(leases.take("n").is_ok());
        let mut drained = Box::pin(drain.drained());
        assert!((&mut drained).now_or_never().is_none());
        drop(one);
        assert!((&mut drained).now_or_never().is_none());
        drop(nameless);
        assert!(drained.now_or_never().is_some());
        drop(drain);
        assert!(leases.take("m").is_ok());
        drop(other);
        assert!(leases.lock().is_empty());
    }

    #[tokio::test]
    async fn events_give_the_lease_back_at_their_end_or_when_dropped() {
        let leases = Leases::default();
        let mut ended = leases.take("m").unwrap().hold(stream::empty().boxed());
        let dropped = leases.take("m").unwrap().hold(stream::pending().boxed());
        assert_eq!(leases.running("m"), 2);
        assert!(ended.next().await.is_none());
        assert_eq!(leases.running("m"), 1);
        drop(dropped);
        assert_eq!(leases.running("m"), 0);
    }
}
