//! The chunks of a streamed answer, and whole answers, as they stand in JSON: borrowed where that spares a copy, and without
//! the fields that nobody asks for, which stay in the frame. What is rare is boxed: a chunk is moved more often than read.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::Value;

/// A chunk, or a whole answer. Its text is looked through once for being UTF-8, not string by string; where it is not,
/// that may be in a field which nobody reads.
pub(super) fn read(body: &[u8]) -> Result<Chunk<'_>, serde_json::Error> {
    std::str::from_utf8(body).map_or_else(|_| serde_json::from_slice(body), serde_json::from_str)
}

#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) model: Option<ModelName<'a>>,
    #[serde(default)]
    pub(super) choices: Choices,
    pub(super) usage: Option<UsageObject>,
    pub(super) error: Option<Box<Value>>,
}

/// Every chunk has it and only the first one's is told, so it stays in the frame. (serde borrows a `Cow` that is a field,
/// and copies one in an `Option`.)
#[derive(Deserialize)]
pub(super) struct ModelName<'a>(#[serde(borrow)] Cow<'a, str>);

impl From<ModelName<'_>> for Arc<str> {
    fn from(ModelName(name): ModelName<'_>) -> Self {
        name.into()
    }
}

/// Of a stream's chunks nearly all have one choice, which then takes no list on the heap.
#[derive(Default)]
pub(super) struct Choices {
    first: Option<Choice>,
    others: Vec<Choice>,
}

impl Choices {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn each(self, mut take: impl FnMut(Choice)) {
        self.first.into_iter().for_each(&mut take);
        self.others.into_iter().for_each(take);
    }
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices, A::Error> {
                let mut choices = Choices { first: list.next_element()?, others: Vec::new() };
                while let Some(choice) = list.next_element()? {
                    choices.others.push(choice);
                }
                Ok(choices)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// A choice of a chat chunk (`delta`), of a whole chat answer (`message`) or of a completion (`text`).
#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default, alias = "message", deserialize_with = "null_is_default")]
    pub(super) delta: Delta,
    pub(super) text: Option<String>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Delta {
    pub(super) content: Option<String>,
    /// llama-server's and DeepSeek's name; vLLM has moved to `reasoning`.
    #[serde(alias = "reasoning")]
    pub(super) reasoning_content: Option<String>,
    pub(super) tool_calls: Option<Box<Value>>,
}

#[derive(Deserialize)]
pub(super) struct UsageObject {
    #[serde(default)]
    pub(super) prompt_tokens: u64,
    #[serde(default)]
    pub(super) completion_tokens: u64,
    pub(super) prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Deserialize)]
pub(super) struct PromptDetails {
    pub(super) cached_tokens: Option<u64>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
