//! The declared models and their states: `Unloaded → Loading → Ready → Draining → Unloaded`, or `Failed`.
//!
//! A load is an interval of the clock, not a task: where it stands is computed when somebody looks. So it goes on when
//! whoever began it goes away, and simultaneous loads of one model are one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use longshore_core::{
    Error, ErrorKind, ModelInfo, ModelKind, ModelState, Sent, model::DurationStatistic, model::ModelStatistics,
};
use tokio::sync::Notify;

use super::clock::{Clock, Tick};
use crate::config::{Memory, Model, WhenFull};

/// All models of a server. Clones share them.
#[derive(Clone)]
pub(crate) struct Models(Arc<Inner>);

struct Inner {
    clock: Clock,
    memory: Memory,
    entries: Mutex<Vec<Entry>>,
    /// Somebody has finished, or a state was changed.
    changed: Notify,
}

struct Entry {
    model: Arc<Model>,
    state: State,
    running: usize,
    last_used: Tick,
    /// How often it was loaded: answers of another revision may differ.
    revision: u64,
    ready_at: Option<Tick>,
    /// Why the load that is under way will fail, if it is one that was made to.
    will_fail: Option<String>,
    answered: u64,
    compute: Duration,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Unloaded,
    Loading { from: Tick, until: Tick },
    Ready,
    Draining,
    Failed(String),
}

/// How far a load has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoadStatus {
    pub(crate) state: ModelState,
    pub(crate) done: u64,
    pub(crate) total: u64,
    /// When to look again; `None`: it is over.
    pub(crate) next: Option<Tick>,
}

impl Models {
    pub(crate) fn new(clock: Clock, models: &[Model], memory: Memory) -> Self {
        let entry = |model: &Model| Entry {
            model: Arc::new(model.clone()),
            state: if model.loaded { State::Ready } else { State::Unloaded },
            running: 0,
            last_used: Tick::ZERO,
            revision: u64::from(model.loaded),
            ready_at: model.loaded.then_some(Tick::ZERO),
            will_fail: None,
            answered: 0,
            compute: Duration::ZERO,
        };
        let entries = Mutex::new(models.iter().map(entry).collect());
        Self(Arc::new(Inner { clock, memory, entries, changed: Notify::new() }))
    }

    /// The model of this name; the first of all for no name.
    ///
    /// # Errors
    /// `UnknownModel`, with the names that exist.
    pub(crate) fn find(&self, id: &str) -> Result<Arc<Model>, Error> {
        let entries = self.lock();
        Ok(entries[position(&entries, id)?].model.clone())
    }

    /// What a listing says about the models, all or one.
    ///
    /// # Errors
    /// `UnknownModel`.
    pub(crate) fn info(&self, id: Option<&str>) -> Result<Vec<ModelInfo>, Error> {
        let started = self.0.clock.started();
        let mut entries = self.lock();
        if let Some(id) = id {
            let position = position(&entries, id)?;
            return Ok(vec![entries[position].info(started)]);
        }
        Ok(entries.iter_mut().map(|entry| entry.info(started)).collect())
    }

    /// The model's state and revision.
    ///
    /// # Errors
    /// `UnknownModel`.
    pub(crate) fn state(&self, id: &str) -> Result<(ModelState, u64), Error> {
        let entries = self.lock();
        let entry = &entries[position(&entries, id)?];
        Ok((entry.told(), entry.revision))
    }

    /// How often models were used, all or one.
    ///
    /// # Errors
    /// `UnknownModel`.
    pub(crate) fn statistics(&self, id: Option<&str>) -> Result<Vec<ModelStatistics>, Error> {
        let entries = self.lock();
        if let Some(id) = id {
            return Ok(vec![entries[position(&entries, id)?].statistics()]);
        }
        Ok(entries.iter().map(Entry::statistics).collect())
    }

