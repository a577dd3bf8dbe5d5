//! Every family runs: a tiny model of each, with made-up weights, is loaded and used in every way the engine uses one.

use std::{io::Cursor, sync::Arc};

use longshore_core::call::Sampling;

use super::*;
use crate::{
    generate::{self, Listener},
    model::{Model, Plan},
    testing::Gguf,
    weights::Watch,
};

const WIDTH: u64 = 32;
const HEADS: u64 = 4;
const HEAD: u64 = WIDTH / HEADS;
const FEED: u64 = 64;
const VOCABULARY: u64 = 258;

/// The tensors of one layer, by the family's naming: matrices as (name, in, out), then norms as (name, width).
struct Layer {
    matrices: Vec<(&'static str, u64, u64)>,
    norms: Vec<(&'static str, u64)>,
    kv_heads: u64,
}

fn layer(family: &str) -> Layer {
    let kv_heads = if family == "phi2" { HEADS } else { 2 };
    let kv = kv_heads * HEAD;
    let split = [("attn_q", WIDTH, WIDTH), ("attn_k", WIDTH, kv), ("attn_v", WIDTH, kv)];
    let joined = [("attn_qkv", WIDTH, WIDTH + 2 * kv)];
    let gated = [("ffn_gate", WIDTH, FEED), ("ffn_up", WIDTH, FEED), ("ffn_down", FEED, WIDTH)];
    let fused = [("ffn_up", WIDTH, 2 * FEED), ("ffn_down", FEED, WIDTH)];
    let plain = [("ffn_up", WIDTH, FEED), ("ffn_down", FEED, WIDTH)];
    let out = [("attn_output", WIDTH, WIDTH)];
    let norms = [("attn_norm", WIDTH), ("ffn_norm", WIDTH)];
    let heads = [("attn_q_norm", HEAD), ("attn_k_norm", HEAD)];
    let (matrices, norms) = match family {
        "llama" | "qwen2" => ([&split[..], &out, &gated].concat(), norms.to_vec()),
        "qwen3" => ([&split[..], &out, &gated].concat(), [norms, heads].concat()),
        "phi2" => ([&joined[..], &out, &plain].concat(), norms[..1].to_vec()),
        "phi3" => ([&joined[..], &out, &fused].concat(), norms.to_vec()),
        "gemma3" => {
            let after = [("post_attention_norm", WIDTH), ("post_ffw_norm", WIDTH)];
            ([&split[..], &out, &gated].concat(), [norms, heads, after].concat())
        }
        "glm4" => {
            let after = [("post_attention_norm", WIDTH), ("post_ffw_norm", WIDTH)];
            ([&split[..], &out, &fused].concat(), [norms, after].concat())
        }
        other => panic!("no tiny model of family {other}"),
    };
    Layer { matrices, norms, kv_heads }
}

fn tiny(family: &str) -> Gguf {
    let Layer { matrices, norms, kv_heads } = layer(family);
    let key = |name: &str| format!("{family}.{name}");
    // Every byte in GPT-2's spelling, and an end.
    let printable = |byte: u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = 0x100..;
    let bytes = (0..256_u32).map(|byte| if printable(byte) { byte } else { others.next().unwrap() });
    let mut tokens: Vec<String> = bytes.map(|code| char::from_u32(code).unwrap().to_string()).collect();
    tokens.extend(["<s>".into(), "</s>".into()]);
    let mut file = Gguf::default()
        .text("general.architecture", family)
        .number(&key("context_length"), 64)
        .number(&key("embedding_length"), WIDTH as u32)
        .number(&key("block_count"), 2)
        .number(&key("feed_forward_length"), FEED as u32)
        .number(&key("attention.head_count"), HEADS as u32)
        .number(&key("attention.head_count_kv"), kv_heads as u32)
        .number(&key("attention.key_length"), HEAD as u32)
        .number(&key("attention.value_length"), HEAD as u32)
        .number(&key("attention.sliding_window"), 64)
        .number(&key("rope.dimension_count"), HEAD as u32)
        .float(&key("rope.freq_base"), 10_000.0)
        .float(&key("attention.layer_norm_rms_epsilon"), 1e-5)
        .float(&key("attention.layer_norm_epsilon"), 1e-5)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &tokens)
        .texts("tokenizer.ggml.merges", &[])
        .number("tokenizer.ggml.eos_token_id", 257)
        .noise("token_embd.weight", &[WIDTH, VOCABULARY])
        .noise("output.weight", &[WIDTH, VOCABULARY])
        .ones("output_norm.weight", WIDTH);
    let biased = matches!(family, "phi2" | "qwen2");
    if family == "phi2" {
        file = file.noise("output.bias", &[VOCABULARY]).noise("output_norm.bias", &[WIDTH]);
    }
    for layer in 0..2 {
        for (name, from, to) in &matrices {
            file = file.noise(&format!("blk.{layer}.{name}.weight"), &[*from, *to]);
            if biased {
                file = file.noise(&format!("blk.{layer}.{name}.bias"), &[*to]);
            }
        }
        for (name, width) in &norms {
            file = file.ones(&format!("blk.{layer}.{name}.weight"), *width);
            if family == "phi2" {
                file = file.noise(&format!("blk.{layer}.{name}.bias"), &[*width]);
            }
        }
    }
    file
}

fn watch() -> Watch {
    Watch { progress: Arc::new(|_| {}), cancel: Arc::default() }
}

fn load(bytes: Vec<u8>) -> Result<Model, Error> {
    let size = bytes.len() as u64;
    let plan = Plan::new(&Header::read(Cursor::new(&bytes), size)?)?;
    Model::load(Box::new(Cursor::new(bytes)), size, &plan, watch())
}

/// The scores after these pieces, fed one after the other.
fn scores(model: &Model, pieces: &[&[u32]]) -> Vec<f32> {
    let mut session = model.session(&mut || Ok(())).unwrap();
    let hidden = pieces.iter().map(|piece| session.feed(piece, &mut || Ok(())).unwrap()).last().unwrap();
    assert_eq!(hidden.components().unwrap().len(), WIDTH as usize);
    session.logits(&hidden).unwrap().to_vec1().unwrap()
}

fn assert_close(left: &[f32], right: &[f32], what: &str) {
    let furthest = left.iter().zip(right).map(|(l, r)| (l - r).abs()).fold(0.0, f32::max);
    assert!(furthest < 1e-3, "{what}: scores differ by {furthest}");
}

#[test]
fn every_family_runs() {
    for family in FAMILIES {
        let model = load(tiny(family.name).bytes()).unwrap_or_else(|error| panic!("{}: {error}", family.name));
        let prompt: Vec<u32> = (40..52).collect();
        let once = scores(&model, &[&prompt]);
        assert_eq!(once.len(), VOCABULARY as usize);
        assert!(once.iter().all(|score| score.is_finite()), "{}", family.name);
        let singly: Vec<_> = prompt.chunks(1).collect();
        assert_close(&once, &scores(&model, &singly), &format!("{} token by token", family.name));
        if family.pieces {
            assert_close(&once, &scores(&model, &[&prompt[..5], &prompt[5..]]), &format!("{} in pieces", family.name));
        }
        // A conversation leaves nothing behind.
        assert_close(&once, &scores(&model, &[&prompt]), &format!("{} again", family.name));
        let moved = scores(&model, &[&prompt[1..]]);
        assert!(once.iter().zip(&moved).any(|(l, r)| (l - r).abs() > 1e-3), "{} ignores its prompt", family.name);
    }
}

#[test]
fn what_is_hidden_from_candle_is_applied_here() {
    // With the output matrix doubled the scores double: the identity stands in for it inside candle alone.
    let model = load(tiny("llama").bytes()).unwrap();
    let half = scores(&model, &[&[65, 66, 67]]);
    let bytes = tiny("llama").bytes();
    let header = Header::read(Cursor::new(&bytes), bytes.len() as u64).unwrap();
    let output = header.tensor(OUTPUT).unwrap();
    let start = (header.data_offset + output.offset) as usize;
    let mut doubled = bytes.clone();
    for value in doubled[start..start + output.bytes as usize].chunks_mut(4) {
        let number = f32::from_le_bytes(value.try_into().unwrap());
        value.copy_from_slice(&(2.0 * number).to_le_bytes());
    }
    let expected: Vec<f32> = half.iter().map(|score| 2.0 * score).collect();
    assert_close(&scores(&load(doubled).unwrap(), &[&[65, 66, 67]]), &expected, "doubled output");
}

#[test]
fn weights_that_cannot_be_shared_are_lent_in_turn() {
    let model = load(tiny("qwen2").bytes()).unwrap();
    let first = model.session(&mut || Ok(())).unwrap();
    let mut asked = 0;
    let refused = model.session(&mut || {
        asked += 1;
        if asked < 3 { Ok(()) } else { Err(Error::new(ErrorKind::Cancelled, "impatient")) }
    });
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::Cancelled);
    drop(first);
    assert!(model.session(&mut || Err(Error::new(ErrorKind::Cancelled, "must not wait"))).is_ok());
}

