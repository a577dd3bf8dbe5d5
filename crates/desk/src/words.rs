//! The closed lists of words in the API's description.
//!
//! The values themselves are texts that the other crates give (`Protocol::as_str` and the like); these types tell the
//! description, and so the page's types, which there are.

#![expect(dead_code, reason = "they are described, never made")]

use serde::Serialize;
use utoipa::ToSchema;

/// How a server is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServerState {
    /// All its ways answer.
    Ok,
    /// It answers, and something is wrong.
    Troubled,
    /// No way answers.
    Down,
    /// It was not asked yet.
    Unknown,
    /// Only calls that name it go there.
    Drained,
}

/// How a server is spoken to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WayProtocol {
    /// Over HTTP.
    Rest,
    /// Over gRPC.
    Grpc,
    /// Not at all: it is in this process.
    InProcess,
}

/// How a server at an address is spoken to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireProtocol {
    /// Over HTTP.
    Rest,
    /// Over gRPC.
    Grpc,
}

/// Whether calls are let through.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Breaker {
    /// All of them.
    Closed,
    /// None.
    Open,
    /// One, to see how it does.
    HalfOpen,
}

/// What an event of a server is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServerEventKind {
    /// A call went on to another server.
    Failover,
    /// Calls are let through, or not any more.
    Breaker,
    /// It answers, or not any more.
    Health,
    /// A model was loaded, unloaded or pulled.
    Load,
}

/// What a model is for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModelKind {
    /// Conversations.
    Chat,
    /// Going on with a text.
    Completion,
    /// Numbers for texts.
    Embedding,
    /// Tensors in and out.
    Tensor,
    /// The server does not tell.
    Unknown,
}

/// How a model stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModelState {
    /// The server does not tell.
    Unknown,
    /// Not in memory.
    Unloaded,
    /// On its way there.
    Loading,
    /// It answers.
    Ready,
    /// On its way out.
    Draining,
    /// It could not be loaded.
    Failed,
}

/// How a load, unload or pull stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoadState {
    /// Under way.
    Running,
    /// At its end.
    Done,
    /// Given up, with a reason.
    Failed,
    /// Called off.
    Cancelled,
}

/// What became of a call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallOutcome {
    /// It is under way.
    Running,
    /// It came to its end.
    Ok,
    /// It failed.
    Error,
    /// Whoever asked called it off.
    Cancelled,
    /// It broke off in the middle of the answer.
    Interrupted,
}

/// Whose call it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallSource {
    /// The page's.
    Desk,
    /// Another program's, over the gateway.
    Gateway,
    /// A kept call, sent again.
    Replay,
}

/// When a changed setting holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Effect {
    /// At once.
    Live,
    /// After a new start.
    Restart,
}

#[cfg(test)]
mod tests {
    use longshore_core as core;
    use utoipa::{
        PartialSchema,
        openapi::{RefOr, Schema},
    };

    use super::*;

    fn words<T: PartialSchema>() -> Vec<String> {
        let RefOr::T(Schema::Object(object)) = T::schema() else { panic!("no object") };
        let list = object.enum_values.into_iter().flatten();
        list.map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_words_are_those_that_are_said() {
        let states = [
            core::ModelState::Unknown,
            core::ModelState::Unloaded,
            core::ModelState::Loading,
            core::ModelState::Ready,
            core::ModelState::Draining,
            core::ModelState::Failed(String::new()),
        ];
        assert_eq!(words::<ModelState>(), states.each_ref().map(core::ModelState::as_str));
        use core::ModelKind as Kind;
        let kinds = [Kind::Chat, Kind::Completion, Kind::Embedding, Kind::Tensor, Kind::Unknown];
        assert_eq!(words::<ModelKind>(), kinds.map(Kind::as_str));
        use core::Protocol::{Grpc, InProcess, Rest};
        assert_eq!(words::<WayProtocol>(), [Rest, Grpc, InProcess].map(core::Protocol::as_str));
        assert_eq!(words::<WireProtocol>(), [Rest, Grpc].map(core::Protocol::as_str));
        use crate::calls::{Outcome, Source};
        let outcomes = [Outcome::Running, Outcome::Ok, Outcome::Error, Outcome::Cancelled, Outcome::Interrupted];
        assert_eq!(words::<CallOutcome>(), outcomes.map(Outcome::as_str));
        assert_eq!(words::<CallSource>(), [Source::Desk, Source::Gateway, Source::Replay].map(Source::as_str));
        assert_eq!(words::<Breaker>(), ["closed", "open", "half_open"]);
    }
}
