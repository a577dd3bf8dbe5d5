//! Benchmarks: beginning and watching one, the runs that are kept, and comparing two.

use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use longshore_bench::{compare::compare, report, run::Run};
use longshore_core::ErrorKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::sse;
use crate::{Desk, Problem, Refusal, bench::Order};

/// Runs that are listed, the latest.
const LISTED: usize = 200;
/// The share by which a run may be worse before it counts as worse.
const THRESHOLD: f64 = 0.05;

pub(super) fn routes() -> OpenApiRouter<Desk> {
    OpenApiRouter::new()
        .routes(routes!(begin))
        .routes(routes!(bench_events))
        .routes(routes!(stop_bench))
        .routes(routes!(runs))
        .routes(routes!(run))
        .routes(routes!(written))
        .routes(routes!(comparison))
}

/// A benchmark that was begun.
#[derive(Debug, Serialize, ToSchema)]
struct Begun {
    /// To watch and to stop it by.
    id: String,
}

/// Begins a benchmark, which goes on when the page is closed. One at a time.
#[utoipa::path(post, path = "/bench", tag = "bench", request_body = Order,
    responses((status = 202, body = Begun), (status = 409, body = Problem)))]
async fn begin(State(desk): State<Desk>, Json(order): Json<Order>) -> Result<(StatusCode, Json<Begun>), Refusal> {
    let id = desk.benches.begin(&desk, order).map_err(|error| {
        let refusal = Refusal::new("begin a benchmark", &error);
        if error.http_status() == Some(409) { refusal.next("wait for it, or stop it") } else { refusal }
    })?;
    Ok((StatusCode::ACCEPTED, Json(Begun { id })))
}

/// What happens in a benchmark, from its beginning: `stage`, `progress` each second, then `done` or `error`.
#[utoipa::path(get, path = "/bench/{id}/events", tag = "bench", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn bench_events(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let bench = desk.benches.find(&id).ok_or_else(|| unknown(&id))?;
    Ok(sse::stream(&desk, bench.events()).into_response())
}

/// Ends a benchmark; what was measured is kept.
#[utoipa::path(post, path = "/bench/{id}/stop", tag = "bench", params(("id" = String, Path)),
    responses((status = 204)))]
async fn stop_bench(State(desk): State<Desk>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    desk.benches.find(&id).ok_or_else(|| unknown(&id))?.stop();
    Ok(StatusCode::NO_CONTENT)
}

/// Runs that are kept.
#[derive(Debug, Serialize, ToSchema)]
struct Runs {
    /// The latest first, at most 200.
    runs: Vec<RunSummary>,
}

/// A run that is kept.
#[derive(Debug, Serialize, ToSchema)]
struct RunSummary {
    /// To read it by.
    id: String,
    /// Its name.
    name: String,
    /// When it began, in milliseconds since 1970.
    at: i64,
    /// Who was measured.
    target: String,
    /// Which model answered.
    model: Option<String>,
    /// Its loads and what they came to, in a line; or why the file cannot be read.
    summary: String,
}

/// The runs that are kept, those of the command line too.
#[utoipa::path(get, path = "/bench/runs", tag = "bench", responses((status = 200, body = Runs)))]
async fn runs(State(desk): State<Desk>) -> Result<Json<Runs>, Refusal> {
    let store = desk.benches.store.clone();
    let listed = blocking(move || store.list().map_err(|error| error.to_string())).await;
    let kept = listed.map_err(|reason| unreadable("list the runs", StatusCode::INTERNAL_SERVER_ERROR, &reason))?;
    let runs = kept.into_iter().take(LISTED).map(|kept| match kept.run {
        Ok(run) => summary(run),
        Err(problem) => {
            let name = kept.path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            RunSummary { id: name.clone(), name, at: 0, target: String::new(), model: None, summary: problem }
        }
    });
    Ok(Json(Runs { runs: runs.collect() }))
}

