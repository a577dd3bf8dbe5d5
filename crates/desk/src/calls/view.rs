//! What is told of recorded calls: [`CallSummary`], [`CallDetail`]; and which are asked for: [`Filter`].

use std::collections::BTreeMap;

use longshore_core::Usage;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Attempt;
use crate::words;

/// A call in a few words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallSummary {
    /// Its id, as long as the program runs.
    pub id: String,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// What was asked.
    pub op: String,
    /// The model that was asked for, or that answered.
    pub model: Option<String>,
    /// Who answered.
    pub server: Option<String>,
    /// How the answer travelled.
    #[schema(value_type = Option<words::WayProtocol>)]
    pub protocol: Option<String>,
    /// Who asked.
    #[schema(value_type = words::CallSource)]
    pub from: String,
    /// The dialect in which it came in over the gateway.
    pub dialect_in: Option<String>,
    /// What became of it.
    #[schema(value_type = words::CallOutcome)]
    pub outcome: String,
    /// The error's kind.
    pub error_kind: Option<String>,
    /// From the call to its first content.
    pub ttft_ms: Option<f64>,
    /// From the call to its end.
    pub total_ms: Option<f64>,
    /// Tokens of the answer.
    pub tokens: Option<u64>,
    /// How many attempts were made.
    pub attempts: usize,
    /// What the response cache did.
    pub cache: Option<String>,
}

/// All that is kept of a call.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallDetail {
    /// The call in a few words.
    #[serde(flatten)]
    pub summary: CallSummary,
    /// The request: JSON where it is JSON, else what can be told of it. What looks like a secret is masked.
    #[schema(value_type = Object)]
    pub request: serde_json::Value,
    /// Bytes of the request's body, as it came in; about as many, where it was made here.
    pub request_bytes: usize,
    /// Where it was sent to on the gateway.
    pub path: Option<String>,
    /// Headers of the request as it came in over the gateway. What looks like a secret is masked.
    pub headers: BTreeMap<String, String>,
    /// The answer's text.
    pub response_text: String,
    /// The events, as they came.
    pub frames: Vec<Frame>,
    /// Every attempt.
    pub ledger: Vec<Attempt>,
    /// What went wrong.
    pub error: Option<crate::Problem>,
    /// Token counts, where the server told.
    #[schema(value_type = Option<Object>)]
    pub usage: Option<Usage>,
    /// Whether more came than is kept.
    pub truncated: bool,
    /// Whether it can be asked again: what was too large to keep cannot.
    pub replayable: bool,
}

/// An event of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Frame {
    /// How long after the call.
    pub at_ms: f64,
    /// What kind of event.
    pub event: String,
    /// What it says.
    pub text: String,
}

/// Which calls are asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// At most so many; 200 if nothing is said, 1000 at most.
    pub limit: Option<usize>,
    /// Only those that came before the one of this id.
    pub before: Option<String>,
    /// Only those in whose operation, model, server or error this stands.
    pub q: Option<String>,
    /// Only those that this server answered.
    pub server: Option<String>,
    /// Only those that ended so.
    pub outcome: Option<String>,
}

impl Filter {
    /// How many are wanted.
    pub(super) fn wanted(&self) -> usize {
        self.limit.unwrap_or(200).clamp(1, 1000)
    }

    pub(super) fn takes(&self, call: &CallSummary) -> bool {
        let is = |wanted: &Option<String>, have: Option<&str>| {
            wanted.as_deref().is_none_or(|word| word.is_empty() || Some(word) == have)
        };
        let fields =
            [Some(&call.op), call.model.as_ref(), call.server.as_ref(), call.error_kind.as_ref(), Some(&call.outcome)];
        let found = |word: &String| {
            let word = word.to_lowercase();
            fields.iter().flatten().any(|field| field.to_lowercase().contains(&word))
        };
        is(&self.server, call.server.as_deref())
            && is(&self.outcome, Some(&call.outcome))
            && self.q.as_ref().is_none_or(found)
    }
}
