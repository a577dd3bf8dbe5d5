//! When the kernel received the bytes of a read: [`Stamped`], a TCP connection read by `recvmsg` with `SO_TIMESTAMPNS`, and
//! [`Arrival`], what it tells of its last read to whoever takes a piece of a body out of it. Linux alone.
//!
//! # Why such a stamp is never too early
//!
//! The kernel tells the stamp of the *last* segment that a read took from (socket(7); where it joined segments, the later
//! stamp), so no byte of the read arrived after it. A piece of a body was cut from what had been read when it was cut, and
//! the connection may have read further since, never less: the stamp of the last read is that of the piece's last byte, or a
//! later one. Over HTTP/1.1 it is exactly that, since hyper reads on only when the piece before has been taken; where
//! streams share a connection, or a TLS record came in several reads, it may be the later. Whoever uses it takes the earlier
//! of it and of the present instant, so it is never worse than reading the clock. What is not sure has no stamp.
//!
//! Stamps are by the wall clock, which can be set; [`instant`] turns them into monotonic instants and gives none that
//! contradicts what the connection itself knows.

use std::{
    cell::RefCell,
    io::{self, IoSliceMut},
    os::fd::AsRawFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// Bytes of one read at most.
const MOST: usize = 16 << 10;

thread_local! {
    /// What is read lands here first: to initialise the caller's buffer for each token would cost more than to copy the token.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; MOST].into());
}

/// When the last read's bytes arrived. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Arrival(Arc<Cell>);

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
    pub(crate) fn latest(&self) -> Option<Instant> {
        let since = self.0.since.load(Ordering::Acquire);
        (since != UNKNOWN).then(|| self.0.from + Duration::from_nanos(since))
    }
}

/// A TCP connection that knows when its bytes arrived.
#[derive(Debug)]
pub(super) struct Stamped {
    stream: TcpStream,
    arrival: Arrival,
    /// Room for the stamp beside the bytes.
    control: Vec<u8>,
    /// Nothing that is still to be read arrived before this.
    earliest: Instant,
}

impl Stamped {
    /// The same connection, whose bytes are stamped from now on; as it was where the system refuses that.
    pub(super) fn new(stream: TcpStream) -> Result<Self, TcpStream> {
        if setsockopt(&stream, ReceiveTimestampns, &true).is_err() {
            return Err(stream);
        }
        let now = Instant::now();
        let control = nix::cmsg_space!(nix::sys::time::TimeSpec);
        Ok(Self { stream, arrival: Arrival::new(now), control, earliest: now })
    }

    /// What it tells of its last read.
    pub(super) fn arrival(&self) -> Arrival {
        self.arrival.clone()
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Stamped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, arrival, control, earliest } = &mut *self;
        let room = buf.remaining().min(MOST);
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let mut read = None;
            let tried = stream.try_io(Interest::READABLE, || {
                LANDING.with_borrow_mut(|landing| {
                    let (bytes, stamp) = receive(stream, &mut landing[..room], control)?;
                    buf.put_slice(&landing[..bytes]);
                    read = Some((bytes, stamp));
                    // A short read has left nothing. Said like this it spares the call that would find it out, as tokio's own
                    // reading does.
                    if bytes == 0 || bytes == room { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
                })
            });
            match (read, tried) {
                (Some((bytes, stamp)), _) => {
                    let at = stamp.and_then(|stamp| instant(stamp, SystemTime::now(), Instant::now(), *earliest));
                    arrival.set(at);
                    if let Some(at) = at.filter(|_| bytes < room) {
                        *earliest = at;
                    }
                    return Poll::Ready(Ok(()));
                }
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                (None, _) => {}
            }
        }
    }
}

/// Reads once; with it the stamp, as the time since 1970.
fn receive(stream: &TcpStream, buf: &mut [u8], control: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    let mut parts = [IoSliceMut::new(buf)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
        _ => None,
    });
    Ok((message.bytes, stamp))
}

/// The instant of a stamp, both clocks having been read just now. `None` where it makes no sense: later than now, or earlier
/// than the last of what had been read before. Then the wall clock was set in between.
fn instant(stamp: Duration, wall: SystemTime, now: Instant, earliest: Instant) -> Option<Instant> {
    let age = wall.duration_since(SystemTime::UNIX_EPOCH).ok()?.checked_sub(stamp)?;
    now.checked_sub(age).filter(|at| *at >= earliest)
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_stamp_that_the_clock_contradicts_is_none() {
        let (now, wall) = (Instant::now() + 1000 * MS, SystemTime::now());
        let stamp = |before: Duration| (wall - before).duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let check = |stamp, earliest, expected| assert_eq!(instant(stamp, wall, now, earliest), expected, "{stamp:?}");
        check(stamp(3 * MS), now - 20 * MS, Some(now - 3 * MS));
        check(stamp(20 * MS), now - 20 * MS, Some(now - 20 * MS));
        check(stamp(Duration::ZERO), now, Some(now));
        // The clock was set forward, so that the stamp looks older than what had been read before.
        check(stamp(21 * MS), now - 20 * MS, None);
        check(Duration::ZERO, now - 20 * MS, None);
        // It was set back.
        check(stamp(Duration::ZERO) + MS, now - 20 * MS, None);
    }

    async fn pair() -> (TcpStream, Stamped) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (far.unwrap().0, Stamped::new(near.unwrap()).unwrap())
    }

    /// Bytes have the instant at which they came, however late they are read.
    #[tokio::test]
    async fn bytes_have_the_instant_at_which_they_arrived() {
        let (mut far, mut near) = pair().await;
        assert_eq!(near.arrival().latest(), None);
        let (mut buf, begun) = ([0; 64], Instant::now());
        // Where nobody else had asked for stamps, the system begins with them a moment later; and a test that stands still
        // between two looks at clocks sees a later instant. An earlier one there never is.
        loop {
            let before = Instant::now();
            far.write_all(b"token").await.unwrap();
            let written = Instant::now();
            assert_eq!(near.read(&mut buf).await.unwrap(), 5);
            let at = near.arrival().latest();
            assert!(at.is_none_or(|at| at >= before), "{at:?} is before {before:?}");
            if at.is_some_and(|at| at <= written) {
                break;
            }
            assert!(begun.elapsed() < 5000 * MS, "{at:?} was written before {written:?}");
        }
    }

    /// Of several pieces in one read the last one's instant is told: the others are older, and none is younger.
    #[tokio::test]
    async fn what_is_read_together_has_the_last_ones_instant() {
        let (mut far, mut near) = pair().await;
        let mut buf = [0; 64];
        for _ in 0..20 {
            far.write_all(b"one").await.unwrap();
            let before = Instant::now();
            far.write_all(b"two").await.unwrap();
            let mut read = 0;
            while read < 6 {
                read += near.read(&mut buf).await.unwrap();
            }
            assert!(near.arrival().latest().is_none_or(|at| at >= before));
        }
    }

    /// The bytes are those of a plain connection, whatever sizes they come and are read in; a read that found nothing
    /// waits, and the end is the end.
    #[tokio::test]
    async fn nothing_is_lost_and_nobody_waits_for_ever() {
        let (mut far, mut near) = pair().await;
        let sent: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            for (nth, part) in sent.chunks(7001).enumerate() {
                far.write_all(part).await.unwrap();
                if nth % 3 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut got = Vec::new();
        near.read_to_end(&mut got).await.unwrap();
        writer.await.unwrap();
        assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
    }
}
