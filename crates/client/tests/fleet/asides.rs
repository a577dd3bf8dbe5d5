//! Calls that need more than one request: what must be asked, or done, before.

use std::sync::atomic::{AtomicUsize, Ordering};

use longshore_client::{DialectChoice, ServerConfig};
use longshore_core::{Call, ErrorKind, ModelState, Op};

use crate::support::{HttpServer, Script, Seen, ask, fleet, named};

fn speaking(server: &HttpServer, dialect: &str) -> ServerConfig {
    let dialect = DialectChoice::Named(vec![named(dialect)]);
    ServerConfig { rest: Some(server.url()), dialect, ..ServerConfig::new("a") }
}

fn list() -> Call {
    Call::new(Op::ListModels { ready_only: false })
}

fn ollama(running: impl Fn() -> Script + Send + Sync + 'static) -> impl Fn(&Seen) -> Script + Send + Sync {
    move |seen| match &*seen.path {
        "/api/version" => Script::json(200, r#"{"version":"0.12.6"}"#),
        "/api/tags" => Script::json(200, r#"{"models":[{"model":"warm"},{"model":"cold:latest"}]}"#),
        "/api/ps" => running(),
        _ => Script::json(404, r#"{"error":"no"}"#),
    }
}

#[tokio::test]
async fn two_lists_make_one() {
    let server = HttpServer::start(ollama(|| Script::json(200, r#"{"models":[{"model":"warm"}]}"#))).await;
    let models = ask(&fleet(vec![speaking(&server, "ollama")]), list()).await.unwrap().models;
    let states: Vec<_> = models.iter().map(|model| (&*model.id, model.state.clone())).collect();
    assert_eq!(states, [("warm", ModelState::Ready), ("cold:latest", ModelState::Unloaded)]);
}

#[tokio::test]
async fn a_refused_question_is_no_failure() {
    let server = HttpServer::start(ollama(|| Script::json(404, "404 page not found"))).await;
    let models = ask(&fleet(vec![speaking(&server, "ollama")]), list()).await.unwrap().models;
    assert!(models.len() == 2 && models.iter().all(|model| model.state == ModelState::Unknown), "{models:?}");
}

#[tokio::test]
async fn a_question_that_is_never_answered_has_the_time_of_a_probe() {
    let server = HttpServer::start(ollama(|| Script::Hang)).await;
    let mut config = crate::support::config(vec![speaking(&server, "ollama")]);
    config.timeouts.probe = std::time::Duration::from_millis(200);
    let fleet = longshore_client::Fleet::builder(config).build().unwrap();
    assert_eq!(ask(&fleet, list()).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn whoever_tells_a_version_is_not_ollama_for_that() {
    let server = HttpServer::start(|seen| match &*seen.path {
        "/api/version" => Script::json(200, r#"{"version":"175","commit":"abc"}"#),
        "/v1/models" => Script::json(200, r#"{"data":[{"id":"m","owned_by":"llama-swap"}]}"#),
        _ => Script::json(404, "404 page not found"),
    })
    .await;
    let config = ServerConfig { dialect: DialectChoice::Auto, ..speaking(&server, "ollama") };
    let health = fleet(vec![config]).check().await.remove(0);
    assert_eq!(health.dialects, ["openai"]);
    let real = HttpServer::start(ollama(|| Script::json(404, "{}"))).await;
    let config = ServerConfig { dialect: DialectChoice::Auto, ..speaking(&real, "ollama") };
    let health = fleet(vec![config]).check().await.remove(0);
    assert_eq!((health.dialects, &*health.result.unwrap().version), (vec!["ollama"], "0.12.6"));
}

#[tokio::test]
async fn every_instance_is_unloaded() {
    let left = AtomicUsize::new(2);
    let server = HttpServer::start(move |seen| match &*seen.path {
        "/v1/models" => Script::json(200, r#"{"data":[{"id":"m","owned_by":"organization_owner"}]}"#),
        "/api/v1/models" => {
            let ids = ["m", "m:2"].map(|id| format!("{{\"id\":\"{id}\"}}"));
            let instances = ids[2 - left.load(Ordering::Relaxed)..].join(",");
            Script::json(200, format!(r#"{{"models":[{{"key":"m","loaded_instances":[{instances}]}}]}}"#))
        }
        "/api/v1/models/unload" => {
            left.fetch_sub(1, Ordering::Relaxed);
            Script::json(200, String::from_utf8_lossy(&seen.body))
        }
        _ => Script::json(200, r#"{"error":"Unexpected endpoint or method."}"#),
    })
    .await;
    let fleet = fleet(vec![speaking(&server, "openai")]);
    assert_eq!(ask(&fleet, list()).await.unwrap().models[0].state, ModelState::Ready);
    ask(&fleet, Call::new(Op::Unload { parameters: Default::default() }).model("m")).await.unwrap();
    let unloads: Vec<_> = server.seen("/api/v1/models/unload").into_iter().map(|seen| seen.body).collect();
    assert_eq!(unloads, [r#"{"instance_id":"m"}"#, r#"{"instance_id":"m:2"}"#]);
    assert_eq!(ask(&fleet, list()).await.unwrap().models[0].state, ModelState::Unloaded);
}
