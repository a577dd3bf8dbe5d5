//! The server's time: [`Clock`] tells it and waits for absolute instants of it.
//!
//! An async runtime's timer rounds to its millisecond wheel, which is too coarse for token timings. So a real clock has
//! a thread of its own that parks until the earliest deadline: on Linux a futex wait on an absolute time, which a new,
//! earlier deadline can interrupt (a `clock_nanosleep` could not be). A virtual clock has no thread: it moves when
//! told to.

use std::{
    cmp::Ordering as Order,
    collections::BinaryHeap,
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

use super::bell::{Slot, wake};

/// An instant of the server's time: how long after its start.
pub(crate) type Tick = Duration;

/// After it has woken somebody, the clock's thread looks again no sooner than this: deadlines that are closer together
/// are met in one go. A deadline that stands alone is met at its instant.
const REST: Duration = Duration::from_micros(100);

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

    /// When the clock was started, by everybody's calendar.
    pub(crate) fn started(&self) -> SystemTime {
        self.shared.calendar
    }

    /// Resolves at `at`, or at once if that is past.
    pub(crate) fn until(&self, at: Tick) -> Sleep {
        Sleep { shared: self.shared.clone(), at, slot: None, registered: false }
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
    timers: BinaryHeap<Timer>,
    made: u64,
}

impl Shared {
    fn new(by_hand: Option<Tick>) -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            calendar: SystemTime::now(),
            state: Mutex::new(State { by_hand, timers: BinaryHeap::new(), made: 0 }),
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
        while !self.stopped.load(Ordering::Acquire) {
            let now = self.epoch.elapsed();
            let (due, next) = {
                let mut state = self.lock();
                let due = state.due(now);
                (due, state.timers.peek().map(|timer| timer.at))
            };
            let rest = if due.is_empty() { now } else { now + REST };
            // Outside the lock: a woken task may sleep again at once.
            wake(due);
            match next {
                Some(next) => thread::park_timeout(next.max(rest).saturating_sub(self.epoch.elapsed())),
                None => thread::park(),
            }
        }
    }

    fn register(&self, at: Tick, slot: Arc<Slot>) {
        let earliest = {
            let mut state = self.lock();
            let earliest = state.timers.peek().is_none_or(|timer| at < timer.at);
            state.made += 1;
            let number = state.made;
            state.timers.push(Timer { at, number, slot });
            earliest
        };
        if earliest && let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl State {
    fn due(&mut self, now: Tick) -> Vec<Arc<Slot>> {
        let mut due = Vec::new();
        while self.timers.peek().is_some_and(|timer| timer.at <= now) {
            due.extend(self.timers.pop().map(|timer| timer.slot));
        }
        due
    }
}

struct Timer {
    at: Tick,
    /// Timers of one instant fire in the order in which they were set.
    number: u64,
    slot: Arc<Slot>,
}

impl Ord for Timer {
    /// The heap gives its greatest first, which shall be the earliest.
    fn cmp(&self, other: &Self) -> Order {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl Eq for Timer {}

/// A wait for an instant. Dropping it ends the wait.
pub(crate) struct Sleep {
    shared: Arc<Shared>,
    at: Tick,
    slot: Option<Arc<Slot>>,
    /// The slot is in the clock's list for `at`, or was.
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
        let slot = this.slot.get_or_insert_with(Slot::here);
        slot.waker.register(cx.waker());
        if !this.registered {
            this.registered = true;
            this.shared.register(this.at, slot.clone());
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
