//! The models folder: what is listed, what runs, what is refused and how.

use std::fs;

use longshore_core::{ErrorKind, Op, Parameters};
use longshore_engine::BUILT_IN_GGUF;

use crate::*;

/// The built-in file with every occurrence of some bytes replaced by as many others.
fn edited(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = BUILT_IN_GGUF.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(to);
        at += to.len();
    }
    bytes
}

/// The built-in file whose tensor of that name claims another type.
fn retyped(tensor: &str, kind: u32) -> Vec<u8> {
    let mut bytes = BUILT_IN_GGUF.to_vec();
    let name = bytes.windows(tensor.len()).position(|window| window == tensor.as_bytes()).unwrap();
    let kind_at = name + tensor.len() + 4 + 2 * 8;
    assert_eq!(bytes[kind_at..kind_at + 4], 8_u32.to_le_bytes(), "Q8_0");
    bytes[kind_at..kind_at + 4].copy_from_slice(&kind.to_le_bytes());
    bytes
}

#[tokio::test]
async fn files_of_the_folder_run_beside_the_built_in_model() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("copy.gguf"), BUILT_IN_GGUF).unwrap();
    fs::write(folder.path().join("notes.txt"), "no model").unwrap();
    fs::write(folder.path().join("built-in.gguf"), "would hide the built-in model").unwrap();
    let engine = engine_over(folder.path());
    let ids: Vec<_> = models(&engine).await.into_iter().map(|model| model.id.to_string()).collect();
    assert_eq!(ids, ["built-in", "copy"]);
    let answer = call(&engine, "copy", chat("What is streaming?", greedy())).await.unwrap().collect().await.unwrap();
    assert!(answer.text().contains("server sends"), "{}", answer.text());
    assert_eq!(
        (state(&engine, "copy").await, state(&engine, BUILT_IN).await),
        (ModelState::Ready, ModelState::Unloaded)
    );
    let ready = ask(&engine, Op::ListModels { ready_only: true }).await.unwrap();
    assert_eq!(ready.models.len(), 1);
}

#[tokio::test]
async fn the_folder_is_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("late.gguf");
    let engine = engine_over(folder.path());
    assert_eq!(models(&engine).await.len(), 1);
    fs::write(&file, &BUILT_IN_GGUF[..1000]).unwrap();
    assert!(matches!(state(&engine, "late").await, ModelState::Failed(_)));
    fs::write(&file, BUILT_IN_GGUF).unwrap();
    // Found without a listing in between.
    call(&engine, "late", Op::Load { parameters: Parameters::new() }).await.unwrap().collect().await.unwrap();
    fs::remove_file(&file).unwrap();
    // What is loaded stays until it is unloaded.
    assert_eq!(state(&engine, "late").await, ModelState::Ready);
    call(&engine, "late", Op::Unload { parameters: Parameters::new() }).await.unwrap();
    assert_eq!(models(&engine).await.len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_not_there_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_over(&folder.path().join("missing"));
    let listed = ask(&engine, Op::ListModels { ready_only: false }).await.unwrap();
    assert_eq!((listed.models.len(), listed.unavailable.len()), (1, 1));
    assert!(listed.unavailable[0].1.message().contains("missing"), "{:?}", listed.unavailable);
    assert!(!ask(&engine, chat("What is streaming?", greedy())).await.unwrap().text().is_empty());
}

#[tokio::test]
async fn files_that_do_not_run_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine_over(folder.path());
    let tokens = b"tokenizer.ggml.tokens";
    for (name, bytes, kind, reasons) in [
        ("empty", vec![], ErrorKind::InvalidRequest, &["truncated"][..]),
        ("text", b"hello, I am no model".to_vec(), ErrorKind::InvalidRequest, &["not a GGUF file"]),
        ("cut-header", BUILT_IN_GGUF[..20_000].to_vec(), ErrorKind::InvalidRequest, &["truncated"]),
        ("cut-data", BUILT_IN_GGUF[..900_000].to_vec(), ErrorKind::InvalidRequest, &["truncated", "fetch it again"]),
        ("mamba", edited(b"llama", b"mamba"), ErrorKind::Unsupported, &["`mamba`", "Q8_0", "llama-server"]),
        ("iq4", retyped("blk.2.ffn_up.weight", 20), ErrorKind::Unsupported, &["IQ4_NL", "`llama`", "llama-server"]),
        (
            "no-heads",
            edited(b"llama.attention.head_count\x04\0\0\0\x04", b"llama.attention.head_count\x04\0\0\0\0"),
            ErrorKind::InvalidRequest,
            &["head_count", "0"],
        ),
        (
            "no-vocabulary",
            edited(tokens, b"tokenizer.ggml.takens"),
            ErrorKind::InvalidRequest,
            &["tokenizer.ggml.tokens"],
        ),
        ("odd-vocabulary", edited(b"qwen2", b"qwenX"), ErrorKind::InvalidRequest, &["qwenX"]),
        ("no-tensor", edited(b"blk.1.attn_q", b"blk.1.attn_X"), ErrorKind::InvalidRequest, &["blk.1.attn_q.weight"]),
        (
            "odd-heads",
            edited(b"blk.0.attn_k.weight\x02\0\0\0\x80\0", b"blk.0.attn_k.weight\x02\0\0\0\x40\0"),
            ErrorKind::InvalidRequest,
            &["blk.0.attn_k.weight", "heads"],
        ),
        (
            "odd-tensor",
            edited(b"blk.0.ffn_up.weight\x02\0\0\0\x80\0", b"blk.0.ffn_up.weight\x02\0\0\0\x40\0"),
            ErrorKind::Server,
            &["arithmetic"],
        ),
    ] {
        fs::write(folder.path().join(format!("{name}.gguf")), bytes).unwrap();
        let error = match call(&engine, name, chat("Hi", greedy())).await {
            Ok(reply) => panic!("{name} answered {:?}", reply.collect().await),
            Err(error) => error,
        };
        assert_eq!(error.kind(), kind, "{name}: {error}");
        for reason in reasons {
            assert!(error.message().contains(reason), "{name}: {error} should speak of {reason}");
        }
        if kind != ErrorKind::Server {
            assert!(matches!(state(&engine, name).await, ModelState::Failed(_)), "{name}");
        }
    }
    // None of them harmed the others.
    assert!(!ask(&engine, chat("What is streaming?", greedy())).await.unwrap().text().is_empty());
}
