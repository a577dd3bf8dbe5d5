//! The memory budget.

use std::fs;

use longshore_core::{ErrorKind, Op, Parameters};
use longshore_engine::BUILT_IN_GGUF;

use crate::*;

#[tokio::test]
async fn the_memory_budget_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("copy.gguf"), BUILT_IN_GGUF).unwrap();
    let needs: u64 = models(&engine()).await[0].metadata["resident_bytes"].parse().unwrap();
    let engine = |memory_budget| {
        let models = Some(folder.path().to_owned());
        Engine::new(EngineConfig { models, memory_budget, ..EngineConfig::default() }).unwrap()
    };
    let load = |engine: &Engine, id: &'static str| {
        let engine = engine.clone();
        async move { call(&engine, id, Op::Load { parameters: Parameters::new() }).await?.collect().await }
    };
    let error = load(&engine(needs - 1), BUILT_IN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");

    let one = engine(2 * needs - 1);
    load(&one, BUILT_IN).await.unwrap();
    let error = load(&one, "copy").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.message().contains("`built-in`") && error.message().contains("unload"), "{error}");
    call(&one, BUILT_IN, Op::Unload { parameters: Parameters::new() }).await.unwrap();
    load(&one, "copy").await.unwrap();

    let both = engine(2 * needs);
    load(&both, BUILT_IN).await.unwrap();
    load(&both, "copy").await.unwrap();
}
