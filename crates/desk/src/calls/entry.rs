//! One call as it is written down: [`Entry`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use longshore_core::{CacheStatus, Call, Error, ErrorKind, Event, EventKind, Reply, Route, Usage, capability::OpKind};
use serde_json::Value;

use super::{
    Attempt, Limits, Source,
    request::{headers, readable, weight},
    tape::Tape,
    view::{CallDetail, CallSummary},
};
use crate::{
    Problem,
    live::{Failed, Seen},
};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Running,
    Ok,
    Error,
    Cancelled,
    Interrupted,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A call and what has come of it so far.
pub(super) struct Entry {
    pub(super) number: u64,
    at: u64,
    begun: Instant,
    from: Source,
    op: OpKind,
    asked_for: Option<Arc<str>>,
    dialect_in: Option<&'static str>,
    path: Option<Arc<str>>,
    request_bytes: usize,
    /// `None` where it was too large to keep.
    call: Option<Call>,
    state: Mutex<State>,
}

struct State {
    route: Option<Route>,
    model: Option<Arc<str>>,
    outcome: Outcome,
    error: Option<Error>,
    ledger: Vec<longshore_core::Attempt>,
    cache: Option<CacheStatus>,
    usage: Option<Usage>,
    pieces: u64,
    first: Option<Duration>,
    total: Option<Duration>,
    tape: Tape,
}

impl Entry {
    pub(super) fn new(number: u64, call: &Call, from: Source, limits: &Limits) -> Self {
        let weight = weight(call);
        let kept = (weight <= limits.call_bytes).then(|| Call { deadline: None, watch: None, ..call.clone() });
        Self {
            number,
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            begun: Instant::now(),
            from,
            op: call.op.kind(),
            asked_for: call.model.clone(),
            dialect_in: call.origin.as_ref().map(|origin| origin.dialect),
            path: call.origin.as_ref().map(|origin| Arc::clone(&origin.path)),
            request_bytes: call.origin.as_ref().map_or(weight, |origin| origin.body.len()),
            call: kept,
            state: Mutex::new(State {
                route: None,
                model: None,
                outcome: Outcome::Running,
                error: None,
                ledger: Vec::new(),
                cache: None,
                usage: None,
                pieces: 0,
                first: None,
                total: None,
                tape: Tape::new(limits.frames, limits.call_bytes),
            }),
        }
    }

    pub(super) fn id(&self) -> String {
        format!("{:x}", self.number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same call, to be asked again.
    pub(super) fn again(&self) -> Option<Call> {
        self.call.clone()
    }

    /// It has been committed.
    pub(super) fn answered(&self, reply: &Reply) {
        let mut state = self.state();
        state.route = Some(reply.route.clone());
        state.ledger.clone_from(&reply.ledger);
        state.cache = reply.cache;
    }

    /// An event has come.
    pub(super) fn came(&self, event: &Event) {
        let mut state = self.state();
        let at = event.at.saturating_duration_since(self.begun);
        match &event.kind {
            EventKind::Started { model } => state.model = Some(Arc::clone(model)),
            EventKind::Text { .. } | EventKind::Reasoning { .. } => state.pieces += 1,
            EventKind::Usage(usage) => state.usage = Some(*usage),
            EventKind::Resumed(attempt) => state.ledger.push((**attempt).clone()),
            _ => {}
        }
        if state.first.is_none() && event.kind.is_content() {
            state.first = Some(at);
        }
        state.tape.add(at, &event.kind);
    }

    /// It has ended. The first word holds; `None` if there was one before.
    pub(super) fn ended(&self, outcome: Outcome, error: Option<&Error>) -> Option<Seen> {
        let mut state = self.state();
        if state.outcome != Outcome::Running {
            return None;
        }
        let total = self.begun.elapsed();
        let cancelled = error.is_some_and(|error| error.kind() == ErrorKind::Cancelled);
        state.outcome = if cancelled { Outcome::Cancelled } else { outcome };
        state.total = Some(total);
        if let Some(error) = error {
            state.tape.fail(total, error.message());
            if state.ledger.is_empty() {
                state.ledger = error.ledger().to_vec();
            }
        }
        state.error = error.cloned();
        state.tape.close();
        Some(Seen {
            server: state.server(),
            protocol: state.route.as_ref().map(|route| route.protocol),
            model: self.asked_for.clone().or_else(|| state.model.clone()),
            op: self.op,
            outcome: state.outcome.as_str(),
            cache: state.cache,
            ttft: state.first,
            total,
            tokens: state.tokens(),
            itl: state.tape.median_gap(),
            failed: state.ledger.iter().filter_map(failed).collect(),
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.call.as_ref().map_or(0, weight) + self.state().tape.bytes() + size_of::<Self>()
    }

    pub(super) fn summary(&self) -> CallSummary {
        let state = self.state();
        self.summed_up(&state)
    }

    fn summed_up(&self, state: &State) -> CallSummary {
        let ms = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64() * 1e3);
        CallSummary {
            id: self.id(),
            at: self.at,
            op: self.op.name().into(),
            model: self.asked_for.as_ref().or(state.model.as_ref()).map(|model| model.to_string()),
            server: state.server().map(|server| server.to_string()),
            protocol: state.route.as_ref().map(|route| route.protocol.as_str().into()),
            from: self.from.as_str().into(),
            dialect_in: self.dialect_in.map(Into::into),
            outcome: state.outcome.as_str().into(),
            error_kind: state.error.as_ref().map(|error| error.kind().as_str().into()),
            ttft_ms: ms(state.first),
            total_ms: ms(state.total),
            tokens: state.tokens(),
            attempts: state.ledger.len(),
            cache: state.cache.map(|cache| cache.to_string()),
        }
    }

    pub(super) fn detail(&self) -> CallDetail {
        let state = self.state();
        let too_large = || format!("{} bytes, which is more than is kept of a call", self.request_bytes);
        CallDetail {
            summary: self.summed_up(&state),
            request: self.call.as_ref().map_or_else(|| Value::String(too_large()), readable),
            request_bytes: self.request_bytes,
            path: self.path.as_ref().map(|path| path.to_string()),
            headers: self.call.as_ref().map(headers).unwrap_or_default(),
            response_text: state.tape.answer(),
            frames: state.tape.frames(),
            ledger: state.ledger.iter().map(Attempt::from).collect(),
            error: state.error.as_ref().map(Problem::from),
            usage: state.usage,
            truncated: state.tape.is_truncated() || self.call.is_none(),
            replayable: self.call.is_some(),
        }
    }
}

impl State {
    /// Who answered; else who was asked last.
    fn server(&self) -> Option<Arc<str>> {
        let route = self.route.as_ref().or_else(|| self.ledger.last().map(|attempt| &attempt.route));
        route.map(|route| Arc::clone(&route.server))
    }

    /// The server's own count, else the pieces that came.
    fn tokens(&self) -> Option<u64> {
        let counted = self.usage.map(|usage| usage.completion_tokens).filter(|count| *count > 0);
        counted.or((self.pieces > 0).then_some(self.pieces))
    }
}

fn failed(attempt: &longshore_core::Attempt) -> Option<Failed> {
    let reason = attempt.error.as_ref()?.headline().to_owned();
    Some(Failed { server: Arc::clone(&attempt.route.server), protocol: attempt.route.protocol, reason })
}
