//! The life of the models: `Unloaded → Loading → Ready → Draining → Unloaded`, or `Failed` with a reason.
//!
//! Every transition is here, under one lock. Those who want a model at the same time join one load ([`Ticket`]); when
//! the last of them goes away, the load is cancelled. Who uses a model holds a [`Lease`], and unloading waits for the
//! last one. Loading runs on a thread of its own.

mod load;

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use longshore_core::{ModelInfo, ModelState, Sent, model::ModelStatistics};
use tokio::sync::watch;

use crate::{
    Error, ErrorKind, builtin,
    model::{Model, Plan},
    slots,
    store::{self, Stored},
};

use load::{Job, read};
pub(crate) use load::{Status, Ticket};

/// Every model, and what is loaded.
#[derive(Clone)]
pub(crate) struct Registry(Arc<Shared>);

struct Shared {
    folder: Option<PathBuf>,
    budget: u64,
    models: Mutex<BTreeMap<Arc<str>, Entry>>,
    /// Counts transitions, for those who wait for one.
    changed: watch::Sender<u64>,
    loads: AtomicU64,
}

struct Entry {
    stored: Stored,
    phase: Phase,
    leases: usize,
    statistics: ModelStatistics,
}

enum Phase {
    Unloaded,
    Loading(Arc<Job>),
    Ready {
        model: Arc<Model>,
        since: SystemTime,
    },
    /// The weights live on in the leases.
    Draining,
    Failed(Error),
}

impl Registry {
    pub(crate) fn new(folder: Option<PathBuf>, budget: u64) -> Self {
        let built_in = Entry::new(Stored::built_in());
        let models = Mutex::new(BTreeMap::from([(built_in.stored.id.clone(), built_in)]));
        let changed = watch::Sender::new(0);
        Self(Arc::new(Shared { folder, budget, models, changed, loads: AtomicU64::new(0) }))
    }

