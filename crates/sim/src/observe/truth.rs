//! The truth about a generation's timings, for checking what a benchmark claims to have measured.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

use crate::engine::clock::Tick;

/// When the parts of one answer were planned to happen, in nanoseconds since the server's start. The instants are
/// absolute: the machine may be late to send, the plan never drifts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// As in the log.
    pub op: &'static str,
    /// As in the log.
    pub model: Arc<str>,
    /// As in the log.
    pub index: u64,
    /// When the last byte of the call had reached the machine; where the system does not tell, when it was read.
    pub arrived_ns: u64,
    /// When it got its slot.
    pub began_ns: u64,
    /// When each token was ready; with several choices, a token of each.
    pub tokens_ns: Vec<u64>,
    /// When a token was handed on, after its instant: how late the simulator was, at worst.
    pub worst_lag_ns: u64,
}

/// Answers that are kept; the oldest go first.
const KEPT: usize = 8192;

#[derive(Default)]
pub(crate) struct Truths(Mutex<VecDeque<Truth>>);

impl Truths {
    pub(crate) fn push(&self, truth: Truth) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(truth);
    }

    pub(crate) fn all(&self) -> Vec<Truth> {
        let mut all: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        all.sort_by(|a, b| (a.op, &a.model, a.index).cmp(&(b.op, &b.model, b.index)));
        all
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Nanoseconds, for 580 years.
pub(crate) fn nanoseconds(tick: Tick) -> u64 {
    u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX)
}
