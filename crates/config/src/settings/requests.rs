//! What requests ask for, and how they are kept and joined: [`Inference`], [`Cache`], [`Batch`].

use std::time::Duration;

use super::time::{DAY, millis, secs};
use crate::section::section;
use crate::value::ByteSize;

section! {
    /// What a request asks for when its sender does not say.
    pub struct Inference {
        /// The model. Unset: the first one that a server has ready.
        model: Option<String> = None, example "qwen3:8b";
        /// The longest that a request may take, all attempts together. Two minutes suit a few hundred tokens on a laptop; raise
        /// it for long answers.
        timeout: Duration = secs(120), in millis(100)..=DAY;
        /// How freely the model chooses words; 0 always takes the likeliest. Unset: the server decides.
        temperature: Option<f64> = None, in 0.0..=2.0, example "0.7";
        /// The share of likely words to choose from. Unset: the server decides.
        top_p: Option<f64> = None, in 0.0..=1.0, example "0.9";
        /// The most tokens to generate. Unset: the server decides.
        max_tokens: Option<u32> = None, in 1..=10_000_000, example "1024";
        /// Whether answers arrive as they are generated.
        stream: bool = true;
    }
}

section! {
    /// What is kept to be given again: lists of models, and answers (the latter not yet in effect).
    pub struct Cache {
        /// Whether answers are kept (not yet in effect).
        enabled: bool = false;
        /// The most memory for them (not yet in effect).
        max_bytes: ByteSize = ByteSize::mib(64), in ByteSize::kib(64)..=ByteSize::gib(1024);
        /// How long an answer is good for (not yet in effect).
        ttl: Duration = secs(600), in secs(1)..=DAY;
        /// How long a server's list of models is good for: short, since others load and unload models too.
        models_ttl: Duration = secs(5), in millis(100)..=secs(3600);
    }
}

section! {
    /// Requests that are joined into one, where the server can answer several at once (not yet in effect).
    pub struct Batch {
        /// Whether requests are joined (not yet in effect).
        enabled: bool = false;
        /// The most requests in one (not yet in effect).
        max_size: u32 = 32, in 2..=4096;
        /// How long a request waits for others: well below what a person notices (not yet in effect).
        max_wait: Duration = millis(5), in Duration::from_micros(100)..=secs(1);
    }
}
