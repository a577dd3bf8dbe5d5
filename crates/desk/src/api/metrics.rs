//! `metrics`: the numbers of the last minutes.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Desk, live::Sample};

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new().routes(routes!(metrics))
}

#[derive(Debug, Deserialize, IntoParams)]
struct Asked {
    /// How many of the last minutes; as many as are kept, at most.
    #[serde(default = "fifteen")]
    minutes: u32,
}

fn fifteen() -> u32 {
    15
}

/// Numbers, second by second.
#[derive(Debug, Serialize, ToSchema)]
struct Metrics {
    /// Seconds from one sample to the next.
    step_s: u32,
    /// Oldest first.
    samples: Vec<Sample>,
}

/// The numbers of the last minutes.
#[utoipa::path(get, path = "/metrics", tag = "metrics", params(Asked), responses((status = 200, body = Metrics)))]
async fn metrics(State(desk): State<Desk>, Query(asked): Query<Asked>) -> Json<Metrics> {
    Json(Metrics { step_s: 1, samples: desk.samples.last(asked.minutes) })
}
