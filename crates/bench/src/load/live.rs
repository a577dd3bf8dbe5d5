//! What can be watched while a stage runs: [`Live`], counters that cost a request a few atomic additions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::measure::{Outcome, Record};

/// Counters of a run, shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Live {
    sent: AtomicU64,
    in_flight: AtomicU64,
    complete: AtomicU64,
    failed: AtomicU64,
    events: AtomicU64,
    first_us: AtomicU64,
    whole_us: AtomicU64,
}

/// The counters at an instant; two of them give rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests that were sent.
    pub sent: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Answers that came to their end.
    pub complete: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Events with content.
    pub events: u64,
    /// Times to the first of them, added up, in microseconds.
    pub first_us: u64,
    /// Times to the end, added up, in microseconds.
    pub whole_us: u64,
}

impl Live {
    /// The counters now.
    pub fn seen(&self) -> Seen {
        Seen {
            sent: self.sent.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            complete: self.complete.load(Relaxed),
            failed: self.failed.load(Relaxed),
            events: self.events.load(Relaxed),
            first_us: self.first_us.load(Relaxed),
            whole_us: self.whole_us.load(Relaxed),
        }
    }

    /// One more is under way; it is told how many are, itself included. Dropping the value ends that.
    pub(super) fn begin(&self) -> (UnderWay<'_>, u64) {
        self.sent.fetch_add(1, Relaxed);
        (UnderWay(self), self.in_flight.fetch_add(1, Relaxed) + 1)
    }

    pub(super) fn ended(&self, record: &Record) {
        if record.outcome != Outcome::Complete {
            self.failed.fetch_add(1, Relaxed);
            return;
        }
        self.complete.fetch_add(1, Relaxed);
        self.events.fetch_add(record.chunks.len() as u64, Relaxed);
        let micros = |from: std::time::Duration, to: std::time::Duration| to.saturating_sub(from).as_micros() as u64;
        if let Some(first) = record.chunks.first() {
            self.first_us.fetch_add(micros(record.sent, first.at), Relaxed);
        }
        self.whole_us.fetch_add(micros(record.sent, record.ended), Relaxed);
    }
}

/// A request under way.
pub(super) struct UnderWay<'a>(&'a Live);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
