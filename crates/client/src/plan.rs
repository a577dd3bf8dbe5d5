//! Which servers may answer a call, and in which order.
//!
//! A server is named by the call, or by the first part of its model (`gpu/llama`, where `gpu` is a configured server;
//! names such as `meta-llama/Llama-3` are left alone). Else those that list the model come first, then those whose
//! list is not known.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream, stream::FuturesUnordered};
use longshore_core::{Call, Error, ErrorKind, ModelKind, ModelState, Op, Sent, call::HealthScope, capability::OpKind};
use tokio::time::timeout;

use crate::{
    attempts::all_failed,
    catalogue::{Listing, Shelf},
    fleet::Fleet,
    member::Member,
};

/// Once one server is known to have the model, the others get this long to say so too.
const GRACE: Duration = Duration::from_millis(20);

/// A call as it will be sent, and to whom.
pub(crate) struct Plan {
    pub(crate) call: Call,
    pub(crate) shelves: Vec<Arc<Shelf>>,
    /// Nobody is known to have the model; these models are known.
    pub(crate) unlisted: Option<Vec<Arc<str>>>,
}

impl Plan {
    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        self.shelves.iter().map(|shelf| Arc::clone(shelf.member())).collect()
    }
}

impl Fleet {
    /// Decides who is asked. May have to ask servers for their models.
    ///
    /// # Errors
    /// `InvalidRequest` when the call names a server that does not exist, or leaves a choice that is not ours;
    /// `UnknownModel`, `ModelNotReady`, or why no server could be asked.
    pub(crate) async fn plan(&self, mut call: Call) -> Result<Plan, Error> {
        let pinned = call.server.is_some();
        if call.model.is_none() && takes_default(&call.op) && !pinned {
            call.model.clone_from(&self.default_model);
        }
        let shelves = self.pin(&mut call)?;
        match call.model.clone() {
            Some(model) => self.with_model(call, shelves, &model).await,
            None if takes_default(&call.op) => {
                // The default holds on a named server too, if it is there.
                if let Some(model) = self.default_model.clone().filter(|_| pinned)
                    && let Ok(plan) = self.with_model(call.clone().model(&*model), shelves.clone(), &model).await
                {
                    return Ok(plan);
                }
                pick(call, &shelves).await
            }
            None if needs_model(&call.op) => {
                Err(Error::invalid(format!("to {} takes a model: name one", call.op.kind().name())))
            }
            None => Ok(Plan { call, shelves, unlisted: None }),
        }
    }

    /// The servers that the call leaves open. A server's name in front of the model becomes the call's server.
    pub(crate) fn pin(&self, call: &mut Call) -> Result<Vec<Arc<Shelf>>, Error> {
        let front = call.model.as_deref().and_then(|model| model.split_once('/')).and_then(|(server, rest)| {
            let named = self.shelf(server).filter(|_| !rest.is_empty())?;
            let fits = call.server.as_deref().is_none_or(|pinned| named.is_called(pinned));
            fits.then(|| (Arc::clone(&named.member().name), Arc::from(rest)))
        });
        if let Some((server, model)) = front {
            (call.server, call.model) = (Some(server), Some(model));
        }
        let Some(name) = &call.server else { return Ok(self.shelves.clone()) };
        match self.shelf(name) {
            Some(shelf) => Ok(vec![Arc::clone(shelf)]),
            None => Err(self.unknown_server(name)),
        }
    }

    fn shelf(&self, name: &str) -> Option<&Arc<Shelf>> {
        self.shelves.iter().find(|shelf| shelf.is_called(name))
    }

    fn unknown_server(&self, name: &str) -> Error {
        let names: Vec<_> = self.shelves.iter().map(|shelf| &*shelf.member().name).collect();
        let list: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let list = if list.is_empty() { "there are none".into() } else { format!("there are {}", list.join(", ")) };
        Error::invalid(format!("no server `{name}`; {list}{}", suggestion(name, names.iter().copied())))
    }

    async fn with_model(&self, call: Call, shelves: Vec<Arc<Shelf>>, model: &str) -> Result<Plan, Error> {
        let Located { have, unknown, known } = locate(&shelves, model).await;
        if have.is_empty() && unknown.is_empty() {
            return Err(unknown_model(model, &known));
        }
        if matches!(*call.op, Op::Load { .. } | Op::Unload { .. }) {
            return for_lifecycle(call, have, unknown);
        }
        let unlisted = have.is_empty().then_some(known);
        let shelves = have.into_iter().chain(unknown.into_iter().map(|(shelf, _)| shelf)).collect();
        Ok(Plan { call, shelves, unlisted })
    }
}

