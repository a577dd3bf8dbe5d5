//! How streams look, and when the whole server stands still.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::human;

/// How the tokens of a stream are put into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// Send the reply's head and its first, empty chunk when the request leaves the queue, not with the first token.
    pub role_at_once: bool,
    /// Tokens that one event carries; it leaves when the last of them is ready.
    pub tokens_per_chunk: u32,
    /// Events that leave together, when the last of them is ready.
    pub burst: u32,
}

impl Default for Shape {
    /// Each token by itself, the moment it is ready.
    fn default() -> Self {
        Self { role_at_once: false, tokens_per_chunk: 1, burst: 1 }
    }
}

/// A time in which the whole server stands still, like a garbage collector or a suspended machine: no token is made
/// and no request is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// When it begins, counted from the server's start.
    #[serde(with = "human::duration")]
    pub at: Duration,
    /// How long it lasts.
    #[serde(with = "human::duration")]
    pub lasting: Duration,
}