    /// The model for one answer: it stays loaded until the lease is dropped. Waits for a load that is under way, and
    /// begins one if `autoload`.
    ///
    /// # Errors
    /// `UnknownModel`; `ModelNotReady` when it drains, has failed, or is not loaded and may not be; the load's error.
    pub(crate) async fn lease(&self, id: &str, autoload: bool) -> Result<Lease, Error> {
        loop {
            if let Some(lease) = self.try_lease(id, autoload)? {
                return Ok(lease);
            }
            let status = self.begin_load(id)?;
            self.wait(status).await;
            if let (ModelState::Failed(reason), _) = self.state(id)? {
                return Err(load_failed(id, &reason));
            }
        }
    }

    /// The lease, or nothing when a load must come first.
    fn try_lease(&self, id: &str, autoload: bool) -> Result<Option<Lease>, Error> {
        let mut entries = self.lock();
        let position = position(&entries, id)?;
        let entry = &mut entries[position];
        match &entry.state {
            State::Ready => {
                entry.running += 1;
                entry.last_used = self.0.clock.now();
                Ok(Some(Lease { models: self.clone(), model: entry.model.clone(), began: None }))
            }
            State::Draining => Err(not_ready(id, "is being unloaded")),
            State::Loading { .. } => Ok(None),
            State::Unloaded | State::Failed(_) if autoload => Ok(None),
            State::Unloaded => Err(not_ready(id, "is not loaded")),
            State::Failed(reason) => Err(not_ready(id, &format!("has failed: {reason}"))),
        }
    }

    /// Begins a load, unless it has begun or is over; tells where it stands.
    ///
    /// # Errors
    /// `UnknownModel`; `ModelNotReady` while the model drains; `Overloaded` when memory is taken and nothing can be
    /// evicted.
    pub(crate) fn begin_load(&self, id: &str) -> Result<LoadStatus, Error> {
        let now = self.0.clock.now();
        let mut entries = self.lock();
        let position = position(&entries, id)?;
        match entries[position].state {
            State::Draining => return Err(not_ready(id, "is being unloaded")),
            State::Unloaded | State::Failed(_) => {
                if let Err(missing) = make_room(&mut entries, position, self.0.memory) {
                    let size = entries[position].model.size;
                    let reason = format!(
                        "out of memory: `{id}` takes {size} bytes, of {} bytes {missing} are missing",
                        self.0.memory.budget
                    );
                    entries[position].state = State::Failed(reason.clone());
                    return Err(load_failed(id, &reason).with_kind(ErrorKind::Overloaded).code("out_of_memory"));
                }
                let entry = &mut entries[position];
                entry.state = State::Loading { from: now, until: now + entry.model.load_time };
                entry.will_fail = None;
                entry.settle(now);
            }
            State::Loading { .. } | State::Ready => {}
        }
        Ok(entries[position].load_status(now))
    }

    /// Begins a load that will fail half-way. A model that is ready stays so, as Triton keeps the version it has.
    ///
    /// # Errors
    /// `UnknownModel`; the failure at once for a model that is ready, or about to be something else.
    pub(crate) fn begin_failing_load(&self, id: &str, reason: &str) -> Result<LoadStatus, Error> {
        let now = self.0.clock.now();
        let mut entries = self.lock();
        let position = position(&entries, id)?;
        let entry = &mut entries[position];
        if !matches!(entry.state, State::Unloaded | State::Failed(_)) {
            return Err(load_failed(id, reason));
        }
        entry.state = State::Loading { from: now, until: now + entry.model.load_time };
        entry.will_fail = Some(reason.to_owned());
        entry.settle(now);
        Ok(entry.load_status(now))
    }

