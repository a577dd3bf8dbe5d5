//! What requests ask for, and how they are kept and joined: [`Inference`], [`Cache`], [`Batch`].

use std::{path::PathBuf, time::Duration};

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
    /// What is kept to be given again: lists of models, and answers. An answer is given again to a call that asks for the
    /// very same, of the same revision of the model, where asking anew would give the same: chats and completions with
    /// temperature 0 or a seed, embeddings, and tensors if they are said to be so. Identical calls on their way are joined.
    /// `Cache-Control: no-store` or `no-cache` in a request, or `--no-cache`, goes past it.
    pub struct Cache {
        /// Whether answers are kept.
        enabled: bool = false;
        /// The most memory for them. One answer may take a quarter of it.
        max_bytes: ByteSize = ByteSize::mib(64), in ByteSize::kib(64)..=ByteSize::gib(1024);
        /// How long an answer is good for.
        ttl: Duration = secs(600), in secs(1)..=DAY;
        /// Whether embeddings count as repeatable.
        embeddings: bool = true;
        /// Whether answers of tensor models count as repeatable: such a model may keep state, or throw dice. Requests of a
        /// sequence never do.
        tensors: bool = false;
        /// A folder where answers are kept beyond the program's life, by this user alone. Several programs may share it, and
        /// what is in it may be deleted at any time. Unset: memory only.
        path: Option<PathBuf> = None, example "~/.cache/longshore/answers";
        /// The most bytes in that folder; the oldest answers go first.
        disk_max_bytes: ByteSize = ByteSize::gib(1), in ByteSize::mib(1)..=ByteSize::gib(1024);
        /// How long a server's list of models is good for: short, since others load and unload models too.
        models_ttl: Duration = secs(5), in millis(100)..=secs(3600);
    }
}

section! {
    /// Requests that are joined into one, where the server can answer several at once. While no other request of its kind is
    /// on its way, a request goes at once; those that come meanwhile go together.
    pub struct Batch {
        /// Whether requests are joined.
        enabled: bool = false;
        /// The most texts, or rows of tensors, in one.
        max_size: u32 = 32, in 2..=4096;
        /// How long a request waits for others: well below what a person notices.
        max_wait: Duration = millis(5), in Duration::from_micros(100)..=secs(1);
        /// Whether embeddings are joined.
        embeddings: bool = true;
        /// Whether completions are joined. Servers with continuous batching (llama-server, vLLM) do better themselves, and the
        /// joint answer's reason for ending stands for all its parts.
        completions: bool = false;
        /// Whether tensors are joined along their first axis, where the model's metadata says that it is free and its
        /// configuration does not say that the server batches itself (Triton's dynamic batching).
        tensors: bool = true;
    }
}
