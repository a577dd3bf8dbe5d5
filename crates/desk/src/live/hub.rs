//! What the page is told as it happens: [`Hub`]. It is written once, however many look on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{broadcast, watch};

/// News that somebody may be behind by before they are told all anew.
const BEHIND: usize = 512;

/// A piece of news: its name, and what is said.
pub(crate) type News = (&'static str, Arc<RawValue>);

/// See the module.
pub(crate) struct Hub {
    last: Mutex<BTreeMap<&'static str, Arc<RawValue>>>,
    sender: broadcast::Sender<News>,
    visits: watch::Sender<()>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { last: Mutex::default(), sender: broadcast::channel(BEHIND).0, visits: watch::Sender::new(()) }
    }
}

impl Hub {
    /// Whether anybody looks on.
    pub(crate) fn has_listeners(&self) -> bool {
        self.listeners() > 0
    }

    /// How many look on.
    pub(crate) fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Tells how something is, if that is new; whoever comes later is told too.
    pub(crate) fn state(&self, name: &'static str, value: &impl Serialize) {
        let Some(data) = written(name, value) else { return };
        let mut last = self.lock();
        if last.get(name).is_some_and(|last| last.get() == data.get()) {
            return;
        }
        last.insert(name, Arc::clone(&data));
        // Nobody need listen.
        let _ = self.sender.send((name, data));
    }

    /// Tells that something has happened, to those who are here.
    pub(crate) fn event(&self, name: &'static str, value: &impl Serialize) {
        if self.has_listeners()
            && let Some(data) = written(name, value)
        {
            let _ = self.sender.send((name, data));
        }
    }

    /// How everything is, and what comes.
    pub(crate) fn listen(&self) -> (Vec<News>, broadcast::Receiver<News>) {
        // In this order, or something between the two would be missed.
        let receiver = self.sender.subscribe();
        let all = self.all();
        self.visits.send_replace(());
        (all, receiver)
    }

    /// Changes whenever somebody begins to look on.
    pub(crate) fn visits(&self) -> watch::Receiver<()> {
        self.visits.subscribe()
    }

    /// How everything is.
    pub(crate) fn all(&self) -> Vec<News> {
        self.lock().iter().map(|(name, data)| (*name, Arc::clone(data))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<RawValue>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A piece of news, as it is written.
pub(crate) fn written(name: &str, value: &impl Serialize) -> Option<Arc<RawValue>> {
    let written = to_raw_value(value);
    written.inspect_err(|error| tracing::error!(%error, name, "news cannot be written")).ok().map(Arc::from)
}
