//! A thread's own alarm: [`Alarm`] wakes the tasks of the thread that serves, at their instants, without help from
//! another thread.
//!
//! A foreign thread that wakes a task costs a system call, a switch of threads and, on an idle machine, the time in which
//! a core wakes up. Linux has timers that are files, exact to the microsecond and without the slack that sleeping threads
//! have: one stands among the sockets that the thread waits for. Where there is no such thing, or where a thread has not
//! asked for it, the [clock](super::clock)'s thread does the waking.

use std::{future::Future, io, sync::Arc, time::Instant};

use futures_util::task::AtomicWaker;

/// The alarm of a thread that serves.
pub(crate) use on::answer;

/// Wakes at `at`, or gives the waker back where this thread has no alarm.
pub(super) fn set(at: Instant, waker: Arc<AtomicWaker>) -> Result<(), Arc<AtomicWaker>> {
    on::set(at, waker)
}

#[cfg(target_os = "linux")]
mod on {
    use std::{
        cell::{Cell, RefCell},
        future::poll_fn,
        os::fd::{AsFd, AsRawFd, RawFd},
        rc::Rc,
        task::{Poll, ready},
        time::Duration,
    };

    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::io::{Interest, unix::AsyncFd};

    use super::{super::timers::Timers, Arc, AtomicWaker, Future, Instant, io};

    /// After it has woken somebody, the thread looks again no sooner than this: instants that are closer together are
    /// met in one go. One that stands alone is met when it comes.
    const REST: Duration = Duration::from_micros(100);

    /// What the runtime wants of a file.
    struct File(TimerFd);

    impl AsRawFd for File {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    struct Alarm {
        file: AsyncFd<File>,
        timers: RefCell<Timers<Instant>>,
        /// When the file rings next.
        armed: Cell<Option<Instant>>,
        /// Not before this.
        rests_until: Cell<Instant>,
    }

    thread_local! {
        static HERE: RefCell<Option<Rc<Alarm>>> = const { RefCell::new(None) };
    }

    /// Gives this thread an alarm and answers it; the future never ends. To be polled on a runtime of one thread, within
    /// which it must be called.
    ///
    /// # Errors
    /// The system's: it has no timer to give.
    pub(crate) fn answer() -> io::Result<impl Future<Output = ()>> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types that may name a file of others; this one owns it"
        )]
        let file = AsyncFd::with_interest(File(timer), Interest::READABLE)?;
        let alarm = Rc::new(Alarm {
            file,
            timers: RefCell::new(Timers::new()),
            armed: Cell::new(None),
            rests_until: Cell::new(Instant::now()),
        });
        HERE.set(Some(alarm.clone()));
        Ok(poll_fn(move |cx| {
            loop {
                match ready!(alarm.file.poll_read_ready(cx)) {
                    // Nothing is read from the file: setting it again is what makes it ring again.
                    Ok(mut ready) => ready.clear_ready(),
                    // The runtime goes, and this thread with it.
                    Err(_) => return Poll::<()>::Pending,
                }
                alarm.ring();
            }
        }))
    }

    pub(super) fn set(at: Instant, waker: Arc<AtomicWaker>) -> Result<(), Arc<AtomicWaker>> {
        HERE.with_borrow(|alarm| match alarm {
            Some(alarm) => {
                if alarm.timers.borrow_mut().add(at, waker) {
                    alarm.arm(at);
                }
                Ok(())
            }
            None => Err(waker),
        })
    }

    impl Alarm {
        /// Wakes everybody whose instant has come.
        fn ring(&self) {
            self.armed.set(None);
            let now = Instant::now();
            let mut woken = false;
            loop {
                // A task's waker may run what it likes: nothing is borrowed then.
                let due = self.timers.borrow_mut().due(now);
                let Some(waker) = due else { break };
                waker.wake();
                woken = true;
            }
            if woken {
                self.rests_until.set(now + REST);
            }
            let next = self.timers.borrow().next();
            if let Some(next) = next {
                self.arm(next);
            }
        }

        /// The file is to ring at `at`, or when the rest is over.
        fn arm(&self, at: Instant) {
            let at = at.max(self.rests_until.get());
            if self.armed.get().is_some_and(|armed| armed <= at) {
                return;
            }
            // A wait of zero would be none at all.
            let wait = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
            match self.file.get_ref().0.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty()) {
                Ok(()) => self.armed.set(Some(at)),
                Err(error) => tracing::error!(%error, "a timer could not be set"),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod on {
    use super::{Arc, AtomicWaker, Future, Instant, io};

    pub(crate) fn answer() -> io::Result<impl Future<Output = ()>> {
        Ok(std::future::pending())
    }

    pub(super) fn set(_: Instant, waker: Arc<AtomicWaker>) -> Result<(), Arc<AtomicWaker>> {
        Err(waker)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::clock::Clock;

    /// Tasks of two threads with alarms and one without wait for instants of one clock, and all of them come by, none
    /// too early.
    #[test]
    fn every_thread_wakes_its_own() {
        let clock = Clock::real().unwrap();
        let wait = |with_alarm: bool| {
            let clock = clock.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
                let work = async {
                    let begun = clock.now();
                    // Later instants first, so that the alarm is set anew.
                    let waits = (0..100).rev().map(|step| {
                        let (clock, at) = (clock.clone(), begun + Duration::from_micros(50 * step));
                        tokio::spawn(async move {
                            clock.until(at).await;
                            clock.now() >= at
                        })
                    });
                    let mut punctual = 0;
                    for wait in waits.collect::<Vec<_>>() {
                        punctual += u32::from(wait.await.unwrap());
                    }
                    punctual
                };
                runtime.block_on(async {
                    if !with_alarm {
                        return work.await;
                    }
                    tokio::select! { () = answer().unwrap() => unreachable!("it never ends"), punctual = work => punctual }
                })
            })
        };
        let threads = [true, true, false].map(wait);
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [100; 3]);
    }
}
