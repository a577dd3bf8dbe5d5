//! Text goes in and comes back out; both kinds of vocabulary.

use std::io::Cursor;

use candle_core::quantized::gguf_file::Value;

use proptest::prelude::*;

use super::*;
use crate::builtin;

fn built_in() -> Tokenizer {
    Tokenizer::from_gguf(&Content::read(&mut Cursor::new(builtin::GGUF)).unwrap()).unwrap()
}

#[test]
fn control_tokens_are_found_in_text_and_silent_in_answers() {
    let tokenizer = built_in();
    let ids = tokenizer.encode("<|im_start|>user\nHi<|im_end|>", true).unwrap();
    assert_eq!((ids[0], *ids.last().unwrap()), (1, 2));
    assert!(tokenizer.is_end(2) && !tokenizer.is_end(1));
    assert_eq!(tokenizer.decode(&ids), "user\nHi");
    assert_eq!(tokenizer.size(), 1024);
}

#[test]
fn agrees_with_candles_own_tokenizer() {
    use candle_core::quantized::tokenizer::TokenizerFromGguf;
    let content = Content::read(&mut Cursor::new(builtin::GGUF)).unwrap();
    let theirs = Inner::from_gguf(&content).unwrap();
    let ours = built_in();
    for text in ["What is streaming?", "It's 1234 o'clock.\n\n  Done", "naïve 🦀 λ", "  a\tb\r\n"] {
        assert_eq!(ours.encode(text, true).unwrap(), theirs.encode(text, true).unwrap().get_ids(), "{text:?}");
    }
}

#[test]
fn sentence_pieces_merge_by_score() {
    let pieces =
        ["<unk>", "<s>", "</s>", "<0x0A>", "<0xF0>", "<0x9F>", "<0xA6>", "<0x80>", "▁", "a", "b", "▁a", "ab", "▁ab"];
    let scores = [0., 0., 0., 0., 0., 0., 0., 0., -9., -8., -7., -2., -1., -3.];
    let types = [2, 3, 3, 6, 6, 6, 6, 6, 1, 1, 1, 1, 1, 1];
    let metadata = HashMap::from([
        ("tokenizer.ggml.model".into(), Value::String("llama".into())),
        ("tokenizer.ggml.tokens".into(), Value::Array(pieces.map(|piece| Value::String(piece.into())).to_vec())),
        ("tokenizer.ggml.scores".into(), Value::Array(scores.map(Value::F32).to_vec())),
        ("tokenizer.ggml.token_type".into(), Value::Array(types.map(Value::I32).to_vec())),
        ("tokenizer.ggml.bos_token_id".into(), Value::U32(1)),
        ("tokenizer.ggml.eos_token_id".into(), Value::U32(2)),
    ]);
    let content = Content {
        magic: candle_core::quantized::gguf_file::VersionedMagic::GgufV3,
        metadata,
        tensor_infos: HashMap::new(),
        tensor_data_offset: 0,
    };
    let tokenizer = Tokenizer::from_gguf(&content).unwrap();
    let check = |text: &str, expected: &[u32], back: &str| {
        let ids = tokenizer.encode(text, true).unwrap();
        assert_eq!(ids, expected, "{text:?}");
        assert_eq!(tokenizer.decode(&ids), back, "{text:?}");
    };
    check("ab", &[1, 13], " ab");
    check("a ab", &[1, 11, 13], " a ab");
    check("🦀\n", &[1, 8, 4, 5, 6, 7, 3], " 🦀\n");
    assert!(tokenizer.is_end(2));
}

#[test]
fn characters_are_never_split() {
    let mut text = Detokenizer::default();
    let crab = "🦀".as_bytes();
    let pieces: Vec<_> = crab.iter().map(|byte| text.push(&[*byte])).collect();
    assert_eq!(pieces, ["", "", "", "🦀"]);
    assert_eq!(text.push(&[b'a', 0xFF, b'b']), "a\u{FFFD}b");
    assert_eq!(text.push(&crab[..2]), "");
    assert_eq!(text.push(b"x"), "\u{FFFD}x");
    assert_eq!(text.push(&crab[..3]), "");
    assert_eq!(text.finish(), "\u{FFFD}");
}

proptest! {
    /// The built-in vocabulary has every byte, so any text survives the way there and back (as NFC leaves it).
    #[test]
    fn any_text_comes_back(text in "\\PC{0,40}") {
        let tokenizer = built_in();
        let ids = tokenizer.encode(&text, false).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids), text);
    }

    #[test]
    fn any_split_gives_the_same_text(text in "\\PC{0,20}", cuts in prop::collection::vec(1..5_usize, 0..40)) {
        let (mut detokenizer, mut all, mut rest) = (Detokenizer::default(), String::new(), text.as_bytes());
        for cut in cuts.into_iter().chain(std::iter::repeat(3)) {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            all.push_str(&detokenizer.push(piece));
            rest = after;
        }
        prop_assert_eq!(all + &detokenizer.finish(), text);
    }
}
