//! The log of requests: what was asked, what came of it, and which fault was applied.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, broadcast};

/// One request that is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogEntry {
    /// What was asked, in a word (`chat`, `load models`, …); empty when the request never came to a call.
    pub op: &'static str,
    /// The model asked for, the default one's name if none was named; empty where no model is meant.
    pub model: Arc<str>,
    /// Counts requests of this `op` and `model` from 0, in order of arrival: what faults are keyed by.
    pub index: u64,
    /// The method and path of HTTP.
    pub route: String,
    /// `rest` or `grpc`.
    pub protocol: &'static str,
    /// The HTTP status; `None` when no head was sent.
    pub status: Option<u16>,
    /// `ok`, `error` (the server said so), `fault` (one was applied) or `cancelled` (the client went away).
    pub outcome: &'static str,
    /// The kind of the error that the model answered with.
    pub error: Option<&'static str>,
    /// The name of the fault that was applied.
    pub fault: Option<&'static str>,
    /// The position of its rule, from 0.
    pub rule: Option<usize>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the reply's body that were handed to the connection.
    pub response_bytes: u64,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens that were made.
    pub tokens: u64,
    /// Counts the server's requests from 0, in order of arrival.
    pub arrival: u64,
    /// The client's connection, counted from 0.
    pub connection: u64,
    /// When it arrived (its last byte, if it came to a call), in seconds since 1970.
    pub time: f64,
    /// From its arrival to its end.
    pub elapsed_ms: f64,
    /// How long after its arrival the client went away, if it did.
    pub cancelled_after_ms: Option<f64>,
}

/// Fields that depend on when, and over which connection, a request came.
const TIMES: [&str; 5] = ["arrival", "connection", "time", "elapsed_ms", "cancelled_after_ms"];

impl LogEntry {
    /// The entry without anything that differs between two runs of one seed: times, the order of arrival and the
    /// connection.
    pub fn without_times(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|name, _| !TIMES.contains(&name.as_str()));
        }
        value
    }

    fn order(&self) -> (&'static str, Arc<str>, u64, &str) {
        (self.op, self.model.clone(), self.index, &self.route)
    }
}

/// Entries that are kept; the oldest go first.
const KEPT: usize = 10_000;
/// Entries that a slow reader of the stream may be behind.
const STREAMED: usize = 1024;

pub(crate) struct Log {
    entries: Mutex<VecDeque<LogEntry>>,
    stream: broadcast::Sender<LogEntry>,
    changed: Notify,
}

impl Default for Log {
    fn default() -> Self {
        Self { entries: Mutex::default(), stream: broadcast::channel(STREAMED).0, changed: Notify::new() }
    }
}

impl Log {
    pub(crate) fn push(&self, entry: LogEntry) {
        if self.stream.receiver_count() > 0 {
            // Nobody listens any more: that is no failure.
            let _ = self.stream.send(entry.clone());
        }
        {
            let mut entries = self.lock();
            if entries.len() >= KEPT {
                entries.pop_front();
            }
            entries.push_back(entry);
        }
        self.changed.notify_waiters();
    }

    /// The entries kept, by operation, model and index: the same order in every run.
    pub(crate) fn entries(&self) -> Vec<LogEntry> {
        let mut entries: Vec<_> = self.lock().iter().cloned().collect();
        entries.sort_by(|a, b| a.order().cmp(&b.order()));
        entries
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Entries from now on.
    pub(crate) fn follow(&self) -> broadcast::Receiver<LogEntry> {
        self.stream.subscribe()
    }

    /// Resolves when so many entries are kept.
    pub(crate) async fn reach(&self, count: usize) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.lock().len() >= count.min(KEPT) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<LogEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
