//! What an answer says in the end, however many events it took and whatever a dialect leaves unsaid.

use std::collections::BTreeMap;

use longshore_core::{EventKind, Finish, ModelState, Op, Tensor};
use serde_json::Value;

/// Comparable over all dialects.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Essence {
    texts: BTreeMap<u32, String>,
    reasoning: BTreeMap<u32, String>,
    tool_calls: BTreeMap<u32, Vec<Value>>,
    embeddings: BTreeMap<u32, Vec<f32>>,
    tensors: Vec<Vec<Tensor>>,
    models: Vec<String>,
    progress: Option<ModelState>,
    healthy: Option<bool>,
    server: Option<String>,
    /// Its name: some wires fill in what was left to the defaults.
    config: Option<Value>,
    statistics: Vec<(String, u64)>,
    finish: Option<Finish>,
}

impl Essence {
    pub(super) fn of(kinds: &[EventKind]) -> Self {
        let mut all = Self::default();
        for kind in kinds {
            all.add(kind);
        }
        all
    }

    fn add(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Text { index, text } => self.texts.entry(*index).or_default().push_str(text),
            EventKind::Reasoning { index, text } => self.reasoning.entry(*index).or_default().push_str(text),
            EventKind::ToolCalls { index, calls } => {
                self.tool_calls.entry(*index).or_default().extend(calls.as_array().cloned().unwrap_or_default());
            }
            EventKind::Embedding { index, vector } => {
                self.embeddings.insert(*index, vector.clone());
            }
            EventKind::Tensors(output) => self.tensors.push(output.outputs.clone()),
            EventKind::Models(models) => self.models.extend(models.iter().map(|model| model.id.to_string())),
            EventKind::Progress(progress) => self.progress = Some(progress.state.clone()),
            EventKind::Health(report) => self.healthy = Some(report.ok),
            EventKind::Server(server) => self.server = Some(server.name.to_string()),
            EventKind::ModelConfig(config) => self.config = Some(config["name"].clone()),
            EventKind::Statistics(list) => {
                self.statistics.extend(list.iter().map(|one| (one.model.to_string(), one.inference_count)));
            }
            EventKind::Done(finish) => self.finish = Some(finish.clone()),
            _ => {}
        }
    }

    /// Vectors come in order, whatever positions were left out.
    pub(super) fn in_order(mut self) -> Self {
        let last = self.embeddings.keys().max().copied();
        for index in 0..last.map_or(0, |last| last + 1) {
            self.embeddings.entry(index).or_default();
        }
        self
    }

    /// Tensors have no word for why they ended.
    pub(super) fn without_reason(mut self, op: &Op) -> Self {
        if !matches!(op, Op::Chat(_) | Op::Complete(_)) {
            self.finish = self.finish.map(|_| Finish::Stop);
        }
        self
    }
}
