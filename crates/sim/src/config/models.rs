//! The models that a simulated server claims to have.

use std::{sync::Arc, time::Duration};

use longshore_core::{DataType, ModelKind, model::TensorSpec};
use serde::{Deserialize, Serialize};

use super::{human, latency::Latency};

/// One declared model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// What a call names it.
    pub id: Arc<str>,
    /// What it is for: `chat` (completes as well), `completion`, `embedding` or `tensor`.
    pub kind: ModelKind,
    /// Tokens that fit, prompt and answer together.
    pub context_window: u64,
    /// What it takes of the memory budget, in bytes.
    #[serde(with = "human::bytes")]
    pub size: u64,
    /// How long a load takes.
    #[serde(with = "human::duration")]
    pub load_time: Duration,
    /// Whether it is ready from the start, without a load.
    pub loaded: bool,
    /// Why every load of it fails, half-way; `None`: it does not.
    pub load_error: Option<String>,
    /// Tokens of an answer, unless the caller wants fewer.
    pub tokens: u32,
    /// Tokens of reasoning before the answer.
    pub reasoning_tokens: u32,
    /// When it calls a tool that a chat offers.
    pub tool_calls: ToolUse,
    /// Components of a vector.
    pub dimensions: u32,
    /// What a tensor model computes.
    pub function: TensorFunction,
    /// The tensors that a tensor model takes; empty takes any.
    pub inputs: Vec<TensorSpec>,
    /// The tensors that a tensor model gives; empty names each output after its input.
    pub outputs: Vec<TensorSpec>,
    /// Its own timing, in place of the server's.
    pub latency: Option<Latency>,
}

impl Default for Model {
    /// A chat model of 4 GB with room for 8192 tokens, loaded at once, which answers 16.
    fn default() -> Self {
        Self {
            id: "sim".into(),
            kind: ModelKind::Chat,
            context_window: 8192,
            size: 4_000_000_000,
            load_time: Duration::ZERO,
            loaded: true,
            load_error: None,
            tokens: 16,
            reasoning_tokens: 0,
            tool_calls: ToolUse::First,
            dimensions: 64,
            function: TensorFunction::Identity,
            inputs: Vec::new(),
            outputs: Vec::new(),
            latency: None,
        }
    }
}

impl Model {
    /// A chat model of this name.
    pub fn chat(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// A model of this name that gives unit vectors.
    pub fn embedding(id: impl Into<Arc<str>>) -> Self {
        Self { kind: ModelKind::Embedding, ..Self::chat(id) }
    }

    /// A model of this name that computes `function` on an FP32 tensor `INPUT0`, giving `OUTPUT0`.
    pub fn tensor(id: impl Into<Arc<str>>, function: TensorFunction) -> Self {
        let datatype = if function == TensorFunction::Argmax { DataType::Int64 } else { DataType::Fp32 };
        let spec = |name: &str, datatype| TensorSpec { name: name.into(), datatype, shape: vec![-1, -1] };
        let mut output = spec("OUTPUT0", datatype);
        if function != TensorFunction::Identity {
            output.shape.pop();
        }
        Self {
            kind: ModelKind::Tensor,
            function,
            inputs: vec![spec("INPUT0", DataType::Fp32)],
            outputs: vec![output],
            ..Self::chat(id)
        }
    }
}

/// When a model answers with the call of a tool, in place of text. `tool_choice` may force it to, or forbid it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum ToolUse {
    /// Once for each message of the user: what the tool says is answered in text.
    #[default]
    First,
    /// Whenever tools are offered.
    Always,
    /// It does not know what tools are, not even when it is forced.
    Never,
    /// For this share of conversations, from 0 to 1, decided by the seed and what was said.
    Share(f64),
}

/// [`ToolUse`] as people write it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(Word),
    Share(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    First,
    Always,
    Never,
}

impl TryFrom<Written> for ToolUse {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Word(Word::First) => Ok(Self::First),
            Written::Word(Word::Always) => Ok(Self::Always),
            Written::Word(Word::Never) => Ok(Self::Never),
            Written::Share(share) if (0.0..=1.0).contains(&share) => Ok(Self::Share(share)),
            Written::Share(_) => Err("a share of conversations that call a tool is from 0 to 1"),
        }
    }
}

impl From<ToolUse> for Written {
    fn from(wants: ToolUse) -> Self {
        match wants {
            ToolUse::First => Self::Word(Word::First),
            ToolUse::Always => Self::Word(Word::Always),
            ToolUse::Never => Self::Word(Word::Never),
            ToolUse::Share(share) => Self::Share(share),
        }
    }
}

/// What a tensor model computes of each input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TensorFunction {
    /// The input itself, under the output's name.
    #[default]
    Identity,
    /// The sum over the last axis, in the input's datatype.
    Sum,
    /// The position of the largest element along the last axis, as INT64; the first of several.
    Argmax,
}

/// The memory that loaded models share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Bytes that loaded models may take together.
    #[serde(with = "human::bytes")]
    pub budget: u64,
    /// What happens when a load does not fit.
    pub when_full: WhenFull,
}

impl Default for Memory {
    /// Room for everything.
    fn default() -> Self {
        Self { budget: u64::MAX, when_full: WhenFull::default() }
    }
}

/// What happens when a model is to be loaded and memory is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// The model that was used longest ago, and is not answering, is unloaded.
    #[default]
    Evict,
    /// The load fails and says how many bytes are missing.
    Refuse,
}
