//! Slots and the queue before them: [`Schedule`] says at which instant a request's turn begins, and how long a decode
//! step takes while others run.
//!
//! Instants are planned, not observed: a request that waits begins at the very instant at which the one before it was
//! planned to end, however late the machine was to notice. So timings do not drift under load.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use longshore_core::{Error, ErrorKind, Sent};
use tokio::sync::oneshot;

use super::clock::{Clock, Tick};
use crate::config::Freeze;

/// The server's slots. Clones share them.
#[derive(Clone)]
pub(crate) struct Schedule(Arc<Inner>);

struct Inner {
    clock: Clock,
    slots: usize,
    queue: usize,
    freezes: Vec<Freeze>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    arrived: Tick,
    turn: oneshot::Sender<Turn>,
}

impl Schedule {
    /// `slots` requests at a time (0: any number), `queue` waiting.
    pub(crate) fn new(clock: Clock, slots: usize, queue: usize, mut freezes: Vec<Freeze>) -> Self {
        freezes.sort_by_key(|freeze| freeze.at);
        let slots = if slots == 0 { usize::MAX } else { slots };
        Self(Arc::new(Inner { clock, slots, queue, freezes, state: Mutex::default() }))
    }

    /// Waits for a slot. Dropping the future gives the place in the queue up.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full.
    pub(crate) async fn turn(&self, arrived: Tick) -> Result<Turn, Error> {
        let receiver = {
            let mut state = self.lock();
            if state.running < self.0.slots {
                state.running += 1;
                return Ok(self.begin(arrived));
            }
            state.waiting.retain(|waiting| !waiting.turn.is_closed());
            if state.waiting.len() >= self.0.queue {
                let message = format!("{} requests wait for a slot, which is the limit", state.waiting.len());
                let wait = Duration::from_secs(1);
                return Err(Error::new(ErrorKind::Overloaded, message).retry_after(wait).sent(Sent::No));
            }
            let (turn, receiver) = oneshot::channel();
            state.waiting.push_back(Waiting { arrived, turn });
            receiver
        };
        receiver.await.map_err(|_| Error::new(ErrorKind::Cancelled, "the server is stopping").sent(Sent::No))
    }

    /// Requests that have a slot, and those that wait for one.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.lock();
        let waiting = state.waiting.iter().filter(|waiting| !waiting.turn.is_closed()).count();
        (state.running, waiting)
    }

    /// The instant at which work is done that begins at `from` and takes `work`: the server's freezes come on top.
    pub(crate) fn after(&self, from: Tick, work: Duration) -> Tick {
        let mut end = from + work;
        for freeze in &self.0.freezes {
            let thaw = freeze.at + freeze.lasting;
            if freeze.at <= from {
                end += thaw.saturating_sub(from);
            } else if freeze.at < end {
                end += freeze.lasting;
            }
        }
        end
    }

    fn begin(&self, at: Tick) -> Turn {
        Turn { schedule: self.clone(), began: self.after(at, Duration::ZERO), end: None }
    }

    /// A slot has become free at `at`.
    fn release(&self, at: Tick) {
        let mut state = self.lock();
        while let Some(next) = state.waiting.pop_front() {
            if next.turn.is_closed() {
                continue;
            }
            let turn = self.begin(at.max(next.arrived));
            // A receiver that goes away now drops the turn, which releases the slot again; not under this lock.
            drop(state);
            let refused = next.turn.send(turn).err();
            drop(refused);
            return;
        }
        state.running -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's slot, until it is dropped.
pub(crate) struct Turn {
    schedule: Schedule,
    began: Tick,
    end: Option<Tick>,
}

impl Turn {
    /// When the turn began.
    pub(crate) fn began(&self) -> Tick {
        self.began
    }

    /// The work was planned to end at this instant: the next turn begins there.
    pub(crate) fn ends(&mut self, at: Tick) {
        self.end = Some(at);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = self.schedule.0.clock.now();
        // One that is broken off early frees its slot early.
        let at = self.end.map_or(now, |end| end.min(now));
        self.schedule.release(at);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn schedule(slots: usize, queue: usize) -> (Clock, Schedule) {
        let clock = Clock::by_hand();
        (clock.clone(), Schedule::new(clock, slots, queue, Vec::new()))
    }

    #[test]
    fn the_next_turn_begins_when_the_last_was_planned_to_end() {
        let (clock, schedule) = schedule(1, 2);
        let mut first = schedule.turn(Tick::ZERO).now_or_never().unwrap().unwrap();
        let (mut second, mut third) = (Box::pin(schedule.turn(MS)), Box::pin(schedule.turn(MS)));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        let full = schedule.turn(MS).now_or_never().unwrap().err().unwrap();
        assert_eq!(full.kind(), ErrorKind::Overloaded);
        assert_eq!(schedule.load(), (1, 2));
        first.ends(10 * MS);
        clock.advance(13 * MS);
        drop(first);
        let second = second.now_or_never().unwrap().unwrap();
        assert_eq!(second.began(), 10 * MS);
        drop(third);
        drop(second);
        assert_eq!(schedule.load(), (0, 0));
    }

    #[test]
    fn a_turn_that_nobody_takes_goes_on_to_the_next() {
        let (_, schedule) = schedule(1, 9);
        let first = schedule.turn(Tick::ZERO).now_or_never().unwrap().unwrap();
        let (mut second, mut third) = (Box::pin(schedule.turn(MS)), Box::pin(schedule.turn(MS)));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        drop(first);
        // The turn lies in the channel when its receiver goes.
        drop(second);
        assert!(third.now_or_never().is_some());
    }

    #[test]
    fn freezes_make_work_longer() {
        let freeze = |at, lasting| Freeze { at: at * MS, lasting: lasting * MS };
        let schedule = Schedule::new(Clock::by_hand(), 0, 0, vec![freeze(50, 100), freeze(10, 20)]);
        let check = |from: u32, work: u32, end: u32| assert_eq!(schedule.after(from * MS, work * MS), end * MS);
        check(0, 5, 5);
        check(0, 15, 35);
        check(15, 5, 35);
        check(15, 0, 30);
        check(0, 40, 160);
        check(200, 1, 201);
    }
}
