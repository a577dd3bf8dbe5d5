//! A load under way, and those who have part in it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::watch;

use super::{Phase, Shared};
use crate::{
    Error,
    model::{Model, Plan},
    store::Stored,
    weights::Watch,
};

/// A load under way.
pub(super) struct Job {
    pub(super) cancel: Arc<AtomicBool>,
    /// Tickets out; changed under the registry's lock only.
    pub(super) tickets: AtomicU64,
    pub(super) status: watch::Sender<Status>,
}

/// How far a load has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) done_bytes: u64,
    pub(crate) total_bytes: u64,
    /// Set once, at the end.
    pub(crate) result: Option<Result<(), Error>>,
}

/// Somebody's part in a load; the last one dropped cancels it.
pub(crate) struct Ticket {
    pub(super) shared: Arc<Shared>,
    pub(super) id: Arc<str>,
    pub(super) job: Arc<Job>,
    pub(super) status: watch::Receiver<Status>,
}

impl Ticket {
    /// How far it is now.
    pub(crate) fn status(&mut self) -> Status {
        self.status.borrow_and_update().clone()
    }

    /// Waits until [`Ticket::status`] has something new.
    pub(crate) async fn changed(&mut self) {
        // The sender lives in the job that this holds.
        let _ = self.status.changed().await;
    }

    pub(super) async fn finished(&mut self) -> Result<(), Error> {
        loop {
            if let Some(result) = self.status().result {
                return result;
            }
            self.changed().await;
        }
    }

    /// Lets the load go on without anybody waiting.
    pub(crate) fn detach(self) {
        self.job.tickets.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut models = self.shared.lock();
        if self.job.tickets.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        if let Some(entry) = models.get_mut(&self.id)
            && matches!(&entry.phase, Phase::Loading(job) if Arc::ptr_eq(job, &self.job))
        {
            self.job.cancel.store(true, Ordering::Relaxed);
            entry.phase = Phase::Unloaded;
            drop(models);
            self.shared.notify();
        }
    }
}

/// Reads a model; blocks. The header is read again, since the file may have changed after it was listed.
pub(super) fn read(stored: &Stored, job: &Arc<Job>) -> Result<Model, Error> {
    let (file, header) = stored.place.open()?;
    let plan = Plan::new(&header)?;
    let step = header.file_bytes / 256;
    let told = AtomicU64::new(0);
    let status = job.clone();
    let progress = move |done: u64| {
        // Waking those who watch for every tensor would cost more than it tells.
        if done >= told.load(Ordering::Relaxed).saturating_add(step) {
            told.store(done, Ordering::Relaxed);
            status.status.send_modify(|status| status.done_bytes = done);
        }
    };
    let model = Model::load(
        file,
        header.file_bytes,
        &plan,
        Watch { progress: Arc::new(progress), cancel: job.cancel.clone() },
    )?;
    job.status.send_modify(|status| status.done_bytes = header.file_bytes);
    Ok(model)
}
