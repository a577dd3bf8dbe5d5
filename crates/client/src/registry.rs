//! The models of all servers: which there are, in which state, and what is under way with them.
//!
//! A [`Shelf`] is one server's models: its last list, and beside it what we know better, since we load and unload
//! ourselves. A [`Change`](change::Change) is a load or unload under way; simultaneous calls for the same one join it.
//! [`Leases`] count our own calls on each model, so that an unload can wait for them. [`Warmth`] says how soon a server
//! could begin to answer. [`ModelWatch`] is the view of all of it for those who look on.
//!
//! Which server answers a call is [`crate::plan`]'s affair.

mod ability;
mod change;
mod ensure;
mod follow;
mod lease;
mod lifecycle;
mod listing;
mod record;
mod shelf;
mod view;
mod warmth;
mod work;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

pub(crate) use lease::Leases;
pub(crate) use listing::{Listing, list};
pub use record::Revision;
pub(crate) use shelf::Shelf;
pub use view::{ModelStatus, ModelWatch, ServerModels};
pub(crate) use warmth::Warmth;

use crate::{FleetConfig, Lifecycle};

/// What every server's models go by.
#[derive(Debug)]
pub(crate) struct Settings {
    /// How long a list is waited for.
    probe: Duration,
    /// How long a list is believed without being renewed.
    ttl: Duration,
    /// How long a load or unload may take.
    load: Duration,
    lifecycle: Lifecycle,
}

impl Settings {
    pub(crate) fn new(config: &FleetConfig) -> Arc<Self> {
        Arc::new(Self {
            probe: config.timeouts.probe,
            ttl: config.models_ttl,
            load: config.timeouts.load,
            lifecycle: config.lifecycle.clone(),
        })
    }
}

/// Counts changes of anything that the view shows; shared by all shelves of a fleet.
#[derive(Clone, Default)]
pub(crate) struct Pulse {
    beats: Arc<watch::Sender<u64>>,
    /// Loads that a server does in the background, and the words that call them off.
    followed: Arc<watch::Sender<usize>>,
}

impl Pulse {
    fn beat(&self) {
        self.beats.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.beats.subscribe()
    }

    fn token(&self) -> Token {
        self.followed.send_modify(|count| *count += 1);
        Token(Arc::clone(&self.followed))
    }

    /// Resolves when no load is followed, and none is still being called off.
    pub(crate) async fn settled(&self) {
        // It cannot fail: the sender is here.
        let _ = self.followed.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// A load that is followed. Dropping it says that nothing is left of it.
struct Token(Arc<watch::Sender<usize>>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
