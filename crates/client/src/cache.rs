//! Answers that were given before: [`Cache`], and [`Cached`], a [`Backend`] with one in front of it.
//!
//! It is exact: only a call that asks for the very same, of the same revision of the model, gets what is kept, and only
//! where asking again would give the same anyway (see [`CacheConfig`]). Identical calls on their way are joined, as
//! streams too. Only whole answers are kept. It never judges whether two calls mean the same, and never makes a call
//! fail: what stands in its way is told as [`CacheStatus::Bypassed`].

mod canon;
mod codec;
mod disk;
mod entry;
mod fault;
mod generations;
mod judge;
mod revision;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_core::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use longshore_core::{Backend, CacheStatus, Call, Error, Event, EventKind, Op, Reply, call::CacheUse};
use moka::sync::Cache as Memory;
use tokio::time::Instant;

use crate::{
    join::{Flight, Head, Watch},
    metrics,
    transport::is_unmarked,
};
pub(crate) use canon::Canon;
use disk::Disk;
use entry::Entry;
use generations::Generations;
use judge::{Judgement, judge};

/// What is kept, and for how long.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// The most memory for answers, in bytes. One answer may take a quarter of it; a larger one is not kept.
    pub max_bytes: u64,
    /// How long an answer is good for.
    pub ttl: Duration,
    /// Whether embeddings count as deterministic. They do everywhere we know of.
    pub embeddings: bool,
    /// Whether tensor inference counts as deterministic: a tensor model may keep state, or throw dice. A request of a
    /// sequence is never kept.
    pub tensors: bool,
    /// Where answers are kept beyond the process's life; `None`: nowhere. Several processes may share a folder.
    pub disk: Option<DiskConfig>,
}

impl Default for CacheConfig {
    /// 64 MiB for ten minutes; embeddings, no tensors; nothing on disk.
    fn default() -> Self {
        Self { max_bytes: 64 << 20, ttl: Duration::from_secs(600), embeddings: true, tensors: false, disk: None }
    }
}

/// Answers on disk.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// The folder; made when the first answer is kept. What is in it may be deleted at any time.
    pub path: PathBuf,
    /// The most bytes there; the oldest answers go first.
    pub max_bytes: u64,
}

/// Kept answers, for any number of backends. Clones share them.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    config: CacheConfig,
    memory: Memory<Key, Arc<Entry>>,
    flights: Mutex<HashMap<Key, Joinable>>,
    next_flight: AtomicU64,
    generations: Generations,
    disk: Option<Disk>,
}

/// A call on its way, and the id under which a tensor model was asked.
struct Joinable {
    /// Tells it from others that took its place.
    number: u64,
    flight: Weak<Flight>,
    asked_as: Option<String>,
}

/// What identifies an answer: SHA-256 of everything that could change it.
type Key = [u8; 32];

impl Cache {
    /// An empty cache, or what is on disk. Nothing is read or written yet.
    pub fn new(config: CacheConfig) -> Self {
        let memory = Memory::builder()
            .max_capacity(config.max_bytes)
            .weigher(|_: &Key, entry: &Arc<Entry>| u32::try_from(entry.weight).unwrap_or(u32::MAX))
            .time_to_live(config.ttl)
            .build();
        let disk = config.disk.clone().map(|disk| Disk::new(disk.path, disk.max_bytes));
        let generations = Generations::new(disk.as_ref().map(Disk::generations_file));
        let (flights, next_flight) = Default::default();
        Self(Arc::new(Inner { config, memory, flights, next_flight, generations, disk }))
    }

