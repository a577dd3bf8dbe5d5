//! The methods of the services, by their paths.

use crate::{Op, call::HealthScope};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    ServerLive,
    ServerReady,
    ServerMetadata,
    ModelReady,
    ModelMetadata,
    ModelInfer,
    ModelStreamInfer,
    ModelConfig,
    ModelStatistics,
    RepositoryIndex,
    RepositoryModelLoad,
    RepositoryModelUnload,
    HealthCheck,
}

const PATHS: &[(&str, Method)] = &[
    ("/inference.GRPCInferenceService/ServerLive", Method::ServerLive),
    ("/inference.GRPCInferenceService/ServerReady", Method::ServerReady),
    ("/inference.GRPCInferenceService/ServerMetadata", Method::ServerMetadata),
    ("/inference.GRPCInferenceService/ModelReady", Method::ModelReady),
    ("/inference.GRPCInferenceService/ModelMetadata", Method::ModelMetadata),
    ("/inference.GRPCInferenceService/ModelInfer", Method::ModelInfer),
    ("/inference.GRPCInferenceService/ModelStreamInfer", Method::ModelStreamInfer),
    ("/inference.GRPCInferenceService/ModelConfig", Method::ModelConfig),
    ("/inference.GRPCInferenceService/ModelStatistics", Method::ModelStatistics),
    ("/inference.GRPCInferenceService/RepositoryIndex", Method::RepositoryIndex),
    ("/inference.GRPCInferenceService/RepositoryModelLoad", Method::RepositoryModelLoad),
    ("/inference.GRPCInferenceService/RepositoryModelUnload", Method::RepositoryModelUnload),
    ("/grpc.health.v1.Health/Check", Method::HealthCheck),
];

impl Method {
    pub(super) fn of_path(path: &str) -> Option<Self> {
        PATHS.iter().find(|(known, _)| *known == path).map(|&(_, method)| method)
    }

    pub(super) fn path(self) -> &'static str {
        PATHS.iter().find(|(_, method)| *method == self).map_or("/", |&(path, _)| path)
    }

    /// The method that an operation is asked with; text operations and tensors by `streams`. None for embeddings.
    pub(super) fn of_op(op: &Op, streams: bool) -> Option<Self> {
        Some(match op {
            Op::Chat(_) | Op::Complete(_) | Op::Infer(_) if streams => Self::ModelStreamInfer,
            Op::Chat(_) | Op::Complete(_) | Op::Infer(_) => Self::ModelInfer,
            Op::ListModels { .. } => Self::RepositoryIndex,
            Op::Describe { .. } => Self::ModelMetadata,
            Op::ModelConfig { .. } => Self::ModelConfig,
            Op::Statistics { .. } => Self::ModelStatistics,
            Op::Load { .. } => Self::RepositoryModelLoad,
            Op::Unload { .. } => Self::RepositoryModelUnload,
            Op::Health(HealthScope::Live) => Self::ServerLive,
            Op::Health(HealthScope::Ready) => Self::ServerReady,
            Op::Health(HealthScope::Model { .. }) => Self::ModelReady,
            Op::ServerInfo => Self::ServerMetadata,
            Op::Embed(_) | Op::Pull { .. } => return None,
        })
    }
}