    /// Looks at the models folder again. Reads the disk: not for an async thread.
    ///
    /// # Errors
    /// When the folder cannot be read; the models known so far stay.
    pub(crate) fn rescan(&self) -> Result<(), Error> {
        let Some(folder) = &self.0.folder else { return Ok(()) };
        let found = store::scan(folder, |id, stamp| {
            self.0.lock().get(id).filter(|entry| entry.stored.stamp == Some(stamp)).map(|entry| entry.stored.clone())
        })?;
        let here: HashSet<_> = found.iter().map(|stored| stored.id.clone()).collect();
        let mut models = self.0.lock();
        models.retain(|id, entry| entry.is_active() || &**id == builtin::ID || here.contains(id));
        for stored in found {
            match models.get_mut(&stored.id) {
                None => drop(models.insert(stored.id.clone(), Entry::new(stored))),
                // What is loaded keeps the facts of the file it was loaded from.
                Some(entry) if !entry.is_active() && entry.stored.stamp != stored.stamp => *entry = Entry::new(stored),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Every model, or the ready ones.
    pub(crate) fn list(&self, ready_only: bool) -> Vec<ModelInfo> {
        let models = self.0.lock();
        let infos = models.values().map(Entry::info);
        infos.filter(|info| !ready_only || info.state == ModelState::Ready).collect()
    }

    /// One model.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownModel`].
    pub(crate) fn info(&self, id: &str) -> Result<ModelInfo, Error> {
        self.0.with(id, |entry| entry.info())
    }

    /// Is there such a model, as far as was looked?
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.0.lock().contains_key(id)
    }

    /// Loads begun so far.
    pub(crate) fn loads(&self) -> u64 {
        self.0.loads.load(Ordering::Relaxed)
    }

    /// The use of one model, or of all.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownModel`].
    pub(crate) fn statistics(&self, id: Option<&str>) -> Result<Vec<ModelStatistics>, Error> {
        match id {
            Some(id) => self.0.with(id, |entry| vec![entry.statistics.clone()]),
            None => Ok(self.0.lock().values().map(|entry| entry.statistics.clone()).collect()),
        }
    }

    /// Changes the counters of a model, if it is still there.
    pub(crate) fn record(&self, id: &str, change: impl FnOnce(&mut ModelStatistics)) {
        if let Some(entry) = self.0.lock().get_mut(id) {
            change(&mut entry.statistics);
        }
    }

    /// A model to compute with; loads it first if need be, which others may join.
    ///
    /// # Errors
    /// As [`Registry::load`], and whatever the load ends with.
    pub(crate) async fn acquire(&self, id: &str) -> Result<Lease, Error> {
        loop {
            if let Some(lease) = self.lease(id)? {
                return Ok(lease);
            }
            if let Some(mut ticket) = self.load(id)? {
                ticket.finished().await?;
            }
        }
    }

    fn lease(&self, id: &str) -> Result<Option<Lease>, Error> {
        let lease = self.0.with_mut(id, |entry| match &entry.phase {
            Phase::Ready { model, .. } => {
                let model = Some(model.clone());
                entry.leases += 1;
                Some(Lease { shared: self.0.clone(), id: entry.stored.id.clone(), model })
            }
            _ => None,
        })?;
        Ok(lease)
    }

    /// Begins to load a model, or joins those who have; `None`: it is ready.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownModel`]; [`ErrorKind::ModelNotReady`] while it drains; [`ErrorKind::Overloaded`] or
    /// [`ErrorKind::TooLarge`] when it does not fit the memory budget; why the file does not run.
    pub(crate) fn load(&self, id: &str) -> Result<Option<Ticket>, Error> {
        let mut models = self.0.lock();
        let used: Vec<_> = models.values().filter_map(Entry::held).collect();
        let names: Vec<_> = models.keys().cloned().collect();
        let entry = models.get_mut(id).ok_or_else(|| unknown(id, names))?;
        let job = match &entry.phase {
            Phase::Ready { .. } => return Ok(None),
            Phase::Loading(job) => job.clone(),
            Phase::Draining => {
                let message = format!("model `{id}` is being unloaded; ask again when its running requests have ended");
                return Err(Error::new(ErrorKind::ModelNotReady, message).sent(Sent::No));
            }
            Phase::Unloaded | Phase::Failed(_) => {
                let plan = entry.stored.plan.clone()?;
                self.0.afford(id, &plan, &used)?;
                let job = Arc::new(Job {
                    cancel: Arc::default(),
                    tickets: AtomicU64::new(0),
                    status: watch::Sender::new(Status {
                        total_bytes: entry.stored.info.size_bytes.unwrap_or_default(),
                        ..Status::default()
                    }),
                });
                self.start(entry.stored.clone(), job.clone())?;
                entry.phase = Phase::Loading(job.clone());
                self.0.notify();
                job
            }
        };
        job.tickets.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Ticket { shared: self.0.clone(), id: id.into(), status: job.status.subscribe(), job }))
    }

    fn start(&self, stored: Stored, job: Arc<Job>) -> Result<(), Error> {
        self.0.loads.fetch_add(1, Ordering::Relaxed);
        let shared = self.0.clone();
        let thread = slots::pool("longshore-load", 1)?;
        thread.spawn(move || {
            let result = read(&stored, &job);
            shared.loaded(&stored.id, &job, result);
        });
        Ok(())
    }

