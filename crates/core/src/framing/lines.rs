//! Newline-delimited JSON: a frame is a line. Empty lines are skipped; a last line without its line feed counts.

use bytes::BytesMut;

use super::Out;
use crate::{Error, ErrorKind};

#[derive(Debug)]
pub(super) struct Lines {
    line: BytesMut,
    /// Bytes that have come, and where the present line began.
    seen: u64,
    start: u64,
    limit: usize,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { line: BytesMut::new(), seen: 0, start: 0, limit }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Out<'_>) -> Result<(), Error> {
        self.seen += bytes.len() as u64;
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.extend(&bytes[..end])?;
            self.end_line(out);
            bytes = &bytes[end + 1..];
            self.start = self.seen - bytes.len() as u64;
        }
        self.extend(bytes)
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Error> {
        self.end_line(out);
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.line.len() + bytes.len() > self.limit {
            return Err(Error::new(ErrorKind::TooLarge, format!("a line exceeds {} bytes", self.limit)));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, out: &mut Out<'_>) {
        if self.line.last() == Some(&b'\r') {
            self.line.truncate(self.line.len() - 1);
        }
        if !self.line.is_empty() {
            out.put(self.start, self.line.split().freeze());
        }
    }
}
