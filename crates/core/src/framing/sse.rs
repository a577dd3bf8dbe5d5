//! Server-sent events: the `data` of each event, lines joined, comments and other fields dropped.
//!
//! Source: WHATWG HTML, "Server-sent events", event stream interpretation. Lines end with LF, CRLF or CR; a byte
//! order mark at the start is skipped; an event that no empty line ended is not an event, and is dropped.

use bytes::{Bytes, BytesMut};

use crate::{Error, ErrorKind};

/// Writes one event whose data is `data`; line feeds in it become several `data:` lines.
pub fn put_event(data: &[u8], body: &mut BytesMut) {
    for line in data.split(|&byte| byte == b'\n') {
        body.extend_from_slice(b"data: ");
        body.extend_from_slice(line);
        body.extend_from_slice(b"\n");
    }
    body.extend_from_slice(b"\n");
}

#[derive(Debug)]
pub struct Sse {
    line: BytesMut,
    data: BytesMut,
    /// A carriage return ended the last line: a line feed right after it belongs to it.
    after_cr: bool,
    /// No line has ended yet: a byte order mark may stand before it.
    at_start: bool,
    limit: usize,
}

impl Sse {
    pub(super) fn new(limit: usize) -> Self {
        Self { line: BytesMut::new(), data: BytesMut::new(), after_cr: false, at_start: true, limit }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], frames: &mut Vec<Bytes>) -> Result<(), Error> {
        while let Some((&first, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = rest;
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.extend(bytes);
            };
            self.after_cr = bytes[end] == b'\r';
            if self.line.is_empty() {
                self.end_line(&bytes[..end], frames)?;
            } else {
                self.extend(&bytes[..end])?;
                let line = self.line.split();
                self.end_line(&line, frames)?;
            }
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.data.is_empty()
    }

    pub(super) fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.check(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), Error> {
        if self.line.len() + self.data.len() + more > self.limit {
            return Err(Error::new(ErrorKind::TooLarge, format!("a server-sent event exceeds {} bytes", self.limit)));
        }
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], frames: &mut Vec<Bytes>) -> Result<(), Error> {
        let line =
            if std::mem::take(&mut self.at_start) { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            if !self.data.is_empty() {
                self.data.truncate(self.data.len() - 1);
                frames.push(self.data.split().freeze());
            }
        } else if line == b"data" {
            self.data.extend_from_slice(b"\n");
        } else if let Some(value) = line.strip_prefix(b"data:") {
            self.check(value.len())?;
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.data.extend_from_slice(b"\n");
        }
        Ok(())
    }
}
