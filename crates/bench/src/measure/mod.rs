//! What is measured, by definition: from the [`Record`] of a request to its [`Timing`], from the requests of a time to
//! a [`Window`]. Everything here is arithmetic on instants that somebody else has stamped.
//!
//! | Word | Definition |
//! |---|---|
//! | token event | content, reasoning or a tool call that is not empty; a chunk with a role alone is none |
//! | TTFT | first token event − the request's sending; *scheduled*: − the instant at which it should have been sent |
//! | gap | a token event − the one before |
//! | ITL | gap ÷ the tokens that came with the later event, weighted by their number |
//! | TPOT | (last token event − first) ÷ (tokens − those of the first event) |
//! | E2E | the protocol's end mark − the sending |
//! | throughput | what arrives inside the steady window ÷ the window |
//! | goodput | requests that meet every objective on scheduled latency ÷ the window; a failure takes for ever |

mod objective;
mod record;
mod stamps;
mod timing;
mod tokenizer;
mod tokens;
mod window;

pub use objective::{Objective, Objectives};
pub use record::{Chunk, Outcome, Record};
pub use stamps::Stamps;
pub use timing::Timing;
pub use tokenizer::Tokenizer;
pub use tokens::{Counted, share_out};
pub use window::{Little, Window};

/// Milliseconds, as metrics are told.
pub fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
