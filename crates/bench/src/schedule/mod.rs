//! When requests are sent: a [`Schedule`], and for those that do not wait for answers the [`Arrival`]s it makes.
//!
//! Nothing here waits or sends; [`crate::load`] does.

mod arrivals;
mod stop;
mod trace;

use std::{fmt, sync::Arc, time::Duration};

pub use arrivals::{Arrival, Arrivals};
pub use stop::Stop;
pub use trace::{NoTrace, Shape, Trace};

/// When the next request is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// So many at a time: the next when one has ended.
    Closed {
        /// How many.
        concurrency: usize,
    },
    /// At instants of its own, whether or not earlier requests have ended.
    Open(Process),
}

/// How requests arrive in an open loop. Rates are per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Process {
    /// Evenly.
    Fixed {
        /// How many per second.
        rate: f64,
    },
    /// As independent callers do: exponential times in between.
    Poisson {
        /// How many per second, on average.
        rate: f64,
    },
    /// Gamma-distributed times in between: burstier than Poisson where `cv` is above 1, more even below.
    Gamma {
        /// How many per second, on average.
        rate: f64,
        /// Standard deviation of the times in between, as a multiple of their mean.
        cv: f64,
    },
    /// Evenly, and from one rate to another.
    Ramp {
        /// At the beginning.
        from: f64,
        /// At the end, and from then on.
        to: f64,
        /// How long the change takes.
        over: Duration,
    },
    /// As somebody's requests once did.
    Trace {
        /// The requests.
        trace: Arc<Trace>,
        /// How many times faster than they did.
        speed: f64,
    },
}

impl Schedule {
    /// Whether requests are sent without waiting for answers.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// The answers to wait for before anything counts: one wave. A recorded trace is measured from its beginning.
    pub fn wave(&self) -> u64 {
        match self {
            Self::Closed { concurrency } => *concurrency as u64,
            Self::Open(Process::Trace { .. }) => 0,
            Self::Open(_) => 1,
        }
    }

    /// Connections that it may need: as many as requests at a time; in an open loop nobody knows, and these are enough
    /// for most.
    pub fn at_once(&self) -> usize {
        match self {
            Self::Closed { concurrency } => *concurrency,
            Self::Open(_) => 10_000,
        }
    }

    /// Requests per second that it offers, where it is one number.
    pub fn rate(&self) -> Option<f64> {
        match self {
            Self::Open(Process::Fixed { rate } | Process::Poisson { rate } | Process::Gamma { rate, .. }) => {
                Some(*rate)
            }
            _ => None,
        }
    }

    /// Whether it can be followed at all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let rate = |rate: f64| match rate.is_finite() && rate > 0.0 && rate <= FASTEST {
            true => Ok(()),
            false => Err(format!("{rate} requests a second cannot be paced: a rate lies above 0 and up to {FASTEST}")),
        };
        match self {
            Self::Closed { concurrency: 0 } => Err("a concurrency of 0 sends nothing".into()),
            Self::Closed { concurrency } if *concurrency > MOST => {
                Err(format!("a concurrency of {concurrency} is too much for one machine: up to {MOST}"))
            }
            Self::Closed { .. } => Ok(()),
            Self::Open(Process::Fixed { rate: r } | Process::Poisson { rate: r }) => rate(*r),
            Self::Open(Process::Gamma { rate: r, cv }) => {
                let fits = cv.is_finite() && *cv > 0.0 && *cv <= 100.0;
                if fits { rate(*r) } else { Err(format!("a variation of {cv} is none: above 0 and up to 100")) }
            }
            Self::Open(Process::Ramp { from, to, over }) if !over.is_zero() => rate(*from).and_then(|()| rate(*to)),
            Self::Open(Process::Ramp { .. }) => Err("a ramp takes some time".into()),
            Self::Open(Process::Trace { speed, .. }) if speed.is_finite() && *speed > 0.0 => Ok(()),
            Self::Open(Process::Trace { speed, .. }) => {
                Err(format!("a trace cannot be played at {speed} times its speed"))
            }
        }
    }
}

/// Requests per second beyond which no pacing thread keeps its instants.
const FASTEST: f64 = 100_000.0;
/// Requests at a time beyond which a machine runs out of sockets.
const MOST: usize = 20_000;

/// `C=10`, or `20/s Poisson`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { concurrency } => write!(f, "C={concurrency}"),
            Self::Open(Process::Fixed { rate }) => write!(f, "{}/s", short(*rate)),
            Self::Open(Process::Poisson { rate }) => write!(f, "{}/s Poisson", short(*rate)),
            Self::Open(Process::Gamma { rate, cv }) => write!(f, "{}/s gamma({cv})", short(*rate)),
            Self::Open(Process::Ramp { from, to, .. }) => write!(f, "{from}..{to}/s"),
            Self::Open(Process::Trace { trace, speed }) => write!(f, "trace of {} at {speed}x", trace.len()),
        }
    }
}

/// A sweep finds rates that nobody wants to read to the end.
fn short(rate: f64) -> f64 {
    (rate * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let check = |schedule: Schedule, ok: bool| assert_eq!(schedule.check().is_ok(), ok, "{schedule}");
        check(Schedule::Closed { concurrency: 50 }, true);
        check(Schedule::Closed { concurrency: 0 }, false);
        check(Schedule::Closed { concurrency: 1 << 40 }, false);
        for (rate, ok) in [(0.5, true), (0.0, false), (-1.0, false), (f64::NAN, false), (1e9, false)] {
            check(Schedule::Open(Process::Fixed { rate }), ok);
            check(Schedule::Open(Process::Gamma { rate, cv: 2.0 }), ok);
        }
        check(Schedule::Open(Process::Gamma { rate: 1.0, cv: 0.0 }), false);
        check(Schedule::Open(Process::Ramp { from: 1.0, to: 9.0, over: Duration::ZERO }), false);
    }
}