impl Shelf {
    fn is_called(&self, name: &str) -> bool {
        self.member().name.eq_ignore_ascii_case(name)
    }
}

/// What servers say about one model.
struct Located {
    /// Those that list it, ready ones first.
    have: Vec<Arc<Shelf>>,
    /// Those whose list is not known, and why, if they said.
    unknown: Vec<(Arc<Shelf>, Option<Error>)>,
    /// All models of those that were heard.
    known: Vec<Arc<str>>,
}

impl Located {
    fn sort(model: &str, listings: Vec<(&Arc<Shelf>, Option<Listing>)>) -> Self {
        let (mut have, mut unknown, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (shelf, listing) in listings {
            let found = listing.as_ref().and_then(|listing| listing.find(model)).map(|info| rank(&info.state));
            match (found, listing.map(|listing| listing.models)) {
                (Some(rank), _) => have.push((rank, Arc::clone(shelf))),
                (None, Some(Ok(models))) => known.extend(models.iter().map(|info| Arc::clone(&info.id))),
                (None, Some(Err(error))) => unknown.push((Arc::clone(shelf), Some(error))),
                (None, None) => unknown.push((Arc::clone(shelf), None)),
            }
        }
        have.sort_by_key(|(rank, _)| *rank);
        Self { have: have.into_iter().map(|(_, shelf)| shelf).collect(), unknown, known }
    }
}

/// Servers that can answer at once come first.
fn rank(state: &ModelState) -> u8 {
    match state {
        ModelState::Ready | ModelState::Unknown => 0,
        ModelState::Loading => 1,
        ModelState::Failed(_) => 3,
        _ => 2,
    }
}

/// What is known suffices if somebody is known to have the model; else everybody is asked.
async fn locate(shelves: &[Arc<Shelf>], model: &str) -> Located {
    let located = Located::sort(model, shelves.iter().map(|shelf| (shelf, shelf.last())).collect());
    if !located.have.is_empty() {
        return located;
    }
    let mut asking: FuturesUnordered<_> =
        shelves.iter().cloned().enumerate().map(|(i, shelf)| async move { (i, shelf.young().await) }).collect();
    let mut listings: Vec<Option<Listing>> = vec![None; shelves.len()];
    let mut found = false;
    loop {
        let next = if found { timeout(GRACE, asking.next()).await.ok().flatten() } else { asking.next().await };
        let Some((i, listing)) = next else { break };
        found |= listing.find(model).is_some();
        listings[i] = Some(listing);
    }
    Located::sort(model, shelves.iter().zip(listings).collect())
}

/// Loading and unloading change one server, and which one is not ours to choose.
fn for_lifecycle(call: Call, have: Vec<Arc<Shelf>>, unknown: Vec<(Arc<Shelf>, Option<Error>)>) -> Result<Plan, Error> {
    let plan = |shelf| Ok(Plan { call: call.clone(), shelves: vec![shelf], unlisted: None });
    let (absent, present): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|(_, error)| {
        error.as_ref().is_some_and(|error| matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout))
    });
    let mut candidates = if have.is_empty() { present.into_iter().map(|(shelf, _)| shelf).collect() } else { have };
    match candidates.len() {
        0 => {
            let attempts = absent.iter().filter_map(|(_, error)| error.as_ref()).flat_map(Error::ledger).cloned();
            let silent = || Error::new(ErrorKind::Connect, "no server could be asked for its models");
            Err(all_failed(attempts.collect()).unwrap_or_else(silent))
        }
        1 => plan(candidates.remove(0)),
        _ => {
            let names: Vec<_> = candidates.iter().map(|shelf| format!("`{}`", shelf.member().name)).collect();
            let model = call.model_name();
            Err(Error::invalid(format!(
                "several servers may have `{model}` ({}): say which with --server, or write `{}/{model}`",
                names.join(", "),
                candidates[0].member().name
            )))
        }
    }
}

