//! The server's time: [`Clock`] tells it and waits for absolute instants of it.
//!
//! An async runtime's timer rounds to its millisecond wheel, which is too coarse for token timings. The threads that
//! serve have [alarms](super::alarm) of their own. For everybody else a real clock has a thread that parks until the
//! earliest deadline: on Linux a futex wait, which a new, earlier deadline can interrupt (a `clock_nanosleep` could not
//! be). A virtual clock has no thread: it moves when told to.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    thread::{self, Thread},
    time::{Duration, Instant, SystemTime},
};

use futures_util::task::AtomicWaker;

use super::{alarm, timers::Timers};

/// An instant of the server's time: how long after its start.
pub(crate) type Tick = Duration;

/// Tells the time and waits for it. Clones show the same time.
#[derive(Clone)]
pub(crate) struct Clock {
    shared: Arc<Shared>,
    _stop: Option<Arc<Stop>>,
}

impl Clock {
    /// Real time, from now on.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn real() -> io::Result<Self> {
        let shared = Shared::new(None);
        let for_thread = shared.clone();
        let handle = thread::Builder::new().name("sim-clock".into()).spawn(move || for_thread.run())?;
        let _ = shared.thread.set(handle.thread().clone());
        let stop = Arc::new(Stop(shared.clone()));
        Ok(Self { shared, _stop: Some(stop) })
    }

    /// Time that stands still until [`Clock::advance`].
    pub(crate) fn by_hand() -> Self {
        Self { shared: Shared::new(Some(Tick::ZERO)), _stop: None }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Tick {
        self.shared.now()
    }

    /// What it showed, or would have shown, at that instant; a virtual clock shows now what it shows.
    pub(crate) fn at(&self, instant: Instant) -> Tick {
        match self.shared.thread.get() {
            Some(_) => instant.saturating_duration_since(self.shared.epoch),
            None => self.now(),
        }
    }

    /// When the clock was started, by everybody's calendar.
    pub(crate) fn started(&self) -> SystemTime {
        self.shared.calendar
    }

    /// Resolves at `at`, or at once if that is past.
    pub(crate) fn until(&self, at: Tick) -> Sleep {
        Sleep { shared: self.shared.clone(), at, waker: None, registered: false }
    }

    /// Moves a virtual clock on, and says whether it is one.
    pub(crate) fn advance(&self, by: Duration) -> bool {
        let due = {
            let mut state = self.shared.lock();
            let Some(now) = &mut state.by_hand else { return false };
            *now += by;
            let now = *now;
            state.due(now)
        };
        wake(due);
        true
    }
}

/// Stops the thread when the last clock that a person holds is gone.
struct Stop(Arc<Shared>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.0.thread.get() {
            thread.unpark();
        }
    }
}

struct Shared {
    epoch: Instant,
    calendar: SystemTime,
    state: Mutex<State>,
    thread: OnceLock<Thread>,
    stopped: AtomicBool,
}

struct State {
    /// The time, where a hand moves it.
    by_hand: Option<Tick>,
    timers: Timers<Tick>,
}

impl Shared {
    fn new(by_hand: Option<Tick>) -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            calendar: SystemTime::now(),
            state: Mutex::new(State { by_hand, timers: Timers::new() }),
            thread: OnceLock::new(),
            stopped: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Tick {
        match self.thread.get() {
            Some(_) => self.epoch.elapsed(),
            None => self.lock().by_hand.unwrap_or_else(|| self.epoch.elapsed()),
        }
    }

    fn run(&self) {
        without_slack();
        while !self.stopped.load(Ordering::Acquire) {
            let (due, next) = {
                let mut state = self.lock();
                (state.due(self.epoch.elapsed()), state.timers.next())
            };
            // Outside the lock: a woken task may sleep again at once.
            wake(due);
            match next {
                Some(next) => thread::park_timeout(next.saturating_sub(self.epoch.elapsed())),
                None => thread::park(),
            }
        }
    }

    fn register(&self, at: Tick, waker: Arc<AtomicWaker>) {
        let Some(thread) = self.thread.get() else {
            self.lock().timers.add(at, waker);
            return;
        };
        // An instant that no clock can show never comes.
        let Some(instant) = self.epoch.checked_add(at) else { return };
        if let Err(waker) = alarm::set(instant, waker)
            && self.lock().timers.add(at, waker)
        {
            thread.unpark();
        }
    }
}

impl State {
    fn due(&mut self, now: Tick) -> Vec<Arc<AtomicWaker>> {
        std::iter::from_fn(|| self.timers.due(now)).collect()
    }
}

fn wake(due: Vec<Arc<AtomicWaker>>) {
    due.iter().for_each(|waker| waker.wake());
}

/// Linux lets a sleeping thread sleep up to 50 µs longer, to wake several at once. Not this one.
fn without_slack() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        tracing::debug!(%error, "the clock's thread wakes within the system's slack");
    }
}

/// A wait for an instant. Dropping it ends the wait.
pub(crate) struct Sleep {
    shared: Arc<Shared>,
    at: Tick,
    waker: Option<Arc<AtomicWaker>>,
    /// The waker is in a list for `at`, or was.
    registered: bool,
}

impl Sleep {
    /// The same wait for another instant, if it is one.
    pub(crate) fn reset(&mut self, at: Tick) {
        if self.at != at {
            self.at = at;
            self.registered = false;
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.now() >= self.at {
            return Poll::Ready(());
        }
        let this = &mut *self;
        let waker = this.waker.get_or_insert_default();
        waker.register(cx.waker());
        if !this.registered {
            this.registered = true;
            this.shared.register(this.at, waker.clone());
        }
        // The time may have come between the look and the registration.
        if self.shared.now() >= self.at { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::join_all};

    use super::*;

    #[tokio::test]
    async fn a_real_clock_never_wakes_early() {
        let clock = Clock::real().unwrap();
        let begun = clock.now();
        let waits = [3, 1, 2, 0].map(|ms| {
            let (clock, at) = (clock.clone(), begun + Duration::from_millis(ms));
            async move {
                clock.until(at).await;
                clock.now() >= at
            }
        });
        assert!(join_all(waits).await.into_iter().all(|late| late));
    }

    #[test]
    fn a_virtual_clock_moves_when_told_to() {
        let clock = Clock::by_hand();
        let mut sleep = clock.until(Duration::from_secs(60));
        assert!((&mut sleep).now_or_never().is_none());
        assert!(clock.advance(Duration::from_secs(59)));
        assert!((&mut sleep).now_or_never().is_none());
        assert!(clock.advance(Duration::from_secs(1)));
        assert!((&mut sleep).now_or_never().is_some());
        assert_eq!(clock.now(), Duration::from_secs(60));
        assert!(!Clock::real().unwrap().advance(Duration::ZERO));
    }
}
