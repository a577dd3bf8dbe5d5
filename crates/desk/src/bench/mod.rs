//! Benchmarks from the page: the benchmark crate as it stands, as a task of the daemon. One at a time, since two would
//! measure each other; its runs stand beside those of the command line.

mod order;
mod task;

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use longshore_bench::store::Store;
use longshore_core::{Error, ErrorKind, Sent};

use crate::Desk;

pub(crate) use order::Order;
pub(crate) use task::Bench;

/// Benchmarks whose progress can still be read after they have ended.
const REMEMBERED: usize = 4;

/// See the module.
pub(crate) struct Benches {
    /// Where runs are kept.
    pub(crate) store: Store,
    next: AtomicU64,
    tasks: Mutex<VecDeque<Arc<Bench>>>,
}

impl Benches {
    /// Runs are kept in this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { store: Store::new(folder), next: AtomicU64::new(1), tasks: Mutex::default() }
    }

    /// Begins one; it goes on when the page is closed.
    ///
    /// # Errors
    /// One is running, or this one makes no sense.
    pub(crate) fn begin(&self, desk: &Desk, order: Order) -> Result<String, Error> {
        let mut tasks = self.lock();
        if is_any_running(&tasks) {
            let message = "a benchmark is running, and two would measure each other";
            return Err(Error::new(ErrorKind::Overloaded, message).status(409).sent(Sent::No));
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let task = Bench::begin(id.clone(), desk, order)?;
        if tasks.len() >= REMEMBERED {
            tasks.pop_front();
        }
        tasks.push_back(task);
        Ok(id)
    }

    /// Whether one has not ended.
    pub(crate) fn is_running(&self) -> bool {
        is_any_running(&self.lock())
    }

    /// The one with this id, running or not.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Bench>> {
        self.lock().iter().find(|task| task.id == id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Bench>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_any_running(tasks: &VecDeque<Arc<Bench>>) -> bool {
    tasks.iter().any(|task| !task.has_ended())
}
