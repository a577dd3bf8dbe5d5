//! This process itself: [`Engine`], [`Logging`], [`Metrics`].

use std::path::PathBuf;

use crate::section::section;
use crate::value::{ByteSize, choices};

section! {
    /// The engine that runs models in this process.
    pub struct Engine {
        /// Whether there is one. With it, the built-in model answers when no server is configured.
        enabled: bool = true;
        /// A folder of GGUF files to offer beside the built-in model.
        models: Option<PathBuf> = None, example "~/models";
        /// Compute threads for one request. One is fastest for small models: with more, threads mostly wait for each other on a
        /// busy machine. Raise it towards the number of cores for models of a billion parameters and more.
        threads: u32 = 1, in 1..=512;
        /// Requests computed at once.
        slots: u32 = 2, in 1..=64;
        /// Requests that may wait for a slot; more are told to come back later.
        queue: u32 = 64, in 0..=100_000;
        /// The most memory for loaded models; one that does not fit is refused before it is read.
        memory_budget: ByteSize = ByteSize::gib(4), in ByteSize::mib(16)..=ByteSize::gib(4096);
    }
}

choices! {
    /// How much is logged.
    LogLevel, "level" {
        /// only what failed
        Error = "error",
        /// what may go wrong, too
        Warn = "warn",
        /// what happens, too
        Info = "info",
        /// each step, too
        Debug = "debug",
        /// everything
        Trace = "trace",
    }
}

choices! {
    /// How log lines look.
    LogFormat, "format" {
        /// for people
        Text = "text",
        /// one JSON object a line, for programs
        Json = "json",
    }
}

section! {
    /// What is written about the work, and how.
    pub struct Logging {
        /// How much is written.
        level: LogLevel = LogLevel::Info;
        /// How it is written.
        format: LogFormat = LogFormat::Text;
    }
}

section! {
    /// Numbers about the work.
    pub struct Metrics {
        /// Whether `longshore serve` counts them and gives them at `/metrics`, in Prometheus' format.
        enabled: bool = true;
    }
}
