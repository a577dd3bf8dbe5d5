//! Which server shall fetch a model that nobody has yet.

use std::sync::Arc;

use longshore_core::{Call, Error, ErrorKind, Sent, capability::OpKind};

use super::Plan;
use crate::{
    member::Way,
    registry::{Shelf, Warmth},
};

/// The one server among `shelves` that pulls models.
///
/// # Errors
/// `Unsupported` when none does; `InvalidRequest` when several do, since which one is not ours to choose.
pub(super) async fn plan(call: Call, shelves: Vec<Arc<Shelf>>) -> Result<Plan, Error> {
    let mut able = Vec::new();
    for shelf in shelves {
        if can_pull(&shelf).await {
            able.push(shelf);
        }
    }
    let message = match &able[..] {
        [shelf] => return Ok(Plan::only(call, Arc::clone(shelf), Warmth::Unknown)),
        [] => return Err(Error::new(ErrorKind::Unsupported, "no server that answers can pull models").sent(Sent::No)),
        several => {
            let names: Vec<_> = several.iter().map(|shelf| format!("`{}`", shelf.member().name)).collect();
            let (model, first) = (call.model_name(), &several[0].member().name);
            format!(
                "several servers can pull `{model}` ({}): say which with --server, or write `{first}/{model}`",
                names.join(", ")
            )
        }
    };
    Err(Error::invalid(message).sent(Sent::No))
}

/// Backends of this process have their models where they are.
async fn can_pull(shelf: &Shelf) -> bool {
    for way in &shelf.member().ways {
        if let Way::Remote(endpoint) = way
            && let Ok(spoken) = endpoint.spoken().await
            && spoken.iter().any(|spoken| spoken.supports().contains(OpKind::Pull))
        {
            return true;
        }
    }
    false
}
