//! The verdict on the clients: what a server can tell of how they behave when it fails.
//!
//! Requests are taken for one and the same when their operation, model and body are. So a verdict is about clients that
//! retry; a load test that sends one body ten thousand times through faults will look like a client in a loop.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;

use super::{Key, LogEntry, record::CONNECT};
use crate::engine::clock::Tick;

/// What the clients did wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Nothing.
    pub good: bool,
    /// Each thing that was wrong, in the order in which it was noticed; at most a hundred.
    pub findings: Vec<Finding>,
}

/// Something that a client did wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What, in a word.
    pub kind: FindingKind,
    /// What, for a person.
    pub message: String,
    /// The request's operation, as in the log; empty where it is about no single request.
    pub op: &'static str,
    /// Its model.
    pub model: Arc<str>,
    /// Its index.
    pub index: u64,
}

/// What a client can do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// One request failed five times running and came again within a second each time.
    RetryStorm,
    /// A request came again before the time that `Retry-After` or the push-back had asked for.
    RetryAfterIgnored,
    /// The text of a stream that had broken off came back as what the assistant had said.
    TruncatedStreamAccepted,
    /// A request still ran a second after its caller was said to have called everything off.
    LeftRunning,
    /// A request that must not be done twice came again after a failure in which it may have been done.
    DuplicatedAfterAmbiguousFailure,
    /// Connections were opened by the dozen for requests that could have shared them.
    ConnectionsNotReused,
}

/// Failures in a row, each followed by another try within [`AT_ONCE`], that make a storm.
const STORM: u32 = 5;
const AT_ONCE: Duration = Duration::from_secs(1);
/// Clocks and timers differ a little: this part of a wait may be missing.
const TOLERANCE: f64 = 0.05;
/// How long after a call is called off its request may still run.
const GRACE: Duration = Duration::from_secs(1);
/// Requests that are remembered.
const REMEMBERED: usize = 10_000;
/// Findings that are kept.
const FINDINGS: usize = 100;
/// Below so many requests, nothing is said about connections.
const FEW: u64 = 20;

/// How the names of faults begin that break the connection or leave it in doubt.
const BREAKING: [&str; 7] =
    ["no_headers", "stall", "truncate_", "wrong_content_length", "reset_", "rst_stream", "goaway"];
/// Faults after which a client has its answer all the same.
const HARMLESS: [&str; 7] =
    ["slow_headers", "drip", "duplicate", "split_at_every_byte", "sse_noise", "goaway", "slow_accept"];

#[derive(Default)]
pub(crate) struct Verdicts(Mutex<State>);

#[derive(Default)]
struct State {
    findings: Vec<Finding>,
    /// What became last of each request.
    last: HashMap<u64, Last>,
    order: VecDeque<u64>,
    /// Texts that broke off.
    broken_texts: Vec<String>,
    called_off: Option<Tick>,
    requests: u64,
    /// Requests that broke their connection, through no fault of the client.
    broken_connections: u64,
    /// When those that run came.
    running: HashMap<u64, Tick>,
    peak: u64,
}

/// The last that was seen of a request.
#[derive(Clone)]
struct Last {
    ended: Tick,
    failures: u32,
    come_back: Option<Tick>,
    ambiguous: bool,
}

/// What a verdict wants to know of a call that comes in.
pub(crate) struct Arrival<'a> {
    /// The server's number for the request.
    pub(crate) number: u64,
    pub(crate) key: &'a Key,
    pub(crate) fingerprint: u64,
    pub(crate) replayable: bool,
    /// What the assistant is said to have said.
    pub(crate) said: Vec<String>,
    pub(crate) at: Tick,
}

/// What it wants to know of one that is over.
pub(crate) struct End {
    pub(crate) number: u64,
    pub(crate) fingerprint: Option<u64>,
    pub(crate) arrived: Tick,
    pub(crate) at: Tick,
    pub(crate) come_back_after: Option<Duration>,
    /// The text that was sent of an answer that was then broken off.
    pub(crate) broken_text: Option<String>,
}

