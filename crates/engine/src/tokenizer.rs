//! Text to tokens and back, by what a GGUF file says about its vocabulary.
//!
//! [`Tokenizer`] covers the two kinds that the runnable families use: byte-level BPE (`gpt2`) and SentencePiece BPE
//! (`llama`). [`Detokenizer`] turns tokens into text piece by piece, and never splits a character over two pieces.
//! It does not know chats: that is [`crate::template`].

mod detokenizer;
mod file;

use std::collections::{HashMap, HashSet};

use candle_core::quantized::gguf_file::Content;
use tokenizers::{
    AddedToken, NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Inner,
    models::bpe::BPE,
    normalizers::{Prepend, Replace, Sequence as Normalizers},
    pre_tokenizers::{
        byte_level::ByteLevel,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
    tokenizer::SplitDelimiterBehavior,
};

use crate::{Error, ErrorKind};

pub(crate) use detokenizer::Detokenizer;
use file::File;

/// Pieces that the tokenizer remembers; the default of 10,000 costs memory and gains nothing measurable here.
const CACHE: usize = 1024;

/// The vocabulary of one model.
pub(crate) struct Tokenizer {
    inner: Inner,
    style: Style,
    control: HashSet<u32>,
    ends: HashSet<u32>,
    bos: Option<u32>,
    add_bos: bool,
    size: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Each character of a token stands for one byte.
    ByteLevel,
    /// `▁` stands for a space, and `<0xNN>` for a byte.
    SentencePiece,
}

impl Tokenizer {
    /// Builds the tokenizer that a file describes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for a kind of vocabulary that is not known here, or a damaged one.
    pub(crate) fn from_gguf(content: &Content) -> Result<Self, Error> {
        let file = File(content);
        let tokens = file.texts("tokenizer.ggml.tokens")?;
        let types = file.token_types(tokens.len())?;
        let (inner, style) = match file.text("tokenizer.ggml.model") {
            Some("gpt2") => (byte_level(&file, &tokens)?, Style::ByteLevel),
            Some("llama") => (sentence_piece(&file, &tokens)?, Style::SentencePiece),
            other => {
                let kind = other.unwrap_or("none");
                return Err(bad(format!(
                    "its vocabulary is of kind `{kind}`, and `gpt2` and `llama` are known here; llama.cpp's llama-server runs it"
                )));
            }
        };
        let control: HashSet<u32> = ids(&types, |kind| kind == CONTROL || kind == UNKNOWN);
        let bos = file.number("tokenizer.ggml.bos_token_id");
        let add_bos = file.flag("tokenizer.ggml.add_bos_token").unwrap_or_else(|| match style {
            Style::SentencePiece => true,
            Style::ByteLevel => file.text("tokenizer.ggml.pre").is_some_and(|pre| LLAMA3.contains(&pre)),
        });
        let ends = end_tokens(&file, &tokens, &control);
        let mut this = Self { inner, style, control, ends, bos, add_bos, size: tokens.len() };
        this.mark_special(&tokens, &types)?;
        Ok(this)
    }

    /// Makes control and user-defined tokens be found in text before anything is split.
    fn mark_special(&mut self, tokens: &[&str], types: &[u32]) -> Result<(), Error> {
        let of = |wanted: u32| {
            let chosen = tokens.iter().zip(types).filter(move |(token, kind)| **kind == wanted && !token.is_empty());
            chosen.map(|(token, _)| (*token).to_owned())
        };
        let control: Vec<_> = of(CONTROL).map(|token| AddedToken::from(token, true).normalized(false)).collect();
        let defined: Vec<_> = of(USER_DEFINED).map(|token| AddedToken::from(token, false).normalized(false)).collect();
        self.inner.add_special_tokens(control).map_err(broken)?;
        self.inner.add_tokens(defined).map_err(broken)?;
        Ok(())
    }

    /// The tokens of a text. Control tokens written out in it count as such; with `start`, the token that begins a
    /// text comes first, if the model wants one and the text does not begin with it.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the tokenizer fails, which a sound vocabulary does not do.
    pub(crate) fn encode(&self, text: &str, start: bool) -> Result<Vec<u32>, Error> {
        let encoding = self.inner.encode_fast(text, false).map_err(broken)?;
        let mut ids = encoding.get_ids().to_vec();
        if let (true, true, Some(bos)) = (start, self.add_bos, self.bos)
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// Does this token end an answer?
    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// The tokens that end an answer.
    pub(crate) fn ends(&self) -> impl Iterator<Item = u32> + '_ {
        self.ends.iter().copied()
    }

    /// Number of tokens in the vocabulary.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The spelling in the vocabulary of the token that begins a text, if there is one.
    pub(crate) fn bos_text(&self) -> Option<String> {
        self.inner.id_to_token(self.bos?)
    }

    /// The bytes that a token adds to the text: none for control tokens.
    pub(crate) fn bytes(&self, id: u32) -> Vec<u8> {
        if self.control.contains(&id) {
            return Vec::new();
        }
        let Some(token) = self.inner.id_to_token(id) else { return Vec::new() };
        match self.style {
            Style::ByteLevel => byte_level_bytes(&token),
            Style::SentencePiece => match hex_byte(&token) {
                Some(byte) => vec![byte],
                None => token.replace('▁', " ").into_bytes(),
            },
        }
    }

    #[cfg(test)]
    /// The text of these tokens; bytes that are no UTF-8 become U+FFFD.
    pub(crate) fn decode(&self, ids: &[u32]) -> String {
        let mut text = Detokenizer::default();
        let mut all = String::new();
        for id in ids {
            all.push_str(&text.push(&self.bytes(*id)));
        }
        all + &text.finish()
    }
}

// llama_token_type
const UNKNOWN: u32 = 2;
const CONTROL: u32 = 3;
const USER_DEFINED: u32 = 4;

/// What ends a turn in the templates in use, for files that name only one of several such tokens.
const END_NAMES: &[&str] = &[
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<|user|>",
];

fn end_tokens(file: &File<'_>, tokens: &[&str], control: &HashSet<u32>) -> HashSet<u32> {
    let keys = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
    let mut ends: HashSet<u32> = keys.iter().filter_map(|key| file.number(key)).collect();
    for (id, token) in (0_u32..).zip(tokens) {
        if END_NAMES.contains(token) && control.contains(&id) {
            ends.insert(id);
        }
    }
    ends
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const DIGITS: &str = r"\p{N}";

/// Names of `tokenizer.ggml.pre` that split as Llama 3 does, keep whole words that are tokens, and begin with a BOS.
const LLAMA3: &[&str] = &["llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "lfm2"];

/// How a text is cut before BPE, by `tokenizer.ggml.pre`: the patterns of the models' own `tokenizer.json`.
fn patterns(pre: &str) -> Option<(&'static [&'static str], bool)> {
    const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const THREE_DIGITS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    Some(match pre {
        "default" | "gpt-2" | "gpt2" | "phi-2" | "mpt" | "olmo" | "jais" | "roberta-bpe" => (&[GPT2], false),
        "qwen2" | "stablelm2" | "deepseek-r1-qwen" | "megrez" | "hunyuan" => (&[QWEN2], false),
        pre if LLAMA3.contains(&pre) => (&[THREE_DIGITS], true),
        "smaug-bpe" | "dbrx" | "chatglm-bpe" | "glm4" => (&[THREE_DIGITS], false),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
            (&[DIGITS, GPT2], false)
        }
        "tekken" => (&[TEKKEN], true),
        "gpt-4o" | "llama4" => (&[GPT4O], false),
        _ => return None,
    })
}

fn byte_level(file: &File<'_>, tokens: &[&str]) -> Result<Inner, Error> {
    let pre = file.text("tokenizer.ggml.pre").unwrap_or("default");
    let (patterns, whole_words) = patterns(pre).ok_or_else(|| {
        bad(format!("its text is split by the rule `{pre}`, which is not known here; llama.cpp's llama-server runs it"))
    })?;
    let merges = file.texts("tokenizer.ggml.merges")?.into_iter().map(|merge| {
        let (left, right) = merge.split_once(' ').ok_or_else(|| bad(format!("`{merge}` is no merge of two tokens")))?;
        Ok((left.to_owned(), right.to_owned()))
    });
    let merges = merges.collect::<Result<Vec<_>, Error>>()?;
    let bpe =
        BPE::builder().vocab_and_merges(vocabulary(tokens), merges).ignore_merges(whole_words).cache_capacity(CACHE);
    let mut inner = Inner::new(bpe.build().map_err(broken)?);
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    for pattern in patterns {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        steps.push(Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(broken)?.into());
    }
    // Only the mapping of bytes to characters: the cutting is done.
    steps.push(ByteLevel::new(false, false, false).into());
    inner.with_pre_tokenizer(Some(PreTokenizerWrapper::from(Sequence::new(steps))));
    Ok(inner)
}

/// SentencePiece's BPE merges the pair whose joined piece scores best, so the merges follow from the scores.
fn sentence_piece(file: &File<'_>, tokens: &[&str]) -> Result<Inner, Error> {
    let scores = file.numbers("tokenizer.ggml.scores")?;
    let known: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (*token, id)).collect();
    let mut merges = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        let score = scores.get(id).copied().unwrap_or_default();
        for (cut, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(cut);
            if let (Some(l), Some(r)) = (known.get(left), known.get(right)) {
                merges.push((score, *l, *r, left, right));
            }
        }
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let merges = merges.into_iter().map(|(_, _, _, left, right)| (left.to_owned(), right.to_owned())).collect();
    let unknown = file.number("tokenizer.ggml.unknown_token_id").unwrap_or(0);
    let mut bpe = BPE::builder().vocab_and_merges(vocabulary(tokens), merges).byte_fallback(true).fuse_unk(true);
    if let Some(token) = tokens.get(unknown as usize) {
        bpe = bpe.unk_token((*token).to_owned());
    }
    let mut inner = Inner::new(bpe.cache_capacity(CACHE).build().map_err(broken)?);
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if file.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true) {
        steps.push(Prepend::new("▁".into()).into());
    }
    steps.push(Replace::new(" ", "▁").map_err(broken)?.into());
    inner.with_normalizer(Some(NormalizerWrapper::from(Normalizers::new(steps)))).map_err(broken)?;
    Ok(inner)
}

fn vocabulary(tokens: &[&str]) -> tokenizers::models::bpe::Vocab {
    tokens.iter().zip(0_u32..).map(|(token, id)| ((*token).to_owned(), id)).collect()
}

fn hex_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Undoes GPT-2's mapping of bytes to printable characters; characters outside it (user-defined tokens) stay themselves.
fn byte_level_bytes(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for character in token.chars() {
        match printable_byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// GPT-2 shows printable Latin-1 bytes as themselves and the other 68 as the characters from U+0100 on, in order.
fn printable_byte(character: char) -> Option<u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    match u32::from(character) {
        code @ 0..=0xFF => u8::try_from(code).ok().filter(|byte| printable(*byte)),
        code => (0..=u8::MAX).filter(|byte| !printable(*byte)).nth(usize::try_from(code).ok()?.checked_sub(0x100)?),
    }
}

fn ids(types: &[u32], wanted: impl Fn(u32) -> bool) -> HashSet<u32> {
    types.iter().zip(0_u32..).filter(|(kind, _)| wanted(**kind)).map(|(_, id)| id).collect()
}

fn bad(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, what)
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    Error::new(ErrorKind::InvalidRequest, format!("its tokenizer does not work: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests;