    /// The error of a load for which memory is missing; the model has then failed, unless it was ready.
    pub(crate) fn refuse_load(&self, id: &str, needed: u64) -> Error {
        let mut entries = self.lock();
        let position = match position(&entries, id) {
            Ok(position) => position,
            Err(unknown) => return unknown,
        };
        let reason = format!("out of memory: `{id}` takes {needed} bytes, which are not there");
        let entry = &mut entries[position];
        if matches!(entry.state, State::Unloaded | State::Failed(_)) {
            entry.state = State::Failed(reason.clone());
        }
        load_failed(id, &reason).with_kind(ErrorKind::Overloaded).code("out_of_memory")
    }

    /// Where a load stands now.
    ///
    /// # Errors
    /// `UnknownModel`.
    pub(crate) fn load_status(&self, id: &str) -> Result<LoadStatus, Error> {
        let entries = self.lock();
        Ok(entries[position(&entries, id)?].load_status(self.0.clock.now()))
    }

    /// Waits until a load has come further.
    pub(crate) async fn wait(&self, status: LoadStatus) {
        if let Some(next) = status.next {
            self.0.clock.until(next).await;
        }
    }

    /// Lets the model's running requests finish and gives its memory back. Once begun it is not undone.
    ///
    /// # Errors
    /// `UnknownModel`.
    pub(crate) async fn unload(&self, id: &str) -> Result<(), Error> {
        loop {
            let changed = self.0.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            {
                let mut entries = self.lock();
                let position = position(&entries, id)?;
                let entry = &mut entries[position];
                if entry.running == 0 {
                    entry.unload();
                    return Ok(());
                }
                entry.state = State::Draining;
            }
            changed.await;
        }
    }

    /// Everything as it was declared. Running requests keep running.
    pub(crate) fn reset(&self) {
        for entry in self.lock().iter_mut() {
            entry.state = if entry.model.loaded || entry.running > 0 { State::Ready } else { State::Unloaded };
        }
        self.0.changed.notify_waiters();
    }

    /// The entries, with every load that is over by now settled.
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        let mut entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.iter().any(|entry| matches!(entry.state, State::Loading { .. })) {
            let now = self.0.clock.now();
            entries.iter_mut().for_each(|entry| entry.settle(now));
        }
        entries
    }
}

impl Entry {
    fn settle(&mut self, now: Tick) {
        let State::Loading { from, until } = self.state else { return };
        // A load that fails does so half-way: late enough to have been waited for.
        let half = from + (until - from) / 2;
        match self.will_fail.as_ref().or(self.model.load_error.as_ref()) {
            Some(reason) if now >= half => {
                self.state = State::Failed(reason.clone());
                self.will_fail = None;
            }
            None if now >= until => {
                self.state = State::Ready;
                self.revision += 1;
                self.ready_at = Some(until);
                self.last_used = until;
            }
            _ => {}
        }
    }

    fn unload(&mut self) {
        self.state = State::Unloaded;
        self.ready_at = None;
    }

    fn told(&self) -> ModelState {
        match &self.state {
            State::Unloaded => ModelState::Unloaded,
            State::Loading { .. } => ModelState::Loading,
            State::Ready => ModelState::Ready,
            State::Draining => ModelState::Draining,
            State::Failed(reason) => ModelState::Failed(reason.clone()),
        }
    }

    fn load_status(&self, now: Tick) -> LoadStatus {
        let total = self.model.size;
        let (done, next) = match self.state {
            State::Loading { from, until } => {
                let tenth = ((until - from) / 10).max(Duration::from_micros(1));
                let tenths = ((now - from).as_nanos() / tenth.as_nanos()).min(9) as u32;
                (total / 10 * u64::from(tenths), Some((from + tenth * (tenths + 1)).min(until).max(now)))
            }
            State::Ready => (total, None),
            _ => (0, None),
        };
        LoadStatus { state: self.told(), done, total, next }
    }

    fn holds_memory(&self) -> bool {
        matches!(self.state, State::Loading { .. } | State::Ready | State::Draining)
    }

