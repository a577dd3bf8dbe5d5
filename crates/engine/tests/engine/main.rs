//! The engine through its only door, [`Backend::call`]: what it answers, how models live, which files it takes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod files;
mod life;
mod load_limits;

use std::{path::Path, pin::Pin, time::Duration};

use longshore_core::{
    Answer, Backend, Call, Error, ModelInfo, ModelState, Op, Reply,
    call::{Chat, Message, Sampling},
};
use longshore_engine::{BUILT_IN, Engine, EngineConfig};

fn engine() -> Engine {
    Engine::new(EngineConfig::default()).unwrap()
}

fn engine_over(folder: &Path) -> Engine {
    Engine::new(EngineConfig { models: Some(folder.into()), ..EngineConfig::default() }).unwrap()
}

fn greedy() -> Sampling {
    Sampling { temperature: Some(0.0), ..Sampling::default() }
}

fn chat(text: &str, sampling: Sampling) -> Op {
    Op::Chat(Chat { messages: vec![Message::new("user", text)], sampling, ..Chat::default() })
}

/// An answer of several hundred tokens: far more than the channel holds, so while nobody reads it, it keeps its slot.
fn endless() -> Op {
    chat("What is streaming?", Sampling { ignore_eos: Some(true), ..greedy() })
}

async fn call(engine: &Engine, model: &str, op: Op) -> Result<Reply, Error> {
    engine.call(Call::new(op).model(model)).await
}

async fn ask(engine: &Engine, op: Op) -> Result<Answer, Error> {
    call(engine, BUILT_IN, op).await?.collect().await
}

async fn models(engine: &Engine) -> Vec<ModelInfo> {
    ask(engine, Op::ListModels { ready_only: false }).await.unwrap().models
}

async fn state(engine: &Engine, id: &str) -> ModelState {
    models(engine).await.into_iter().find(|model| &*model.id == id).map_or(ModelState::Unknown, |model| model.state)
}

/// Waits until `condition` holds, and fails when it takes absurdly long.
async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never happened: {what}"));
}

/// Polls a future once: has it still to wait?
async fn pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
}
