//! When a way is left alone because it fails: a state machine that is told the time.
//!
//! Closed → open after faults → half-open, when one call may try → closed or open again, for twice as long. Faults are
//! what is broken; a client's mistakes and back-pressure never come here. It decides nothing about a way that is the
//! only one left: that one is tried, whatever the breaker says.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Breaker as Rules;

/// What to do with a call that comes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Let it through.
    Closed,
    /// Let one through, to see.
    Probe,
    /// Keep it away until then.
    Blocked(Instant),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// When the state was entered.
    since: Instant,
    /// Why it is not closed.
    reason: String,
    /// Faults with no success between them.
    consecutive: u32,
    window: Window,
    /// How often it has opened without a long quiet time between.
    trips: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// One call is out to see; if nothing is heard of it by then, another may go.
    HalfOpen {
        lease: Instant,
    },
}

/// Calls and the faults among them, counted afresh every while.
#[derive(Debug)]
struct Window {
    from: Instant,
    calls: u32,
    faults: u32,
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Self {
        let window = Window { from: now, calls: 0, faults: 0 };
        Self { state: State::Closed, since: now, reason: String::new(), consecutive: 0, window, trips: 0 }
    }

    pub(crate) fn standing(&self, now: Instant) -> Standing {
        match self.state {
            State::Closed => Standing::Closed,
            State::Open { until: at } | State::HalfOpen { lease: at } if now >= at => Standing::Probe,
            State::Open { until: at } | State::HalfOpen { lease: at } => Standing::Blocked(at),
        }
    }

    /// Lets a call through, or not; `force` lets it through in any case. Whoever is let through reports what became of it.
    pub(crate) fn admit(&mut self, rules: &Rules, now: Instant, force: bool) -> bool {
        match self.standing(now) {
            Standing::Closed => true,
            Standing::Probe => {
                self.enter(State::HalfOpen { lease: now + rules.probe_lease }, now);
                true
            }
            Standing::Blocked(_) => force,
        }
    }

    /// A call that began at `began` went well. One that began before the way was given up says nothing about now.
    pub(crate) fn succeeded(&mut self, began: Instant, now: Instant) {
        if self.state != State::Closed && began < self.since {
            return;
        }
        self.consecutive = 0;
        self.window.calls = self.window.calls.saturating_add(1);
        if self.state != State::Closed {
            self.window = Window { from: now, calls: 0, faults: 0 };
            self.enter(State::Closed, now);
        }
    }

    /// A call that began at `began` met a fault. Whether that opened it.
    pub(crate) fn failed(&mut self, rules: &Rules, began: Instant, now: Instant, reason: &str) -> bool {
        match self.state {
            State::Closed => {
                self.count_fault(rules, now);
                let Some(why) = self.too_much(rules) else { return false };
                // After a long quiet time it is another trouble, not the same one.
                if now.saturating_duration_since(self.since) > rules.max_open {
                    self.trips = 0;
                }
                self.open(rules, now, format!("{why} ({reason})"));
                true
            }
            State::HalfOpen { .. } if began >= self.since => {
                self.consecutive = self.consecutive.saturating_add(1);
                self.open(rules, now, format!("it failed when it was tried again ({reason})"));
                true
            }
            State::HalfOpen { .. } | State::Open { .. } => false,
        }
    }

    /// The call that was out to see tells nothing: the next one may go.
    pub(crate) fn released(&mut self, began: Instant, now: Instant) {
        if matches!(self.state, State::HalfOpen { .. }) && began >= self.since {
            self.state = State::Open { until: now };
        }
    }

    /// The state's word.
    pub(crate) fn state(&self) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half_open",
        }
    }

    /// Since when it is so.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Why it is not closed; empty if it is.
    pub(crate) fn reason(&self) -> &str {
        if self.state == State::Closed { "" } else { &self.reason }
    }

    fn count_fault(&mut self, rules: &Rules, now: Instant) {
        if now.saturating_duration_since(self.window.from) > rules.window {
            self.window = Window { from: now, calls: 0, faults: 0 };
        }
        self.consecutive = self.consecutive.saturating_add(1);
        self.window.calls = self.window.calls.saturating_add(1);
        self.window.faults = self.window.faults.saturating_add(1);
    }

    /// Why it must open, if it must.
    fn too_much(&self, rules: &Rules) -> Option<String> {
        if self.consecutive >= rules.consecutive_faults {
            return Some(format!("{} faults in a row", self.consecutive));
        }
        let Window { calls, faults, .. } = self.window;
        let share = 100 * u64::from(faults) >= u64::from(rules.failure_percent) * u64::from(calls);
        (calls >= rules.min_calls && share).then(|| format!("{faults} faults in {calls} calls"))
    }

    fn open(&mut self, rules: &Rules, now: Instant, reason: String) {
        let time = open_time(rules, self.trips);
        self.trips = self.trips.saturating_add(1);
        self.reason = reason;
        self.enter(State::Open { until: now + time }, now);
    }

    fn enter(&mut self, state: State, now: Instant) {
        (self.state, self.since) = (state, now);
    }
}

