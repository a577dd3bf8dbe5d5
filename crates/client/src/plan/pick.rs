//! Which model answers a call that names none.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use longshore_core::{Attempt, Call, Error, ErrorKind, ModelInfo, ModelKind, Sent, capability::OpKind};

use tokio::time::Instant;

use super::Plan;
use crate::{
    attempts::all_failed,
    registry::{Shelf, Warmth},
};

/// A model for a call that names none: the first ready one that can, on the first server that has one.
pub(super) async fn pick(mut call: Call, shelves: &[Arc<Shelf>]) -> Result<Plan, Error> {
    let (kind, began) = (call.op.kind(), Instant::now());
    let mut listings = stream::iter(shelves.iter().cloned().map(|shelf| async move {
        let last = shelf.last().filter(|listing| listing.models.is_ok());
        let listing = match last {
            Some(listing) => listing,
            None => shelf.young().await,
        };
        (shelf, listing)
    }))
    .buffered(shelves.len().max(1));
    let (mut several, mut seen) = (Vec::new(), Seen::default());
    while let Some((shelf, listing)) = listings.next().await {
        let models = match &listing.models {
            Ok(models) => models,
            Err(error) => {
                seen.asked.extend(listing.failures_since(began));
                seen.silent.push(error.clone());
                continue;
            }
        };
        seen.known.extend(models.iter().map(|info| Arc::clone(&info.id)));
        let able = || models.iter().filter_map(|info| Some((fitness(kind, info)?, info)));
        let is_ready = |info: &ModelInfo| Warmth::of(&shelf.state(info)) == Warmth::Ready;
        seen.idle.extend(able().filter(|(_, info)| !is_ready(info)).map(|(_, info)| Arc::clone(&info.id)));
        let ready = || able().filter(|(_, info)| is_ready(info));
        if kind == OpKind::Infer {
            // Tensors fit one model only: which one is not to be guessed.
            several.extend(ready().map(|(_, info)| (Arc::clone(&shelf), Arc::clone(&info.id))));
        } else if let Some((_, info)) = ready().min_by_key(|(fitness, _)| *fitness) {
            call.model = Some(Arc::clone(&info.id));
            return Ok(Plan { silent: seen.asked, ..Plan::only(call, shelf, Warmth::Ready) });
        } else if shelf.member().is_local() {
            // It has a model of its own choice, and loads it when it is asked.
            return Ok(Plan { silent: seen.asked, ..Plan::only(call, shelf, Warmth::Unknown) });
        }
    }
    match several.len() {
        0 => Err(seen.nothing(kind)),
        1 => {
            let (shelf, model) = several.remove(0);
            call.model = Some(model);
            Ok(Plan { silent: seen.asked, ..Plan::only(call, shelf, Warmth::Ready) })
        }
        _ => Err(Error::invalid(format!("name a model: there are {}", quoted(&seen.known)))),
    }
}

/// What there was, where none of it would do.
#[derive(Default)]
struct Seen {
    known: Vec<Arc<str>>,
    /// Those that could, if they were loaded.
    idle: Vec<Arc<str>>,
    /// Why servers told nothing.
    silent: Vec<Error>,
    /// The attempts at it that were made for this call.
    asked: Vec<Attempt>,
}

impl Seen {
    /// Why no model could be picked.
    fn nothing(&self, op: OpKind) -> Error {
        if !self.idle.is_empty() {
            let message = format!("no model is ready to {}; load one of {}", op.name(), quoted(&self.idle));
            return Error::new(ErrorKind::ModelNotReady, message).sent(Sent::No);
        }
        let attempts = self.silent.iter().flat_map(Error::ledger).cloned().collect();
        if let Some(error) = all_failed(attempts).or_else(|| self.silent.first().cloned()) {
            return error;
        }
        let message = match &self.known[..] {
            [] => "no server has any model".to_owned(),
            known => format!("no model can {}; there are {}", op.name(), quoted(known)),
        };
        Error::new(ErrorKind::UnknownModel, message).sent(Sent::No)
    }
}

/// How well a model suits an operation: 0 is made for it, `None` cannot.
fn fitness(op: OpKind, model: &ModelInfo) -> Option<u8> {
    // Lists in OpenAI's form tell no kind, and a model for embeddings among them cannot chat.
    let embeds = model.kind == ModelKind::Unknown && model.id.to_lowercase().contains("embed");
    match (op, model.kind) {
        (OpKind::Embed, ModelKind::Unknown) if embeds => Some(0),
        (_, ModelKind::Unknown) if embeds => None,
        (OpKind::Chat, ModelKind::Chat)
        | (OpKind::Complete, ModelKind::Completion | ModelKind::Chat)
        | (OpKind::Embed, ModelKind::Embedding)
        | (OpKind::Infer, ModelKind::Tensor) => Some(0),
        (_, ModelKind::Unknown) => Some(1),
        (OpKind::Embed, ModelKind::Chat | ModelKind::Completion) => Some(2),
        _ => None,
    }
}

fn quoted(ids: &[Arc<str>]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_suit_what_they_are_made_for() {
        let check = |op: OpKind, id: &str, kind: ModelKind, expected: Option<u8>| {
            assert_eq!(fitness(op, &ModelInfo { kind, ..ModelInfo::new(id) }), expected, "{op:?} {id} {kind:?}");
        };
        check(OpKind::Chat, "m", ModelKind::Chat, Some(0));
        check(OpKind::Chat, "m", ModelKind::Unknown, Some(1));
        check(OpKind::Chat, "m", ModelKind::Tensor, None);
        check(OpKind::Chat, "nomic-Embed-text", ModelKind::Unknown, None);
        check(OpKind::Embed, "nomic-embed-text", ModelKind::Unknown, Some(0));
        check(OpKind::Embed, "m", ModelKind::Chat, Some(2));
        check(OpKind::Infer, "m", ModelKind::Chat, None);
    }
}
