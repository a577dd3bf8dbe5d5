//! Metadata, the repository's index and statistics as messages.

use std::collections::BTreeMap;

use super::wire::inference as wire;
use crate::{
    ModelInfo,
    dialect::oip::models::{Entry, from_index, set_properties, spec, to_index, to_properties},
    model::{DurationStatistic, ModelStatistics, TensorSpec},
};

pub(super) fn read_metadata(read: wire::ModelMetadataResponse) -> ModelInfo {
    let mut model = ModelInfo::new(read.name);
    let specs = |list: Vec<wire::TensorMetadata>, metadata: &mut BTreeMap<String, String>| {
        list.into_iter().filter_map(|item| spec(item.name, &item.datatype, item.shape, metadata)).collect()
    };
    model.inputs = specs(read.inputs, &mut model.metadata);
    model.outputs = specs(read.outputs, &mut model.metadata);
    model.versions = read.versions;
    model.platform = Some(read.platform).filter(|platform| !platform.is_empty());
    set_properties(&mut model, read.properties);
    model
}

pub(super) fn write_metadata(model: &ModelInfo) -> wire::ModelMetadataResponse {
    let specs = |specs: &[TensorSpec]| {
        let written = specs.iter().map(|spec| wire::TensorMetadata {
            name: spec.name.clone(),
            datatype: spec.datatype.as_str().to_owned(),
            shape: spec.shape.clone(),
        });
        written.collect()
    };
    wire::ModelMetadataResponse {
        name: model.id.to_string(),
        versions: model.versions.clone(),
        platform: model.platform.clone().unwrap_or_default(),
        inputs: specs(&model.inputs),
        outputs: specs(&model.outputs),
        properties: to_properties(model),
    }
}

pub(super) fn read_index(read: wire::RepositoryIndexResponse) -> Vec<ModelInfo> {
    from_index(read.models.into_iter().map(|entry| Entry {
        name: entry.name,
        version: entry.version,
        state: entry.state,
        reason: entry.reason,
    }))
}

pub(super) fn write_index(models: &[ModelInfo]) -> wire::RepositoryIndexResponse {
    let models = to_index(models).into_iter().map(|entry| wire::ModelIndex {
        name: entry.name,
        version: entry.version,
        state: entry.state,
        reason: entry.reason,
    });
    wire::RepositoryIndexResponse { models: models.collect() }
}

pub(super) fn read_statistics(read: wire::ModelStatisticsResponse) -> Vec<ModelStatistics> {
    let duration = |of: Option<wire::StatisticDuration>| {
        of.map(|of| DurationStatistic { count: of.count, ns: of.ns }).unwrap_or_default()
    };
    let statistics = read.model_stats.into_iter().map(|of| {
        let spent = of.inference_stats.unwrap_or_default();
        ModelStatistics {
            model: of.name.into(),
            version: of.version,
            last_inference_ms: of.last_inference,
            inference_count: of.inference_count,
            execution_count: of.execution_count,
            success: duration(spent.success),
            fail: duration(spent.fail),
            queue: duration(spent.queue),
            compute_input: duration(spent.compute_input),
            compute_infer: duration(spent.compute_infer),
            compute_output: duration(spent.compute_output),
        }
    });
    statistics.collect()
}

pub(super) fn write_statistics(statistics: &[ModelStatistics]) -> wire::ModelStatisticsResponse {
    let duration = |of: DurationStatistic| Some(wire::StatisticDuration { count: of.count, ns: of.ns });
    let model_stats = statistics.iter().map(|of| wire::ModelStatistics {
        name: of.model.to_string(),
        version: of.version.clone(),
        last_inference: of.last_inference_ms,
        inference_count: of.inference_count,
        execution_count: of.execution_count,
        inference_stats: Some(wire::InferStatistics {
            success: duration(of.success),
            fail: duration(of.fail),
            queue: duration(of.queue),
            compute_input: duration(of.compute_input),
            compute_infer: duration(of.compute_infer),
            compute_output: duration(of.compute_output),
        }),
    });
    wire::ModelStatisticsResponse { model_stats: model_stats.collect() }
}
