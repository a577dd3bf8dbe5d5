//! What the simulator tells of one answer: the planned instants.

use serde::Deserialize;

/// When the parts of one answer were planned to happen, in nanoseconds since the simulator's start.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Truth {
    /// When the call was understood.
    pub arrived_ns: u64,
    /// When each token was ready.
    pub tokens_ns: Vec<u64>,
    /// How late the simulator handed a token on, at worst.
    pub worst_lag_ns: u64,
}

impl Truth {
    /// The time to the first token, in milliseconds.
    pub fn first(&self) -> Option<f64> {
        self.tokens_ns.first().map(|at| since(*at, self.arrived_ns))
    }

    /// The time to the last token, in milliseconds.
    pub fn last(&self) -> Option<f64> {
        self.tokens_ns.last().map(|at| since(*at, self.arrived_ns))
    }

    /// The times between tokens, in milliseconds.
    pub fn gaps(&self) -> impl Iterator<Item = f64> {
        self.tokens_ns.windows(2).map(|pair| since(pair[1], pair[0]))
    }
}

fn since(at: u64, from: u64) -> f64 {
    at.saturating_sub(from) as f64 / 1e6
}
