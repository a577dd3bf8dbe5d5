//! A backend whose calls are written down: [`Recorded`].

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::{Stream, future::BoxFuture};
use futures_util::{FutureExt, StreamExt, stream};
use longshore_core::{Backend, Call, Error, ErrorKind, Event, EventKind, Events, Reply};

use super::{
    Recorder, Source,
    entry::{Entry, Outcome},
};

/// See the module.
pub(super) struct Recorded {
    pub(super) recorder: Recorder,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) from: Source,
}

impl Backend for Recorded {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        let writer = self.recorder.begin(&call, self.from);
        async move { writer.over(self.backend.call(call).await) }.boxed()
    }
}

/// Writes one call down. Dropping it before the call's end says that it was cancelled.
pub(super) struct Writer {
    recorder: Recorder,
    pub(super) entry: Arc<Entry>,
    open: bool,
}

impl Writer {
    pub(super) fn new(recorder: Recorder, entry: Arc<Entry>) -> Self {
        Self { recorder, entry, open: true }
    }

    /// The same result, whose events are written down as they pass.
    pub(super) fn over(mut self, result: Result<Reply, Error>) -> Result<Reply, Error> {
        let mut reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                self.end(Outcome::Error, Some(&error));
                return Err(error);
            }
        };
        self.entry.answered(&reply);
        let events = std::mem::replace(&mut reply.events, stream::empty().boxed());
        reply.events = Box::pin(Recording { events, server: Arc::clone(&reply.route.server), writer: self });
        Ok(reply)
    }

    fn end(&mut self, outcome: Outcome, error: Option<&Error>) {
        if std::mem::take(&mut self.open) {
            self.recorder.ended(&self.entry, outcome, error);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled, None);
    }
}

struct Recording {
    events: Events,
    server: Arc<str>,
    writer: Writer,
}

impl Stream for Recording {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.events.poll_next_unpin(cx);
        match &next {
            Poll::Ready(Some(Ok(event))) => {
                self.writer.entry.came(event);
                match event.kind {
                    EventKind::Text { .. } | EventKind::Reasoning { .. } => self.writer.recorder.text(&self.server),
                    EventKind::Done(_) => self.writer.end(Outcome::Ok, None),
                    _ => {}
                }
            }
            Poll::Ready(Some(Err(error))) => {
                let outcome =
                    if error.kind() == ErrorKind::Interrupted { Outcome::Interrupted } else { Outcome::Error };
                self.writer.end(outcome, Some(error));
            }
            Poll::Ready(None) => self.writer.end(Outcome::Interrupted, None),
            Poll::Pending => {}
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}
