//! LM Studio's own list of models, which says what is loaded. A model may be loaded several times; each instance has an
//! id of its own, and unloading is by instance.
//!
//! Source: LM Studio's documentation of `/api/v1`.

use bytes::Bytes;
use serde_json::Value;

use crate::{ModelInfo, ModelKind, ModelState};

pub(super) const MODELS: &str = "/api/v1/models";
pub(super) const LOAD: &str = "/api/v1/models/load";
pub(super) const UNLOAD: &str = "/api/v1/models/unload";
/// The extension of a server that has these routes.
pub(super) const INSTANCES: &str = "instances";

/// The models of a list; `None` when it is none.
pub(super) fn read(body: &Value) -> Option<Vec<ModelInfo>> {
    Some(body["models"].as_array()?.iter().filter_map(card).collect())
}

/// The instances of a model in a list that the server has told.
pub(super) fn instances(told: Option<&Option<Bytes>>, model: &str) -> Vec<String> {
    let list: Value =
        told.and_then(Option::as_ref).and_then(|list| serde_json::from_slice(list).ok()).unwrap_or_default();
    let models = list["models"].as_array().into_iter().flatten();
    models.filter(|card| card["key"] == model).flat_map(ids).collect()
}

fn ids(card: &Value) -> Vec<String> {
    let instances = card["loaded_instances"].as_array().into_iter().flatten();
    instances.filter_map(|instance| instance["id"].as_str().map(str::to_owned)).collect()
}

fn card(card: &Value) -> Option<ModelInfo> {
    let mut model = ModelInfo::new(card["key"].as_str()?);
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(name) = text(&card["display_name"]) {
        model.name = name;
    }
    model.kind = match card["type"].as_str() {
        Some("llm") => ModelKind::Chat,
        Some("embedding") => ModelKind::Embedding,
        _ => ModelKind::Unknown,
    };
    model.family = text(&card["architecture"]);
    model.quantization = text(&card["quantization"]["name"]);
    model.size_bytes = card["size_bytes"].as_u64();
    // What an instance was loaded with holds; else what it could be.
    let loaded = card["loaded_instances"][0]["config"]["context_length"].as_u64();
    model.context_window = loaded.or(card["max_context_length"].as_u64());
    let ids = ids(card);
    model.state = if ids.is_empty() { ModelState::Unloaded } else { ModelState::Ready };
    if !ids.is_empty() {
        model.metadata.insert("instances".into(), ids.join(","));
    }
    for name in ["publisher", "params_string", "format"] {
        if let Some(value) = text(&card[name]) {
            model.metadata.insert(name.to_owned(), value);
        }
    }
    Some(model)
}
