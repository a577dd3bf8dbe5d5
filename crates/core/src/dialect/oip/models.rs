//! Models as the protocol's repository and metadata have them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{ModelInfo, ModelKind, ModelState, model::TensorSpec};

/// One version of one model in a repository's index.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Entry {
    pub(in crate::dialect) name: String,
    pub(in crate::dialect) version: String,
    pub(in crate::dialect) state: String,
    pub(in crate::dialect) reason: String,
}

/// The models of an index: versions of one name become one model, in the order of their first appearance.
pub(in crate::dialect) fn from_index(entries: impl IntoIterator<Item = Entry>) -> Vec<ModelInfo> {
    let mut models: Vec<ModelInfo> = Vec::new();
    let mut places: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    for entry in entries {
        let name: Arc<str> = entry.name.into();
        let place = *places.entry(name.clone()).or_insert_with(|| {
            models.push(ModelInfo::new(name));
            models.len() - 1
        });
        let model = &mut models[place];
        let state = from_word(&entry.state, &entry.reason);
        if rank(&state) > rank(&model.state) {
            model.state = state;
        }
        if !entry.version.is_empty() {
            model.versions.push(entry.version);
        }
    }
    models
}

/// The index of these models.
pub(in crate::dialect) fn to_index(models: &[ModelInfo]) -> Vec<Entry> {
    let entry = |model: &ModelInfo, version: &str| {
        let (state, reason) = to_word(&model.state);
        Entry { name: model.id.to_string(), version: version.to_owned(), state: state.to_owned(), reason }
    };
    models
        .iter()
        .flat_map(|model| {
            let none = model.versions.is_empty().then(|| entry(model, ""));
            none.into_iter().chain(model.versions.iter().map(move |version| entry(model, version)))
        })
        .collect()
}

/// MLServer's gRPC writes `State.READY`; Triton leaves the state out before the first load, and keeps the reason of
/// an unload beside `UNAVAILABLE`.
fn from_word(state: &str, reason: &str) -> ModelState {
    match state.trim_start_matches("State.") {
        "READY" => ModelState::Ready,
        "LOADING" => ModelState::Loading,
        "UNLOADING" => ModelState::Draining,
        "" => ModelState::Unloaded,
        "UNAVAILABLE" if matches!(reason, "" | "unloaded") => ModelState::Unloaded,
        "UNAVAILABLE" => ModelState::Failed(reason.trim_end().to_owned()),
        _ => ModelState::Unknown,
    }
}

fn to_word(state: &ModelState) -> (&'static str, String) {
    match state {
        ModelState::Ready => ("READY", String::new()),
        ModelState::Loading => ("LOADING", String::new()),
        ModelState::Draining => ("UNLOADING", String::new()),
        ModelState::Unloaded => ("UNAVAILABLE", "unloaded".to_owned()),
        ModelState::Failed(reason) if reason.is_empty() => ("UNAVAILABLE", "failed".to_owned()),
        ModelState::Failed(reason) => ("UNAVAILABLE", reason.clone()),
        ModelState::Unknown => ("UNKNOWN", String::new()),
    }
}

/// Of a model's versions, the one that can do most speaks for it.
fn rank(state: &ModelState) -> u8 {
    match state {
        ModelState::Unknown => 0,
        ModelState::Unloaded => 1,
        ModelState::Failed(_) => 2,
        ModelState::Draining => 3,
        ModelState::Loading => 4,
        ModelState::Ready => 5,
    }
}

/// A tensor's description: name, datatype, shape. A datatype outside the protocol (MLServer lets a model name any) is
/// kept among the model's metadata.
pub(in crate::dialect) fn spec(
    name: String,
    datatype: &str,
    shape: Vec<i64>,
    metadata: &mut BTreeMap<String, String>,
) -> Option<TensorSpec> {
    match datatype.parse() {
        Ok(datatype) => Some(TensorSpec { name, datatype, shape }),
        Err(_) => {
            metadata.insert(format!("tensor {name}"), format!("{datatype} {shape:?}"));
            None
        }
    }
}

/// What else is known about a model, as the protocol's model properties.
pub(in crate::dialect) fn to_properties(model: &ModelInfo) -> BTreeMap<String, String> {
    let mut properties = model.metadata.clone();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            properties.insert(name.to_owned(), value);
        }
    };
    put("kind", (model.kind != ModelKind::Unknown).then(|| model.kind.as_str().to_owned()));
    put("display_name", (*model.name != *model.id).then(|| model.name.clone()));
    put("family", model.family.clone());
    put("quantization", model.quantization.clone());
    put("context_window", model.context_window.map(|tokens| tokens.to_string()));
    put("max_output_tokens", model.max_output_tokens.map(|tokens| tokens.to_string()));
    put("size_bytes", model.size_bytes.map(|bytes| bytes.to_string()));
    put("state", (model.state != ModelState::Unknown).then(|| model.state.as_str().to_owned()));
    if let ModelState::Failed(reason) = &model.state {
        put("state_reason", Some(reason.clone()));
    }
    let since = model.loaded_at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    put("loaded_at", since.map(|since| since.as_secs().to_string()));
    properties
}

/// Takes what [`to_properties`] wrote; what it does not know stays among the metadata.
pub(in crate::dialect) fn set_properties(model: &mut ModelInfo, mut properties: BTreeMap<String, String>) {
    let mut take = |name: &str| properties.remove(name);
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
    model.kind = take("kind").map_or(ModelKind::Unknown, |word| ModelKind::from_word(&word));
    model.name = take("display_name").unwrap_or_else(|| model.id.to_string());
    model.family = take("family");
    model.quantization = take("quantization");
    model.context_window = number(take("context_window"));
    model.max_output_tokens = number(take("max_output_tokens"));
    model.size_bytes = number(take("size_bytes"));
    let reason = take("state_reason");
    model.state = take("state").map_or(ModelState::Unknown, |word| ModelState::from_word(&word, reason.as_deref()));
    model.loaded_at =
        number(take("loaded_at")).and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    model.metadata.extend(properties);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_one_model_are_one_model() {
        let entry = |name: &str, version: &str, state: &str, reason: &str| Entry {
            name: name.into(),
            version: version.into(),
            state: state.into(),
            reason: reason.into(),
        };
        let models = from_index([
            entry("a", "1", "UNAVAILABLE", "unloaded"),
            entry("b", "", "", ""),
            entry("a", "2", "State.READY", ""),
            entry("c", "1", "UNAVAILABLE", "no memory\n"),
        ]);
        let told: Vec<_> = models.iter().map(|model| (&*model.id, model.versions.len(), &model.state)).collect();
        let failed = ModelState::Failed("no memory".into());
        assert_eq!(told, [("a", 2, &ModelState::Ready), ("b", 0, &ModelState::Unloaded), ("c", 1, &failed)]);
    }

    #[test]
    fn properties_survive() {
        let mut model = ModelInfo::new("a/b");
        model.name = "A to B".into();
        model.kind = ModelKind::Chat;
        model.context_window = Some(8192);
        model.state = ModelState::Failed("why".into());
        model.loaded_at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9));
        model.metadata.insert("colour".into(), "red".into());
        let mut read = ModelInfo::new("a/b");
        set_properties(&mut read, to_properties(&model));
        assert_eq!(read, model);
    }
}
