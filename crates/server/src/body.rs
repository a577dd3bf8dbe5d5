//! The bodies of replies: whole, or written as the events come.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use longshore_core::{Events, ReplyEncoder};
use tokio::sync::OwnedSemaphorePermit;

/// What a response carries.
pub struct ReplyBody(Content);

pub(crate) enum Content {
    /// Known in full, with what stands after it.
    Whole { body: Option<Bytes>, trailers: Option<HeaderMap> },
    /// Written event by event.
    Streamed(Box<Streamed>),
    /// Written by a task that answers many calls.
    Duplex(crate::duplex::Answers),
    /// Written by somebody else.
    Site(crate::site::SiteBody),
}

impl ReplyBody {
    pub(crate) fn whole(body: Bytes) -> Self {
        Content::Whole { body: Some(body), trailers: None }.into()
    }
}

impl From<Content> for ReplyBody {
    fn from(content: Content) -> Self {
        Self(content)
    }
}

/// An answer on its way. Dropping it drops the events, which cancels the work: that is how a client that has gone
/// away stops it.
pub(crate) struct Streamed {
    pub(crate) events: Events,
    pub(crate) encoder: Box<dyn ReplyEncoder>,
    pub(crate) end: End,
    pub(crate) log: crate::outcome::Outcome,
    /// Held until the answer is out: it is what is limited.
    pub(crate) _slot: OwnedSemaphorePermit,
}

/// Where a streamed answer stands.
pub(crate) enum End {
    /// More events may come.
    Open,
    /// The body is out, these trailers are not.
    Trailers(HeaderMap),
    /// Nothing is left.
    Closed,
}

/// Bytes that most events fit into, so that they are written without growing.
const EVENT: usize = 320;
/// Ready events are written together, up to about this many bytes.
const BURST: usize = 64 << 10;

impl Streamed {
    /// All that is ready now, as one chunk: an event never waits for the next one, and a burst costs one write.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut chunk = BytesMut::with_capacity(EVENT);
        while chunk.len() < BURST {
            match self.events.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(event))) => self.encoder.event(&event, &mut chunk),
                Poll::Ready(Some(Err(error))) => {
                    self.log.failed(&error);
                    self.encoder.interrupted(&error, &mut chunk);
                    self.close(&mut chunk);
                    break;
                }
                Poll::Ready(None) => {
                    self.log.finished();
                    self.close(&mut chunk);
                    break;
                }
                Poll::Pending if chunk.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(if chunk.is_empty() { None } else { Some(chunk.freeze()) })
    }

    fn close(&mut self, chunk: &mut BytesMut) {
        self.end = match self.encoder.end(chunk) {
            Some(trailers) => End::Trailers(trailers),
            None => End::Closed,
        };
        self.events = Box::pin(futures_util::stream::empty());
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Content::Whole { body, trailers } => {
                let data = body.take().filter(|body| !body.is_empty()).map(Frame::data);
                Poll::Ready(data.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
            Content::Streamed(streamed) => {
                if matches!(streamed.end, End::Open)
                    && let Some(chunk) = ready!(streamed.poll_chunk(cx))
                {
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                match std::mem::replace(&mut streamed.end, End::Closed) {
                    End::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                    _ => Poll::Ready(None),
                }
            }
            Content::Duplex(answers) => answers.poll_frame(cx).map(|frame| frame.map(Ok)),
            Content::Site(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Whole { body, trailers } => trailers.is_none() && body.as_ref().is_none_or(Bytes::is_empty),
            Content::Streamed(streamed) => matches!(streamed.end, End::Closed),
            Content::Duplex(_) => false,
            Content::Site(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Whole { body, .. } => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Content::Site(body) => body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}
