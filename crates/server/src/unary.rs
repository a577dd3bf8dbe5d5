//! Exchanges of one request and one reply: reading the whole of the former, collecting the whole of the latter.

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, header, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use longshore_core::{Error, ErrorKind, Events, Framing, ReplyEncoder, framing::Framer};
use tokio::time::timeout;

use crate::options::Limits;

/// The one frame of a request's body.
pub(crate) async fn read_call(body: Incoming, framing: Framing, head: &Parts, limits: &Limits) -> Result<Bytes, Error> {
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limits.request_bytes.saturating_add(PREFIX)) {
        return Err(too_large(limits.request_bytes));
    }
    let mut requests = Requests::new(body, framing, limits.request_bytes, Some(limits.read_timeout));
    let first = requests.next().await.ok_or_else(|| Error::invalid("the request holds no message"))??;
    match requests.next().await {
        None => Ok(first),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) => Err(Error::invalid("the request holds more than one message")),
    }
}

/// What framing may add to the longest body.
const PREFIX: usize = 5;

fn too_large(limit: usize) -> Error {
    let message = format!("the request is longer than {limit} bytes (gateway.max_request)");
    Error::new(ErrorKind::TooLarge, message)
}

/// The frames of a request's body, as they come.
pub(crate) struct Requests {
    body: Option<Incoming>,
    framer: Framer,
    frames: VecDeque<Bytes>,
    limit: usize,
    patience: Option<Duration>,
}

impl Requests {
    /// `limit` is in bytes of a frame; `patience` is how long a client may pause, `None` for ever.
    pub(crate) fn new(body: Incoming, framing: Framing, limit: usize, patience: Option<Duration>) -> Self {
        Self { body: Some(body), framer: framing.framer(limit), frames: VecDeque::new(), limit, patience }
    }

    /// The next frame; `None` at the end. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(Ok(frame));
            }
            let body = self.body.as_mut()?;
            let mut frames = Vec::new();
            let patience = self.patience.unwrap_or(Duration::MAX);
            let pushed = match timeout(patience, body.frame()).await {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.framer.push(data, &mut frames),
                    Err(_trailers) => Ok(()),
                },
                Ok(Some(Err(error))) => Err(Error::invalid("the request's body broke off").caused_by(error)),
                Ok(None) => {
                    self.body = None;
                    self.framer.finish(&mut frames).map_err(|error| error.with_kind(ErrorKind::InvalidRequest))
                }
                Err(_) => {
                    Err(Error::new(ErrorKind::Timeout, format!("the request's body did not go on for {patience:?}")))
                }
            };
            self.frames.extend(frames);
            if let Err(error) = pushed {
                self.body = None;
                let error = if error.kind() == ErrorKind::TooLarge { too_large(self.limit) } else { error };
                return Some(Err(error));
            }
        }
    }
}

/// The whole body of a reply that does not stream, and what stands after it.
pub(crate) async fn collect(
    encoder: &mut dyn ReplyEncoder,
    mut events: Events,
) -> Result<(Bytes, Option<HeaderMap>), Error> {
    // Most answers fit, and are written without growing.
    let mut body = BytesMut::with_capacity(1 << 10);
    while let Some(event) = events.next().await {
        encoder.event(&event?, &mut body);
    }
    let trailers = encoder.end(&mut body);
    Ok((body.freeze(), trailers))
}
