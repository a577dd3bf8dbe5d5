//! One server's models, as far as its last list and our own doings tell: [`Shelf`].
//!
//! A list is fetched when somebody needs it, by a task of its own: whoever gives up waiting does not spoil it for the
//! others. A call whose model is known to be somewhere goes there at once, and a list that has become old is renewed
//! beside it; only a model that nobody is known to have waits for fresh lists.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use longshore_core::{Error, ModelInfo, ModelState};
use tokio::{sync::watch, task::AbortHandle, time::Instant};

use super::{Listing, Pulse, Settings, list, record::Records};
use crate::member::Member;

/// "Nobody has it" is believed of lists this young only: somebody may have just loaded or created it.
const YOUNG: Duration = Duration::from_secs(1);

/// One server's models.
pub(crate) struct Shelf {
    member: Arc<Member>,
    pub(super) settings: Arc<Settings>,
    last: watch::Sender<Option<Listing>>,
    /// The last list there was, for those who only look on: it may no longer be true.
    stale: Mutex<Option<Arc<[ModelInfo]>>>,
    /// Raised whenever what was said is no longer true: a list that was asked for before is not kept.
    epoch: AtomicU64,
    /// The task that fetches a list.
    fetching: Mutex<Option<AbortHandle>>,
    /// What we know beyond the list.
    pub(super) records: Records,
    pub(super) pulse: Pulse,
}

impl Shelf {
    pub(crate) fn new(member: Member, settings: &Arc<Settings>, pulse: &Pulse) -> Arc<Self> {
        Arc::new(Self {
            member: Arc::new(member),
            settings: Arc::clone(settings),
            last: watch::Sender::new(None),
            stale: Mutex::new(None),
            epoch: AtomicU64::new(0),
            fetching: Mutex::new(None),
            records: Records::default(),
            pulse: pulse.clone(),
        })
    }

    pub(crate) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// What was said last, however long ago; a newer list is fetched beside it if there is none or an old one.
    pub(crate) fn last(self: &Arc<Self>) -> Option<Listing> {
        let last = self.remembered();
        if !last.as_ref().is_some_and(|listing| listing.is_younger_than(self.settings.ttl)) {
            self.fetch();
        }
        last
    }

    /// What was said last, however long ago; nobody is asked.
    pub(super) fn remembered(&self) -> Option<Listing> {
        self.last.borrow().clone()
    }

    /// The last list there was, whether or not it is still true.
    pub(super) fn stale(&self) -> Option<Arc<[ModelInfo]>> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A list that is young, fetched if need be. Several that wait share one.
    pub(crate) async fn young(self: &Arc<Self>) -> Listing {
        self.within(YOUNG).await
    }

    /// A list within its time to live, fetched if need be.
    pub(crate) async fn current(self: &Arc<Self>) -> Listing {
        self.within(self.settings.ttl).await
    }

    async fn within(self: &Arc<Self>, age: Duration) -> Listing {
        let mut watcher = self.last.subscribe();
        loop {
            let last = watcher.borrow_and_update().clone();
            if let Some(listing) = last.filter(|listing| listing.is_younger_than(age)) {
                return listing;
            }
            self.fetch();
            // It cannot fail: the sender is in `self`.
            let _ = watcher.changed().await;
        }
    }

    /// In which state a listed model is: what is under way here is known better than the list, and so is why a load
    /// has failed.
    pub(crate) fn state(&self, listed: &ModelInfo) -> ModelState {
        if self.member.leases.is_draining(&listed.id) {
            return ModelState::Draining;
        }
        self.records.state(&listed.id).unwrap_or_else(|| match &listed.state {
            ModelState::Unloaded => self.records.failure(&listed.id).unwrap_or(ModelState::Unloaded),
            state => state.clone(),
        })
    }

    /// See [`Revision::generation`](crate::Revision::generation).
    pub(crate) fn generation(&self, listed: &ModelInfo) -> u64 {
        self.records.generation(&listed.id)
    }

    /// What was said is no longer true.
    pub(crate) fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.last.send_replace(None);
    }

    /// Keeps a list that somebody else has asked for, or why there is none.
    pub(crate) fn keep(&self, models: Result<Arc<[ModelInfo]>, Error>) {
        if let Ok(models) = &models {
            *self.stale.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(models));
        }
        let mut news = models.as_ref().is_ok_and(|models| self.records.observe(models));
        self.last.send_modify(|last| {
            news |= last.as_ref().is_none_or(|last| last.models.is_ok() != models.is_ok());
            let before = last.take().and_then(|last| last.models.ok().or(last.before));
            let before = before.filter(|_| models.is_err());
            *last = Some(Listing { at: Instant::now(), models, before });
        });
        if news {
            self.pulse.beat();
        }
    }

    /// Asks for the list now, and keeps it.
    pub(super) async fn renewed(&self) -> Result<Arc<[ModelInfo]>, Error> {
        let models = list(&self.member, false, self.settings.probe).await.map(|listed| listed.models.into());
        self.keep(models.clone());
        models
    }

    /// Has a list fetched, unless one is on its way.
    pub(super) fn fetch(self: &Arc<Self>) {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        if fetching.as_ref().is_none_or(AbortHandle::is_finished) {
            // It holds the shelf only while it has something to put on it, so that a fleet that is dropped ends it.
            let task = fetch(Arc::downgrade(self), Arc::clone(&self.member), self.settings.probe);
            *fetching = Some(tokio::spawn(task).abort_handle());
        }
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let fetching = self.fetching.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = fetching {
            task.abort();
        }
    }
}

async fn fetch(shelf: Weak<Shelf>, member: Arc<Member>, limit: Duration) {
    let epoch = || shelf.upgrade().map(|shelf| shelf.epoch.load(Ordering::Acquire));
    loop {
        let began = epoch();
        let models = list(&member, false, limit).await.map(|listed| listed.models.into());
        let Some(shelf) = shelf.upgrade() else { return };
        if began == Some(shelf.epoch.load(Ordering::Acquire)) {
            // In this order: whoever is woken by a list that is already forgotten again must be able to fetch.
            *shelf.fetching.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return shelf.keep(models);
        }
    }
}
