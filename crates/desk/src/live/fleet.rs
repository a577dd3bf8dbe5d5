//! [`LiveFleet`]: one backend whose servers can be exchanged while it answers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use futures_core::{Stream, future::BoxFuture};
use futures_util::FutureExt;
use longshore_client::Fleet;
use longshore_core::{Backend, Call, Error, Event, Events, Reply};

/// Forwards every call to the fleet of the moment. Calls that are under way stay with the fleet they began with, which
/// lives until the last of them has ended. Clones are the same.
#[derive(Clone)]
pub struct LiveFleet(Arc<ArcSwap<Fleet>>);

impl LiveFleet {
    /// Begins with this one.
    pub fn new(fleet: Fleet) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(fleet)))
    }

    /// The fleet of the moment.
    pub fn now(&self) -> Arc<Fleet> {
        self.0.load_full()
    }

    /// From now on calls go to this one.
    pub fn swap(&self, fleet: Fleet) {
        self.0.store(Arc::new(fleet));
    }
}

impl Backend for LiveFleet {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        let fleet = self.now();
        async move {
            let mut reply = fleet.call(call).await?;
            reply.events = Box::pin(Held { events: reply.events, _fleet: fleet });
            Ok(reply)
        }
        .boxed()
    }
}

/// The events of an answer, and the fleet they come from.
struct Held {
    events: Events,
    _fleet: Arc<Fleet>,
}

impl Stream for Held {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}