#[test]
fn the_plan_is_told_from_the_header_alone() {
    let check = |file: Gguf, kind: ErrorKind, reasons: &[&str]| {
        let bytes = file.bytes();
        let error = Plan::new(&Header::read(Cursor::new(&bytes), bytes.len() as u64).unwrap()).err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        for reason in reasons {
            assert!(error.message().contains(reason), "{error} should speak of {reason}");
        }
    };
    let unsupported = ErrorKind::Unsupported;
    check(Gguf::default(), unsupported, &["`unknown`", "llama-server"]);
    let mamba = Gguf::default().text("general.architecture", "mamba").number("general.file_type", 15);
    check(mamba, unsupported, &["`mamba`", "Q4_K_M", "llama, qwen2", "llama-server"]);
    check(tiny("llama").raw("extra", &[32], 39, vec![0; 17]), unsupported, &["MXFP4", "`llama`", "llama-server"]);
    check(tiny("llama").number("split.count", 3), unsupported, &["several files"]);
    check(tiny("llama").number("llama.expert_count", 8), unsupported, &["mixture of experts"]);
    let invalid = ErrorKind::InvalidRequest;
    check(tiny("llama").number("llama.attention.head_count", 0), invalid, &["head_count", "0"]);
    check(tiny("llama").number("llama.attention.head_count_kv", 3), invalid, &["divide"]);
    check(tiny("llama").number("llama.attention.head_count_kv", 4), invalid, &["blk.0.attn_k.weight", "[32, 32]"]);
    check(tiny("qwen3").number("qwen3.attention.key_length", 1024), invalid, &["blk.0.attn_q.weight"]);
    check(tiny("llama").number("llama.block_count", 3), invalid, &["layer 2 of 3"]);
    check(tiny("llama").number("llama.block_count", u32::MAX), invalid, &["block_count"]);
    check(tiny("llama").number("llama.embedding_length", 64), invalid, &["token_embd.weight", "32 wide"]);
    check(Gguf::default().text("general.architecture", "llama"), invalid, &["embedding_length", "missing"]);
}

