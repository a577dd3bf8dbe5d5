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
        let cut = match self {
            Self::Whole => Cut::Whole(whole::Whole::new(limit)),
            Self::Sse => Cut::Sse(sse::Sse::new(limit)),
            Self::Ndjson => Cut::Ndjson(lines::Lines::new(limit)),
            Self::Grpc => Cut::Grpc(grpc::Grpc::new(limit)),
        };
        Framer { cut, starts: Vec::new() }
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
pub struct Framer {
    cut: Cut,
    /// Where the frames of the last push began.
    starts: Vec<u64>,
}

#[derive(Debug)]
enum Cut {
    Whole(whole::Whole),
    Sse(sse::Sse),
    Ndjson(lines::Lines),
    Grpc(grpc::Grpc),
}

/// Where frames go, each with the place in the body where it began.
struct Out<'a> {
    frames: &'a mut Vec<Bytes>,
    starts: &'a mut Vec<u64>,
}

impl Out<'_> {
    fn put(&mut self, start: u64, frame: Bytes) {
        self.starts.push(start);
        self.frames.push(frame);
    }
}

impl Framer {
    /// Takes more of the body and gives the frames that are complete now.
    ///
    /// # Errors
    /// `TooLarge` when a frame exceeds the limit, `Protocol` when the bytes cannot be a frame. The frames given
    /// before that are good; the framer is of no use afterwards.
    pub fn push(&mut self, bytes: Bytes, frames: &mut Vec<Bytes>) -> Result<(), Error> {
        self.starts.clear();
        let mut out = Out { frames, starts: &mut self.starts };
        match &mut self.cut {
            Cut::Whole(framer) => framer.push(bytes),
            Cut::Sse(framer) => framer.push(&bytes, &mut out),
            Cut::Ndjson(framer) => framer.push(&bytes, &mut out),
            Cut::Grpc(framer) => framer.push(bytes, &mut out),
        }
    }

    /// Where in the body the `nth` frame of the last push began, in bytes; of one after them, where it begins.
    pub fn start(&self, nth: usize) -> u64 {
        self.starts.get(nth).copied().unwrap_or(match &self.cut {
            Cut::Whole(_) => 0,
            Cut::Sse(framer) => framer.start(),
            Cut::Ndjson(framer) => framer.start(),
            Cut::Grpc(framer) => framer.start(),
        })
    }

    /// Whether nothing has come of a frame that is not complete.
    pub fn is_between_frames(&self) -> bool {
        match &self.cut {
            Cut::Whole(framer) => framer.is_empty(),
            Cut::Sse(framer) => framer.is_empty(),
            Cut::Ndjson(framer) => framer.is_empty(),
            Cut::Grpc(framer) => framer.is_empty(),
        }
    }

    /// The body has ended cleanly; an unfinished frame is given out or refused, as the format says.
    ///
    /// # Errors
    /// `Interrupted` when a frame of known length is incomplete.
    pub fn finish(&mut self, frames: &mut Vec<Bytes>) -> Result<(), Error> {
        self.starts.clear();
        let mut out = Out { frames, starts: &mut self.starts };
        match &mut self.cut {
            Cut::Whole(framer) => framer.finish(&mut out),
            Cut::Sse(framer) => framer.finish(),
            Cut::Ndjson(framer) => framer.finish(&mut out),
            Cut::Grpc(framer) => framer.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_is_found_again_where_it_began() {
        let grpc = [put(b"one"), put(b""), put(b"three")].concat();
        let check = |framing: Framing, body: &[u8], expected: &[u64]| {
            for piece in [1, 2, 3, 7, body.len()] {
                let (mut framer, mut frames, mut starts) = (framing.framer(100), Vec::new(), Vec::new());
                for part in body.chunks(piece) {
                    framer.push(Bytes::copy_from_slice(part), &mut frames).unwrap();
                    starts.extend((0..frames.len()).map(|nth| framer.start(nth)));
                    frames.clear();
                }
                framer.finish(&mut frames).unwrap();
                starts.extend((0..frames.len()).map(|nth| framer.start(nth)));
                assert_eq!(starts, expected, "{framing:?} by {piece}");
            }
        };
        check(Framing::Whole, b"{}", &[0]);
        check(Framing::Ndjson, b"1\n\n22\r\n333", &[0, 3, 7]);
        check(Framing::Sse, b"data: 1\n\n: ping\n\ndata: 2\ndata: 2\n\n", &[0, 17]);
        check(Framing::Sse, b"data: 1\r\n\r\ndata: 2\r\n\r\n", &[0, 11]);
        check(Framing::Grpc, &grpc, &[0, 8, 13]);
    }

    fn put(message: &[u8]) -> Vec<u8> {
        let mut body = BytesMut::new();
        put_message(message, &mut body);
        body.to_vec()
    }
}
