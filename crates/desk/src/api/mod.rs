//! The routes under `/desk/api`, a file for each subject. The types of requests and answers are the API's description:
//! [`description`].
//!
//! To add a subject: a file here with `pub(super) fn routes() -> OpenApiRouter<Desk>`, made of handlers with
//! `#[utoipa::path]`, and a line in `router`.

mod answers;
mod bench;
mod calls;
mod conversations;
mod events;
mod hello;
mod infer;
mod metrics;
mod models;
mod servers;
mod settings;
mod sse;

use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::Desk;

/// Where the API begins.
pub(crate) const ROOT: &str = "/desk/api/";

/// All routes, with their description.
pub(crate) fn router() -> OpenApiRouter<Desk> {
    let subjects = OpenApiRouter::new()
        .merge(hello::routes())
        .merge(events::routes())
        .merge(conversations::routes())
        .merge(answers::routes())
        .merge(calls::routes())
        .merge(infer::routes())
        .merge(servers::routes())
        .merge(models::routes())
        .merge(metrics::routes())
        .merge(settings::routes())
        .merge(bench::routes());
    OpenApiRouter::new().nest("/desk/api", subjects)
}

/// The description of the API, in OpenAPI 3.1.
pub fn description() -> OpenApi {
    let mut description = router().into_openapi();
    description.info.title = "The desk of Longshore".into();
    description.info.description = Some("What the desk's page asks; not made for others, and changes with it.".into());
    // It changes with the page, which is in the same binary.
    description.info.version = "1".into();
    description.info.license = None;
    description.info.contact = None;
    description
}