    /// This backend with the cache in front of it.
    ///
    /// Several backends may stand behind one cache if the same call means the same to all of them, or if each has a
    /// [`Cached::scope`] of its own.
    pub fn wrap<B: Backend + Clone + 'static>(&self, backend: B) -> Cached<B> {
        Cached { cache: self.clone(), backend, scope: Arc::default(), revision: None }
    }

    /// Answers of this model are good no longer: somebody loads or unloads it.
    pub fn invalidate(&self, model: &str) {
        self.0.generations.raise(model);
    }

    /// Bytes that the kept answers take in memory, and how many there are.
    pub fn size(&self) -> (u64, u64) {
        self.0.memory.run_pending_tasks();
        (self.0.memory.weighted_size(), self.0.memory.entry_count())
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Joinable>> {
        self.0.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, key: &Key) -> Option<Arc<Entry>> {
        self.0.memory.get(key).filter(|entry| entry.is_fresh())
    }

    /// Bytes that one answer may take.
    fn limit(&self) -> usize {
        usize::try_from(self.0.config.max_bytes / 4).unwrap_or(usize::MAX)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// What a backend knows about the model of a call: whatever changes it changes the answers. `None`: nothing.
pub(crate) type Revise = Arc<dyn Fn(Call) -> BoxFuture<'static, Option<Vec<u8>>> + Send + Sync>;

/// A backend with a cache in front of it.
///
/// A load or unload that goes through it makes the model's kept answers void. Dropping a call's future or events
/// cancels the call, unless others have joined it.
#[derive(Clone)]
pub struct Cached<B> {
    cache: Cache,
    backend: B,
    scope: Arc<str>,
    revision: Option<Revise>,
}

impl<B: Backend + Clone + 'static> Cached<B> {
    /// Shares nothing with callers of another scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Asks this for the revision of a call's model; what it does not know is not kept.
    #[must_use]
    pub(crate) fn revised_by(mut self, revision: Revise) -> Self {
        self.revision = Some(revision);
        self
    }

    async fn ask(&self, call: Call) -> Result<Reply, Error> {
        let key = match judge(&call, &self.cache.0.config) {
            Judgement::NoAnswer => return self.beside(call).await,
            Judgement::Bypass(reason) => Err(reason),
            Judgement::Keep => self.key(&call).await.ok_or("the model's revision is not known"),
        };
        match key {
            Ok(key) => self.keyed(key, call).await,
            Err(reason) => {
                let mut reply = self.backend.call(call).await?;
                reply.cache = Some(count(CacheStatus::Bypassed(reason)));
                Ok(reply)
            }
        }
    }

    /// What is no answer to keep; a change of the model voids what is kept, now and again when it is over.
    async fn beside(&self, call: Call) -> Result<Reply, Error> {
        if !call.op.is_lifecycle() {
            return self.backend.call(call).await;
        }
        let void = Void { cache: self.cache.clone(), model: call.model_name().into() };
        void.cache.invalidate(&void.model);
        let mut reply = self.backend.call(call).await?;
        reply.events = reply.events.map(move |event| (event, &void).0).boxed();
        Ok(reply)
    }

    async fn key(&self, call: &Call) -> Option<Key> {
        let revision = match &self.revision {
            Some(revise) => revise(call.clone()).await?,
            None => Vec::new(),
        };
        // Afterwards: what was found out may have raised it.
        let generation = self.cache.0.generations.of(call.model_name());
        let mut canon = Canon::new("cache");
        canon.text(&self.scope);
        canon.bytes(&generation.to_le_bytes());
        canon.bytes(&revision);
        canon.call(call);
        Some(canon.digest())
    }

    async fn keyed(&self, key: Key, call: Call) -> Result<Reply, Error> {
        let id = inference_id(&call);
        let read = call.cache != CacheUse::Refresh;
        if let Some(entry) = read.then(|| self.cache.kept(&key)).flatten() {
            count(CacheStatus::Hit);
            return Ok(entry.reply(CacheStatus::Hit).told_as(entry.asked_as.as_deref(), id));
        }
        let deadline = call.deadline.map(Instant::from_std);
        let joined = if read { self.joinable(&key) } else { None };
        let joined = joined.and_then(|(flight, asked_as)| Some((flight.join(deadline)?, asked_as)));
        let (seat, asked_as, status) = match joined {
            Some((seat, asked_as)) => (Some(seat), asked_as, Some(CacheStatus::Joined)),
            None => {
                let asked_as = id.clone();
                (self.take_off(key, &call, deadline, read).join(deadline), asked_as, None)
            }
        };
        let Some(seat) = seat else { return self.backend.call(call).await };
        let mut reply = seat.reply().await?;
        reply.cache = status.or(reply.cache).map(count);
        Ok(reply.told_as(asked_as.as_deref(), id))
    }

    fn joinable(&self, key: &Key) -> Option<(Arc<Flight>, Option<String>)> {
        let flights = self.cache.flights();
        let joinable = flights.get(key)?;
        Some((joinable.flight.upgrade()?, joinable.asked_as.clone()))
    }

    /// Begins the call on behalf of everybody who will ask the same.
    ///
    /// It has twice the time of the first caller: so whoever joins while that one waits, and may wait as long, has its
    /// own time in full. Each seat keeps its own deadline.
    fn take_off(&self, key: Key, call: &Call, deadline: Option<Instant>, read: bool) -> Arc<Flight> {
        let mut upstream = call.clone();
        let deadline = deadline.map(|deadline| deadline + deadline.saturating_duration_since(Instant::now()));
        upstream.deadline = deadline.map(Instant::into_std);
        let (cache, backend, asked_as) = (self.cache.clone(), self.backend.clone(), inference_id(call));
        let number = cache.0.next_flight.fetch_add(1, Ordering::Relaxed);
        let watch = Keep { cache: cache.clone(), key, number, asked_as: asked_as.clone() };
        let work = async move {
            if let Some(entry) = if read { cache.stored(&key).await } else { None } {
                return Ok(entry.reply(CacheStatus::Hit).told_as(entry.asked_as.as_deref(), inference_id(&upstream)));
            }
            let mut reply = backend.call(upstream).await?;
            reply.cache = Some(CacheStatus::Miss);
            Ok(reply)
        };
        let flight = Flight::new(work.boxed(), deadline, self.cache.limit(), Box::new(watch));
        let joinable = Joinable { number, flight: Arc::downgrade(&flight), asked_as };
        self.cache.flights().insert(key, joinable);
        flight
    }
}

impl<B: Backend + Clone + 'static> Backend for Cached<B> {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        self.ask(call).boxed()
    }
}