/// A model for a call that names none: the first ready one that can, on the first server that has one.
async fn pick(mut call: Call, shelves: &[Arc<Shelf>]) -> Result<Plan, Error> {
    let kind = call.op.kind();
    let mut listings = stream::iter(shelves.iter().cloned().map(|shelf| async move {
        let last = shelf.last().filter(|listing| listing.models.is_ok());
        let listing = match last {
            Some(listing) => listing,
            None => shelf.young().await,
        };
        (shelf, listing)
    }))
    .buffered(shelves.len().max(1));
    let (mut idle, mut known, mut attempts, mut several) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut missing = None;
    while let Some((shelf, listing)) = listings.next().await {
        let models = match &listing.models {
            Ok(models) => models,
            Err(error) => {
                attempts.extend(error.ledger().iter().cloned());
                missing.get_or_insert_with(|| error.clone());
                continue;
            }
        };
        known.extend(models.iter().map(|info| Arc::clone(&info.id)));
        let able = || models.iter().filter_map(|info| Some((fitness(kind, info.kind)?, info)));
        idle.extend(able().filter(|(_, info)| rank(&info.state) > 0).map(|(_, info)| Arc::clone(&info.id)));
        let ready = || able().filter(|(_, info)| rank(&info.state) == 0);
        if kind == OpKind::Infer {
            // Tensors fit one model only: which one is not to be guessed.
            several.extend(ready().map(|(_, info)| (Arc::clone(&shelf), Arc::clone(&info.id))));
        } else if let Some((_, info)) = ready().min_by_key(|(fitness, _)| *fitness) {
            call.model = Some(Arc::clone(&info.id));
            return Ok(Plan { call, shelves: vec![shelf], unlisted: None });
        }
    }
    match &several[..] {
        [(shelf, model)] => {
            call.model = Some(Arc::clone(model));
            return Ok(Plan { call, shelves: vec![Arc::clone(shelf)], unlisted: None });
        }
        [] => {}
        _ => return Err(Error::invalid(format!("name a model: there are {}", quoted(&known)))),
    }
    if !idle.is_empty() {
        let message = format!("no model is ready to {}; load one of {}", kind.name(), quoted(&idle));
        return Err(Error::new(ErrorKind::ModelNotReady, message).sent(Sent::No));
    }
    match (all_failed(attempts).or(missing), &known[..]) {
        (Some(error), _) => Err(error),
        (None, []) => Err(Error::new(ErrorKind::UnknownModel, "no server has any model")),
        (None, _) => {
            let message = format!("no model can {}; there are {}", kind.name(), quoted(&known));
            Err(Error::new(ErrorKind::UnknownModel, message))
        }
    }
}

/// How well a kind of model suits an operation: 0 is made for it, `None` cannot.
fn fitness(op: OpKind, kind: ModelKind) -> Option<u8> {
    match (op, kind) {
        (OpKind::Chat, ModelKind::Chat)
        | (OpKind::Complete, ModelKind::Completion | ModelKind::Chat)
        | (OpKind::Embed, ModelKind::Embedding)
        | (OpKind::Infer, ModelKind::Tensor) => Some(0),
        (_, ModelKind::Unknown) => Some(1),
        (OpKind::Embed, ModelKind::Chat | ModelKind::Completion) => Some(2),
        _ => None,
    }
}

fn takes_default(op: &Op) -> bool {
    matches!(op, Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_))
}

fn needs_model(op: &Op) -> bool {
    matches!(
        op,
        Op::Describe { .. }
            | Op::ModelConfig { .. }
            | Op::Load { .. }
            | Op::Unload { .. }
            | Op::Health(HealthScope::Model { .. })
    )
}

/// Nobody has the model; the models that exist, and the one that was perhaps meant.
pub(crate) fn unknown_model(model: &str, known: &[Arc<str>]) -> Error {
    let base = Error::unknown_model(model, known);
    let meant = suggestion(model, known.iter().map(|id| &**id));
    let error = if meant.is_empty() { base } else { Error::new(base.kind(), format!("{}{meant}", base.message())) };
    error.sent(Sent::No)
}

/// `; did you mean …?`, if one of `names` is near enough.
fn suggestion<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = |other: &str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let best = names.map(|other| (near(other), other)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, other)) if likeness >= 0.6 => format!("; did you mean `{other}`?"),
        _ => String::new(),
    }
}

fn quoted(ids: &[Arc<str>]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}
