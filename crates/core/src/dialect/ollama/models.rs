//! The lists of models and the description of one, both ways. Ollama keeps what is installed and what runs apart; only
//! the two together say whether a model is ready.

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::time::rfc3339;
use crate::{ModelInfo, ModelKind, ModelState};

/// What rides along with a model under its own name.
const KEPT: [&str; 4] = ["digest", "modified_at", "expires_at", "size_vram"];
/// The same, of its details.
const DETAILS: [&str; 3] = ["format", "parameter_size", "parent_model"];

// === reading ===

/// The models that are there; those that run are `ready`, where the server has told which.
pub(super) fn read_tags(body: &Value, told: Option<&Bytes>) -> Option<Vec<ModelInfo>> {
    let running = told.and_then(|told| read_running(&serde_json::from_slice(told).ok()?));
    let mut models: Vec<_> = body["models"].as_array()?.iter().filter_map(read_card).collect();
    for model in &mut models {
        settle(model, running.as_deref());
    }
    Some(models)
}

/// The models that run.
pub(super) fn read_running(body: &Value) -> Option<Vec<ModelInfo>> {
    let mut models: Vec<_> = body["models"].as_array()?.iter().filter_map(read_card).collect();
    models.iter_mut().for_each(|model| model.state = ModelState::Ready);
    Some(models)
}

/// The description of a model, which names it only if Longshore wrote it.
pub(super) fn read_show(body: &Value, asked: &str, told: Option<&Bytes>) -> Option<ModelInfo> {
    body.get("details").or_else(|| body.get("model_info"))?;
    let mut model = ModelInfo::new(body["model"].as_str().unwrap_or(asked));
    read_common(body, &mut model);
    let facts = &body["model_info"];
    if let Some(architecture) = facts["general.architecture"].as_str() {
        model.context_window = facts[format!("{architecture}.context_length")].as_u64();
        model.family.get_or_insert_with(|| architecture.to_owned());
    }
    let running = told.and_then(|told| read_running(&serde_json::from_slice(told).ok()?));
    settle(&mut model, running.as_deref());
    Some(model)
}

fn read_card(card: &Value) -> Option<ModelInfo> {
    let mut model = ModelInfo::new(card["model"].as_str().or(card["name"].as_str())?);
    model.size_bytes = card["size"].as_u64().filter(|&size| size > 0);
    model.context_window = card["context_length"].as_u64();
    read_common(card, &mut model);
    Some(model)
}

fn read_common(body: &Value, model: &mut ModelInfo) {
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let details = &body["details"];
    (model.family, model.quantization) = (text(&details["family"]), text(&details["quantization_level"]));
    let of_body = KEPT.iter().filter_map(|&name| Some((name, text(&body[name])?)));
    let of_details = DETAILS.iter().filter_map(|&name| Some((name, text(&details[name])?)));
    model.metadata.extend(of_body.chain(of_details).map(|(name, value)| (name.to_owned(), value)));
    if let Some(list) = body["capabilities"].as_array() {
        let words: Vec<_> = list.iter().filter_map(Value::as_str).collect();
        model.kind = match &words {
            words if words.contains(&"completion") => ModelKind::Chat,
            words if words.contains(&"embedding") => ModelKind::Embedding,
            _ => ModelKind::Unknown,
        };
        model.metadata.insert("capabilities".into(), words.join(","));
    }
}

/// Where it stands, by the list of those that run.
fn settle(model: &mut ModelInfo, running: Option<&[ModelInfo]>) {
    let Some(running) = running else { return };
    let bare = |id: &str| id.strip_suffix(":latest").unwrap_or(id).to_owned();
    match running.iter().find(|other| bare(&other.id) == bare(&model.id)) {
        Some(other) => {
            model.state = ModelState::Ready;
            model.context_window = other.context_window.or(model.context_window);
            for name in KEPT {
                if let Some(value) = other.metadata.get(name) {
                    model.metadata.entry(name.to_owned()).or_insert_with(|| value.clone());
                }
            }
        }
        None => model.state = ModelState::Unloaded,
    }
}

// === writing ===

/// A model in the list of those that are there.
pub(super) fn tag(model: &ModelInfo) -> Value {
    let mut card = json!({"name": model.id, "model": model.id, "size": model.size_bytes.unwrap_or_default()});
    card["modified_at"] = modified(model).into();
    card["digest"] = kept(model, "digest").into();
    card["details"] = details(model);
    card
}

/// A model in the list of those that run.
pub(super) fn running(model: &ModelInfo) -> Value {
    let mut card = json!({"name": model.id, "model": model.id, "size": model.size_bytes.unwrap_or_default()});
    card["digest"] = kept(model, "digest").into();
    card["details"] = details(model);
    if let Some(until) = model.metadata.get("expires_at") {
        card["expires_at"] = until.as_str().into();
    }
    if let Some(size) = model.metadata.get("size_vram").and_then(|size| size.parse::<u64>().ok()) {
        card["size_vram"] = size.into();
    }
    if let Some(length) = model.context_window {
        card["context_length"] = length.into();
    }
    card
}

/// The description of a model. `model` is a word of Longshore's own: Ollama leaves the name to whoever asked.
pub(super) fn show(model: &ModelInfo) -> Value {
    let family = model.family.as_deref().unwrap_or("unknown");
    let mut facts = Map::from_iter([("general.architecture".to_owned(), Value::from(family))]);
    if let Some(length) = model.context_window {
        facts.insert(format!("{family}.context_length"), length.into());
    }
    let capabilities = match (model.metadata.get("capabilities"), model.kind) {
        (Some(words), _) => words.split(',').map(str::to_owned).collect(),
        (None, ModelKind::Embedding) => vec!["embedding".to_owned()],
        (None, ModelKind::Tensor) => Vec::new(),
        (None, _) => vec!["completion".to_owned()],
    };
    json!({
        "model": model.id,
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": details(model),
        "model_info": facts,
        "capabilities": capabilities,
        "modified_at": modified(model),
    })
}

fn details(model: &ModelInfo) -> Value {
    let family = model.family.as_deref().unwrap_or_default();
    let families: Vec<_> = model.family.iter().collect();
    json!({
        "parent_model": kept(model, "parent_model"),
        "format": model.metadata.get("format").or(model.platform.as_ref()).map_or("", String::as_str),
        "family": family,
        "families": families,
        "parameter_size": kept(model, "parameter_size"),
        "quantization_level": model.quantization.as_deref().unwrap_or_default(),
    })
}

fn kept<'a>(model: &'a ModelInfo, name: &str) -> &'a str {
    model.metadata.get(name).map_or("", String::as_str)
}

/// Clients insist on a time; what nobody told is 1970.
fn modified(model: &ModelInfo) -> String {
    let told = model.metadata.get("modified_at").cloned();
    told.unwrap_or_else(|| rfc3339(model.loaded_at.unwrap_or(SystemTime::UNIX_EPOCH)))
}