    fn info(&mut self, started: std::time::SystemTime) -> ModelInfo {
        let model = &self.model;
        let mut info = ModelInfo::new(model.id.clone());
        info.kind = model.kind;
        info.family = Some("simulated".into());
        info.platform = Some("longshore_sim".into());
        info.size_bytes = Some(model.size);
        info.state = self.told();
        info.loaded_at = self.ready_at.map(|at| started + at);
        info.versions = vec!["1".into()];
        if model.kind != ModelKind::Tensor {
            info.context_window = Some(model.context_window);
            info.inputs = longshore_core::text_model::inputs();
            info.outputs = longshore_core::text_model::outputs();
        } else {
            info.inputs = model.inputs.clone();
            info.outputs = model.outputs.clone();
        }
        info.metadata = BTreeMap::from([("revision".to_owned(), self.revision.to_string())]);
        info
    }

    fn statistics(&self) -> ModelStatistics {
        let ns = u64::try_from(self.compute.as_nanos()).unwrap_or(u64::MAX);
        let time = DurationStatistic { count: self.answered, ns };
        ModelStatistics {
            model: self.model.id.clone(),
            version: "1".into(),
            inference_count: self.answered,
            execution_count: self.answered,
            success: time,
            compute_infer: time,
            ..ModelStatistics::default()
        }
    }
}

/// A model in use.
pub(crate) struct Lease {
    models: Models,
    pub(crate) model: Arc<Model>,
    began: Option<Tick>,
}

impl Lease {
    /// The work on the answer began at this instant.
    pub(crate) fn works_from(&mut self, at: Tick) {
        self.began = Some(at);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let now = self.models.0.clock.now();
        let mut entries = self.models.lock();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.model.id == self.model.id) {
            entry.running = entry.running.saturating_sub(1);
            entry.answered += 1;
            entry.compute += self.began.map_or(Duration::ZERO, |began| now.saturating_sub(began));
        }
        drop(entries);
        self.models.0.changed.notify_waiters();
    }
}

/// Unloads whatever must go so that the entry at `wanted` fits; tells how many bytes are missing if that is not
/// possible.
fn make_room(entries: &mut [Entry], wanted: usize, memory: Memory) -> Result<(), u64> {
    let size = entries[wanted].model.size;
    loop {
        let used: u64 = entries.iter().filter(|entry| entry.holds_memory()).map(|entry| entry.model.size).sum();
        let missing = used.saturating_add(size).saturating_sub(memory.budget);
        if missing == 0 {
            return Ok(());
        }
        let idle = entries.iter_mut().filter(|entry| entry.state == State::Ready && entry.running == 0);
        match idle.min_by_key(|entry| entry.last_used) {
            Some(oldest) if memory.when_full == WhenFull::Evict && size <= memory.budget => oldest.unload(),
            _ => return Err(missing),
        }
    }
}

fn position(entries: &[Entry], id: &str) -> Result<usize, Error> {
    if id.is_empty() {
        return Ok(0);
    }
    let unknown = || Error::unknown_model(id, entries.iter().map(|entry| &*entry.model.id)).sent(Sent::No);
    entries.iter().position(|entry| &*entry.model.id == id).ok_or_else(unknown)
}

fn not_ready(id: &str, why: &str) -> Error {
    Error::new(ErrorKind::ModelNotReady, format!("the model `{id}` {why}")).sent(Sent::No)
}

