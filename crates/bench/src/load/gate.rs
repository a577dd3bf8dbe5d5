//! Who may still be sent: [`Gate`] numbers the requests, opens the steady window when the first wave has been answered,
//! and closes it by the stop rule.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::schedule::Stop;

/// The state of a stage's stop rule. Times are counted from the stage's beginning.
pub(super) struct Gate {
    stop: Stop,
    wave: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    issued: u64,
    answered: u64,
    /// When the window opened, and how many had been issued by then.
    opened: Option<(Duration, u64)>,
    closed: Option<Duration>,
    /// Latencies since the window opened, where precision is asked for.
    latencies: Vec<f64>,
    next_look: usize,
}

/// Latencies before the first look at how sure they are.
const FIRST_LOOK: usize = 32;

impl Gate {
    /// `wave`: so many answers are waited for before anything counts.
    pub(super) fn new(stop: Stop, wave: u64) -> Self {
        let opened = (wave == 0).then_some((Duration::ZERO, 0));
        Self { stop, wave, state: Mutex::new(State { opened, next_look: FIRST_LOOK, ..State::default() }) }
    }

    /// The number of the request that is due at `now`; `None`: no more are sent.
    pub(super) fn next(&self, now: Duration) -> Option<u64> {
        let mut state = self.lock();
        // Due before the window opened, though it is sent after: one more of the warm-up.
        let mut early = false;
        if let Some((opened, before)) = state.opened {
            early = now < opened;
            let end = self.stop.after.map(|after| opened + after);
            if let Some(end) = end.filter(|end| now >= *end) {
                state.closed.get_or_insert(end);
            } else if self.stop.requests.is_some_and(|wanted| state.issued - before >= wanted) {
                state.closed.get_or_insert(now);
            }
        }
        if state.closed.is_some() {
            return None;
        }
        if let (true, Some((_, before))) = (early, &mut state.opened) {
            *before += 1;
        }
        state.issued += 1;
        Some(state.issued - 1)
    }

    /// A request has ended at `now`, well after so many milliseconds, or badly.
    pub(super) fn ended(&self, now: Duration, latency: Option<f64>) {
        let mut state = self.lock();
        state.answered += 1;
        if state.opened.is_none() {
            if state.answered >= self.wave {
                state.opened = Some((now, state.issued));
            }
            return;
        }
        if let (Some(latency), true) = (latency, self.stop.precision.is_some()) {
            state.latencies.push(latency);
            if state.latencies.len() >= state.next_look {
                state.next_look = state.latencies.len() * 5 / 4;
                let mut latencies = state.latencies.clone();
                if self.stop.is_sure(&mut latencies) {
                    state.closed.get_or_insert(now);
                }
            }
        }
    }

    /// Nothing more is sent.
    pub(super) fn close(&self, now: Duration) {
        self.lock().closed.get_or_insert(now);
    }

    /// The steady window of a stage that is over; empty where the warm-up never ended.
    pub(super) fn window(&self, now: Duration) -> Range<Duration> {
        let state = self.lock();
        let closed = state.closed.unwrap_or(now);
        state.opened.map_or(closed..closed, |(opened, _)| opened.min(closed)..closed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_window_opens_after_a_wave_and_closes_on_time() {
        let gate = Gate::new(Stop { after: Some(ms(100)), ..Stop::default() }, 2);
        assert_eq!((gate.next(ms(0)), gate.next(ms(0))), (Some(0), Some(1)));
        gate.ended(ms(10), None);
        assert_eq!(gate.next(ms(500)), Some(2), "the warm-up is not over");
        gate.ended(ms(510), None);
        assert_eq!(gate.next(ms(609)), Some(3));
        assert_eq!((gate.next(ms(610)), gate.next(ms(611))), (None, None));
        assert_eq!(gate.window(ms(900)), ms(510)..ms(610));
    }

    #[test]
    fn a_number_of_requests_leaves_the_warm_up_out() {
        let gate = Gate::new(Stop { requests: Some(2), ..Stop::default() }, 1);
        assert_eq!(gate.next(ms(0)), Some(0));
        gate.ended(ms(10), None);
        assert_eq!(gate.next(ms(9)), Some(1), "it was due in the warm-up");
        assert_eq!((gate.next(ms(10)), gate.next(ms(20)), gate.next(ms(30))), (Some(2), Some(3), None));
        assert_eq!(gate.window(ms(99)), ms(10)..ms(30));
    }

    #[test]
    fn being_sure_is_enough() {
        let gate = Gate::new(Stop { precision: Some(0.05), ..Stop::default() }, 0);
        let mut at = 0;
        while gate.next(ms(at)).is_some() {
            gate.ended(ms(at), Some(100.0));
            at += 1;
        }
        assert_eq!(at, FIRST_LOOK as u64);
    }

    #[test]
    fn whoever_closes_early_keeps_what_there_is() {
        let gate = Gate::new(Stop::default(), 1);
        assert_eq!(gate.next(ms(0)), Some(0));
        gate.close(ms(5));
        assert_eq!((gate.next(ms(6)), gate.window(ms(9))), (None, ms(5)..ms(5)));
    }
}
