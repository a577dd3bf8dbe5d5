//! A server whose word comes before its deed, as llama-server's router has it; and one that cannot load at all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use longshore_client::Fleet;
use longshore_core::{Backend, ErrorKind, EventKind, ModelState, capability::OpKind};
use longshore_sim::Model;
use serde_json::{Value, json};

use crate::support::{End, HttpServer, Script, ask, load, quick, rest, sim, speaking, unload};

/// A router whose model `m` shows `before` until it is asked for a change, and then one of `after` with each list; the last
/// one for ever.
async fn router(before: Value, after: Vec<Value>) -> HttpServer {
    let asked = Arc::new(AtomicUsize::new(0));
    HttpServer::start(move |seen| match &*seen.path {
        "/v1/models" => {
            let status = match asked.load(Ordering::SeqCst) {
                0 => &before,
                lists => {
                    asked.fetch_add(1, Ordering::SeqCst);
                    &after[(lists - 1).min(after.len() - 1)]
                }
            };
            let card = |id: &str, status: &Value| json!({"id": id, "owned_by": "llamacpp", "status": status});
            Script::json(200, json!({"data": [card("m", status), card("other", &json!({"value": "loaded"}))]}))
        }
        "/models/load" | "/models/unload" => {
            asked.store(1, Ordering::SeqCst);
            Script::json(200, json!({"success": true}))
        }
        _ => Script::json(404, json!({"error": {"message": "no"}})),
    })
    .await
}

fn value(word: &str) -> Value {
    json!({ "value": word })
}

fn fleet(server: &HttpServer) -> Fleet {
    Fleet::builder(quick(vec![rest("a", server.url())])).build().unwrap()
}

