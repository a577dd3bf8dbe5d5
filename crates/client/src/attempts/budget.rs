//! How much may be asked beyond the calls themselves: a bucket of tokens, which is told the time.
//!
//! Each call puts a share of a token in, each repetition takes one out. So the repetitions stay below that share of the
//! calls, however the servers fail, and a struggling server is left to recover. A small floor, which fills by itself,
//! lets those repeat who ask but rarely.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    /// What each call puts in.
    share: f64,
    /// What there is at the beginning, and again after a while; one token a second.
    floor: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    at: Option<Instant>,
}

/// Savings from good times are limited, or they would pay for a storm.
const MOST: f64 = 100.0;

impl Budget {
    /// `percent` of the calls, and `floor` at any time.
    pub(crate) fn new(percent: u32, floor: u32) -> Self {
        let floor = f64::from(floor);
        Self { share: f64::from(percent) / 100.0, floor, state: Mutex::new(State { tokens: floor, at: None }) }
    }

    /// One more call.
    pub(crate) fn deposit(&self, now: Instant) {
        let mut state = self.filled(now);
        state.tokens = (state.tokens + self.share).min(MOST.max(self.floor));
    }

    /// Pays for one repetition, if there is enough.
    pub(crate) fn withdraw(&self, now: Instant) -> bool {
        let mut state = self.filled(now);
        let enough = state.tokens + 1e-9 >= 1.0;
        if enough {
            state.tokens -= 1.0;
        }
        enough
    }

    /// Whether there is enough for one repetition.
    pub(crate) fn has_any(&self, now: Instant) -> bool {
        self.tokens(now) + 1e-9 >= 1.0
    }

    /// Repetitions that it would pay for now.
    pub(crate) fn tokens(&self, now: Instant) -> f64 {
        self.filled(now).tokens
    }

    fn filled(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = state.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        state.at = Some(now);
        if state.tokens < self.floor && self.share > 0.0 {
            state.tokens = (state.tokens + since).min(self.floor);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn withdrawn(budget: &Budget, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn it_pays_for_a_share_of_the_calls_and_a_floor() {
        let now = Instant::now();
        let budget = Budget::new(20, 3);
        assert_eq!(withdrawn(&budget, now), 3);
        for _ in 0..50 {
            budget.deposit(now);
        }
        assert!(budget.has_any(now));
        assert_eq!(withdrawn(&budget, now), 10);
        assert!(!budget.has_any(now));
    }

    #[test]
    fn the_floor_fills_with_time_and_savings_do_not() {
        let now = Instant::now();
        let budget = Budget::new(20, 3);
        assert_eq!(withdrawn(&budget, now), 3);
        assert_eq!(withdrawn(&budget, now + Duration::from_secs(2)), 2);
        assert_eq!(withdrawn(&budget, now + Duration::from_secs(60)), 3);
        for _ in 0..10_000 {
            budget.deposit(now + Duration::from_secs(60));
        }
        assert_eq!(withdrawn(&budget, now + Duration::from_secs(60)), 100);
    }

    #[test]
    fn nothing_percent_is_nothing() {
        let budget = Budget::new(0, 0);
        budget.deposit(Instant::now());
        assert!(!budget.withdraw(Instant::now()));
    }
}
