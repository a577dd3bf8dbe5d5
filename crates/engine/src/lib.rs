//! Longshore's embedded engine: GGUF models in this process, computed by candle on the CPU.
//!
//! [`Engine`] is a [`Backend`](longshore_core::Backend) like any server. It offers the built-in model
//! ([`BUILT_IN`]), which is compiled in, and the `*.gguf` files of a folder; it loads them when they are first wanted.
//! A request's way: [`Engine::call`](longshore_core::Backend::call) → a place in the bounded queue → the model, loaded
//! if need be → a slot → the loop that writes the answer → events through a bounded channel. Dropping the events stops
//! the computing within a token.
//!
//! It never uses a GPU, and never downloads anything.

#![forbid(unsafe_code)]

mod builtin;
mod embed;
mod engine;
mod family;
mod generate;
pub mod ggml;
pub mod gguf;
mod model;
mod prompt;
mod registry;
mod sampler;
mod slots;
mod stop;
mod store;
mod template;
#[cfg(test)]
mod testing;
mod tokenizer;
mod weights;
mod work;

pub use builtin::{GGUF as BUILT_IN_GGUF, ID as BUILT_IN};
pub use engine::{Engine, EngineConfig, environment};
pub use sampler::{DEFAULT_TEMPERATURE, DEFAULT_TOP_K, DEFAULT_TOP_P};

use longshore_core::{Error, ErrorKind};
