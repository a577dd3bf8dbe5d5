//! From a byte stream to frames. A framer holds what is incomplete, knows no dialect and has a size limit.
//!
//! Whatever way the bytes are split, the frames are the same.

mod grpc;
mod lines;
mod sse;
mod whole;

use bytes::{Bytes, BytesMut};

use crate::Error;

pub use grpc::put_message;
pub use sse::put_event;

/// How a body is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The body is one frame.
    Whole,
    /// Server-sent events: a frame is the `data` of an event.
    Sse,
    /// A frame is a line.
    Ndjson,
    /// Length-prefixed messages: a frame is a message.
    Grpc,
}

impl Framing {
    /// A framer for one body, in which no frame may be longer than `limit` bytes.
    pub fn framer(self, limit: usize) -> Framer {
        match self {
            Self::Whole => Framer::Whole(whole::Whole::new(limit)),
            Self::Sse => Framer::Sse(sse::Sse::new(limit)),
            Self::Ndjson => Framer::Ndjson(lines::Lines::new(limit)),
            Self::Grpc => Framer::Grpc(grpc::Grpc::new(limit)),
        }
    }

    /// Writes `frame` the way this framing wants it.
    pub fn put(self, frame: &[u8], body: &mut BytesMut) {
        match self {
            Self::Whole => body.extend_from_slice(frame),
            Self::Sse => sse::put_event(frame, body),
            Self::Ndjson => {
                body.extend_from_slice(frame);
                body.extend_from_slice(b"\n");
            }
            Self::Grpc => grpc::put_message(frame, body),
        }
    }
}

/// Cuts one body into frames.
#[derive(Debug)]
#[non_exhaustive]
pub enum Framer {
    #[doc(hidden)]
    Whole(whole::Whole),
    #[doc(hidden)]
    Sse(sse::Sse),
    #[doc(hidden)]
    Ndjson(lines::Lines),
    #[doc(hidden)]
    Grpc(grpc::Grpc),
}

impl Framer {
    /// Takes more of the body and gives the frames that are complete now.
    ///
    /// # Errors
    /// `TooLarge` when a frame exceeds the limit, `Protocol` when the bytes cannot be a frame. The frames given
    /// before that are good; the framer is of no use afterwards.
    pub fn push(&mut self, bytes: Bytes, frames: &mut Vec<Bytes>) -> Result<(), Error> {
        match self {
            Self::Whole(framer) => framer.push(bytes, frames),
            Self::Sse(framer) => framer.push(&bytes, frames),
            Self::Ndjson(framer) => framer.push(&bytes, frames),
            Self::Grpc(framer) => framer.push(bytes, frames),
        }
    }

    /// Whether nothing has come of a frame that is not complete.
    pub fn is_between_frames(&self) -> bool {
        match self {
            Self::Whole(framer) => framer.is_empty(),
            Self::Sse(framer) => framer.is_empty(),
            Self::Ndjson(framer) => framer.is_empty(),
            Self::Grpc(framer) => framer.is_empty(),
        }
    }

    /// The body has ended cleanly; an unfinished frame is given out or refused, as the format says.
    ///
    /// # Errors
    /// `Interrupted` when a frame of known length is incomplete.
    pub fn finish(&mut self, frames: &mut Vec<Bytes>) -> Result<(), Error> {
        match self {
            Self::Whole(framer) => framer.finish(frames),
            Self::Sse(framer) => framer.finish(),
            Self::Ndjson(framer) => framer.finish(frames),
            Self::Grpc(framer) => framer.finish(),
        }
    }
}
