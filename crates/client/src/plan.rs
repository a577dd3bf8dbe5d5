//! Which servers may answer a call, and in which order.
//!
//! A server is named by the call, or by the first part of its model (`gpu/llama`, where `gpu` is a configured server;
//! names such as `meta-llama/Llama-3` are left alone). Else those that list the model come first, then those whose
//! list is not known.

mod locate;
mod pick;
mod pull;

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use longshore_core::{Attempt, Call, Error, ErrorKind, Op, Sent, call::HealthScope};

use self::{
    locate::{Located, locate, locate_soon},
    pick::pick,
};
use crate::{
    attempts::{Contender, all_failed},
    fleet::Fleet,
    registry::{Shelf, Warmth},
};

/// A call as it will be sent, and to whom.
pub(crate) struct Plan {
    pub(crate) call: Call,
    /// The warmest first; of equally warm ones, in the order of the configuration.
    pub(crate) candidates: Vec<Candidate>,
    /// Nobody is known to have the model; these models are known.
    pub(crate) unlisted: Option<Vec<Arc<str>>>,
    /// Servers that did not tell their models when this call needed to know them: attempts of its own.
    pub(crate) silent: Vec<Attempt>,
}

impl Plan {
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let contender = |one: &Candidate| Contender { member: Arc::clone(one.shelf.member()), warmth: one.warmth };
        self.candidates.iter().map(contender).collect()
    }

    pub(crate) fn shelves(&self) -> impl Iterator<Item = &Arc<Shelf>> {
        self.candidates.iter().map(|candidate| &candidate.shelf)
    }

    /// One server, whatever it has.
    fn only(call: Call, shelf: Arc<Shelf>, warmth: Warmth) -> Self {
        Self { call, candidates: vec![Candidate { shelf, warmth }], unlisted: None, silent: Vec::new() }
    }
}

/// A server that may answer, and how soon it could.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) warmth: Warmth,
}

impl Fleet {
    /// Decides who is asked. May have to ask servers for their models.
    ///
    /// # Errors
    /// `InvalidRequest` when the call names a server that does not exist, or leaves a choice that is not ours;
    /// `UnknownModel`, `ModelNotReady`, or why no server could be asked.
    pub(crate) async fn plan(&self, mut call: Call) -> Result<Plan, Error> {
        let pinned = call.server.is_some();
        let shelves = self.pin(&mut call)?;
        match call.model.clone() {
            Some(_) if matches!(*call.op, Op::Pull { .. }) => pull::plan(call, shelves).await,
            Some(model) => self.with_model(call, shelves, &model).await,
            None if takes_default(&call.op) => {
                // The default holds on a named server too, if it is there.
                if let Some(model) = self.default_model.clone().filter(|_| pinned)
                    && let Ok(plan) = self.with_model(call.clone().model(&*model), shelves.clone(), &model).await
                {
                    return Ok(plan);
                }
                let picked = pick(call, &shelves).await?;
                Ok(with_others(picked, &shelves).await)
            }
            None if needs_model(&call.op) => {
                Err(Error::invalid(format!("to {} takes a model: name one", call.op.kind().name())))
            }
            None => {
                let candidate = |shelf| Candidate { shelf, warmth: Warmth::Unknown };
                Ok(Plan {
                    call,
                    candidates: shelves.into_iter().map(candidate).collect(),
                    unlisted: None,
                    silent: Vec::new(),
                })
            }
        }
    }

    /// The servers that the call leaves open. A call that names nothing gets the default model; a server's name in
    /// front of the model becomes the call's server.
    pub(crate) fn pin(&self, call: &mut Call) -> Result<Vec<Arc<Shelf>>, Error> {
        if call.model.is_none() && call.server.is_none() && takes_default(&call.op) {
            call.model.clone_from(&self.default_model);
        }
        let front = call.model.as_deref().and_then(|model| model.split_once('/')).and_then(|(server, rest)| {
            let named = self.shelf(server).filter(|_| !rest.is_empty())?;
            let fits = call.server.as_deref().is_none_or(|pinned| named.is_called(pinned));
            fits.then(|| (Arc::clone(&named.member().name), Arc::from(rest)))
        });
        if let Some((server, model)) = front {
            (call.server, call.model) = (Some(server), Some(model));
        }
        let Some(name) = &call.server else { return self.undrained() };
        match self.shelf(name) {
            Some(shelf) => Ok(vec![Arc::clone(shelf)]),
            None => Err(self.unknown_server(name)),
        }
    }

    /// The servers that take calls which name none.
    fn undrained(&self) -> Result<Vec<Arc<Shelf>>, Error> {
        let left: Vec<_> = self.shelves.iter().filter(|shelf| !shelf.is_drained()).cloned().collect();
        if left.is_empty() && !self.shelves.is_empty() {
            let message = "every server is drained: only calls that name one are taken";
            return Err(Error::new(ErrorKind::ModelNotReady, message).sent(Sent::No));
        }
        Ok(left)
    }

