//! What is known about a server's models beyond its list: [`Records`], and the [`Revision`] that an answer came from.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::SystemTime,
};

use longshore_core::{ModelInfo, ModelState};

use super::{change::Change, lease::key};

/// Which load of which model an answer came from, as far as can be told: two answers of one revision come from the
/// same weights, unless the server was changed behind our back since its last list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Revision {
    /// Raised by every load and unload of ours, and by every change that a list showed. Counts in this process only:
    /// it means nothing to another one.
    pub generation: u64,
    /// The versions that the server has.
    pub versions: Vec<String>,
    /// Since when the model has been ready, where the server tells.
    pub loaded_at: Option<SystemTime>,
    /// Size of the weights in bytes, where the server tells.
    pub size_bytes: Option<u64>,
}

/// The models of one server. Those that are no longer listed are forgotten, so a list bounds the memory.
#[derive(Default)]
pub(super) struct Records(Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    models: HashMap<Arc<str>, Record>,
    /// The last generation that was given, over all models: one that vanished and came back is another.
    generation: u64,
}

#[derive(Default)]
struct Record {
    generation: u64,
    /// Of what was listed last.
    fingerprint: Option<u64>,
    /// Why the last load failed.
    failed: Option<String>,
    under_way: Vec<Weak<Change>>,
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a list; whether it told anything new.
    pub(super) fn observe(&self, models: &[ModelInfo]) -> bool {
        let mut state = self.lock();
        let before = state.models.len();
        let listed: std::collections::HashSet<_> = models.iter().map(|info| key(&info.id)).collect();
        state.models.retain(|id, record| listed.contains(&**id) || record.is_changing());
        let mut news = state.models.len() != before;
        for info in models {
            let print = fingerprint(info);
            let (record, generation) = state.record(&info.id);
            if record.fingerprint != Some(print) {
                record.fingerprint = Some(print);
                record.generation = generation;
                news = true;
            }
            if matches!(info.state, ModelState::Ready | ModelState::Loading) {
                record.failed = None;
            }
        }
        news
    }

    /// What is under way with a model shows as its state.
    pub(super) fn state(&self, model: &str) -> Option<ModelState> {
        self.changes(model).last().map(|change| change.progress().state)
    }

    /// The failure of the last load, if that is how it ended.
    pub(super) fn failure(&self, model: &str) -> Option<ModelState> {
        self.lock().models.get(key(model))?.failed.clone().map(ModelState::Failed)
    }

    /// What is under way with a model; the latest last.
    pub(super) fn changes(&self, model: &str) -> Vec<Arc<Change>> {
        self.lock().models.get(key(model)).map(Record::going_on).unwrap_or_default()
    }

    /// Models with which something is under way.
    pub(super) fn changing(&self) -> Vec<Arc<Change>> {
        self.lock().models.values().flat_map(Record::going_on).collect()
    }

    /// The change that is under way and `fits`, or a new one that takes its place beside the others.
    pub(super) fn join(
        &self,
        model: &str,
        fits: impl Fn(&Change) -> bool,
        begin: impl FnOnce() -> Arc<Change>,
    ) -> Arc<Change> {
        let mut state = self.lock();
        let (record, generation) = state.record(model);
        let mut going_on = record.going_on();
        if let Some(place) = going_on.iter().position(|change| fits(change)) {
            return going_on.swap_remove(place);
        }
        let change = begin();
        record.under_way = going_on.iter().map(Arc::downgrade).chain([Arc::downgrade(&change)]).collect();
        record.generation = generation;
        record.failed = None;
        change
    }

    /// A change is over; `failed` says why a load did not succeed.
    pub(super) fn changed(&self, model: &str, failed: Option<String>) {
        let mut state = self.lock();
        let (record, generation) = state.record(model);
        record.generation = generation;
        record.failed = failed;
    }

    pub(super) fn generation(&self, model: &str) -> u64 {
        self.lock().models.get(key(model)).map_or(0, |record| record.generation)
    }
}

impl State {
    /// The record of a model, and a generation that nothing has had yet.
    fn record(&mut self, model: &str) -> (&mut Record, u64) {
        self.generation += 1;
        if !self.models.contains_key(key(model)) {
            let fresh = Record { generation: self.generation, ..Record::default() };
            self.models.insert(key(model).into(), fresh);
        }
        (self.models.entry(key(model).into()).or_default(), self.generation)
    }
}

impl Record {
    fn going_on(&self) -> Vec<Arc<Change>> {
        self.under_way.iter().filter_map(Weak::upgrade).filter(|change| change.is_going_on()).collect()
    }

    fn is_changing(&self) -> bool {
        !self.going_on().is_empty()
    }
}

/// What of a listed model changes when other weights answer, or may soon.
fn fingerprint(info: &ModelInfo) -> u64 {
    let mut hasher = DefaultHasher::new();
    info.state.as_str().hash(&mut hasher);
    (&info.versions, info.loaded_at, info.size_bytes).hash(&mut hasher);
    // What servers that tell it call it; other metadata may change with every list.
    ["digest", "revision"].map(|name| info.metadata.get(name)).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_raised_by_what_changes_and_by_nothing_else() {
        let records = Records::default();
        let model = |state: ModelState| ModelInfo { state, size_bytes: Some(7), ..ModelInfo::new("m") };
        let steps = [
            (vec![model(ModelState::Ready)], true),
            (vec![model(ModelState::Ready)], false),
            (vec![model(ModelState::Loading)], true),
            (vec![model(ModelState::Ready)], true),
            (vec![], true),
            (vec![model(ModelState::Ready)], true),
        ];
        let mut last = 0;
        for (position, (models, news)) in steps.into_iter().enumerate() {
            assert_eq!(records.observe(&models), news, "step {position}");
            let generation = records.generation("m:latest");
            match (news, models.is_empty()) {
                (true, false) => assert!(generation > last, "step {position}"),
                (false, _) => assert_eq!(generation, last, "step {position}"),
                (true, true) => assert_eq!(generation, 0),
            }
            last = generation.max(last);
        }
        let mut told_more = model(ModelState::Ready);
        told_more.metadata.insert("expires".into(), "soon".into());
        assert!(!records.observe(&[told_more]));
    }

    #[test]
    fn a_failure_is_kept_until_the_model_is_seen_on_its_feet() {
        let records = Records::default();
        let model = |state: ModelState| [ModelInfo { state, ..ModelInfo::new("m") }];
        records.changed("m", Some("no memory".into()));
        records.observe(&model(ModelState::Unloaded));
        assert_eq!(records.failure("m"), Some(ModelState::Failed("no memory".into())));
        records.observe(&model(ModelState::Ready));
        assert_eq!(records.failure("m"), None);
    }
}
