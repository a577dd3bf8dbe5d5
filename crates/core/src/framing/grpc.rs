//! gRPC messages: a byte that says whether it is compressed, a big-endian `u32` length, the message.
//!
//! Source: gRPC over HTTP/2, "Length-Prefixed-Message". Compression is never offered by Longshore, so a compressed
//! message is a fault of the peer.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Out;
use crate::{Error, ErrorKind};

const PREFIX: usize = 5;

/// Writes one uncompressed message with its prefix.
pub fn put_message(message: &[u8], body: &mut BytesMut) {
    body.reserve(PREFIX + message.len());
    body.put_u8(0);
    // A message beyond 4 GiB cannot be written; every limit on our sides is far below that.
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.extend_from_slice(message);
}

#[derive(Debug)]
pub(super) struct Grpc {
    rest: BytesMut,
    /// Where the next message begins.
    start: u64,
    limit: usize,
}

impl Grpc {
    pub(super) fn new(limit: usize) -> Self {
        Self { rest: BytesMut::new(), start: 0, limit }
    }

    pub(super) fn push(&mut self, mut bytes: Bytes, out: &mut Out<'_>) -> Result<(), Error> {
        if self.rest.is_empty() {
            // Messages that came whole are shared, not copied.
            while let Some(length) = self.message_length(&bytes)? {
                if bytes.len() < PREFIX + length {
                    break;
                }
                bytes.advance(PREFIX);
                self.put(length, bytes.split_to(length), out);
            }
        }
        self.rest.extend_from_slice(&bytes);
        while let Some(length) = self.message_length(&self.rest)? {
            if self.rest.len() < PREFIX + length {
                self.rest.reserve(PREFIX + length - self.rest.len());
                break;
            }
            self.rest.advance(PREFIX);
            let message = self.rest.split_to(length).freeze();
            self.put(length, message, out);
        }
        Ok(())
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    fn put(&mut self, length: usize, message: Bytes, out: &mut Out<'_>) {
        out.put(self.start, message);
        self.start += (PREFIX + length) as u64;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Interrupted,
            format!("the body ended inside a gRPC message ({} bytes of it)", self.rest.len()),
        ))
    }

    /// `None` while the prefix is incomplete.
    fn message_length(&self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let Some(&[compressed, a, b, c, d]) = bytes.first_chunk() else { return Ok(None) };
        if compressed != 0 {
            return Err(Error::protocol(format!(
                "a gRPC message has the compression flag {compressed}, none was offered"
            )));
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > self.limit {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("a gRPC message of {length} bytes exceeds {} bytes", self.limit),
            ));
        }
        Ok(Some(length))
    }
}
