//! What can be seen of a simulator from outside: the log of requests, the truth about their timings, and counters.
//!
//! Each request has a [`Record`] that its parts write to; when the last of them is gone, the request is over and the
//! record becomes a [`LogEntry`] and, for generations, a [`Truth`].

mod log;
mod metrics;
mod record;
mod truth;
mod verdict;

pub use log::LogEntry;
pub use truth::Truth;
pub use verdict::{Finding, FindingKind, Verdict};

pub(crate) use log::Log;
pub(crate) use metrics::Metrics;
pub(crate) use record::{CONNECT, Draft, Key, Record};
pub(crate) use truth::Truths;
pub(crate) use verdict::{Arrival, Verdicts};

use crate::engine::clock::Clock;

/// Everything that is written down about requests.
pub(crate) struct Observer {
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) truths: Truths,
    pub(crate) metrics: Metrics,
    pub(crate) verdict: Verdicts,
}

impl Observer {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            log: Log::default(),
            truths: Truths::default(),
            metrics: Metrics::default(),
            verdict: Verdicts::default(),
        }
    }

    /// A request is over.
    fn finish(&self, draft: &mut Draft) {
        let now = self.clock.now();
        let entry = draft.entry(self.clock.started(), now);
        self.metrics.finished(&entry);
        self.verdict.ended(&entry, draft.end(now));
        if let Some(truth) = draft.truth() {
            self.truths.push(truth);
        }
        self.log.push(entry);
    }
}
