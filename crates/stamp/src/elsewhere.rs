//! Systems that do not tell when bytes arrived over TCP.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};

#[derive(Debug)]
pub(crate) struct Reader;

impl Reader {
    pub(crate) fn new(_: &TcpStream) -> Self {
        Self
    }

    /// Reads; there is no stamp.
    pub(crate) fn poll_read(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Option<Instant>>> {
        Pin::new(stream).poll_read(cx, buffer).map_ok(|()| None)
    }
}
