//! A kept answer.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt, stream};
use longshore_core::{
    CacheStatus, Event, EventKind, Reply, Route,
    event::{InferenceOutput, Raw},
};

use crate::join::{Head, weight};

/// A whole answer: its events, as they came, without their times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) route: Route,
    pub(super) events: Arc<[Kept]>,
    /// The caller's id under which a tensor model was asked.
    pub(super) asked_as: Option<String>,
    /// Not good from then on.
    pub(super) expires: SystemTime,
    /// About how many bytes it takes in memory.
    pub(super) weight: usize,
}

/// An event without its time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) kind: EventKind,
    pub(super) raw: Option<Raw>,
}

impl Kept {
    fn now(&self) -> Event {
        Event { at: Instant::now(), kind: self.kind.clone(), raw: self.raw.clone() }
    }
}

impl Entry {
    pub(super) fn new(head: &Head, events: &VecDeque<Event>, asked_as: Option<String>, ttl: Duration) -> Self {
        let kept = events.iter().map(|event| Kept { kind: event.kind.clone(), raw: event.raw.clone() });
        Self::of(head.route.clone(), kept.collect(), asked_as, SystemTime::now() + ttl)
    }

    pub(super) fn of(route: Route, events: Arc<[Kept]>, asked_as: Option<String>, expires: SystemTime) -> Self {
        let weight = 256 + events.iter().map(|kept| weight(&kept.now())).sum::<usize>();
        Self { route, events, asked_as, expires, weight }
    }

    pub(super) fn is_fresh(&self) -> bool {
        SystemTime::now() < self.expires
    }

    /// The answer again, as a stream of the same events, each read now. No attempt was made for it.
    pub(super) fn reply(&self, status: CacheStatus) -> Reply {
        let events = Arc::clone(&self.events);
        let replay = stream::iter(0..events.len()).map(move |index| Ok(events[index].now()));
        let mut reply = Reply::new(self.route.clone(), replay.boxed());
        reply.cache = Some(status);
        reply
    }
}

/// The event as it would have been for a caller with this id. Its bytes are not: they bear the other one.
pub(super) fn told_as(mut event: Event, id: Option<&String>) -> Event {
    if let EventKind::Tensors(InferenceOutput { id: told, .. }) = &mut event.kind {
        *told = id.cloned();
    }
    event.raw = None;
    event
}
