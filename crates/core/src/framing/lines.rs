//! Newline-delimited JSON: a frame is a line. Empty lines are skipped; a last line without its line feed counts.

use bytes::{Bytes, BytesMut};

use crate::{Error, ErrorKind};

#[derive(Debug)]
pub struct Lines {
    line: BytesMut,
    limit: usize,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { line: BytesMut::new(), limit }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], frames: &mut Vec<Bytes>) -> Result<(), Error> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.extend(&bytes[..end])?;
            self.end_line(frames);
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    pub(super) fn finish(&mut self, frames: &mut Vec<Bytes>) -> Result<(), Error> {
        self.end_line(frames);
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.line.len() + bytes.len() > self.limit {
            return Err(Error::new(ErrorKind::TooLarge, format!("a line exceeds {} bytes", self.limit)));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, frames: &mut Vec<Bytes>) {
        if self.line.last() == Some(&b'\r') {
            self.line.truncate(self.line.len() - 1);
        }
        if !self.line.is_empty() {
            frames.push(self.line.split().freeze());
        }
    }
}
