//! Models and the servers that hold them, as far as anybody has told.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tensor::DataType;

/// What is known about a model. A field that nobody told is `None` or empty, never guessed.
///
/// As JSON, the state is a word beside the other fields: `"state": "failed", "reason": "out of memory"`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelInfo {
    /// What to write in a call.
    pub id: Arc<str>,
    /// What to show to a person; the id where there is no better name.
    pub name: String,
    /// The server that has it; empty where there is only one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub server: Arc<str>,
    /// What it is for.
    pub kind: ModelKind,
    /// The architecture or product line: `llama`, `qwen3`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// How its weights are stored: `Q8_0`, `F16`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// Tokens that fit, prompt and answer together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Tokens of answer that the server allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Size of the weights, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Whether it can answer.
    #[serde(flatten)]
    pub state: ModelState,
    /// Since when it has been ready; whole seconds since 1970 in JSON.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "unix_seconds", deserialize_with = "from_unix")]
    pub loaded_at: Option<SystemTime>,
    /// The versions that the server has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// The framework that runs it, in the server's word (OIP's `platform`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The tensors it takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<TensorSpec>,
    /// The tensors it gives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<TensorSpec>,
    /// What else the server told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl ModelInfo {
    /// A model of which only the id is known.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        let id = id.into();
        Self { name: id.to_string(), id, ..Self::default() }
    }
}

/// Seconds since 1970, as most servers write it.
fn unix_seconds<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|d| d.as_secs());
    seconds.serialize(serializer)
}

/// A time that no clock can show is a time that nobody told.
fn from_unix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    let since = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)))
}

/// What a model is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelKind {
    /// Follows a conversation.
    Chat,
    /// Continues text, without a chat template.
    Completion,
    /// Gives vectors.
    Embedding,
    /// Takes and gives tensors.
    Tensor,
    /// Nobody told.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ModelKind {
    /// The word that stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "completion",
            Self::Embedding => "embedding",
            Self::Tensor => "tensor",
            Self::Unknown => "unknown",
        }
    }

    /// From the word that stands in JSON; any other is [`ModelKind::Unknown`].
    pub fn from_word(word: &str) -> Self {
        match word {
            "chat" => Self::Chat,
            "completion" => Self::Completion,
            "embedding" => Self::Embedding,
            "tensor" => Self::Tensor,
            _ => Self::Unknown,
        }
    }
}

/// Whether a model can answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case", from = "StateWords")]
#[non_exhaustive]
pub enum ModelState {
    /// Nobody told.
    #[default]
    Unknown,
    /// The server knows of it, and would have to load it.
    Unloaded,
    /// On its way.
    Loading,
    /// Answers.
    Ready,
    /// Finishes what it has begun, takes nothing new.
    Draining,
    /// Loading went wrong.
    Failed(String),
}

impl ModelState {
    /// The word that stands in JSON and in tables.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unloaded => "unloaded",
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Failed(_) => "failed",
        }
    }

    /// From the word that stands in JSON, with the reason of a failure; any other word is [`ModelState::Unknown`].
    pub fn from_word(word: &str, reason: Option<&str>) -> Self {
        match word {
            "unloaded" => Self::Unloaded,
            "loading" => Self::Loading,
            "ready" => Self::Ready,
            "draining" => Self::Draining,
            "failed" => Self::Failed(reason.unwrap_or_default().to_owned()),
            _ => Self::Unknown,
        }
    }
}

/// A state as JSON has it.
#[derive(Deserialize)]
struct StateWords {
    #[serde(default)]
    state: String,
    #[serde(default)]
    reason: Option<String>,
}

impl From<StateWords> for ModelState {
    fn from(words: StateWords) -> Self {
        Self::from_word(&words.state, words.reason.as_deref())
    }
}

/// A tensor that a model takes or gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub datatype: DataType,
    /// Its shape; -1 where any length will do.
    pub shape: Vec<i64>,
}

/// How far a load or unload has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The model it is about.
    pub model: Arc<str>,
    /// Where it stands.
    #[serde(flatten)]
    pub state: ModelState,
    /// How much is done, between 0 and 1, where the server tells that and no bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f32>,
    /// Bytes read so far, where the server tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_bytes: Option<u64>,
    /// Bytes to read in all, where the server tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
}

/// How a server or a model is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthReport {
    /// It can do what was asked about: be alive, or take work.
    pub ok: bool,
    /// Why not, or what is worth knowing all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a server says about itself: how a client tells which form of a protocol it speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerInfo {
    /// The product: `triton`, `mlserver`, `longshore`, …; empty while nothing is known.
    pub name: Arc<str>,
    /// Its version, in its own words.
    pub version: String,
    /// Extensions of the protocol that it offers.
    pub extensions: Vec<String>,
    /// What it answered to the asides of the call at hand ([`Dialect::aside`](crate::Dialect::aside)), in the order in
    /// which they were asked: the body, or `None` where it refused. Never on a wire.
    #[serde(skip)]
    pub told: Vec<Option<Bytes>>,
}

/// How often a model was used, and where the time went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelStatistics {
    /// The model.
    pub model: Arc<str>,
    /// The version.
    pub version: String,
    /// When it was last used, in milliseconds since 1970; 0 for never.
    pub last_inference_ms: u64,
    /// Inferences made; a batch counts each of its members.
    pub inference_count: u64,
    /// Executions made; a batch counts once.
    pub execution_count: u64,
    /// Requests that succeeded.
    pub success: DurationStatistic,
    /// Requests that failed.
    pub fail: DurationStatistic,
    /// Waiting for a turn.
    pub queue: DurationStatistic,
    /// Preparing inputs.
    pub compute_input: DurationStatistic,
    /// Running the model.
    pub compute_infer: DurationStatistic,
    /// Collecting outputs.
    pub compute_output: DurationStatistic,
}

/// How often something happened, and how long it took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DurationStatistic {
    /// How often.
    pub count: u64,
    /// How long in all, in nanoseconds.
    pub ns: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn models_survive_json() {
        let mut model = ModelInfo::new("a/b");
        model.kind = ModelKind::Tensor;
        model.loaded_at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        for state in [ModelState::Ready, ModelState::Unknown, ModelState::Failed("no memory".into())] {
            model.state = state;
            let written = serde_json::to_value(&model).unwrap();
            assert_eq!(written["state"], model.state.as_str());
            assert_eq!(serde_json::from_value::<ModelInfo>(written).unwrap(), model);
        }
    }

    #[test]
    fn words_and_times_that_are_unknown_are_nobodys() {
        let told = json!({"id": "m", "kind": "oracle", "state": "asleep", "loaded_at": -1, "size_bytes": null});
        let model: ModelInfo = serde_json::from_value(told).unwrap();
        assert_eq!(model, ModelInfo { id: "m".into(), ..ModelInfo::default() });
    }
}
