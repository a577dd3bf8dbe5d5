//! What is being written down about a request while it runs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use super::{LogEntry, Observer, Truth, truth::nanoseconds, verdict::End};
use crate::engine::{clock::Tick, draw::fnv};

/// What a request is known by: its operation, its model, and how many of both came before it. The same over every
/// protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) op: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) index: u64,
}

impl Key {
    /// A number for the operation and the model together.
    pub(crate) fn lane(&self) -> u64 {
        fnv(self.op.as_bytes()).rotate_left(1) ^ fnv(self.model.as_bytes())
    }
}

/// The route of what was a connection and no request yet.
pub(crate) const CONNECT: &str = "connect";

/// One request. Shared by the parts that answer it; the request is over when all of them are gone.
pub(crate) struct Record {
    observer: Arc<Observer>,
    draft: Mutex<Draft>,
}

/// What is known so far.
pub(crate) struct Draft {
    pub(crate) key: Option<Key>,
    pub(crate) route: String,
    pub(crate) protocol: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<&'static str>,
    pub(crate) fault: Option<(usize, &'static str)>,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) tokens: u64,
    pub(crate) arrival: u64,
    pub(crate) connection: u64,
    pub(crate) arrived: Tick,
    pub(crate) cancelled: Option<Tick>,
    /// The last byte was handed to the connection.
    pub(crate) complete: bool,
    pub(crate) began: Option<Tick>,
    pub(crate) token_ticks: Vec<u64>,
    pub(crate) worst_lag: u64,
    /// What the request says, as a number.
    pub(crate) fingerprint: Option<u64>,
    /// How long the client was asked to stay away.
    pub(crate) come_back_after: Option<Duration>,
    /// The text that was sent of an answer that a fault breaks off.
    pub(crate) broken_text: Option<String>,
}

impl Record {
    pub(crate) fn new(observer: Arc<Observer>, route: String, protocol: &'static str) -> Self {
        let arrived = observer.clock.now();
        let arrival = observer.metrics.arrived();
        let draft = Draft {
            key: None,
            route,
            protocol,
            status: None,
            error: None,
            fault: None,
            request_bytes: 0,
            response_bytes: 0,
            prompt_tokens: 0,
            tokens: 0,
            arrival,
            connection: 0,
            arrived,
            cancelled: None,
            complete: false,
            began: None,
            token_ticks: Vec::new(),
            worst_lag: 0,
            fingerprint: None,
            come_back_after: None,
            broken_text: None,
        };
        Self { observer, draft: Mutex::new(draft) }
    }

    /// Writes something down.
    pub(crate) fn note<T>(&self, write: impl FnOnce(&mut Draft) -> T) -> T {
        write(&mut self.draft.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The client has gone away.
    pub(crate) fn cancelled(&self) {
        let now = self.observer.clock.now();
        self.note(|draft| draft.cancelled = draft.cancelled.or(Some(now)));
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let draft = self.draft.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.observer.finish(draft);
    }
}

impl Draft {
    /// A token, or one of each choice, was handed on at `now` that was planned for `planned`.
    pub(crate) fn token(&mut self, choices: u64, planned: Tick, now: Tick, keep: bool) {
        self.tokens += choices;
        self.worst_lag = self.worst_lag.max(nanoseconds(now.saturating_sub(planned)));
        if keep {
            self.token_ticks.push(nanoseconds(planned));
        }
    }

    /// What is written down at the end, by a clock that was `started` then.
    pub(super) fn entry(&mut self, started: SystemTime, now: Tick) -> LogEntry {
        let since = |at: Tick| at.saturating_sub(self.arrived).as_secs_f64() * 1e3;
        let calendar = started + self.arrived;
        let refused = self.error.is_some() || self.status.is_some_and(|status| status >= 400);
        let outcome = match (self.fault, self.cancelled) {
            (Some(_), _) => "fault",
            (None, Some(_)) if !self.complete => "cancelled",
            _ if refused => "error",
            _ => "ok",
        };
        let (op, model, index) = match &self.key {
            Some(key) => (key.op, key.model.clone(), key.index),
            None => ("", "".into(), self.arrival),
        };
        LogEntry {
            op,
            model,
            index,
            route: std::mem::take(&mut self.route),
            protocol: self.protocol,
            status: self.status,
            outcome,
            error: self.error,
            fault: self.fault.map(|(_, name)| name),
            rule: self.fault.map(|(rule, _)| rule),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            prompt_tokens: self.prompt_tokens,
            tokens: self.tokens,
            arrival: self.arrival,
            connection: self.connection,
            time: calendar.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            elapsed_ms: since(now),
            cancelled_after_ms: self.cancelled.filter(|_| !self.complete).map(since),
        }
    }

    pub(super) fn end(&mut self, now: Tick) -> End {
        End {
            number: self.arrival,
            fingerprint: self.fingerprint,
            arrived: self.arrived,
            at: now,
            come_back_after: self.come_back_after,
            broken_text: self.broken_text.take(),
        }
    }

    /// The truth about a generation that was begun.
    pub(super) fn truth(&mut self) -> Option<Truth> {
        let (key, began) = (self.key.as_ref()?, self.began?);
        Some(Truth {
            op: key.op,
            model: key.model.clone(),
            index: key.index,
            arrived_ns: nanoseconds(self.arrived),
            began_ns: nanoseconds(began),
            tokens_ns: std::mem::take(&mut self.token_ticks),
            worst_lag_ns: self.worst_lag,
        })
    }
}
