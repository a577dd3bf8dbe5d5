//! The models of all servers for those who look on: [`Fleet::models`] now, [`ModelWatch`] as it changes.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use longshore_core::{Capabilities, Error, ModelInfo, model::Progress};
use tokio::sync::watch;

use super::{Shelf, lease::key};
use crate::fleet::Fleet;

/// One server's models, as far as its last list and our own doings tell.
#[derive(Clone, Debug)]
pub struct ServerModels {
    /// The server's name in the configuration.
    pub server: Arc<str>,
    /// Its models; those it listed before it fell silent, if it has.
    pub models: Vec<ModelStatus>,
    /// Why there is no newer list.
    pub error: Option<Error>,
    /// How old the list is; `None` before the first, and after a change until there is a new one.
    pub age: Option<Duration>,
    /// What the server can be asked for; `None` while nobody has found out.
    pub can: Option<Capabilities>,
}

/// One model on one server.
#[derive(Clone, Debug)]
pub struct ModelStatus {
    /// What is known about it. The state is the true one where the server's list lags behind what is done here.
    pub info: ModelInfo,
    /// How far a load or unload has come that was begun here.
    pub progress: Option<Progress>,
    /// When that began.
    pub since: Option<Instant>,
    /// Our own calls that it is answering.
    pub running: usize,
    /// See [`Revision::generation`](crate::Revision::generation).
    pub generation: u64,
}

/// Looks on while models come, go and change. Dropping it ends nothing but the looking.
pub struct ModelWatch {
    shelves: Vec<Arc<Shelf>>,
    pulse: watch::Receiver<u64>,
}

impl Fleet {
    /// All servers' models as they are known now, server by server in the order of the configuration. Asks nobody: see
    /// [`Fleet::refresh`].
    pub fn models(&self) -> Vec<ServerModels> {
        self.shelves.iter().map(|shelf| shelf.view()).collect()
    }

    /// Asks every server for its models, within `timeouts.probe`, and tells what is known then. A server that does not
    /// answer keeps what it had, with the reason beside.
    pub async fn refresh(&self) -> Vec<ServerModels> {
        // What they say is in the view.
        join_all(self.shelves.iter().map(|shelf| shelf.renewed())).await;
        self.models()
    }

    /// Looks on from now.
    pub fn watch_models(&self) -> ModelWatch {
        ModelWatch { shelves: self.shelves.clone(), pulse: self.pulse.subscribe() }
    }
}

impl ModelWatch {
    /// As it is now.
    pub fn now(&mut self) -> Vec<ServerModels> {
        self.pulse.mark_unchanged();
        self.shelves.iter().map(|shelf| shelf.view()).collect()
    }

    /// Waits for a change that was not seen yet: a list that told something new, a load's progress, the end of one.
    /// Changes that follow each other closely may be told as one. Dropping the future loses none.
    pub async fn changed(&mut self) -> Vec<ServerModels> {
        // It cannot fail: the sender is in every shelf. Without any server nothing ever changes.
        if self.pulse.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.now()
    }
}

impl Shelf {
    fn view(&self) -> ServerModels {
        let listing = self.remembered();
        let listed = self.stale().map(|models| models.to_vec()).unwrap_or_default();
        let known: HashSet<String> = listed.iter().map(|info| key(&info.id).to_owned()).collect();
        // What is being loaded need not be listed yet.
        let changing = self.records.changing().into_iter().filter(|change| !known.contains(key(&change.model)));
        let more: Vec<_> = changing.map(|change| ModelInfo::new(Arc::clone(&change.model))).collect();
        ServerModels {
            server: Arc::clone(&self.member().name),
            models: listed.into_iter().chain(more).map(|info| self.status(info)).collect(),
            error: listing.as_ref().and_then(|listing| listing.models.as_ref().err().cloned()),
            age: listing.as_ref().map(super::Listing::age),
            can: self.member().capabilities(),
        }
    }

    fn status(&self, mut info: ModelInfo) -> ModelStatus {
        info.server = Arc::clone(&self.member().name);
        info.state = self.state(&info);
        let change = self.records.changes(&info.id).pop();
        ModelStatus {
            progress: change.as_ref().map(|change| change.progress()),
            since: change.map(|change| change.started.into_std()),
            running: self.member().leases.running_on(&info.id),
            generation: self.records.generation(&info.id),
            info,
        }
    }
}
