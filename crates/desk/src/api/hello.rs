//! `hello`: whose desk it is.

use std::time::UNIX_EPOCH;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Desk;

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(hello))
}

/// Whose desk it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Hello {
    /// The program's version.
    pub version: String,
    /// Where it listens.
    pub url: String,
    /// Since when, in milliseconds since 1970.
    pub started_at: u64,
    /// The configuration file that was read.
    pub config_file: Option<String>,
    /// Where conversations and the like are kept.
    pub data_folder: String,
    /// Whether there is an engine in this process.
    pub engine: bool,
    /// Whether the gateway wants a token of its clients.
    pub gateway_token: bool,
    /// Whether benchmarks can prove the client's accuracy with a simulator.
    pub simulator: bool,
}

/// Whose desk it is.
#[utoipa::path(get, path = "/hello", tag = "desk", responses((status = 200, body = Hello)))]
async fn hello(State(desk): State<Desk>) -> Json<Hello> {
    let options = &desk.options;
    Json(Hello {
        version: options.version.into(),
        url: desk.url.get().cloned().unwrap_or_default(),
        started_at: desk.started.1.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
        config_file: options.config_file.as_ref().map(|path| path.display().to_string()),
        data_folder: options.data_folder.display().to_string(),
        engine: options.engine,
        gateway_token: options.loaded.config.gateway.token.is_some(),
        simulator: options.house.simulator().is_some(),
    })
}