#[test]
fn a_cancelled_load_ends_as_such() {
    let bytes = tiny("llama").bytes();
    let size = bytes.len() as u64;
    let plan = Plan::new(&Header::read(Cursor::new(&bytes), size).unwrap()).unwrap();
    let watch = watch();
    let cancel = watch.cancel.clone();
    // In the middle: at the first byte of the weights.
    let stop = Watch {
        progress: Arc::new(move |done| cancel.store(done > size / 2, std::sync::atomic::Ordering::Relaxed)),
        ..watch
    };
    let error = Model::load(Box::new(Cursor::new(bytes)), size, &plan, stop).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

struct Silent;

impl Listener for Silent {
    fn text(&mut self, _: String) -> Result<(), Error> {
        Ok(())
    }

    fn go_on(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 96, ..Default::default() })]

    /// Whatever bytes of a header change, a file is refused, or runs, or fails with an error; it never takes the process
    /// with it, and never asks for more memory than its size explains.
    #[test]
    fn a_mutated_file_does_no_harm(
        family in 0..FAMILIES.len() - 2,
        changes in proptest::collection::vec((proptest::num::f64::POSITIVE.prop_map(f64::fract), proptest::num::u8::ANY), 1..4),
    ) {
        let mut bytes = tiny(FAMILIES[family].name).bytes();
        let head = Header::read(Cursor::new(&bytes), bytes.len() as u64).unwrap().data_offset as f64;
        for (place, value) in changes {
            bytes[(place * head) as usize] = value;
        }
        if let Ok(model) = load(bytes) {
            let sampling = Sampling { max_tokens: Some(3), temperature: Some(0.0), ..Sampling::default() };
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| generate::answer(&model, &[40, 41, 42], &sampling, 0, &mut Silent)));
        }
    }
}

use proptest::strategy::Strategy as _;
