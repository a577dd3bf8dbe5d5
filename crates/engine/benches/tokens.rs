//! Tokens per second of the built-in model, greedy, on one slot: an answer of 100 tokens, and a prompt of 400.
//!
//! `cargo bench -p longshore-engine`

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use divan::{Bencher, counter::ItemsCount};
use longshore_core::{
    Backend, Call, Op,
    call::{Completion, Embedding, Prompt, Sampling},
};
use longshore_engine::{Engine, EngineConfig};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// One token in, `tokens` out: almost all of it is decoding.
#[divan::bench(args = [1, 100])]
fn decode(bencher: Bencher<'_, '_>, tokens: u32) {
    bench(bencher, tokens, complete(1, tokens));
}

/// `tokens` in, one out: almost all of it is reading the prompt.
#[divan::bench(args = [400])]
fn prefill(bencher: Bencher<'_, '_>, tokens: u32) {
    bench(bencher, tokens, complete(tokens, 1));
}

/// The vector of a text of `tokens`.
#[divan::bench(args = [32])]
fn embed(bencher: Bencher<'_, '_>, tokens: u32) {
    let input = Prompt::Tokens(vec![prompt(tokens)]);
    bench(bencher, tokens, Op::Embed(Embedding { input, ..Embedding::default() }));
}

fn complete(prompt_tokens: u32, max_tokens: u32) -> Op {
    let sampling = Sampling {
        temperature: Some(0.0),
        max_tokens: Some(max_tokens),
        ignore_eos: Some(true),
        ..Sampling::default()
    };
    Op::Complete(Completion { prompt: Prompt::Tokens(vec![prompt(prompt_tokens)]), sampling, ..Completion::default() })
}

fn prompt(tokens: u32) -> Vec<u32> {
    (0..tokens).map(|nth| 300 + nth % 500).collect()
}

fn bench(bencher: Bencher<'_, '_>, tokens: u32, op: Op) {
    let runtime = Runtime::new().expect("a runtime");
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    let call = Call::new(op);
    let answer = || runtime.block_on(async { engine.call(call.clone()).await?.collect().await }).expect("an answer");
    answer();
    bencher.counter(ItemsCount::new(tokens)).bench_local(answer);
}
