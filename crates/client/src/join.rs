//! One answer for several callers: a [`Flight`] is a call on its way, whose events every [`Seat`] gets from the start.
//!
//! No task of its own drives it: whoever waits for an event polls the call for all, so that it goes at the pace of the
//! fastest, and it is given up when the last seat is dropped. What was said is held for those who come later, up to a
//! limit in bytes; beyond that nobody may join any more, and whoever falls further behind the others is cut off.

mod fan;
mod seat;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::future::BoxFuture;
use longshore_core::{Attempt, CacheStatus, Error, ErrorKind, Event, EventKind, Events, Reply, Route};
use tokio::time::Instant;

use fan::Fan;
pub(crate) use seat::Seat;

/// What a reply says before its events.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) route: Route,
    pub(crate) ledger: Vec<Attempt>,
    pub(crate) cache: Option<CacheStatus>,
}

/// Is told how a flight goes. Dropped as soon as the call is over, or has been given up.
pub(crate) trait Watch: Send {
    /// The call has come to its end mark, and these are all its events.
    fn complete(&mut self, head: &Head, events: &VecDeque<Event>) {
        let _ = (head, events);
    }
}

/// A call that several callers wait for.
pub(crate) struct Flight {
    state: Mutex<State>,
    fan: Arc<Fan>,
    /// The deadline that the call was given; whoever may wait for longer does not join.
    deadline: Option<Instant>,
    /// Bytes of events that are held.
    limit: usize,
}

struct State {
    upstream: Upstream,
    head: Option<Result<Head, Error>>,
    /// The events from number `first` on.
    events: VecDeque<Event>,
    first: usize,
    bytes: usize,
    /// How it failed after its head.
    failed: Option<Error>,
    /// The number of the event that each seat waits for.
    seats: HashMap<u64, usize>,
    next_seat: u64,
    watch: Option<Box<dyn Watch>>,
}

enum Upstream {
    Asked(BoxFuture<'static, Result<Reply, Error>>),
    Answers(Events),
    Over,
}

impl Flight {
    /// A flight that begins when the first seat is waited on.
    pub(crate) fn new(
        call: BoxFuture<'static, Result<Reply, Error>>,
        deadline: Option<Instant>,
        limit: usize,
        watch: Box<dyn Watch>,
    ) -> Arc<Self> {
        let state = State {
            upstream: Upstream::Asked(call),
            head: None,
            events: VecDeque::new(),
            first: 0,
            bytes: 0,
            failed: None,
            seats: HashMap::new(),
            next_seat: 0,
            watch: Some(watch),
        };
        Arc::new(Self { state: Mutex::new(state), fan: Arc::default(), deadline, limit })
    }

    /// A seat from which everything is seen from the start; `None` when that cannot be had any more, or when the caller
    /// may wait for longer than the call.
    pub(crate) fn join(self: &Arc<Self>, deadline: Option<Instant>) -> Option<Seat> {
        let covered = match (self.deadline, deadline) {
            (None, _) => true,
            (Some(own), Some(wanted)) => wanted <= own,
            (Some(_), None) => false,
        };
        let mut state = self.lock();
        let failed = state.failed.is_some() || matches!(state.head, Some(Err(_)));
        if !covered || failed || state.first > 0 {
            return None;
        }
        let id = state.next_seat;
        state.next_seat += 1;
        state.seats.insert(id, 0);
        drop(state);
        Some(Seat::new(Arc::clone(self), id, deadline))
    }

    fn leave(&self, id: u64) {
        self.lock().seats.remove(&id);
        self.fan.forget(id);
    }

