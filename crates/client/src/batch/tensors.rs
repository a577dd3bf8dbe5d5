//! Whether a tensor model answers each row by itself, as far as it says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use longshore_core::{Backend, Call, EventKind, ModelInfo, Op, Tensor, model::TensorSpec};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::item::Fit;

/// What was said is believed for this long, and for this long no other call asks.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// How long a model may take to say it.
const PATIENCE: Duration = Duration::from_secs(1);
/// More models than this are asked again.
const KEPT: usize = 1024;

type Name = (Option<Arc<str>>, Arc<str>, Option<Arc<str>>);

/// What models said of themselves, by server, name and version.
#[derive(Default)]
pub(super) struct Models(Mutex<HashMap<Name, Known>>);

struct Known {
    at: Instant,
    /// `None` while somebody is asking, and where nothing was said.
    said: Option<Arc<Said>>,
}

/// What one model says of its axes.
#[derive(Debug, PartialEq)]
struct Said {
    inputs: Vec<TensorSpec>,
    /// Every output's first axis is free.
    outputs_free: bool,
    /// Rows that it takes at once.
    most: Option<usize>,
    /// The server joins requests itself, or must not have them joined.
    leave: bool,
}

impl Models {
    /// Whether these inputs may be joined with others; lowers `fit.most` to what the model takes. Asks the model if
    /// nobody has lately.
    pub(super) async fn can_join(&self, backend: &impl Backend, call: &Call, fit: &mut Fit) -> bool {
        let Op::Infer(inference) = &*call.op else { return true };
        let name = (call.server.clone(), call.model_name().into(), inference.version.clone());
        if self.is_due(&name) {
            let said = timeout(PATIENCE, ask(backend, call, &inference.version)).await.ok().flatten();
            self.lock().insert(name.clone(), Known { at: Instant::now(), said: said.map(Arc::new) });
        }
        let said = self.lock().get(&name).and_then(|known| known.said.clone());
        let Some(said) = said.filter(|said| said.allows(&inference.inputs)) else { return false };
        fit.most = said.most.unwrap_or(usize::MAX).min(fit.most);
        fit.size <= fit.most
    }

    pub(super) fn forget(&self, model: &str) {
        self.lock().retain(|(_, name, _), _| &**name != model);
    }

    /// Whether the model must be asked, by whoever is told so.
    fn is_due(&self, name: &Name) -> bool {
        let mut known = self.lock();
        match known.get_mut(name) {
            Some(known) if known.at.elapsed() < GOOD_FOR => return false,
            // What it said last holds while it is asked again.
            Some(known) => known.at = Instant::now(),
            None => {
                if known.len() >= KEPT {
                    known.clear();
                }
                known.insert(name.clone(), Known { at: Instant::now(), said: None });
            }
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    fn of(model: ModelInfo, config: &Value) -> Self {
        let is_free = |spec: &TensorSpec| spec.shape.first() == Some(&-1);
        let most = config["max_batch_size"].as_u64();
        let own = ["dynamic_batching", "sequence_batching", "ensemble_scheduling"];
        let decoupled = config["model_transaction_policy"]["decoupled"] == true;
        Self {
            outputs_free: !model.outputs.is_empty() && model.outputs.iter().all(is_free),
            inputs: model.inputs,
            // Without a batch axis, a first axis that is free means something else.
            leave: most == Some(0) || decoupled || own.iter().any(|name| !config[name].is_null()),
            most: most.and_then(|most| usize::try_from(most).ok()),
        }
    }

    fn allows(&self, inputs: &[Tensor]) -> bool {
        let fits = |tensor: &Tensor| {
            let spec = self.inputs.iter().find(|spec| spec.name == tensor.name());
            spec.is_some_and(|spec| spec.shape.first() == Some(&-1) && spec.shape.len() == tensor.shape().len())
        };
        !self.leave && self.outputs_free && inputs.iter().all(fits)
    }
}

/// A server that has no words for a model's configuration batches nothing by itself, as far as it says.
async fn ask(backend: &impl Backend, call: &Call, version: &Option<Arc<str>>) -> Option<Said> {
    let question = |op| {
        let mut question = Call::new(op);
        (question.model, question.server) = (call.model.clone(), call.server.clone());
        question
    };
    let describe = backend.call(question(Op::Describe { version: version.clone() })).await.ok()?;
    let model = describe.collect().await.ok()?.models.into_iter().next()?;
    let config = match backend.call(question(Op::ModelConfig { version: version.clone() })).await {
        Ok(reply) => reply.collect().await.ok()?.others.into_iter().find_map(|kind| match kind {
            EventKind::ModelConfig(config) => Some(config),
            _ => None,
        }),
        Err(_) => None,
    };
    Some(Said::of(model, &config.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use longshore_core::DataType;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_free_axes_of_models_that_leave_it_to_us() {
        let spec = |shape: &[i64]| TensorSpec { name: "x".into(), datatype: DataType::Fp32, shape: shape.to_vec() };
        let model = |input: &[i64], output: &[i64]| ModelInfo {
            inputs: vec![spec(input)],
            outputs: vec![spec(output)],
            ..ModelInfo::new("m")
        };
        let row = [Tensor::of_f32("x", vec![1, 2], &[1.0, 2.0]).unwrap()];
        for (model, config, expected) in [
            (model(&[-1, 2], &[-1]), json!({}), true),
            (model(&[-1, 2], &[-1]), json!({"max_batch_size": 8}), true),
            (model(&[-1, 2], &[-1]), json!({"max_batch_size": 0}), false),
            (model(&[-1, 2], &[-1]), json!({"max_batch_size": 8, "dynamic_batching": {}}), false),
            (model(&[-1, 2], &[-1]), json!({"model_transaction_policy": {"decoupled": true}}), false),
            (model(&[1, 2], &[-1]), json!({}), false),
            (model(&[-1, 2], &[1]), json!({}), false),
            (model(&[-1], &[-1]), json!({}), false),
            (ModelInfo::new("m"), json!({}), false),
        ] {
            assert_eq!(Said::of(model.clone(), &config).allows(&row), expected, "{model:?} {config}");
        }
    }
}
