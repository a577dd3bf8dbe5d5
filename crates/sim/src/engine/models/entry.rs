//! One declared model and its state: an [`Entry`] knows what it is at an instant, and what listings say of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use longshore_core::{
    ModelInfo, ModelKind, ModelState,
    model::{DurationStatistic, ModelStatistics},
};

use super::super::clock::Tick;
use crate::config::{Memory, Model, WhenFull};

pub(super) struct Entry {
    pub(super) model: Arc<Model>,
    pub(super) state: State,
    pub(super) running: usize,
    pub(super) last_used: Tick,
    /// How often it was loaded: answers of another revision may differ.
    pub(super) revision: u64,
    pub(super) ready_at: Option<Tick>,
    /// Why the load that is under way will fail, if it is one that was made to.
    pub(super) will_fail: Option<String>,
    pub(super) answered: u64,
    pub(super) compute: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Unloaded,
    Loading { from: Tick, until: Tick },
    Ready,
    Draining,
    Failed(String),
}

/// How far a load has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoadStatus {
    pub(crate) state: ModelState,
    pub(crate) done: u64,
    pub(crate) total: u64,
    /// When to look again; `None`: it is over.
    pub(crate) next: Option<Tick>,
}

impl Entry {
    /// A model as it was declared.
    pub(super) fn new(model: &Model) -> Self {
        Self {
            model: Arc::new(model.clone()),
            state: if model.loaded { State::Ready } else { State::Unloaded },
            running: 0,
            last_used: Tick::ZERO,
            revision: u64::from(model.loaded),
            ready_at: model.loaded.then_some(Tick::ZERO),
            will_fail: None,
            answered: 0,
            compute: Duration::ZERO,
        }
    }

    pub(super) fn settle(&mut self, now: Tick) {
        let State::Loading { from, until } = self.state else { return };
        // A load that fails does so half-way: late enough to have been waited for.
        let half = from + (until - from) / 2;
        match self.will_fail.as_ref().or(self.model.load_error.as_ref()) {
            Some(reason) if now >= half => {
                self.state = State::Failed(reason.clone());
                self.will_fail = None;
            }
            None if now >= until => {
                self.state = State::Ready;
                self.revision += 1;
                self.ready_at = Some(until);
                self.last_used = until;
            }
            _ => {}
        }
    }

    pub(super) fn unload(&mut self) {
        self.state = State::Unloaded;
        self.ready_at = None;
    }

    pub(super) fn told(&self) -> ModelState {
        match &self.state {
            State::Unloaded => ModelState::Unloaded,
            State::Loading { .. } => ModelState::Loading,
            State::Ready => ModelState::Ready,
            State::Draining => ModelState::Draining,
            State::Failed(reason) => ModelState::Failed(reason.clone()),
        }
    }

    pub(super) fn load_status(&self, now: Tick) -> LoadStatus {
        let total = self.model.size;
        let (done, next) = match self.state {
            State::Loading { from, until } => {
                let tenth = ((until - from) / 10).max(Duration::from_micros(1));
                let tenths = ((now - from).as_nanos() / tenth.as_nanos()).min(9) as u32;
                (total / 10 * u64::from(tenths), Some((from + tenth * (tenths + 1)).min(until).max(now)))
            }
            State::Ready => (total, None),
            _ => (0, None),
        };
        LoadStatus { state: self.told(), done, total, next }
    }

    pub(super) fn holds_memory(&self) -> bool {
        matches!(self.state, State::Loading { .. } | State::Ready | State::Draining)
    }

    pub(super) fn info(&mut self, started: std::time::SystemTime) -> ModelInfo {
        let model = &self.model;
        let mut info = ModelInfo::new(model.id.clone());
        info.kind = model.kind;
        info.family = Some("simulated".into());
        info.platform = Some("longshore_sim".into());
        info.size_bytes = Some(model.size);
        info.state = self.told();
        info.loaded_at = self.ready_at.map(|at| started + at);
        info.versions = vec!["1".into()];
        if model.kind != ModelKind::Tensor {
            info.context_window = Some(model.context_window);
            info.inputs = longshore_core::text_model::inputs();
            info.outputs = longshore_core::text_model::outputs();
        } else {
            info.inputs = model.inputs.clone();
            info.outputs = model.outputs.clone();
        }
        info.metadata = BTreeMap::from([("revision".to_owned(), self.revision.to_string())]);
        info
    }

    pub(super) fn statistics(&self) -> ModelStatistics {
        let ns = u64::try_from(self.compute.as_nanos()).unwrap_or(u64::MAX);
        let time = DurationStatistic { count: self.answered, ns };
        ModelStatistics {
            model: self.model.id.clone(),
            version: "1".into(),
            inference_count: self.answered,
            execution_count: self.answered,
            success: time,
            compute_infer: time,
            ..ModelStatistics::default()
        }
    }
}

/// Unloads whatever must go so that the entry at `wanted` fits; tells how many bytes are missing if that is not
/// possible.
pub(super) fn make_room(entries: &mut [Entry], wanted: usize, memory: Memory) -> Result<(), u64> {
    let size = entries[wanted].model.size;
    loop {
        let used: u64 = entries.iter().filter(|entry| entry.holds_memory()).map(|entry| entry.model.size).sum();
        let missing = used.saturating_add(size).saturating_sub(memory.budget);
        if missing == 0 {
            return Ok(());
        }
        let idle = entries.iter_mut().filter(|entry| entry.state == State::Ready && entry.running == 0);
        match idle.min_by_key(|entry| entry.last_used) {
            Some(oldest) if memory.when_full == WhenFull::Evict && size <= memory.budget => oldest.unload(),
            _ => return Err(missing),
        }
    }
}