fn summary(run: Run) -> RunSummary {
    let rate =
        |level: &longshore_bench::run::Level| format!("{} {:.1}/s", level.load, level.window.requests_per_second);
    RunSummary {
        name: run.id.clone(),
        id: run.id,
        at: run.started.parse::<jiff::Timestamp>().map_or(0, |at| at.as_millisecond()),
        target: run.subject.target,
        model: run.subject.model,
        summary: run.levels.iter().map(rate).collect::<Vec<_>>().join(", "),
    }
}

/// A run, as it is kept: `docs/benchmark.md` describes it.
#[utoipa::path(get, path = "/bench/runs/{id}", tag = "bench", params(("id" = String, Path)),
    responses((status = 200, body = Object)))]
async fn run(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(Json(find(&desk, id).await?).into_response())
}

/// How a run shall be written.
#[derive(Debug, Deserialize, IntoParams)]
struct Form {
    /// `html`, `json`, `csv` or `markdown`.
    format: String,
}

/// A run as a file: HTML with plots, JSON, CSV or Markdown.
#[utoipa::path(get, path = "/bench/runs/{id}/report", tag = "bench", params(("id" = String, Path), Form),
    responses((status = 200, body = String)))]
async fn written(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(form): Query<Form>,
) -> Result<Response, Refusal> {
    let run = find(&desk, id).await?;
    let document = || report::run_document(&run);
    let (media_type, text) = match form.format.as_str() {
        "html" => ("text/html; charset=utf-8", report::html(&document())),
        "json" => ("application/json", serde_json::to_string_pretty(&run).unwrap_or_default()),
        "csv" => ("text/csv; charset=utf-8", report::csv(&run)),
        "markdown" => ("text/markdown; charset=utf-8", report::markdown(&document())),
        other => {
            let message = format!("there is no format {other:?}: html, json, csv or markdown");
            return Err(Refusal::invalid("write the report", message));
        }
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
    ];
    Ok((headers, text).into_response())
}

/// Two runs.
#[derive(Debug, Deserialize, IntoParams)]
struct Pair {
    /// What was before.
    a: String,
    /// What came after.
    b: String,
}

/// What has changed from one run to another, with confidence intervals.
#[utoipa::path(get, path = "/bench/compare", tag = "bench", params(Pair), responses((status = 200, body = Object)))]
async fn comparison(State(desk): State<Desk>, Query(pair): Query<Pair>) -> Result<Response, Refusal> {
    let (a, b) = (find(&desk, pair.a).await?, find(&desk, pair.b).await?);
    let comparison = blocking(move || Ok(compare(&a, &b, THRESHOLD))).await;
    let comparison = comparison.map_err(|why| unreadable("compare", StatusCode::INTERNAL_SERVER_ERROR, &why))?;
    Ok(Json(comparison).into_response())
}

/// A kept run; never another file of this machine, which the store would read by its path.
async fn find(desk: &Desk, id: String) -> Result<Run, Refusal> {
    let is_name = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !is_name {
        return Err(unreadable("read the run", StatusCode::NOT_FOUND, "there is no such run"));
    }
    let store = desk.benches.store.clone();
    let found = blocking(move || {
        let kept = store.list().map_err(|error| error.to_string())?;
        let is_it = |kept: &longshore_bench::store::Kept| kept.path.file_stem().is_some_and(|name| *name == *id);
        kept.into_iter().find(is_it).ok_or_else(|| format!("no run `{id}` is kept"))?.run
    });
    found.await.map_err(|reason| unreadable("read the run", StatusCode::NOT_FOUND, &reason))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("it broke off".into()))
}

fn unreadable(what: &str, status: StatusCode, reason: &str) -> Refusal {
    let kind = if status == StatusCode::NOT_FOUND { ErrorKind::InvalidRequest } else { ErrorKind::Server };
    Refusal::with_status(what, status, kind, reason)
}

fn unknown(id: &str) -> Refusal {
    Refusal::missing("find the benchmark", format!("no benchmark `{id}` was begun lately"))
        .next("runs that have ended stand in the list")
}
