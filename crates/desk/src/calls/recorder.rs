//! The ring of calls: [`Recorder`].

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use longshore_core::{Backend, Call, Error, call::CacheUse};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{
    entry::{Entry, Outcome},
    lens::{Recorded, Writer},
    view::{CallDetail, CallSummary, Filter},
};
use crate::live::Observer;

/// How many beginnings and ends somebody who looks on may be behind before he misses some.
const BEHIND: usize = 256;

/// How much is kept.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls: the last so many.
    pub calls: usize,
    /// Bytes of all of them together.
    pub bytes: usize,
    /// Bytes of one call's request, and as many of its answer.
    pub call_bytes: usize,
    /// Events of one answer that are told apart.
    pub frames: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 500, bytes: 16 << 20, call_bytes: 256 << 10, frames: 4096 }
    }
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A person, on the page.
    Desk,
    /// A program, through the gateway.
    Gateway,
    /// A person who had a recorded call asked again.
    Replay,
}

impl Source {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Gateway => "gateway",
            Self::Replay => "replay",
        }
    }
}

/// The calls of the last while. Clones are the same.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    limits: ArcSwap<Limits>,
    observers: Vec<Arc<dyn Observer>>,
    ring: Mutex<Ring>,
    said: broadcast::Sender<CallSummary>,
}

#[derive(Default)]
struct Ring {
    /// How many calls there have been.
    count: u64,
    running: BTreeMap<u64, Arc<Entry>>,
    /// Those that have ended, with their bytes, in the order of their ends.
    ended: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
}

impl Ring {
    /// The oldest go first.
    fn forget(&mut self, limits: &Limits) {
        while self.ended.len() > limits.calls || self.bytes > limits.bytes {
            let Some((_, bytes)) = self.ended.pop_front() else { break };
            self.bytes -= bytes;
        }
    }
}

impl Recorder {
    /// Nothing recorded yet. `observers` are told of every call.
    pub fn new(limits: Limits, observers: Vec<Arc<dyn Observer>>) -> Self {
        let (said, _) = broadcast::channel(BEHIND);
        Self(Arc::new(Inner { limits: ArcSwap::from_pointee(limits), observers, ring: Mutex::default(), said }))
    }

    /// These limits hold from now on; what is beyond them is forgotten.
    pub fn limit(&self, limits: Limits) {
        self.ring().forget(&limits);
        self.0.limits.store(Arc::new(limits));
    }

    /// The same backend, whose calls are recorded as those of `from`. Nothing is held back.
    pub fn wrap(&self, backend: Arc<dyn Backend>, from: Source) -> Arc<dyn Backend> {
        Arc::new(Recorded { recorder: self.clone(), backend, from })
    }

    /// Each call that begins or ends from now on. Who is too slow misses some.
    pub fn subscribe(&self) -> broadcast::Receiver<CallSummary> {
        self.0.said.subscribe()
    }

    /// Those that have not ended, in the order in which they came.
    pub fn running(&self) -> Vec<CallSummary> {
        let running: Vec<_> = self.ring().running.values().cloned().collect();
        running.iter().map(|entry| entry.summary()).collect()
    }

    /// How many have not ended.
    pub fn running_count(&self) -> usize {
        self.ring().running.len()
    }

    /// Those that `filter` takes, the latest first; and whether there are more.
    pub fn list(&self, filter: &Filter) -> (Vec<CallSummary>, bool) {
        let before = filter.before.as_deref().and_then(number);
        let mut entries: Vec<_> = {
            let ring = self.ring();
            ring.running.values().chain(ring.ended.iter().map(|(entry, _)| entry)).cloned().collect()
        };
        entries.retain(|entry| before.is_none_or(|before| entry.number < before));
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.number));
        let mut taken = entries.iter().map(|entry| entry.summary()).filter(|summary| filter.takes(summary));
        let calls: Vec<_> = taken.by_ref().take(filter.wanted()).collect();
        (calls, taken.next().is_some())
    }

    /// All that is kept of one; `None` if it is forgotten, or never was.
    pub fn detail(&self, id: &str) -> Option<CallDetail> {
        self.find(id).map(|entry| entry.detail())
    }

    /// Asks a recorded call again, of `backend`, and a server in any case; gives the new call's id. It runs until its end,
    /// or until `closing`.
    ///
    /// # Errors
    /// `InvalidRequest` when the call is forgotten, or was too large to keep. Must run within a tokio runtime.
    pub fn replay(&self, id: &str, backend: Arc<dyn Backend>, closing: CancellationToken) -> Result<String, Error> {
        let entry = self.find(id).ok_or_else(|| Error::invalid(format!("the call {id} is not kept any more")))?;
        let again = entry.again().ok_or_else(|| Error::invalid("the call was too large to keep"))?;
        let call = Call { id: Call::new(longshore_core::Op::ServerInfo).id, cache: CacheUse::Refresh, ..again };
        let writer = self.begin(&call, Source::Replay);
        let id = writer.entry.id();
        tokio::spawn(closing.run_until_cancelled_owned(async move {
            if let Ok(mut reply) = writer.over(backend.call(call).await) {
                while let Some(Ok(_)) = reply.events.next().await {}
            }
        }));
        Ok(id)
    }

    pub(super) fn begin(&self, call: &Call, from: Source) -> Writer {
        let entry = {
            let mut ring = self.ring();
            ring.count += 1;
            let entry = Arc::new(Entry::new(ring.count, call, from, &self.0.limits.load()));
            ring.running.insert(entry.number, Arc::clone(&entry));
            entry
        };
        self.say(&entry);
        Writer::new(self.clone(), entry)
    }

    pub(super) fn text(&self, server: &Arc<str>) {
        for observer in &self.0.observers {
            observer.text(server);
        }
    }

    pub(super) fn ended(&self, entry: &Arc<Entry>, outcome: Outcome, error: Option<&Error>) {
        let Some(seen) = entry.ended(outcome, error) else { return };
        {
            let bytes = entry.bytes();
            let mut ring = self.ring();
            ring.running.remove(&entry.number);
            ring.ended.push_back((Arc::clone(entry), bytes));
            ring.bytes += bytes;
            ring.forget(&self.0.limits.load());
        }
        for observer in &self.0.observers {
            observer.ended(&seen);
        }
        self.say(entry);
    }

    fn say(&self, entry: &Entry) {
        if self.0.said.receiver_count() > 0 {
            // Whoever listened may have gone just now.
            let _ = self.0.said.send(entry.summary());
        }
    }

    fn find(&self, id: &str) -> Option<Arc<Entry>> {
        let number = number(id)?;
        let ring = self.ring();
        let ended = || ring.ended.iter().map(|(entry, _)| entry).find(|entry| entry.number == number);
        ring.running.get(&number).or_else(ended).cloned()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok()
}
