//! One caller's place in a flight, with a deadline of its own.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::StreamExt;
use longshore_core::{Error, ErrorKind, Event, Reply, Sent};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Flight, Head};
use crate::member::since;

/// One caller's place. Dropping it leaves the others alone; with the last one the call is given up.
pub(crate) struct Seat {
    flight: Arc<Flight>,
    id: u64,
    seated: Instant,
    deadline: Option<Pin<Box<Sleep>>>,
    content: bool,
    over: bool,
}

impl Seat {
    pub(super) fn new(flight: Arc<Flight>, id: u64, deadline: Option<Instant>) -> Self {
        let deadline = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
        Self { flight, id, seated: Instant::now(), deadline, content: false, over: false }
    }

    /// Waits for the reply, whose events are this seat's.
    ///
    /// # Errors
    /// The call's own; `Timeout` at the seat's deadline.
    pub(crate) async fn reply(mut self) -> Result<Reply, Error> {
        let Head { route, ledger, cache } = poll_fn(|cx| self.poll_head(cx)).await?;
        Ok(Reply { route, ledger, cache, events: self.boxed() })
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Error>> {
        if let Poll::Ready(head) = self.flight.poll_head(self.id, cx) {
            return Poll::Ready(head);
        }
        if !self.is_late(cx) {
            return Poll::Pending;
        }
        let waited = since(self.seated);
        let message = format!("no answer after {waited:?}, when the deadline of the whole call passed");
        Poll::Ready(Err(Error::new(ErrorKind::Timeout, message).sent(Sent::Maybe)))
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
    }
}

impl Stream for Seat {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(item) = self.flight.poll_event(self.id, cx) {
            match &item {
                Some(Ok(event)) => self.content |= event.kind.is_content(),
                Some(Err(_)) | None => self.over = true,
            }
            return Poll::Ready(item);
        }
        if !self.is_late(cx) {
            return Poll::Pending;
        }
        self.over = true;
        let (kind, message) = if self.content {
            (ErrorKind::Interrupted, "the answer broke off: the deadline of the whole call passed")
        } else {
            (ErrorKind::Timeout, "the deadline of the whole call passed before the answer was complete")
        };
        Poll::Ready(Some(Err(Error::new(kind, message).sent(Sent::Maybe))))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.flight.leave(self.id);
    }
}
