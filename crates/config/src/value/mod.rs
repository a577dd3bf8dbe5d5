//! The kinds of value that a setting can be: durations, sizes, addresses, names, choices, secrets.
//!
//! Each knows how it is written, how it is parsed and what JSON Schema says of it. Ranges belong to the settings.

mod address;
mod basic;
mod choice;
mod credential;
mod duration;
mod size;

pub use address::Address;
pub use basic::{ServerName, VariableName};
pub(crate) use choice::choices;
pub use credential::{Credential, CredentialError, MAX_SECRET_BYTES, Secret};
pub use duration::{format_duration, parse_duration};
pub use size::ByteSize;
