//! The models of all servers, as the page shows them: [`ModelsView`].

use longshore_client::{Fleet, ModelStatus, ServerModels};
use longshore_core::{Capabilities, ModelState, capability::OpKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Load, Loads, Pins};
use crate::{Problem, words};

/// All models, and the servers that could not say theirs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ModelsView {
    /// Server by server, in the order of the configuration.
    pub(crate) models: Vec<Model>,
    /// Servers whose list could not be had; what they had before stands in `models`.
    pub(crate) unavailable: Vec<Unavailable>,
    /// Servers that are being asked for their first list: until they answer, nobody can say that there is no model.
    pub(crate) awaited: Vec<String>,
    /// What is done with models just now, or was a moment ago.
    pub(crate) loads: Vec<Load>,
}

/// A server without a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Unavailable {
    /// Its name.
    pub(crate) server: String,
    /// Why.
    pub(crate) error: Problem,
}

/// A model on a server.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Model {
    /// What it is called by.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) server: String,
    /// What it is for.
    #[schema(value_type = words::ModelKind)]
    pub(crate) kind: &'static str,
    /// Such as `llama`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<String>,
    /// Such as `Q4_K_M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quantization: Option<String>,
    /// In tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context_window: Option<u64>,
    /// Size of its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size_bytes: Option<u64>,
    /// How it stands.
    #[schema(value_type = words::ModelState)]
    pub(crate) state: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Since when it is ready, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loaded_at: Option<u64>,
    /// Calls of ours that it answers.
    pub(crate) running: usize,
    /// What can be done with it.
    pub(crate) can: Can,
    /// A person wants to see it first.
    pub(crate) pinned: bool,
}

/// What can be done with a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Can {
    /// Make it ready.
    pub(crate) load: bool,
    /// Give its memory back.
    pub(crate) unload: bool,
    /// Have the server fetch it anew.
    pub(crate) pull: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// As it is known now; nobody is asked.
pub(crate) fn view(fleet: &Fleet, loads: &Loads, pins: &Pins) -> ModelsView {
    let servers = fleet.models();
    let unavailable = servers.iter().filter_map(|server| {
        let error = Problem::from(server.error.as_ref()?);
        Some(Unavailable { server: server.server.to_string(), error })
    });
    let awaited = servers.iter().filter(|server| server.age.is_none() && server.models.is_empty());
    ModelsView {
        unavailable: unavailable.collect(),
        awaited: awaited.map(|server| server.server.to_string()).collect(),
        models: servers
            .iter()
            .flat_map(|server| server.models.iter().map(|model| status(server, model, pins)))
            .collect(),
        loads: loads.view(),
    }
}

fn status(server: &ServerModels, status: &ModelStatus, pins: &Pins) -> Model {
    let info = &status.info;
    Model {
        id: info.id.to_string(),
        name: info.name.clone(),
        server: server.server.to_string(),
        kind: info.kind.as_str(),
        family: info.family.clone(),
        quantization: info.quantization.clone(),
        context_window: info.context_window,
        size_bytes: info.size_bytes,
        state: info.state.as_str(),
        reason: if let ModelState::Failed(reason) = &info.state { Some(reason.clone()) } else { None },
        loaded_at: info
            .loaded_at
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
            .map(|at| at.as_millis() as u64),
        running: status.running,
        can: can(server.can),
        pinned: pins.has(&server.server, &info.id),
    }
}

fn can(can: Option<Capabilities>) -> Can {
    let Some(can) = can else {
        return Can { why: Some("the server has not told yet what it can".into()), ..Can::default() };
    };
    let [load, unload, pull] = [OpKind::Load, OpKind::Unload, OpKind::Pull].map(|kind| can.contains(kind));
    let why = (!load && !unload).then(|| "the server's interface has no way to load or unload models".to_owned());
    Can { load, unload, pull, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_has_a_reason() {
        let all = Can { load: true, unload: true, pull: true, why: None };
        assert_eq!(can(Some(Capabilities::ALL)), all);
        assert!(can(Some(Capabilities::of(&[OpKind::Chat]))).why.is_some_and(|why| why.contains("load")));
        assert!(can(None).why.is_some());
    }
}