/// Twice as long each time, up to a limit.
fn open_time(rules: &Rules, trips: u32) -> Duration {
    rules.open.saturating_mul(1 << trips.min(20)).min(rules.max_open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules { consecutive_faults: 3, open: secs(1), max_open: secs(4), ..Rules::default() }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn fail(breaker: &mut Breaker, now: Instant, times: u32) -> bool {
        (0..times).any(|_| breaker.failed(&rules(), now, now, "reset"))
    }

    #[test]
    fn it_opens_after_faults_in_a_row_and_closes_after_a_success() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        assert!(!fail(&mut breaker, now, 2));
        breaker.succeeded(now, now);
        assert!(!fail(&mut breaker, now, 2) && breaker.standing(now) == Standing::Closed);
        assert!(fail(&mut breaker, now, 1));
        assert_eq!(breaker.standing(now), Standing::Blocked(now + secs(1)));
        assert_eq!((breaker.state(), breaker.reason()), ("open", "3 faults in a row (reset)"));
        let later = now + secs(1);
        assert_eq!(breaker.standing(later), Standing::Probe);
        assert!(breaker.admit(&rules(), later, false));
        breaker.succeeded(later, later);
        assert_eq!((breaker.standing(later), breaker.reason()), (Standing::Closed, ""));
    }

    #[test]
    fn one_call_at_a_time_tries_and_a_lost_one_does_not_stick() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        fail(&mut breaker, now, 3);
        let probe = now + secs(1);
        assert!(breaker.admit(&rules(), probe, false));
        assert!(!breaker.admit(&rules(), probe, false), "only one");
        assert!(breaker.admit(&rules(), probe, true), "the last way is always tried");
        let lost = probe + rules().probe_lease;
        assert!(breaker.admit(&rules(), lost, false), "its lease is over");
        breaker.released(lost, lost);
        assert_eq!(breaker.standing(lost), Standing::Probe, "one that was cancelled leaves its place to the next");
    }

    #[test]
    fn each_failed_try_doubles_the_time_up_to_the_limit() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(now);
        fail(&mut breaker, now, 3);
        for expected in [1, 2, 4, 4] {
            assert_eq!(breaker.standing(now), Standing::Blocked(now + secs(expected)));
            now += secs(expected);
            assert!(breaker.admit(&rules(), now, false));
            assert!(breaker.failed(&rules(), now, now, "reset"));
        }
        // What closes and soon opens again has not got well.
        now += secs(4);
        breaker.admit(&rules(), now, false);
        breaker.succeeded(now, now);
        fail(&mut breaker, now, 3);
        assert_eq!(breaker.standing(now), Standing::Blocked(now + secs(4)));
        now += secs(4);
        breaker.admit(&rules(), now, false);
        breaker.succeeded(now, now);
        now += secs(10);
        fail(&mut breaker, now, 3);
        assert_eq!(breaker.standing(now), Standing::Blocked(now + secs(1)), "another trouble, later");
    }

    #[test]
    fn a_rate_opens_it_only_over_enough_calls() {
        let now = Instant::now();
        let rules = Rules { consecutive_faults: 100, failure_percent: 50, min_calls: 10, ..Rules::default() };
        let mut breaker = Breaker::new(now);
        for _ in 0..4 {
            breaker.succeeded(now, now);
            assert!(!breaker.failed(&rules, now, now, "x"));
        }
        breaker.succeeded(now, now);
        assert!(breaker.failed(&rules, now, now, "x"), "5 of 10");
        assert_eq!(breaker.reason(), "5 faults in 10 calls (x)");
    }

    #[test]
    fn those_who_began_before_say_nothing_about_now() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        let tripped = start + secs(5);
        fail(&mut breaker, tripped, 3);
        breaker.succeeded(start, tripped + secs(1));
        assert_eq!(breaker.state(), "open");
        let probe = tripped + secs(1);
        breaker.admit(&rules(), probe, false);
        assert!(!breaker.failed(&rules(), start, probe, "old"));
        breaker.released(start, probe);
        assert_eq!(breaker.state(), "half_open");
    }
}
