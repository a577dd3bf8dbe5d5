//! Linux: a connection is read by `recvmsg`, which tells the stamp beside the bytes.
//!
//! Stamps are by the wall clock, which can be set; [`instant`] turns them into monotonic instants and gives none that
//! contradicts what the connection itself knows.

use std::{
    cell::RefCell,
    io::{self, IoSliceMut},
    os::fd::AsRawFd,
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns};
use tokio::{
    io::{Interest, ReadBuf},
    net::TcpStream,
};

/// Bytes of one read at most.
const MOST: usize = 16 << 10;

thread_local! {
    /// What is read lands here first: to initialise the caller's buffer for each token would cost more than to copy the token.
    static LANDING: RefCell<Box<[u8]>> = RefCell::new(vec![0; MOST].into());
}

#[derive(Debug)]
pub(crate) struct Reader {
    /// Room for the stamp beside the bytes.
    control: Vec<u8>,
    /// Nothing that is still to be read arrived before this.
    earliest: Instant,
}

impl Reader {
    /// From now on the system stamps what this connection receives, unless it refuses to.
    pub(crate) fn new(stream: &TcpStream) -> Self {
        // Without it there are no stamps, and nothing else changes.
        let _ = setsockopt(stream, ReceiveTimestampns, &true);
        Self { control: nix::cmsg_space!(nix::sys::time::TimeSpec), earliest: Instant::now() }
    }

    /// Reads into a buffer that has room; with it the instant at which the last of the bytes arrived, where it is sure.
    pub(crate) fn poll_read(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Option<Instant>>> {
        let Self { control, earliest } = self;
        let room = buffer.remaining().min(MOST);
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let mut read = None;
            let tried = stream.try_io(Interest::READABLE, || {
                LANDING.with_borrow_mut(|landing| {
                    let (bytes, stamp) = receive(stream, &mut landing[..room], control)?;
                    buffer.put_slice(&landing[..bytes]);
                    read = Some((bytes, stamp));
                    // A short read has left nothing. Said like this it spares the call that would find it out, as tokio's own
                    // reading does.
                    if bytes == 0 || bytes == room { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
                })
            });
            match (read, tried) {
                (Some((bytes, stamp)), _) => {
                    let at = stamp.and_then(|stamp| instant(stamp, SystemTime::now(), Instant::now(), *earliest));
                    if let Some(at) = at.filter(|_| bytes < room) {
                        *earliest = at;
                    }
                    return Poll::Ready(Ok(at));
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::Stamped;

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
        (far.unwrap().0, Stamped::new(near.unwrap()))
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
