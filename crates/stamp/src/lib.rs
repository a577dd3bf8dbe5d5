//! A TCP connection that knows when its bytes had reached the machine: [`Stamped`] reads it, and [`Arrival`] tells whoever
//! takes something out of what was read.
//!
//! Between the arrival of bytes and their reading lies the time that a thread takes to wake up, tens of microseconds on an
//! idle machine, and whatever it did before. Linux stamps what it receives (`SO_TIMESTAMPNS`, socket(7)); on other systems
//! nothing has a stamp, and the present instant is what there is. A connection that TLS or HTTP/2 is spoken on is read the
//! same way: what that means for a stamp stands below.
//!
//! # Why a stamp is never too early
//!
//! The kernel tells the stamp of the *last* segment that a read took from (where it joined segments, the later stamp), so no
//! byte of the read arrived after it. Whoever cuts a piece out of what was read may find that the connection has read
//! further since, never less: the stamp of the last read is that of the piece's last byte, or a later one. Where an answer
//! has the connection to itself and the next read waits until the piece has been taken, as hyper does it over HTTP/1.1, it
//! is exactly that; where streams share a connection, or a TLS record came in several reads, it may be the later. With the
//! present instant as its bound it is never worse than reading the clock. What is not sure has no stamp.

#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

#[cfg(not(target_os = "linux"))]
use elsewhere::Reader;
#[cfg(target_os = "linux")]
use linux::Reader;

/// A TCP connection that knows when its bytes arrived.
#[derive(Debug)]
pub struct Stamped {
    stream: TcpStream,
    reader: Reader,
    arrival: Arrival,
}

impl Stamped {
    /// The same connection, whose bytes are stamped from now on. Where the system refuses that, none has a stamp.
    pub fn new(stream: TcpStream) -> Self {
        Self { reader: Reader::new(&stream), stream, arrival: Arrival::new(Instant::now()) }
    }

    /// What it tells of its last read.
    pub fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// The connection as the system has it. Reading from it leaves [`Stamped::arrival`] as it was.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

/// When the last read's bytes arrived. Clones are the same.
#[derive(Clone, Debug)]
pub struct Arrival(Arc<Cell>);

#[derive(Debug)]
struct Cell {
    /// The connection's beginning.
    from: Instant,
    /// Nanoseconds since then; [`UNKNOWN`]: the last read has no stamp.
    since: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

impl Arrival {
    fn new(from: Instant) -> Self {
        Self(Arc::new(Cell { from, since: AtomicU64::new(UNKNOWN) }))
    }

    fn set(&self, at: Option<Instant>) {
        let since = at.and_then(|at| at.saturating_duration_since(self.0.from).as_nanos().try_into().ok());
        self.0.since.store(since.unwrap_or(UNKNOWN), Ordering::Release);
    }

    /// The instant, where it is known.
    pub fn latest(&self) -> Option<Instant> {
        let since = self.0.since.load(Ordering::Acquire);
        (since != UNKNOWN).then(|| self.0.from + Duration::from_nanos(since))
    }
}

impl AsyncRead for Stamped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, reader, arrival } = &mut *self;
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        arrival.set(ready!(reader.poll_read(stream, cx, buffer))?);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