    /// Takes nothing new for a model and waits until what runs on it has ended; a load under way is cancelled. Dropping
    /// the future does not undo it. Of an unloaded model: nothing to do.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownModel`].
    pub(crate) async fn unload(&self, id: &str) -> Result<(), Error> {
        let mut changed = self.0.changed.subscribe();
        self.0.with_mut(id, Entry::unload)?;
        self.0.notify();
        loop {
            changed.borrow_and_update();
            let draining = self.0.with(id, |entry| matches!(entry.phase, Phase::Draining));
            // A file that vanished meanwhile is unloaded as well.
            if !draining.unwrap_or(false) || changed.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

impl Entry {
    fn new(stored: Stored) -> Self {
        let statistics =
            ModelStatistics { model: stored.id.clone(), version: "1".into(), ..ModelStatistics::default() };
        Self { stored, phase: Phase::Unloaded, leases: 0, statistics }
    }

    fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Loading(_) | Phase::Ready { .. } | Phase::Draining)
    }

    /// Name and bytes of what is held in memory.
    fn held(&self) -> Option<(Arc<str>, u64)> {
        let bytes = self.stored.plan.as_ref().ok()?.resident_bytes;
        self.is_active().then(|| (self.stored.id.clone(), bytes))
    }

    fn info(&self) -> ModelInfo {
        let mut info = self.stored.info.clone();
        info.state = match (&self.phase, &self.stored.plan) {
            (Phase::Unloaded, Err(error)) | (Phase::Failed(error), _) => ModelState::Failed(error.message().to_owned()),
            (Phase::Unloaded, Ok(_)) => ModelState::Unloaded,
            (Phase::Loading(_), _) => ModelState::Loading,
            (Phase::Ready { .. }, _) => ModelState::Ready,
            (Phase::Draining, _) => ModelState::Draining,
        };
        if let Phase::Ready { since, .. } = &self.phase {
            info.loaded_at = Some(*since);
        }
        info
    }

    fn unload(&mut self) {
        match &self.phase {
            Phase::Loading(job) => {
                job.cancel.store(true, Ordering::Relaxed);
                let error = Error::new(ErrorKind::Cancelled, "the model was unloaded while it was being loaded");
                job.status.send_modify(|status| status.result = Some(Err(error)));
                self.phase = Phase::Unloaded;
            }
            Phase::Ready { .. } if self.leases > 0 => self.phase = Phase::Draining,
            Phase::Ready { .. } | Phase::Failed(_) => self.phase = Phase::Unloaded,
            Phase::Unloaded | Phase::Draining => {}
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Entry>> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: &str, look: impl FnOnce(&Entry) -> T) -> Result<T, Error> {
        self.with_mut(id, |entry| look(entry))
    }

    fn with_mut<T>(&self, id: &str, change: impl FnOnce(&mut Entry) -> T) -> Result<T, Error> {
        let mut models = self.lock();
        match models.get_mut(id) {
            Some(entry) => Ok(change(entry)),
            None => Err(unknown(id, models.keys())),
        }
    }

    fn notify(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn afford(&self, id: &str, plan: &Plan, used: &[(Arc<str>, u64)]) -> Result<(), Error> {
        let in_use: u64 = used.iter().map(|(_, bytes)| bytes).sum();
        if plan.resident_bytes.saturating_add(in_use) <= self.budget {
            return Ok(());
        }
        let budget = format!(
            "model `{id}` needs {} of memory and the engine's budget is {}",
            mib(plan.resident_bytes),
            mib(self.budget)
        );
        if plan.resident_bytes > self.budget {
            return Err(Error::new(ErrorKind::TooLarge, format!("{budget}; raise it, or take a smaller quantization"))
                .sent(Sent::No));
        }
        let names: Vec<_> = used.iter().map(|(name, bytes)| format!("`{name}` ({})", mib(*bytes))).collect();
        let message = format!(
            "{budget}, of which {} is taken by {}; unload one of them or raise the budget",
            mib(in_use),
            names.join(", ")
        );
        Err(Error::new(ErrorKind::Overloaded, message).sent(Sent::No))
    }

    /// A load has ended; if it was called off meanwhile, its result is dropped.
    fn loaded(&self, id: &str, job: &Arc<Job>, result: Result<Model, Error>) {
        let mut models = self.lock();
        let entry = models.get_mut(id);
        let Some(entry) = entry.filter(|entry| matches!(&entry.phase, Phase::Loading(now) if Arc::ptr_eq(now, job)))
        else {
            return;
        };
        let outcome = match result {
            Ok(model) => {
                entry.phase = Phase::Ready { model: Arc::new(model), since: SystemTime::now() };
                Ok(())
            }
            Err(error) => {
                let error = error.context("model", id);
                entry.phase = Phase::Failed(error.clone());
                Err(error)
            }
        };
        drop(models);
        job.status.send_modify(|status| status.result = Some(outcome));
        self.notify();
    }
}

/// The right to compute with a model; unloading waits for it to be dropped.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    id: Arc<str>,
    /// Taken at the end only, so that the memory is free before anybody hears of it.
    model: Option<Arc<Model>>,
}

impl Lease {
    pub(crate) fn model(&self) -> Option<&Model> {
        self.model.as_deref()
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.model.take();
        let mut models = self.shared.lock();
        let Some(entry) = models.get_mut(&self.id) else { return };
        entry.leases = entry.leases.saturating_sub(1);
        if entry.leases == 0 && matches!(entry.phase, Phase::Draining) {
            entry.phase = Phase::Unloaded;
            drop(models);
            self.shared.notify();
        }
    }
}

fn unknown<S: AsRef<str>>(id: &str, known: impl IntoIterator<Item = S>) -> Error {
    Error::unknown_model(id, known).sent(Sent::No)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