#[tokio::test]
async fn an_accepted_load_is_followed_until_it_is_ready() {
    let server = router(value("unloaded"), vec![value("unloaded"), value("loading"), value("loaded")]).await;
    let answer = ask(&fleet(&server), load("m")).await.unwrap();
    let states: Vec<_> = answer
        .others
        .iter()
        .map(|kind| match kind {
            EventKind::Progress(progress) => progress.state.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((states.first(), states.last()), (Some(&ModelState::Loading), Some(&ModelState::Ready)));
    assert_eq!(server.seen("/models/load").len(), 1);
    assert!(server.seen("/models/unload").is_empty());
}

#[tokio::test]
async fn an_accepted_load_that_fails_says_so() {
    let failed = json!({"value": "unloaded", "failed": true, "exit_code": 137});
    let cases = [
        (vec![value("loading"), failed], "exit code 137"),
        (vec![value("loading"), value("unloaded")], "does not say why"),
    ];
    for (after, words) in cases {
        let server = router(value("unloaded"), after).await;
        let fleet = fleet(&server);
        let error = ask(&fleet, load("m")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert!(error.message().contains(words), "{error}");
        let state = fleet.refresh().await[0].models[0].info.state.clone();
        assert!(matches!(&state, ModelState::Failed(reason) if reason.contains(words)), "{state:?}");
    }
}

/// A router whose list shows `listed` for ever, and which tells of these statuses of `m` as they happen, and of others.
async fn telling(listed: &'static str, statuses: &[Value], end: End) -> HttpServer {
    let status = |(model, data): (&str, &Value)| {
        format!("data: {}\n\n", json!({"model": model, "event": "status_change", "data": data}))
    };
    let other = json!({"status": "unloaded", "exit_code": 1});
    let frames: Vec<_> = statuses.iter().flat_map(|data| [("other", &other), ("m", data)]).map(status).collect();
    HttpServer::start(move |seen| match &*seen.path {
        "/v1/models" => {
            let card = |id: &str, word: &str| json!({"id": id, "owned_by": "llamacpp", "status": value(word)});
            Script::json(200, json!({"data": [card("m", listed), card("other", "loaded")]}))
        }
        "/models/load" | "/models/unload" => Script::json(200, json!({"success": true})),
        "/models/sse" => Script::Stream(frames.clone(), end),
        _ => Script::json(404, json!({"error": {"message": "no"}})),
    })
    .await
}

/// A fleet that asks for the list once in an hour: what it knows it was told.
fn listening(server: &HttpServer) -> Fleet {
    let mut config = quick(vec![rest("a", server.url())]);
    config.lifecycle.poll = Duration::from_secs(3600);
    Fleet::builder(config).build().unwrap()
}

#[tokio::test]
async fn what_is_told_as_it_happens_ends_a_load() {
    let half = json!({"status": "loading", "progress": {"stages": ["a", "b"], "current": "b", "value": 0.0}});
    let done = json!({"status": "loaded", "info": {"id": "m"}});
    let server = telling("unloaded", &[half.clone(), done], End::Stall).await;
    let answer = ask(&listening(&server), load("m")).await.unwrap();
    let last = answer.others.last();
    assert!(matches!(last, Some(EventKind::Progress(one)) if one.state == ModelState::Ready), "{last:?}");
    assert_eq!(server.seen("/models/sse").len(), 1);

    let died = json!({"status": "unloaded", "exit_code": 137});
    let server = telling("loading", &[half.clone(), died], End::Stall).await;
    let error = ask(&listening(&server), load("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(error.message().contains("exit code 137"), "{error}");

    // How far it is, is told too.
    let server = telling("loading", &[half], End::Stall).await;
    let mut events = listening(&server).call(load("m")).await.unwrap().events;
    loop {
        let event = events.next().await.unwrap().unwrap();
        if matches!(event.kind, EventKind::Progress(progress) if progress.fraction == Some(0.5)) {
            break;
        }
    }

    let server = telling("loaded", &[json!({"status": "unloaded", "exit_code": 0})], End::Stall).await;
    let answer = ask(&listening(&server), unload("m")).await.unwrap();
    let last = answer.others.last();
    assert!(matches!(last, Some(EventKind::Progress(one)) if one.state == ModelState::Unloaded), "{last:?}");
}

#[tokio::test]
async fn where_nothing_sound_is_told_the_list_decides() {
    let loading = json!({"status": "loading"});
    for (told, end) in [(&[loading.clone()][..], End::Cut), (&[loading][..], End::Clean), (&[json!(7)][..], End::Stall)]
    {
        let server = telling("loaded", told, end).await;
        let answer = ask(&fleet(&server), load("m")).await.unwrap();
        assert!(!answer.others.is_empty());
    }
}

#[tokio::test]
async fn an_accepted_unload_is_followed_too() {
    let server = router(value("loaded"), vec![value("loaded"), value("unloaded")]).await;
    let answer = ask(&fleet(&server), unload("m")).await.unwrap();
    let last = answer.others.last();
    assert!(matches!(last, Some(EventKind::Progress(one)) if one.state == ModelState::Unloaded), "{last:?}");
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_unloaded() {
    let server = router(value("unloaded"), vec![value("loading")]).await;
    let fleet = fleet(&server);
    let mut reply = fleet.call(load("m")).await.unwrap();
    assert!(reply.events.next().await.unwrap().is_ok());
    drop(reply);
    fleet.settled().await;
    assert_eq!(server.seen("/models/unload").len(), 1);
}

#[tokio::test]
async fn what_somebody_else_loads_is_only_followed() {
    let server = router(value("loading"), vec![]).await;
    let fleet = fleet(&server);
    fleet.refresh().await;
    let mut reply = fleet.call(load("m")).await.unwrap();
    assert!(reply.events.next().await.unwrap().is_ok());
    drop(reply);
    assert!(server.seen("/models/load").is_empty());
    assert!(ask(&fleet, load("nobody")).await.is_err());
    assert!(server.seen("/models/unload").is_empty());
}

#[tokio::test]
async fn a_server_that_cannot_load_says_who_can() {
    let plain = HttpServer::start(|seen| match &*seen.path {
        "/v1/models" => Script::json(200, json!({"data": [{"id": "m"}, {"id": "n"}]})),
        _ => Script::json(404, json!({"error": {"message": "no"}})),
    })
    .await;
    let openai = longshore_client::ServerConfig {
        dialect: longshore_client::DialectChoice::Named(vec![crate::support::named("openai")]),
        ..rest("plain", plain.url())
    };
    let able = sim(vec![Model::chat("m")]).await;
    let fleet = Fleet::builder(quick(vec![openai, speaking("able", "native", &able)])).build().unwrap();
    fleet.refresh().await;
    let can: Vec<_> = fleet.models().iter().map(|server| server.can.unwrap().contains(OpKind::Load)).collect();
    assert_eq!(can, [false, true]);
    let error = ask(&fleet, load("n")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.message(), "`plain` cannot load models by any protocol that it speaks, but `able` can");
    // Of two that have it, only one can.
    assert_eq!(&*ask(&fleet, load("m")).await.unwrap().route.unwrap().server, "able");
    assert!(plain.all().iter().all(|seen| seen.path == "/v1/models"), "{:?}", plain.all());
}