    /// Until the call has been answered or has failed.
    fn poll_head(&self, id: u64, cx: &mut Context<'_>) -> Poll<Result<Head, Error>> {
        let mut state = self.lock();
        loop {
            if let Some(head) = &state.head {
                return Poll::Ready(head.clone());
            }
            if self.poll_upstream(&mut state, id, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// The next event for this seat.
    fn poll_event(&self, id: u64, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let mut state = self.lock();
        loop {
            let place = state.seats.get(&id).copied().unwrap_or_default();
            let Some(index) = place.checked_sub(state.first) else {
                return Poll::Ready(Some(Err(too_slow(self.limit))));
            };
            if let Some(event) = state.events.get(index).cloned() {
                state.seats.insert(id, place + 1);
                return Poll::Ready(Some(Ok(event)));
            }
            if let Upstream::Over = state.upstream {
                return Poll::Ready(state.failed.clone().map(Err));
            }
            if self.poll_upstream(&mut state, id, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// One step of the call, for all; ready when something has changed.
    fn poll_upstream(&self, state: &mut State, id: u64, cx: &mut Context<'_>) -> Poll<()> {
        // First, so that nothing is missed: the call may wake us from another thread as soon as it is polled.
        self.fan.wait(id, cx.waker());
        let waker = Waker::from(Arc::clone(&self.fan));
        let shared = &mut Context::from_waker(&waker);
        match &mut state.upstream {
            Upstream::Asked(call) => match call.as_mut().poll(shared) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Reply { route, ledger, cache, events })) => {
                    state.head = Some(Ok(Head { route, ledger, cache }));
                    state.upstream = Upstream::Answers(events);
                }
                Poll::Ready(Err(error)) => {
                    state.head = Some(Err(error));
                    state.end();
                }
            },
            Upstream::Answers(events) => match events.as_mut().poll_next(shared) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(event))) => state.take(event, self.limit),
                Poll::Ready(Some(Err(error))) => {
                    state.failed = Some(error);
                    state.end();
                }
                Poll::Ready(None) => state.end(),
            },
            Upstream::Over => {}
        }
        self.fan.wake_all();
        Poll::Ready(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, event: Event, limit: usize) {
        let complete = matches!(event.kind, EventKind::Done(_));
        self.bytes += weight(&event);
        self.events.push_back(event);
        if self.bytes > limit {
            self.let_go(limit);
        }
        if let (true, 0, Some(Ok(head)), Some(watch)) = (complete, self.first, &self.head, &mut self.watch) {
            watch.complete(head, &self.events);
        }
    }

    /// Lets go of what every seat has had, and, beyond the limit, of what some have not.
    fn let_go(&mut self, limit: usize) {
        let slowest = self.seats.values().copied().min().unwrap_or_default();
        while self.first < slowest || self.bytes > limit {
            // The newest one is wanted by somebody: it is what is waited for.
            let Some(event) = (if self.events.len() > 1 { self.events.pop_front() } else { None }) else { return };
            self.bytes -= weight(&event);
            self.first += 1;
        }
    }

    fn end(&mut self) {
        self.upstream = Upstream::Over;
        self.watch = None;
    }
}

fn too_slow(limit: usize) -> Error {
    let message =
        format!("the answer broke off: this reader fell more than {limit} bytes behind the others who get it");
    Error::new(ErrorKind::Interrupted, message)
}

/// What an event without its contents takes.
const EVENT_BYTES: usize = size_of::<Event>();

/// About how many bytes an event takes in memory.
pub(crate) fn weight(event: &Event) -> usize {
    let contents = match &event.kind {
        EventKind::Started { model } => model.len(),
        EventKind::Text { text, .. } | EventKind::Reasoning { text, .. } => text.len(),
        EventKind::ToolCalls { calls, .. } => json_weight(calls),
        EventKind::Embedding { vector, .. } => size_of_val(&vector[..]),
        EventKind::Tensors(output) => {
            output.outputs.iter().map(|tensor| 128 + tensor.name().len() + tensor.data().len()).sum()
        }
        EventKind::ModelConfig(value) => json_weight(value),
        EventKind::Models(models) => models.len() * 512,
        _ => 0,
    };
    EVENT_BYTES + contents + event.raw.as_ref().map_or(0, |raw| raw.frame.len())
}

fn json_weight(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    let contents = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(json_weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + json_weight(value)).sum(),
        _ => 0,
    };
    size_of::<Value>() + contents
}

#[cfg(test)]
mod tests;
