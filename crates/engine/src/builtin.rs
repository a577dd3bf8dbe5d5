//! The model that is compiled in: small enough to ship in the binary, so that everything works with no server configured.
//!
//! It does nothing but hold bytes; `model/README.md` says what they are.

/// The id under which the model is listed and asked.
pub const ID: &str = "built-in";

/// The GGUF file.
pub static GGUF: &[u8] = include_bytes!("../model/built-in.q8_0.gguf");
