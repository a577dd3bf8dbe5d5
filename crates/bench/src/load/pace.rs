//! Sending at instants that do not depend on answers: a thread that waits for absolute times.
//!
//! An async runtime's timer rounds to its millisecond wheel. A parked thread wakes within the kernel's timer slack,
//! which this one lowers from Linux' 50 µs to nothing, and instants are counted from the beginning, so that being late
//! once makes nothing later. What is due while the machine stood still is sent when it goes on, with the instant at
//! which it was due.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::oneshot, task::JoinSet};

use crate::schedule::{Arrival, Arrivals};

/// Tells a pacing thread to stop; dropping it does.
pub(super) struct Leash(Arc<(Mutex<bool>, Condvar)>);

impl Drop for Leash {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

/// What is sent is still under way when the last has been sent; all of it is in the set.
pub(super) type Sent = oneshot::Receiver<JoinSet<()>>;

/// Calls `send` at each arrival's instant, counted from `origin`, until it gives nothing to run. What it gives runs on
/// the present runtime.
///
/// # Errors
/// The system gives no thread.
pub(super) fn pace<F>(
    arrivals: Arrivals,
    origin: Instant,
    mut send: impl FnMut(Arrival) -> Option<F> + Send + 'static,
) -> std::io::Result<(Leash, Sent)>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let stop = Arc::new((Mutex::new(false), Condvar::new()));
    let (leash, runtime) = (Leash(stop.clone()), Handle::current());
    thread::Builder::new().name("bench-pace".into()).spawn(move || {
        wake_on_time();
        let mut tasks = JoinSet::new();
        for arrival in arrivals {
            if !wait_until(&stop, origin, arrival.at) {
                break;
            }
            let Some(work) = send(arrival) else { break };
            tasks.spawn_on(work, &runtime);
            // What has ended takes no more room.
            while tasks.try_join_next().is_some() {}
        }
        // Nobody waits for them any more: dropping the set ends them.
        let _ = sender.send(tasks);
    })?;
    Ok((leash, receiver))
}

/// Asks the kernel not to put off the present thread's waking to join it with others'.
fn wake_on_time() {
    // Where it is refused, waking is 50 µs late and everything else the same.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_timerslack(1);
}

/// `false`: it was told to stop.
fn wait_until(stop: &(Mutex<bool>, Condvar), origin: Instant, at: Duration) -> bool {
    let mut stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let left = at.saturating_sub(origin.elapsed());
        if *stopped || left.is_zero() {
            return !*stopped;
        }
        stopped = stop.1.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Process;

    #[tokio::test]
    async fn nothing_is_sent_early_and_nothing_is_skipped() {
        let origin = Instant::now();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let arrivals = Arrivals::new(Process::Fixed { rate: 1000.0 }, 0);
        let send = move |arrival: Arrival| {
            sink.lock().unwrap().push((arrival.at, origin.elapsed()));
            (arrival.at < Duration::from_millis(30)).then_some(async {})
        };
        let (_leash, sent) = pace(arrivals, origin, send).unwrap();
        sent.await.unwrap().join_all().await;
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 31);
        assert!(seen.iter().all(|(due, at)| at >= due), "{seen:?}");
    }

    #[tokio::test]
    async fn a_leash_ends_a_long_wait() {
        let never = Arrivals::new(Process::Fixed { rate: 1e-5 }, 0);
        let (leash, sent) = pace(never, Instant::now(), |_| Some(async {})).unwrap();
        drop(leash);
        assert!(sent.await.is_ok());
    }
}
