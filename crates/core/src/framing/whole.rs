//! A body that is one frame.

use bytes::{Bytes, BytesMut};

use super::Out;
use crate::{Error, ErrorKind};

#[derive(Debug)]
pub(super) struct Whole {
    /// A body that came in one piece is passed on without a copy.
    only: Option<Bytes>,
    rest: BytesMut,
    limit: usize,
}

impl Whole {
    pub(super) fn new(limit: usize) -> Self {
        Self { only: None, rest: BytesMut::new(), limit }
    }

    pub(super) fn push(&mut self, bytes: Bytes) -> Result<(), Error> {
        let length = self.only.as_ref().map_or(self.rest.len(), Bytes::len) + bytes.len();
        if length > self.limit {
            return Err(Error::new(ErrorKind::TooLarge, format!("the body exceeds {} bytes", self.limit)));
        }
        if let Some(first) = self.only.take() {
            self.rest.extend_from_slice(&first);
        } else if self.rest.is_empty() {
            self.only = Some(bytes);
            return Ok(());
        }
        self.rest.extend_from_slice(&bytes);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.only.is_none() && self.rest.is_empty()
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Error> {
        out.put(0, self.only.take().unwrap_or_else(|| self.rest.split().freeze()));
        Ok(())
    }
}
