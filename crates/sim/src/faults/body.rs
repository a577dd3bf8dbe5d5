//! What a reply's body is: [`SimBody`], a good one or one that a task writes; and [`Broken`], the end of one that is broken
//! on purpose.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use longshore_server::ReplyBody;
use tokio::{sync::mpsc, task::AbortHandle};

use crate::observe::Record;

/// A reply's body, with or without a fault.
pub(crate) struct SimBody {
    content: Content,
    record: Option<Arc<Record>>,
    ended: bool,
}

enum Content {
    Good(ReplyBody),
    Whole(Option<Bytes>),
    Written(Written),
}

/// A body that a task writes.
struct Written {
    frames: mpsc::Receiver<Result<Frame<Bytes>, Broken>>,
    task: AbortHandle,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A stream or connection that is broken on purpose.
#[derive(Debug)]
pub(crate) struct Broken(h2::Error);

impl Broken {
    /// Over HTTP/2 the stream is reset with this code; over HTTP/1.1 the connection closes.
    pub(crate) fn with_code(code: u32) -> Self {
        Self(h2::Reason::from(code).into())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken by a fault of the simulator")
    }
}

impl std::error::Error for Broken {
    /// hyper looks here for the code with which to reset a stream.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl SimBody {
    /// A body that is no model's answer and is in no log.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        // An empty body ends with the head.
        Self { content: Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), record: None, ended: false }
    }

    /// The same, written by a task, which is stopped when nobody reads.
    pub(crate) fn written(frames: mpsc::Receiver<Result<Frame<Bytes>, Broken>>, task: AbortHandle) -> Self {
        Self { content: Content::Written(Written { frames, task }), record: None, ended: false }
    }

    /// A good reply, as it is.
    pub(crate) fn good(body: ReplyBody, record: Arc<Record>) -> Self {
        Self { content: Content::Good(body), record: Some(record), ended: false }
    }

    /// The same body, which is in the log: its bytes, and whether it was read to its end.
    pub(super) fn noted(mut self, record: Arc<Record>) -> Self {
        self.record = Some(record);
        self
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = ready!(match &mut self.content {
            Content::Good(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Written(written) => written.frames.poll_recv(cx),
        });
        if let (Some(Ok(frame)), Some(record)) = (&frame, &self.record)
            && let Some(data) = frame.data_ref()
        {
            record.note(|draft| draft.response_bytes += data.len() as u64);
        }
        self.ended |= !matches!(&frame, Some(Ok(frame)) if frame.is_data());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Good(body) => body.is_end_stream(),
            Content::Whole(bytes) => bytes.is_none(),
            Content::Written(_) => self.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Good(body) => body.size_hint(),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Written(_) => SizeHint::default(),
        }
    }
}

impl Drop for SimBody {
    fn drop(&mut self) {
        let ended = self.ended || self.is_end_stream();
        if let Some(record) = &self.record {
            if ended {
                record.note(|draft| draft.complete = true);
            } else {
                record.cancelled();
            }
        }
    }
}
