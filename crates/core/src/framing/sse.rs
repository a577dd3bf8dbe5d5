//! Server-sent events: the `data` of each event, lines joined, comments and other fields dropped.
//!
//! Source: WHATWG HTML, "Server-sent events", event stream interpretation. Lines end with LF, CRLF or CR; a byte
//! order mark at the start is skipped; an event that no empty line ended is not an event, and is dropped.

use bytes::BytesMut;

use super::Out;
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
pub(super) struct Sse {
    line: BytesMut,
    /// The lines of the event so far; `None`: it has none. One line, as nearly all events are, takes what it needs and no more.
    data: Option<Vec<u8>>,
    /// A carriage return ended the last line: a line feed right after it belongs to it.
    after_cr: bool,
    /// No line has ended yet: a byte order mark may stand before it.
    at_start: bool,
    /// Bytes that have come, and where the present event began.
    seen: u64,
    start: u64,
    limit: usize,
}

impl Sse {
    pub(super) fn new(limit: usize) -> Self {
        Self { line: BytesMut::new(), data: None, after_cr: false, at_start: true, seen: 0, start: 0, limit }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Out<'_>) -> Result<(), Error> {
        self.seen += bytes.len() as u64;
        while let Some((&first, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                // It ended the event too, if that was an empty line.
                self.start += u64::from(self.is_empty());
                bytes = rest;
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
                return self.extend(bytes);
            };
            self.after_cr = bytes[end] == b'\r';
            let ends_event = if self.line.is_empty() {
                self.end_line(&bytes[..end], out)?
            } else {
                self.extend(&bytes[..end])?;
                let line = self.line.split();
                self.end_line(&line, out)?
            };
            bytes = &bytes[end + 1..];
            if ends_event {
                self.start = self.seen - bytes.len() as u64;
            }
        }
        Ok(())
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.data.is_none()
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
        let data = self.data.as_ref().map_or(0, |data| data.len() + 1);
        if self.line.len() + data + more > self.limit {
            return Err(Error::new(ErrorKind::TooLarge, format!("a server-sent event exceeds {} bytes", self.limit)));
        }
        Ok(())
    }

    /// Whether the line ends the event.
    fn end_line(&mut self, line: &[u8], out: &mut Out<'_>) -> Result<bool, Error> {
        let line =
            if std::mem::take(&mut self.at_start) { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            if let Some(data) = self.data.take() {
                out.put(self.start, data.into());
            }
            return Ok(true);
        } else if line == b"data" {
            self.add_data(b"");
        } else if let Some(value) = line.strip_prefix(b"data:") {
            self.check(value.len())?;
            self.add_data(value.strip_prefix(b" ").unwrap_or(value));
        }
        Ok(false)
    }

    fn add_data(&mut self, value: &[u8]) {
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
    }
}
