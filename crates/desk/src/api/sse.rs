//! Streams of named events, each one JSON object: what the page reads with `fetch`.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use futures_core::Stream;
use futures_util::StreamExt;
use serde::Serialize;

use crate::Desk;

/// A comment is sent after so much silence, so that everybody on the way knows that the stream lives.
const SILENCE: Duration = Duration::from_secs(15);

/// The events as a response: each a name and what is written as JSON. Ends with the stream, or when the desk closes.
pub(super) fn stream<T: Serialize, S: Stream<Item = (&'static str, T)> + Send + 'static>(
    desk: &Desk,
    events: S,
) -> Sse<KeepAliveStream<impl Stream<Item = Result<Event, Infallible>> + Send + use<T, S>>> {
    let events = events.take_until(desk.closing.clone().cancelled_owned());
    let events = events.filter_map(|(name, data)| {
        let event = Event::default().event(name).json_data(&data);
        let event = event.inspect_err(|error| tracing::error!(%error, name, "an event cannot be written"));
        std::future::ready(event.ok().map(Ok))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(SILENCE))
}
