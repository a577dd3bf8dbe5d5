//! What a server says about itself and its models, and how models come and go.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use longshore_core::{
    Call, Error, ErrorKind, Event, EventKind, Finish, ModelState, Op, Reply, Sent,
    call::HealthScope,
    model::{HealthReport, Progress, TensorSpec},
};
use serde_json::{Value, json};

use super::{
    Engine,
    models::{LoadStatus, Models},
    ready, route,
};
use crate::{config::Model, faults::Effect};

impl Engine {
    /// What a server says about itself and its models.
    pub(super) async fn tell(&self, call: &Call) -> Result<Reply, Error> {
        let id = call.model_name();
        let models = &self.0.models;
        match &*call.op {
            Op::ListModels { ready_only } => {
                let mut list = models.info(None)?;
                list.retain(|model| !ready_only || model.state == ModelState::Ready);
                Ok(ready(EventKind::Models(list)))
            }
            Op::Describe { .. } => Ok(ready(EventKind::Models(models.info(Some(id))?))),
            Op::ModelConfig { .. } => Ok(ready(EventKind::ModelConfig(configuration(&*models.find(id)?)))),
            Op::Statistics { .. } => Ok(ready(EventKind::Statistics(models.statistics(call.model.as_deref())?))),
            Op::Load { .. } => Ok(self.load(id)?),
            Op::Unload { .. } => {
                models.unload(id).await?;
                let model = models.find(id)?.id.clone();
                Ok(ready(EventKind::Progress(Progress { model, state: ModelState::Unloaded, ..Progress::default() })))
            }
            Op::Health(scope) => Ok(ready(EventKind::Health(self.health(id, scope)?))),
            other => {
                let message = format!("the simulator has no `{}`", other.kind().name());
                Err(Error::new(ErrorKind::Unsupported, message).sent(Sent::No))
            }
        }
    }

    fn health(&self, id: &str, scope: &HealthScope) -> Result<HealthReport, Error> {
        if !matches!(scope, HealthScope::Model { .. }) {
            return Ok(HealthReport { ok: true, detail: None });
        }
        let state = self.0.models.state(id)?.0;
        let ok = state == ModelState::Ready;
        Ok(HealthReport { ok, detail: (!ok).then(|| state.as_str().to_owned()) })
    }

    /// Begins a load; the events are its progress. It goes on when nobody listens.
    fn load(&self, id: &str) -> Result<Reply, Error> {
        let status = self.0.models.begin_load(id)?;
        self.progress(id, status)
    }

    /// A load that does not succeed, for what the effect says.
    ///
    /// # Errors
    /// `UnknownModel`; the load's failure, where that does not take time.
    pub(crate) fn failing_load(&self, id: &str, effect: &Effect) -> Result<Reply, Error> {
        match effect {
            Effect::LoadOutOfMemory { needed } => Err(self.0.models.refuse_load(id, *needed)),
            Effect::LoadFails { reason } => self.progress(id, self.0.models.begin_failing_load(id, reason)?),
            _ => self.load(id),
        }
    }

    /// Takes a model away as soon as its running requests are over. Needs a tokio runtime.
    pub(crate) fn begin_unload(&self, id: &str) {
        let (models, id) = (self.0.models.clone(), self.0.models.find(id).map(|model| model.id.clone()));
        if let Ok(id) = id {
            // An unknown model is the only failure, and this one is known.
            tokio::spawn(async move { models.unload(&id).await });
        }
    }

    fn progress(&self, id: &str, status: LoadStatus) -> Result<Reply, Error> {
        let model = self.0.models.find(id)?;
        let models = self.0.models.clone();
        let events = stream::unfold(Some((Some(status), model)), move |state| {
            let models = models.clone();
            async move {
                let (status, model) = state?;
                let Some(status) = status else { return Some((Ok(Event::now(EventKind::Done(Finish::Stop))), None)) };
                Some(next_of_load(&models, status, model).await)
            }
        });
        Ok(Reply::new(route(), events.boxed()))
    }
}

/// The event that says where a load stands, after waiting for it to have come further if it is not the first.
async fn next_of_load(
    models: &Models,
    status: LoadStatus,
    model: Arc<Model>,
) -> (Result<Event, Error>, Option<(Option<LoadStatus>, Arc<Model>)>) {
    if let ModelState::Failed(reason) = &status.state {
        let message = format!("the load of `{}` failed: {reason}", model.id);
        return (Err(Error::new(ErrorKind::Server, message)), None);
    }
    let event = Event::now(EventKind::Progress(Progress {
        model: model.id.clone(),
        state: status.state.clone(),
        done_bytes: Some(status.done),
        total_bytes: Some(status.total),
        ..Progress::default()
    }));
    if status.next.is_none() {
        return (Ok(event), Some((None, model)));
    }
    models.wait(status).await;
    match models.load_status(&model.id) {
        Ok(next) => (Ok(event), Some((Some(next), model))),
        Err(error) => (Err(error), None),
    }
}

/// Rows that a tensor model takes at once.
const MAX_BATCH: u32 = 256;

/// The declaration of a model, in the form in which Triton shows its configuration.
///
/// A first axis that is free everywhere is one of batches: the model answers each row by itself. Triton then leaves it
/// out of the shapes.
fn configuration(model: &Model) -> Value {
    let specs = || model.inputs.iter().chain(&model.outputs);
    let batches = !model.inputs.is_empty() && specs().all(|spec| spec.shape.first() == Some(&-1));
    let tensor = |specs: &[TensorSpec]| {
        let one = |spec: &TensorSpec| {
            let dims = &spec.shape[usize::from(batches)..];
            json!({"name": spec.name, "data_type": format!("TYPE_{}", spec.datatype), "dims": dims})
        };
        specs.iter().map(one).collect::<Vec<_>>()
    };
    json!({
        "name": &*model.id,
        "platform": "longshore_sim",
        "backend": "longshore_sim",
        "max_batch_size": if batches { MAX_BATCH } else { 0 },
        "input": tensor(&model.inputs),
        "output": tensor(&model.outputs),
        "parameters": {"simulated": model},
    })
}