impl Verdicts {
    pub(crate) fn arrived(&self, arrival: &Arrival<'_>) {
        let mut state = self.lock();
        state.requests += 1;
        state.running.insert(arrival.number, arrival.at);
        state.peak = state.peak.max(state.running.len() as u64);
        if arrival.said.iter().any(|said| state.broken_texts.contains(said)) {
            let message = "the text of a stream that had broken off was taken for the whole answer".to_owned();
            state.find(FindingKind::TruncatedStreamAccepted, message, arrival.key);
        }
        let Some(last) = state.last.get(&arrival.fingerprint).cloned() else { return };
        if arrival.at < last.ended {
            return;
        }
        let waited = arrival.at - last.ended;
        if let Some(wanted) = last.come_back.map(|at| at.saturating_sub(last.ended))
            && waited < wanted.mul_f64(1.0 - TOLERANCE)
        {
            let message = format!("asked to stay away for {wanted:?}, the client came again after {waited:?}");
            state.find(FindingKind::RetryAfterIgnored, message, arrival.key);
        }
        if last.ambiguous && !arrival.replayable {
            let message = "a request that must not be done twice came again, and may have been done before".to_owned();
            state.find(FindingKind::DuplicatedAfterAmbiguousFailure, message, arrival.key);
        }
        if last.failures >= STORM && waited < AT_ONCE {
            let message = format!("after {} failures in a row, the client came again within {waited:?}", last.failures);
            state.find(FindingKind::RetryStorm, message, arrival.key);
        }
        if waited >= AT_ONCE
            && let Some(last) = state.last.get_mut(&arrival.fingerprint)
        {
            last.failures = 0;
        }
    }

    pub(super) fn ended(&self, entry: &LogEntry, end: End) {
        let mut state = self.lock();
        state.running.remove(&end.number);
        let broken = entry.route == CONNECT || entry.fault.is_some_and(breaks);
        state.broken_connections += u64::from(broken || entry.outcome == "cancelled");
        let Some(fingerprint) = end.fingerprint else { return };
        state.broken_texts.extend(end.broken_text.filter(|text| !text.is_empty()));
        let late = state.called_off.filter(|off| end.arrived < *off && end.at > *off + GRACE);
        if let Some(off) = late {
            let message = format!("it ran for {:?} after its caller had called it off", end.at - off);
            let key = Key { op: entry.op, model: entry.model.clone(), index: entry.index };
            state.find(FindingKind::LeftRunning, message, &key);
        }
        let spoilt = entry.fault.is_some_and(|fault| !HARMLESS.contains(&fault));
        let failed = spoilt || entry.error.is_some() || entry.status.is_some_and(|status| status >= 400);
        let before = state.last.get(&fingerprint).map_or(0, |last| last.failures);
        let last = Last {
            ended: end.at,
            failures: if failed { before + 1 } else { 0 },
            come_back: end.come_back_after.map(|after| end.at + after),
            ambiguous: broken && entry.fault != Some("goaway"),
        };
        if state.last.insert(fingerprint, last).is_none() {
            state.order.push_back(fingerprint);
            if state.order.len() > REMEMBERED
                && let Some(oldest) = state.order.pop_front()
            {
                state.last.remove(&oldest);
            }
        }
    }

    /// Whoever asked for what runs now has called it off.
    pub(crate) fn called_off(&self, now: Tick) {
        self.lock().called_off = Some(now);
    }

    /// The verdict so far, of clients that opened so many connections.
    pub(crate) fn give(&self, connections: u64, now: Tick) -> Verdict {
        let state = self.lock();
        let mut findings = state.findings.clone();
        let general = |kind, message| Finding { kind, message, op: "", model: "".into(), index: 0 };
        let shared = connections.saturating_sub(state.broken_connections);
        if state.requests >= FEW && shared > (state.requests / 2).max(2 * state.peak) {
            let message = format!(
                "{connections} connections were opened for {} requests, of which at most {} ran at a time",
                state.requests, state.peak
            );
            findings.push(general(FindingKind::ConnectionsNotReused, message));
        }
        if let Some(off) = state.called_off.filter(|off| now > *off + GRACE)
            && state.running.values().any(|arrived| arrived < &off)
        {
            let message = format!("a request still runs {:?} after its caller had called it off", now - off);
            findings.push(general(FindingKind::LeftRunning, message));
        }
        Verdict { good: findings.is_empty(), findings }
    }

    pub(crate) fn clear(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn breaks(fault: &str) -> bool {
    BREAKING.iter().any(|name| fault.starts_with(name))
}

impl State {
    fn find(&mut self, kind: FindingKind, message: String, key: &Key) {
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { kind, message, op: key.op, model: key.model.clone(), index: key.index });
        }
    }
}