    fn shelf(&self, name: &str) -> Option<&Arc<Shelf>> {
        self.shelves.iter().find(|shelf| shelf.is_called(name))
    }

    /// Drains a server, or ends that: while it lasts, only calls that name the server go there. Those under way go on.
    ///
    /// # Errors
    /// `InvalidRequest`: there is no such server.
    pub fn drain(&self, server: &str, drained: bool) -> Result<(), Error> {
        let shelf = self.shelf(server).ok_or_else(|| self.unknown_server(server))?;
        shelf.member().drained.store(drained, Ordering::Relaxed);
        Ok(())
    }

    /// The servers that are drained.
    pub fn drained(&self) -> Vec<Arc<str>> {
        self.shelves.iter().filter(|shelf| shelf.is_drained()).map(|shelf| Arc::clone(&shelf.member().name)).collect()
    }

    fn unknown_server(&self, name: &str) -> Error {
        let names: Vec<_> = self.shelves.iter().map(|shelf| &*shelf.member().name).collect();
        let list: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let list = if list.is_empty() { "there are none".into() } else { format!("there are {}", list.join(", ")) };
        Error::invalid(format!("no server `{name}`; {list}{}", suggestion(name, names.iter().copied())))
    }

    async fn with_model(&self, call: Call, shelves: Vec<Arc<Shelf>>, model: &str) -> Result<Plan, Error> {
        let Located { have, unknown, known, silent } = locate(&shelves, model).await;
        // Options may bring in what no list has yet, such as an adapter from a folder: the server that is named knows.
        if let (Op::Load { parameters }, [shelf]) = (&*call.op, &shelves[..])
            && have.is_empty()
            && !parameters.is_empty()
        {
            let shelf = Arc::clone(shelf);
            return Ok(Plan::only(call, shelf, Warmth::Unknown));
        }
        if have.is_empty() && unknown.is_empty() {
            return Err(unknown_model(model, &known));
        }
        if matches!(*call.op, Op::Load { .. } | Op::Unload { .. }) {
            return for_lifecycle(call, have, unknown);
        }
        let unlisted = have.is_empty().then_some(known);
        let unknown = unknown.into_iter().map(|(shelf, _)| Candidate { shelf, warmth: Warmth::Unknown });
        Ok(Plan { call, candidates: have.into_iter().chain(unknown).collect(), unlisted, silent })
    }
}

/// Servers that have the picked model too may take over from the one on which it was picked.
async fn with_others(mut picked: Plan, shelves: &[Arc<Shelf>]) -> Plan {
    if let Some(model) = &picked.call.model {
        let have = locate_soon(shelves, model).await;
        if !have.is_empty() {
            picked.candidates = have;
        }
    }
    picked
}

impl Shelf {
    fn is_called(&self, name: &str) -> bool {
        self.member().name.eq_ignore_ascii_case(name)
    }

    fn is_drained(&self) -> bool {
        self.member().drained.load(Ordering::Relaxed)
    }
}

/// Loading and unloading change one server, and which one is not ours to choose.
fn for_lifecycle(call: Call, have: Vec<Candidate>, unknown: Vec<(Arc<Shelf>, Option<Error>)>) -> Result<Plan, Error> {
    let (absent, present): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|(_, error)| {
        error.as_ref().is_some_and(|error| matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout))
    });
    let present = present.into_iter().map(|(shelf, _)| Candidate { shelf, warmth: Warmth::Unknown });
    let mut candidates: Vec<_> = if have.is_empty() { present.collect() } else { have };
    // Where some cannot at all, that is no choice.
    let kind = call.op.kind();
    if candidates.iter().any(|candidate| candidate.shelf.can(kind) != Some(false)) {
        candidates.retain(|candidate| candidate.shelf.can(kind) != Some(false));
    }
    match candidates.len() {
        0 => {
            let attempts = absent.iter().filter_map(|(_, error)| error.as_ref()).flat_map(Error::ledger).cloned();
            let silent = || Error::new(ErrorKind::Connect, "no server could be asked for its models");
            Err(all_failed(attempts.collect()).unwrap_or_else(silent))
        }
        1 => Ok(Plan { call, candidates, unlisted: None, silent: Vec::new() }),
        _ => {
            let names: Vec<_> = candidates.iter().map(|one| format!("`{}`", one.shelf.member().name)).collect();
            let model = call.model_name();
            Err(Error::invalid(format!(
                "several servers may have `{model}` ({}): say which with --server, or write `{}/{model}`",
                names.join(", "),
                candidates[0].shelf.member().name
            )))
        }
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
            | Op::Pull { .. }
            | Op::Health(HealthScope::Model { .. })
    )
}

/// Nobody has the model; the models that exist, and the one that was perhaps meant.
pub(crate) fn unknown_model(model: &str, known: &[Arc<str>]) -> Error {
    // Several servers may have the same.
    let mut once = HashSet::new();
    let known: Vec<_> = known.iter().filter(|id| once.insert(&***id)).collect();
    let base = Error::unknown_model(model, &known);
    let meant = suggestion(model, known.iter().map(|id| &***id));
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
