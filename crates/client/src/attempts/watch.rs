//! A committed answer under observation: what comes is counted, and how it ends is told to whoever judges the way.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::{StreamExt, stream};
use longshore_core::{Attempt, Error, Event, EventKind, Events, Protocol, Received, Reply};
use tokio::time::Instant;

use super::flight::Flight;
use crate::{
    health::{Pass, Slot},
    member::since,
    metrics,
};

/// The same reply with its ledger. Its place among the calls in flight is given back at its end, or when it is dropped.
pub(super) fn over(mut reply: Reply, ledger: Vec<Attempt>, flight: Flight, slot: Option<Slot>) -> Reply {
    if let Some(pass) = &flight.pass {
        pass.answered(Instant::now());
    }
    metrics::attempt(&reply.route.server, reply.route.protocol, "committed");
    let events = std::mem::replace(&mut reply.events, stream::empty().boxed());
    let (server, protocol) = (reply.route.server.clone(), reply.route.protocol);
    let running = Running {
        pass: flight.pass,
        _slot: slot,
        received: flight.received.clone(),
        began: flight.launched,
        server,
        protocol,
    };
    reply.ledger = ledger;
    reply.events = Watched { events, received: flight.received, running: Some(running) }.boxed();
    reply
}

struct Watched {
    events: Events,
    received: Received,
    /// `None` once it has ended.
    running: Option<Running>,
}

/// What is held while an answer arrives.
struct Running {
    pass: Option<Pass>,
    _slot: Option<Slot>,
    received: Received,
    began: Instant,
    server: Arc<str>,
    protocol: Protocol,
}

impl Running {
    fn succeeded(mut self) {
        if let Some(pass) = self.pass.take() {
            pass.succeeded(Instant::now());
        }
    }

    fn failed(mut self, error: &Error) {
        metrics::broken(&self.server, self.protocol);
        if let Some(pass) = self.pass.take() {
            pass.failed(error, Instant::now());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        metrics::answer_ended(&self.server, self.protocol, since(self.began), self.received.tokens());
    }
}

impl Stream for Watched {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.events.poll_next_unpin(cx);
        match &next {
            Poll::Ready(Some(Ok(event))) => {
                self.received.add_event(&event.kind);
                if matches!(event.kind, EventKind::Done(_))
                    && let Some(running) = self.running.take()
                {
                    running.succeeded();
                }
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(running) = self.running.take() {
                    running.failed(error);
                }
            }
            Poll::Ready(None) => self.running = None,
            Poll::Pending => {}
        }
        next
    }
}