fn load_failed(id: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Server, format!("the load of `{id}` failed: {reason}")).sent(Sent::No)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn model(id: &str, size: u64) -> Model {
        Model { size, loaded: false, load_time: 10 * SECOND, ..Model::chat(id) }
    }

    fn models(list: &[Model], budget: u64, when_full: WhenFull) -> (Clock, Models) {
        let clock = Clock::by_hand();
        (clock.clone(), Models::new(clock, list, Memory { budget, when_full }))
    }

    #[test]
    fn a_load_takes_its_time_and_tells_how_far_it_is() {
        let (clock, models) = models(&[model("a", 1000)], u64::MAX, WhenFull::Evict);
        let status = models.begin_load("a").unwrap();
        assert_eq!((status.done, status.next), (0, Some(SECOND)));
        clock.advance(4 * SECOND);
        let joined = models.begin_load("a").unwrap();
        assert_eq!((joined.state, joined.done, joined.next), (ModelState::Loading, 400, Some(5 * SECOND)));
        let mut lease = Box::pin(models.lease("a", false));
        assert!((&mut lease).now_or_never().is_none());
        clock.advance(6 * SECOND);
        assert_eq!(models.state("a").unwrap(), (ModelState::Ready, 1));
        assert_eq!(models.load_status("a").unwrap().done, 1000);
        assert!(lease.now_or_never().unwrap().is_ok());
    }

    #[test]
    fn memory_is_made_by_evicting_what_was_used_longest_ago() {
        let list = [model("a", 40), model("b", 40), model("c", 40), model("d", 200)];
        let (clock, models) = models(&list, 100, WhenFull::Evict);
        for id in ["a", "b"] {
            models.begin_load(id).unwrap();
            clock.advance(10 * SECOND);
        }
        let used = models.lease("a", false).now_or_never().unwrap().unwrap();
        clock.advance(SECOND);
        models.begin_load("c").unwrap();
        let states = ["a", "b", "c"].map(|id| models.state(id).unwrap().0);
        assert_eq!(states, [ModelState::Ready, ModelState::Unloaded, ModelState::Loading]);
        // One is used, the other is loading: nothing can go.
        let error = models.begin_load("b").unwrap_err();
        assert_eq!((error.kind(), error.server_code()), (ErrorKind::Overloaded, Some("out_of_memory")));
        assert!(models.begin_load("d").unwrap_err().message().contains("200 bytes"));
        assert!(matches!(models.state("d").unwrap().0, ModelState::Failed(_)));
        drop(used);
        assert!(models.begin_load("b").is_ok());
        assert_eq!(models.state("a").unwrap().0, ModelState::Unloaded);
    }

    #[test]
    fn memory_may_be_refused() {
        let (clock, models) = models(&[model("a", 60), model("b", 60)], 100, WhenFull::Refuse);
        models.begin_load("a").unwrap();
        clock.advance(10 * SECOND);
        let error = models.begin_load("b").unwrap_err();
        assert!(error.message().contains("20 are missing"), "{error}");
        assert_eq!(models.state("a").unwrap().0, ModelState::Ready);
    }

    #[test]
    fn an_unload_waits_for_what_runs_and_takes_nothing_new() {
        let (_, models) = models(&[Model::chat("a")], u64::MAX, WhenFull::Evict);
        let lease = models.lease("a", true).now_or_never().unwrap().unwrap();
        let mut unload = Box::pin(models.unload("a"));
        assert!((&mut unload).now_or_never().is_none());
        assert_eq!(models.state("a").unwrap().0, ModelState::Draining);
        let refused = models.lease("a", true).now_or_never().unwrap().err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ModelNotReady);
        drop(lease);
        assert!(unload.now_or_never().is_some());
        assert_eq!(models.state("a").unwrap().0, ModelState::Unloaded);
        assert!(models.lease("a", false).now_or_never().unwrap().is_err());
        assert!(models.lease("a", true).now_or_never().unwrap().is_ok());
    }

    #[test]
    fn a_load_that_fails_says_why() {
        let broken = Model { load_error: Some("bad magic".into()), ..model("a", 1) };
        let (clock, models) = models(&[broken], u64::MAX, WhenFull::Evict);
        let mut lease = Box::pin(models.lease("a", true));
        assert!((&mut lease).now_or_never().is_none());
        clock.advance(10 * SECOND);
        let error = lease.now_or_never().unwrap().err().unwrap();
        assert!(error.message().contains("bad magic"), "{error}");
        assert_eq!(models.find("b").unwrap_err().kind(), ErrorKind::UnknownModel);
    }
}
