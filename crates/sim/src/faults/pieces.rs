//! Bodies as pieces: an SSE event, a gRPC message, or all of it; and what faults do to a piece.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, header::CONTENT_TYPE};

/// What a body is made of, judged by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Sse,
    Grpc,
    Whole,
}

impl Form {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get(CONTENT_TYPE).map(|value| value.as_bytes()) {
            Some(value) if value.starts_with(b"text/event-stream") => Self::Sse,
            Some(value) if value.starts_with(b"application/grpc") => Self::Grpc,
            _ => Self::Whole,
        }
    }

    /// Takes the first complete piece off the bytes.
    pub(super) fn take(self, bytes: &mut BytesMut) -> Option<Bytes> {
        let length = match self {
            Self::Whole => return None,
            Self::Sse => bytes.windows(2).position(|pair| pair == b"\n\n")? + 2,
            Self::Grpc => {
                let prefix: [u8; 4] = bytes.get(1..5)?.try_into().ok()?;
                5 + u32::from_be_bytes(prefix) as usize
            }
        };
        (bytes.len() >= length).then(|| bytes.split_to(length).freeze())
    }

    /// The piece with its inside overwritten; what frames it stays.
    pub(super) fn garbled(self, piece: &[u8]) -> Bytes {
        let (before, after) = match self {
            Self::Sse => (b"data: ".len(), 2),
            Self::Grpc => (5, 0),
            Self::Whole => (piece.len() / 4, piece.len() / 4),
        };
        let mut garbled = piece.to_vec();
        let end = piece.len().saturating_sub(after);
        if let Some(inside) = garbled.get_mut(before..end) {
            // 0xFF begins no UTF-8 sequence and, as a protobuf key, has the reserved wire type 7.
            inside.fill(0xFF);
        }
        garbled.into()
    }
}

/// How SSE is written unusually.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noise {
    pub(super) crlf: bool,
    pub(super) comments: bool,
    pub(super) multi_line: bool,
}

impl Noise {
    /// The same event, written otherwise. Source: HTML, "Server-sent events", interpretation of an event stream: lines
    /// that begin with a colon are ignored, `data` lines are joined by a newline, which JSON allows between its tokens.
    pub(super) fn apply(self, piece: &[u8]) -> Bytes {
        let end: &[u8] = if self.crlf { b"\r\n" } else { b"\n" };
        let mut out = BytesMut::new();
        if self.comments {
            out.put_slice(b": a comment");
            out.put_slice(end);
        }
        for line in piece.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match line.strip_prefix(b"data: {") {
                Some(rest) if self.multi_line => {
                    out.put_slice(b"data: {");
                    out.put_slice(end);
                    out.put_slice(b"data: ");
                    out.put_slice(rest);
                }
                _ => out.put_slice(line),
            }
            out.put_slice(end);
        }
        out.put_slice(end);
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_events_and_messages() {
        let check = |form: Form, body: &[u8], expected: &[&[u8]], rest: &[u8]| {
            let mut bytes = BytesMut::from(body);
            let pieces: Vec<_> = std::iter::from_fn(|| form.take(&mut bytes)).collect();
            assert_eq!(
                (pieces.as_slice(), &bytes[..]),
                (expected.iter().map(|p| Bytes::copy_from_slice(p)).collect::<Vec<_>>().as_slice(), rest)
            );
        };
        check(Form::Sse, b"data: a\n\ndata: b\n\ndat", &[b"data: a\n\n", b"data: b\n\n"], b"dat");
        check(Form::Grpc, &[0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0], &[&[0, 0, 0, 0, 1, 7], &[0, 0, 0, 0, 0]], &[0, 0]);
        check(Form::Whole, b"{}", &[], b"{}");
    }

    #[test]
    fn noise_keeps_the_event() {
        let check = |noise: Noise, expected: &str| assert_eq!(noise.apply(b"data: {\"a\":1}\n\n"), expected);
        check(Noise::default(), "data: {\"a\":1}\n\n");
        check(Noise { crlf: true, ..Noise::default() }, "data: {\"a\":1}\r\n\r\n");
        check(Noise { comments: true, ..Noise::default() }, ": a comment\ndata: {\"a\":1}\n\n");
        check(Noise { multi_line: true, ..Noise::default() }, "data: {\ndata: \"a\":1}\n\n");
    }

    #[test]
    fn garbling_keeps_the_frame() {
        assert_eq!(&Form::Sse.garbled(b"data: ab\n\n")[..], b"data: \xFF\xFF\n\n");
        assert_eq!(&Form::Grpc.garbled(&[0, 0, 0, 0, 1, 7])[..], [0, 0, 0, 0, 1, 0xFF]);
        assert_eq!(&Form::Whole.garbled(b"{\"a\":1} ")[..], b"{\"\xFF\xFF\xFF\xFF} ");
        assert_eq!(&Form::Sse.garbled(b"x")[..], b"x");
    }
}
