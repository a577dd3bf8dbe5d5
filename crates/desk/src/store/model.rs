//! What a conversation is made of, as it is kept, exported and written on the desk's wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Problem, calls::Attempt};

/// A conversation with all its branches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// Its title; made from the first message if nobody gave one.
    pub title: String,
    /// The model that is asked.
    pub model: Option<String>,
    /// The server that is asked; `null` leaves the choice to the fleet.
    pub server: Option<String>,
    /// What the model is told before everything else; may be empty.
    pub system: String,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// The last message of the branch that is shown.
    pub leaf: Option<String>,
    /// When it was begun, in milliseconds since 1970.
    pub created_at: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_at: u64,
    /// All messages, in the order in which they were made.
    pub messages: Vec<Message>,
}

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConversationSummary {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_at: u64,
    /// How many messages it has.
    pub messages: u64,
    /// Where what was searched for stands; `null` if it is the title, or if nothing was searched for.
    pub snippet: Option<String>,
    /// The model that is asked.
    pub model: Option<String>,
}

/// What a new conversation begins with.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewConversation {
    /// Its title.
    pub title: String,
    /// The model that is asked.
    pub model: Option<String>,
    /// The server that is asked.
    pub server: Option<String>,
    /// What the model is told before everything else.
    pub system: String,
    /// How the next token is chosen.
    pub sampling: Sampling,
}

/// What is to be changed; what is left out stays. `null` for a model or server leaves the choice to the fleet.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// The title.
    pub title: Option<String>,
    /// The model.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub model: Option<Option<String>>,
    /// The server.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub server: Option<Option<String>>,
    /// What the model is told before everything else.
    pub system: Option<String>,
    /// How the next token is chosen.
    pub sampling: Option<Sampling>,
    /// The last message of the branch to show.
    pub leaf: Option<String>,
}

/// `null` is a value, and differs from nothing at all.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// How the next token is chosen, and when to stop. What is left out is the server's choice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 is greedy; above 1 is wild.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Keep the most likely tokens whose probabilities add up to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Keep this many of the most likely tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// The same seed and request give the same answer, where the server keeps that promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// At most this many tokens of answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Stop before any of these texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// Whose words a message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person's.
    #[default]
    User,
    /// The model's.
    Assistant,
}

/// A message: what a person wrote, or a model's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The message that it follows; `null` where a branch begins.
    pub parent: Option<String>,
    /// Whose words it has.
    pub role: Role,
    /// The words: of an answer, those of its last segment.
    pub content: String,
    /// What goes with the words.
    pub attachments: Vec<Attachment>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: u64,
    /// How the answer came; of a person's message there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// A file or picture that goes with a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// What it is, such as `image/png`.
    pub media_type: String,
    /// Its content, in base64.
    pub data: String,
    /// Its size.
    pub bytes: u64,
}

/// How an answer came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Answer {
    /// How far it is.
    pub state: AnswerState,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The server that was asked for, or that answered last.
    pub server: Option<String>,
    /// Several if the answer broke off and was asked for anew elsewhere.
    pub segments: Vec<Segment>,
    /// Why it ended, in OpenAI's word.
    pub finish: Option<String>,
    /// Token counts, where the server told.
    pub usage: Option<TokenCounts>,
    /// From asking to the first content of the last segment.
    pub ttft_ms: Option<f64>,
    /// From asking to the end.
    pub total_ms: Option<f64>,
    /// Tokens per second after the first one, of the last segment.
    pub tokens_per_second: Option<f64>,
    /// Every attempt.
    pub attempts: Vec<Attempt>,
    /// What the response cache did.
    pub cache: Option<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Why it could not be written to the disk, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<Problem>,
}

/// Token counts, as the server counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TokenCounts {
    /// Tokens of the request, the template's included.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Of the prompt's, those that were already computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
}

impl From<longshore_core::Usage> for TokenCounts {
    fn from(usage: longshore_core::Usage) -> Self {
        let longshore_core::Usage { prompt_tokens, completion_tokens, cached_tokens } = usage;
        Self { prompt_tokens, completion_tokens, cached_tokens }
    }
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerState {
    /// It is coming.
    #[default]
    Running,
    /// It has come to its end.
    Done,
    /// It broke off, and nobody could take over.
    Interrupted,
    /// The person stopped it.
    Stopped,
    /// Nothing came.
    Failed,
}

/// What one server gave of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Segment {
    /// The server.
    pub server: String,
    /// How the answer travelled.
    pub protocol: String,
    /// The model, by the server's own name for it where it told.
    pub model: String,
    /// The words.
    pub text: String,
    /// What the model thought before.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// How it ended.
    pub ended: SegmentEnd,
    /// What broke it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// How a segment ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SegmentEnd {
    /// It is coming.
    #[default]
    Running,
    /// It has come to its end.
    Done,
    /// It broke off, or was stopped.
    Interrupted,
}
