//! Metadata, the repository's index and statistics, as JSON.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::json;
use crate::{
    Error, ModelInfo, Parameter,
    dialect::oip::models::{Entry, from_index, set_properties, spec, to_index, to_properties},
    model::{DurationStatistic, ModelStatistics, TensorSpec},
};

// === models ===

#[derive(Deserialize)]
struct MetadataJson {
    name: Arc<str>,
    versions: Option<Vec<String>>,
    platform: Option<String>,
    inputs: Option<Vec<SpecJson>>,
    outputs: Option<Vec<SpecJson>>,
    /// MLServer's; Longshore writes what else it knows here.
    parameters: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct SpecJson {
    name: String,
    datatype: String,
    shape: Vec<i64>,
}

pub(super) fn read_metadata(body: &[u8]) -> Result<ModelInfo, Error> {
    let read: MetadataJson = json::read("the model's metadata", body)?;
    let mut model = ModelInfo::new(read.name);
    let specs = |list: Option<Vec<SpecJson>>, metadata: &mut BTreeMap<String, String>| {
        let list = list.into_iter().flatten();
        list.filter_map(|item| spec(item.name, &item.datatype, item.shape, metadata)).collect::<Vec<TensorSpec>>()
    };
    model.inputs = specs(read.inputs, &mut model.metadata);
    model.outputs = specs(read.outputs, &mut model.metadata);
    model.versions = read.versions.unwrap_or_default();
    model.platform = read.platform.filter(|platform| !platform.is_empty());
    let properties = json::parameters(read.parameters).into_iter().map(|(name, value)| (name, text_of(value)));
    set_properties(&mut model, properties.collect());
    Ok(model)
}

fn text_of(value: Parameter) -> String {
    match value {
        Parameter::String(text) => text,
        other => json::value_of(&other).to_string(),
    }
}

pub(super) fn write_metadata(model: &ModelInfo) -> Value {
    let mut written = json!({
        "name": model.id,
        "versions": model.versions,
        "platform": model.platform.as_deref().unwrap_or_default(),
        "inputs": model.inputs,
        "outputs": model.outputs,
    });
    let properties = to_properties(model);
    if !properties.is_empty() {
        written["parameters"] = json!(properties);
    }
    written
}

#[derive(Deserialize)]
struct EntryJson {
    name: String,
    version: Option<String>,
    state: Option<String>,
    reason: Option<String>,
}

pub(super) fn read_index(body: &[u8]) -> Result<Vec<ModelInfo>, Error> {
    let read: Vec<EntryJson> = json::read("the repository's index", body)?;
    Ok(from_index(read.into_iter().map(|entry| Entry {
        name: entry.name,
        version: entry.version.unwrap_or_default(),
        state: entry.state.unwrap_or_default(),
        reason: entry.reason.unwrap_or_default(),
    })))
}

pub(super) fn write_index(models: &[ModelInfo]) -> Value {
    let entries = to_index(models).into_iter().map(|entry| {
        let mut written = json!({"name": entry.name});
        for (name, value) in [("version", entry.version), ("state", entry.state), ("reason", entry.reason)] {
            if !value.is_empty() {
                written[name] = value.into();
            }
        }
        written
    });
    Value::Array(entries.collect())
}

/// KServe's list: names of models that are there, and nothing about them.
pub(super) fn read_names(body: &[u8]) -> Result<Vec<ModelInfo>, Error> {
    #[derive(Deserialize)]
    struct NamesJson {
        models: Vec<Arc<str>>,
    }
    let read: NamesJson = json::read("the list of models", body)?;
    Ok(read.models.into_iter().map(ModelInfo::new).collect())
}

pub(super) fn write_names(models: &[ModelInfo]) -> Value {
    json!({"models": models.iter().map(|model| &model.id).collect::<Vec<_>>()})
}

// === statistics ===

#[derive(Deserialize)]
struct StatisticsJson {
    model_stats: Vec<ModelStatisticsJson>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ModelStatisticsJson {
    name: Arc<str>,
    version: String,
    last_inference: u64,
    inference_count: u64,
    execution_count: u64,
    inference_stats: DurationsJson,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DurationsJson {
    success: DurationStatistic,
    fail: DurationStatistic,
    queue: DurationStatistic,
    compute_input: DurationStatistic,
    compute_infer: DurationStatistic,
    compute_output: DurationStatistic,
}

pub(super) fn read_statistics(body: &[u8]) -> Result<Vec<ModelStatistics>, Error> {
    let read: StatisticsJson = json::read("the statistics", body)?;
    Ok(read
        .model_stats
        .into_iter()
        .map(|of| ModelStatistics {
            model: of.name,
            version: of.version,
            last_inference_ms: of.last_inference,
            inference_count: of.inference_count,
            execution_count: of.execution_count,
            success: of.inference_stats.success,
            fail: of.inference_stats.fail,
            queue: of.inference_stats.queue,
            compute_input: of.inference_stats.compute_input,
            compute_infer: of.inference_stats.compute_infer,
            compute_output: of.inference_stats.compute_output,
        })
        .collect())
}

pub(super) fn write_statistics(statistics: &[ModelStatistics]) -> Value {
    let none = DurationStatistic::default();
    let models: Vec<_> = statistics
        .iter()
        .map(|of| {
            json!({
                "name": of.model,
                "version": of.version,
                "last_inference": of.last_inference_ms,
                "inference_count": of.inference_count,
                "execution_count": of.execution_count,
                "inference_stats": {
                    "success": of.success,
                    "fail": of.fail,
                    "queue": of.queue,
                    "compute_input": of.compute_input,
                    "compute_infer": of.compute_infer,
                    "compute_output": of.compute_output,
                    "cache_hit": none,
                    "cache_miss": none,
                },
                "batch_stats": [],
            })
        })
        .collect();
    json!({"model_stats": models})
}
