//! "Ensure loaded": where the configuration allows it, a call's model is loaded before it is asked.

use longshore_core::{Attempt, Call, Error, Op, Reply, capability::OpKind, tensor::Parameters};
use tokio::time::Instant;

use super::Warmth;
use crate::{attempts::all_failed, fleet::Fleet, member::since, plan::Plan};

/// The loads that came before a call: each is an attempt of its own in the ledger, so that its time is no part of the
/// answer's latency.
pub(crate) struct Loads(Vec<Attempt>);

impl Loads {
    /// Puts them in front of the ledger.
    pub(crate) fn before(self, result: Result<Reply, Error>) -> Result<Reply, Error> {
        if self.0.is_empty() {
            return result;
        }
        let joined = |ledger: &[Attempt]| self.0.iter().chain(ledger).cloned().collect();
        match result {
            Ok(mut reply) => {
                reply.ledger = joined(&reply.ledger);
                Ok(reply)
            }
            Err(error) => {
                let all = joined(error.ledger());
                Err(error.attempts(all))
            }
        }
    }
}

impl Fleet {
    /// Loads the plan's model if no candidate has it ready: on the warmest that can, the next one if that fails. That one
    /// then comes first. Shares the call's deadline.
    ///
    /// # Errors
    /// Why every load failed.
    pub(crate) async fn ensure_loaded(&self, plan: &mut Plan, deadline: Instant) -> Result<Loads, Error> {
        let mut loads = Vec::new();
        let Some(model) = plan.call.model.clone().filter(|_| self.settings.lifecycle.ensure_loaded) else {
            return Ok(Loads(loads));
        };
        let generates = matches!(*plan.call.op, Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_));
        if !generates || plan.candidates.iter().any(|candidate| candidate.warmth == Warmth::Ready) {
            return Ok(Loads(loads));
        }
        for place in 0..plan.candidates.len() {
            let candidate = &plan.candidates[place];
            let cold = matches!(candidate.warmth, Warmth::Loading | Warmth::Unloaded);
            if !cold || candidate.shelf.can(OpKind::Load) == Some(false) {
                continue;
            }
            let mut call = Call::new(Op::Load { parameters: Parameters::default() }).model(&*model);
            call.id = plan.call.id.clone();
            call.deadline = Some(deadline.into_std());
            let started = Instant::now();
            let loaded = match self.change(&candidate.shelf, &call, deadline).await {
                Ok(reply) => reply.collect().await,
                Err(error) => Err(error),
            };
            let route = match &loaded {
                Ok(answer) => answer.route.clone(),
                Err(error) => error.ledger().last().map(|attempt| attempt.route.clone()),
            };
            let route = route.unwrap_or_else(|| candidate.shelf.member().ways[0].route());
            loads.push(Attempt {
                started: started.into_std(),
                elapsed: since(started),
                error: loaded.as_ref().err().cloned(),
                ..Attempt::new(route, OpKind::Load)
            });
            if loaded.is_ok() {
                let mut warm = plan.candidates.remove(place);
                warm.warmth = Warmth::Ready;
                plan.candidates.insert(0, warm);
                return Ok(Loads(loads));
            }
        }
        all_failed(loads).map_or(Ok(Loads(Vec::new())), Err)
    }
}
