//! One waker that wakes all who wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

/// The wakers of those who wait, by seat.
#[derive(Default)]
pub(super) struct Fan(Mutex<HashMap<u64, Waker>>);

impl Fan {
    pub(super) fn wait(&self, seat: u64, waker: &Waker) {
        let mut waiting = self.lock();
        match waiting.get_mut(&seat) {
            Some(known) => known.clone_from(waker),
            None => drop(waiting.insert(seat, waker.clone())),
        }
    }

    pub(super) fn forget(&self, seat: u64) {
        self.lock().remove(&seat);
    }

    /// Each is woken once, and comes back if there is nothing for it.
    pub(super) fn wake_all(&self) {
        let waiting = std::mem::take(&mut *self.lock());
        waiting.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Fan {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