impl Cache {
    async fn stored(&self, key: &Key) -> Option<Arc<Entry>> {
        let entry = Arc::new(self.0.disk.as_ref()?.get(*key).await?);
        self.0.memory.insert(*key, Arc::clone(&entry));
        Some(entry)
    }
}

/// Keeps an answer when it is complete, and ends the joining when it is over.
struct Keep {
    cache: Cache,
    key: Key,
    number: u64,
    asked_as: Option<String>,
}

impl Watch for Keep {
    fn complete(&mut self, head: &Head, events: &VecDeque<Event>) {
        // Nobody has said that an answer without its end mark is whole.
        let unmarked = matches!(events.back().map(|event| &event.kind), Some(EventKind::Done(end)) if is_unmarked(end));
        if unmarked || head.cache != Some(CacheStatus::Miss) {
            return;
        }
        let entry = Arc::new(Entry::new(head, events, self.asked_as.clone(), self.cache.0.config.ttl));
        if entry.weight > self.cache.limit() {
            return;
        }
        self.cache.0.memory.insert(self.key, Arc::clone(&entry));
        if let Some(disk) = &self.cache.0.disk {
            disk.put(self.key, entry);
        }
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        let mut flights = self.cache.flights();
        // Another flight may have taken the place.
        if flights.get(&self.key).is_some_and(|joinable| joinable.number == self.number) {
            flights.remove(&self.key);
        }
    }
}

/// Voids a model's answers when it is dropped.
struct Void {
    cache: Cache,
    model: Arc<str>,
}

impl Drop for Void {
    fn drop(&mut self) {
        self.cache.invalidate(&self.model);
    }
}

/// The caller's own id of an inference, which the answer repeats.
fn inference_id(call: &Call) -> Option<String> {
    if let Op::Infer(inference) = &*call.op { inference.id.clone() } else { None }
}

/// An answer to one call becomes the answer to another that differs in the caller's own id alone.
trait ToldAs {
    fn told_as(self, asked: Option<&str>, id: Option<String>) -> Self;
}

impl ToldAs for Reply {
    fn told_as(mut self, asked: Option<&str>, id: Option<String>) -> Self {
        if asked != id.as_deref() {
            self.events = self.events.map(move |event| event.map(|event| entry::told_as(event, id.as_ref()))).boxed();
        }
        self
    }
}

fn count(status: CacheStatus) -> CacheStatus {
    metrics::cache(status.as_str());
    status
}
