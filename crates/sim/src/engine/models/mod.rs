//! The declared models and their states: `Unloaded → Loading → Ready → Draining → Unloaded`, or `Failed`.
//!
//! A load is an interval of the clock, not a task: where it stands is computed when somebody looks. So it goes on when
//! whoever began it goes away, and simultaneous loads of one model are one.

mod entry;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use longshore_core::{Error, ErrorKind, ModelInfo, ModelState, Sent, model::ModelStatistics};
use tokio::sync::Notify;

use super::clock::{Clock, Tick};
use crate::config::{Memory, Model};
pub(crate) use entry::LoadStatus;
use entry::{Entry, State, make_room};

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

impl Models {
    pub(crate) fn new(clock: Clock, models: &[Model], memory: Memory) -> Self {
        let entries = Mutex::new(models.iter().map(Entry::new).collect());
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
        let mut loaded = None;
        loop {
            if let Some(mut lease) = self.try_lease(id, autoload)? {
                lease.loaded = loaded;
                return Ok(lease);
            }
            let status = self.begin_load(id)?;
            self.wait(status).await;
            if let (ModelState::Failed(reason), _) = self.state(id)? {
                return Err(load_failed(id, &reason));
            }
            loaded = Some(self.0.clock.now());
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
                Ok(Some(Lease { models: self.clone(), model: entry.model.clone(), loaded: None, began: None }))
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

/// A model in use.
pub(crate) struct Lease {
    models: Models,
    pub(crate) model: Arc<Model>,
    /// When the load was over that the lease had to wait for.
    pub(crate) loaded: Option<Tick>,
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
