//! A call for a load, unload or pull: to the server that has the model, or shall have it, joined with others for the same.

use std::sync::Arc;

use longshore_core::{Call, Error, ErrorKind, Reply};
use tokio::time::Instant;

use super::{Revision, Shelf};
use crate::fleet::{Fleet, learn_from_failure};

impl Fleet {
    /// Loads, unloads or pulls on one server. Simultaneous calls for the same model, with the same parameters, are one;
    /// dropping the reply leaves it to the others, and calls it off if there are none.
    ///
    /// # Errors
    /// `Unsupported` when the server cannot, naming those that can; whatever the server says so soon. What comes later
    /// is in the events.
    pub(crate) async fn change(&self, shelf: &Arc<Shelf>, call: &Call, deadline: Instant) -> Result<Reply, Error> {
        let kind = call.op.kind();
        if shelf.can(kind) == Some(false) {
            return Err(self.unable(shelf, kind));
        }
        let route = shelf.member().ways[0].route();
        let result = shelf.change(call, deadline).reply(route, deadline).await;
        result.map_err(|error| {
            learn_from_failure(shelf, &error);
            match error.kind() {
                ErrorKind::Unsupported => self.unable(shelf, kind).attempts(error.ledger().to_vec()).caused_by(error),
                _ => error,
            }
        })
    }

    /// Resolves when no load goes on in the background of a server on our behalf, and those that were dropped have been
    /// called off. Dropping a reply calls off, but does not wait for the server to hear of it: whoever wants to leave
    /// in order waits here, for as long as suits.
    pub async fn settled(&self) {
        self.pulse.settled().await;
    }

    /// Which load of `model` on `server` answers now, for those who keep answers; `None` when the server is not known
    /// to have it ready.
    pub fn revision(&self, server: &str, model: &str) -> Option<Revision> {
        let shelf = self.shelves.iter().find(|shelf| shelf.member().name.eq_ignore_ascii_case(server))?;
        let listing = shelf.last()?;
        let info = listing.find(model).filter(|info| super::Warmth::of(&shelf.state(info)) == super::Warmth::Ready)?;
        Some(Revision {
            generation: shelf.records.generation(&info.id),
            versions: info.versions.clone(),
            loaded_at: info.loaded_at,
            size_bytes: info.size_bytes,
        })
    }
}
