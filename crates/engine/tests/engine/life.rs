//! Loading, joining, draining; slots and cancellation.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all};
use longshore_core::{Backend, Call, ErrorKind, EventKind, Op, Parameters, Sent, call::HealthScope};

use crate::*;

fn load() -> Op {
    Op::Load { parameters: Parameters::new() }
}

fn unload() -> Op {
    Op::Unload { parameters: Parameters::new() }
}

#[tokio::test]
async fn a_load_tells_its_progress_in_bytes() {
    let engine = engine();
    assert_eq!(state(&engine, BUILT_IN).await, ModelState::Unloaded);
    let answer = ask(&engine, load()).await.unwrap();
    let steps: Vec<_> = answer
        .others
        .iter()
        .map(|event| match event {
            EventKind::Progress(progress) => progress.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(steps.is_sorted_by_key(|step| step.done_bytes));
    let last = steps.last().unwrap();
    assert_eq!(
        (last.done_bytes, last.total_bytes, &last.state),
        (Some(1_027_392), Some(1_027_392), &ModelState::Ready)
    );
    let [model] = &models(&engine).await[..] else { panic!("one model") };
    assert_eq!(model.state, ModelState::Ready);
    assert!(model.loaded_at.is_some());
    // Again: nothing to do, and said so.
    let again = ask(&engine, load()).await.unwrap();
    assert!(matches!(&again.others[..], [EventKind::Progress(progress)] if progress.state == ModelState::Ready));
    assert_eq!(engine.loads_begun(), 1);
}

#[tokio::test]
async fn health_of_a_model_is_its_readiness() {
    let engine = engine();
    for (op, ok) in [(None, false), (Some(load()), true), (Some(unload()), false)] {
        if let Some(op) = op {
            ask(&engine, op).await.unwrap();
        }
        let health = ask(&engine, Op::Health(HealthScope::Model { version: None })).await.unwrap();
        assert!(matches!(&health.others[..], [EventKind::Health(report)] if report.ok == ok), "{health:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_want_a_model_at_once_join_one_load() {
    let engine = Engine::new(EngineConfig { queue: 100, ..EngineConfig::default() }).unwrap();
    let ask_all = (0..8).map(|i| {
        let engine = engine.clone();
        let op = if i % 2 == 0 { load() } else { chat("What is streaming?", greedy()) };
        tokio::spawn(async move { ask(&engine, op).await })
    });
    for answer in join_all(ask_all).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(engine.loads_begun(), 1);
}

#[tokio::test]
async fn a_preload_needs_nobody_to_wait_for_it() {
    let engine = Engine::new(EngineConfig { preload_builtin: true, ..EngineConfig::default() }).unwrap();
    eventually("the built-in model is ready", async || state(&engine, BUILT_IN).await == ModelState::Ready).await;
}

#[tokio::test]
async fn a_load_nobody_wants_any_more_can_be_begun_again() {
    let engine = engine();
    for _ in 0..20 {
        drop(call(&engine, BUILT_IN, load()).await.unwrap());
        // Either it was called off, or it had ended already; it never hangs in between.
        let after = state(&engine, BUILT_IN).await;
        assert!(matches!(after, ModelState::Unloaded | ModelState::Ready), "{after:?}");
        ask(&engine, unload()).await.unwrap();
    }
    assert!(!ask(&engine, chat("What is streaming?", greedy())).await.unwrap().text().is_empty());
}

#[tokio::test]
async fn unloading_waits_for_a_running_answer() {
    let engine = engine();
    let mut running = call(&engine, BUILT_IN, endless()).await.unwrap().events;
    let mut unloading = Box::pin(ask(&engine, unload()));
    assert!(pending(&mut unloading).await);
    assert_eq!(state(&engine, BUILT_IN).await, ModelState::Draining);
    for op in [chat("What is streaming?", greedy()), load()] {
        let error = ask(&engine, op).await.unwrap_err();
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::ModelNotReady, Sent::No));
    }
    let mut ended = false;
    while let Some(event) = running.next().await {
        ended = matches!(event.unwrap().kind, EventKind::Done(_));
    }
    assert!(ended, "the running answer was cut off");
    unloading.await.unwrap();
    assert_eq!(state(&engine, BUILT_IN).await, ModelState::Unloaded);
    ask(&engine, unload()).await.unwrap();
    assert!(!ask(&engine, chat("What is streaming?", greedy())).await.unwrap().text().is_empty());
    assert_eq!(engine.loads_begun(), 2);
}

#[tokio::test]
async fn unloading_goes_on_when_nobody_waits_for_it() {
    let engine = engine();
    let running = call(&engine, BUILT_IN, endless()).await.unwrap();
    {
        let mut unloading = Box::pin(ask(&engine, unload()));
        assert!(pending(&mut unloading).await);
    }
    drop(running);
    eventually("the model is unloaded", async || state(&engine, BUILT_IN).await == ModelState::Unloaded).await;
}

#[tokio::test]
async fn dropping_the_events_stops_the_computing() {
    let engine = engine();
    for _ in 0..5 {
        let reply = call(&engine, BUILT_IN, endless()).await.unwrap();
        assert_eq!(engine.busy_slots(), 1);
        drop(reply);
        eventually("the slot is free", async || engine.busy_slots() == 0).await;
    }
}

#[tokio::test]
async fn dropping_the_future_gives_the_place_back() {
    let engine = Engine::new(EngineConfig { slots: 1, queue: 1, ..EngineConfig::default() }).unwrap();
    let running = call(&engine, BUILT_IN, endless()).await.unwrap();
    for _ in 0..3 {
        let mut waiting = Box::pin(ask(&engine, endless()));
        assert!(pending(&mut waiting).await);
    }
    drop(running);
    ask(&engine, chat("What is streaming?", greedy())).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_back_pressure() {
    let engine = Engine::new(EngineConfig { slots: 1, queue: 1, ..EngineConfig::default() }).unwrap();
    let running = call(&engine, BUILT_IN, endless()).await.unwrap();
    let mut waiting = Box::pin(ask(&engine, chat("What is streaming?", greedy())));
    assert!(pending(&mut waiting).await);
    let error = ask(&engine, chat("What is streaming?", greedy())).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Overloaded, Sent::No));
    // Listing and health need no slot.
    assert_eq!(models(&engine).await.len(), 1);
    drop(running);
    assert!(!waiting.await.unwrap().text().is_empty());
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_the_work() {
    let engine = Engine::new(EngineConfig { slots: 1, queue: 1, ..EngineConfig::default() }).unwrap();
    let soon = |op| Call::new(op).model(BUILT_IN).deadline(Instant::now() + Duration::from_millis(20));
    ask(&engine, load()).await.unwrap();
    let running = call(&engine, BUILT_IN, endless()).await.unwrap();
    let error = engine.call(soon(endless())).await.unwrap_err();
    assert_eq!((error.kind(), error.message().contains("slot")), (ErrorKind::Timeout, true), "{error}");
    drop(running);
    let past = Call::new(endless()).model(BUILT_IN).deadline(Instant::now());
    let error = match engine.call(past).await {
        Ok(reply) => reply.collect().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Timeout);
}
