//! Reading a socket, and knowing when its bytes had reached the machine: [`Receiver`].
//!
//! Between the arrival of a request and the moment in which a thread reads it lies the time that the thread takes to wake
//! up, tens of microseconds on an idle machine, and whatever it did before. Linux stamps what it receives
//! (`SO_TIMESTAMPNS`, socket(7)), so that an answer is due a planned time after the request came, not after it was noticed.
//! Other systems do not, and there it counts from the reading.

use std::{
    io,
    task::{Context, Poll},
    time::Instant,
};

use tokio::{io::ReadBuf, net::TcpStream};

/// Reads from one socket.
pub(super) struct Receiver(on::Receiver);

impl Receiver {
    /// One for this socket, whose receptions are stamped from now on.
    pub(super) fn new(stream: &TcpStream) -> Self {
        Self(on::Receiver::new(stream))
    }

    /// Reads what is there, and tells when the last of it was received: never later than now.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Instant>> {
        self.0.poll_read(stream, cx, buffer)
    }
}

#[cfg(target_os = "linux")]
mod on {
    use std::{
        io::IoSliceMut,
        os::fd::AsRawFd,
        task::ready,
        time::{Duration, SystemTime},
    };

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns};
    use nix::sys::time::TimeSpec;
    use tokio::io::Interest;

    use super::{Context, Instant, Poll, ReadBuf, TcpStream, io};

    /// More is read in several goes. (The room must be initialised before it is read into.)
    const MOST: usize = 4 << 10;

    pub(super) struct Receiver {
        /// Room for the stamp.
        control: Vec<u8>,
    }

    impl Receiver {
        pub(super) fn new(stream: &TcpStream) -> Self {
            if let Err(error) = setsockopt(stream, ReceiveTimestampns, &true) {
                tracing::debug!(%error, "receptions are not stamped");
            }
            Self { control: nix::cmsg_space!(TimeSpec) }
        }

        pub(super) fn poll_read(
            &mut self,
            stream: &mut TcpStream,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<Instant>> {
            loop {
                ready!(stream.poll_read_ready(cx))?;
                let wanted = buffer.remaining().min(MOST);
                let room = buffer.initialize_unfilled_to(wanted);
                let read = stream.try_io(Interest::READABLE, || self.receive(stream, room));
                match read {
                    Ok((count, stamp)) => {
                        if count > 0 && count < wanted {
                            // The socket is empty. Saying so saves the read that would find out.
                            let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                            let _ = stream.try_io(Interest::READABLE, empty);
                        }
                        buffer.advance(count);
                        return Poll::Ready(Ok(stamp));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }

        fn receive(&mut self, stream: &TcpStream, room: &mut [u8]) -> io::Result<(usize, Instant)> {
            let mut slices = [IoSliceMut::new(room)];
            let message = recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut self.control), MsgFlags::empty())?;
            let stamp = message.cmsgs().ok().and_then(|mut messages| {
                messages.find_map(|message| match message {
                    ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
                    _ => None,
                })
            });
            let (calendar, now) = (SystemTime::now(), Instant::now());
            // The stamp is the calendar's, which may be set; one that lies in the future, or far in the past, is none.
            let age = stamp
                .and_then(|stamp| calendar.duration_since(SystemTime::UNIX_EPOCH + stamp).ok())
                .filter(|age| *age < OLDEST)
                .unwrap_or_default();
            Ok((message.bytes, now.checked_sub(age).unwrap_or(now)))
        }
    }

    /// Nothing lies in a socket for longer, unless the simulator is told not to read it.
    const OLDEST: Duration = Duration::from_secs(1);
}

#[cfg(not(target_os = "linux"))]
mod on {
    use std::{pin::Pin, task::ready};

    use tokio::io::AsyncRead;

    use super::{Context, Instant, Poll, ReadBuf, TcpStream, io};

    pub(super) struct Receiver;

    impl Receiver {
        pub(super) fn new(_: &TcpStream) -> Self {
            Self
        }

        pub(super) fn poll_read(
            &mut self,
            stream: &mut TcpStream,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<Instant>> {
            ready!(Pin::new(stream).poll_read(cx, buffer))?;
            Poll::Ready(Ok(Instant::now()))
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;

    /// What came before its reader looked is stamped with the time at which it came; what is longer than the buffer, or
    /// comes later, is read to its end.
    #[tokio::test]
    async fn bytes_are_stamped_when_they_come() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut receiver = Receiver::new(&stream);

        sender.write_all(b"first").await.unwrap();
        stream.readable().await.unwrap();
        let sent = Instant::now();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut room = [0; 16];
        let mut buffer = ReadBuf::new(&mut room);
        let stamp = poll_fn(|cx| receiver.poll_read(&mut stream, cx, &mut buffer)).await.unwrap();
        assert_eq!(buffer.filled(), b"first");
        assert!(stamp <= sent, "stamped {:?} after it was there", stamp - sent);

        let long: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let expected = long.clone();
        let sending = tokio::spawn(async move {
            for part in long.chunks(7_001) {
                sender.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut read = Vec::new();
        loop {
            let mut room = [0; 9_000];
            let mut buffer = ReadBuf::new(&mut room);
            let stamp = poll_fn(|cx| receiver.poll_read(&mut stream, cx, &mut buffer)).await.unwrap();
            assert!(stamp <= Instant::now());
            if buffer.filled().is_empty() {
                break;
            }
            read.extend_from_slice(buffer.filled());
        }
        sending.await.unwrap();
        assert!(read == expected);
    }
}
