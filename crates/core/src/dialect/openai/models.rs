//! The list of models, both ways. The family's members add what they know: llama-server `meta` and its router
//! `status`, vLLM `max_model_len`; Longshore writes its own view under `longshore`, which others ignore.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::lmstudio;
use crate::{ModelInfo, ModelKind, ModelState};

/// The models of a list, or the one model that a reply describes.
pub(super) fn from_reply(body: &Value) -> Option<Vec<ModelInfo>> {
    match body.get("data") {
        Some(data) => Some(data.as_array()?.iter().filter_map(card).collect()),
        None => lmstudio::read(body).or_else(|| Some(vec![card(body)?])),
    }
}

fn card(card: &Value) -> Option<ModelInfo> {
    let mut model = ModelInfo::new(card["id"].as_str()?);
    let meta = &card["meta"];
    model.context_window =
        [&meta["n_ctx"], &card["max_model_len"], &card["context_window"]].into_iter().find_map(Value::as_u64);
    model.size_bytes = meta["size"].as_u64();
    model.quantization = meta["ftype"].as_str().map(str::to_owned);
    let status = &card["status"];
    // Without a status a model is listed because it answers.
    model.state = status["value"].as_str().map_or(ModelState::Ready, |word| {
        state(word, status["failed"] == true, || Some(status["exit_code"].to_string()))
    });
    // A model that sleeps wakes when it is asked; one that downloads is on its way too.
    if let Some(word @ ("sleeping" | "downloading")) = card["status"]["value"].as_str() {
        model.metadata.insert("status".to_owned(), word.to_owned());
    }
    for name in ["owned_by", "root", "parent"] {
        if let Some(value) = card[name].as_str() {
            model.metadata.insert(name.to_owned(), value.to_owned());
        }
    }
    read_own(&card["longshore"], &mut model);
    Some(model)
}

/// The state that llama-server's router tells with this word; of a process that has failed, its exit code.
pub(super) fn state(word: &str, failed: bool, exit_code: impl FnOnce() -> Option<String>) -> ModelState {
    match word {
        "loaded" | "sleeping" => ModelState::Ready,
        "loading" | "downloading" => ModelState::Loading,
        "unloaded" if failed => {
            let code = exit_code().unwrap_or_default();
            ModelState::Failed(format!("the model's process ended with exit code {code}"))
        }
        "unloaded" => ModelState::Unloaded,
        _ => ModelState::Unknown,
    }
}

/// What another Longshore tells beyond the protocol.
fn read_own(own: &Value, model: &mut ModelInfo) {
    let text = |name: &str| own[name].as_str().map(str::to_owned);
    let Some(state) = own["state"].as_str() else { return };
    model.state = ModelState::from_word(state, own["reason"].as_str());
    model.name = text("name").unwrap_or_default();
    model.kind = ModelKind::from_word(own["kind"].as_str().unwrap_or_default());
    model.family = text("family");
    model.quantization = text("quantization");
    model.size_bytes = own["size_bytes"].as_u64();
    model.max_output_tokens = own["max_output_tokens"].as_u64();
    model.loaded_at = own["loaded_at"].as_u64().map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    model.metadata.remove("owned_by");
}

/// One model's card.
pub(super) fn to_card(model: &ModelInfo) -> Value {
    let created = model.loaded_at.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let reason = if let ModelState::Failed(reason) = &model.state { Some(reason) } else { None };
    let mut card = json!({
        "id": model.id,
        "object": "model",
        "created": created.unwrap_or_default().as_secs(),
        "owned_by": "longshore",
        "longshore": {
            "name": model.name,
            "kind": model.kind,
            "family": model.family,
            "quantization": model.quantization,
            "size_bytes": model.size_bytes,
            "max_output_tokens": model.max_output_tokens,
            "state": model.state.as_str(),
            "reason": reason,
            "loaded_at": created.map(|time| time.as_secs()),
        },
    });
    if let Some(length) = model.context_window {
        card["max_model_len"] = length.into();
    }
    card
}
