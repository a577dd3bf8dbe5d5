//! The typed configuration of Longshore: [`Config::load`] reads a YAML file, `LONGSHORE_…` variables and flags, and gives
//! a [`Config`] with the [`Origin`] of each value, or all [`Problems`] at once.
//!
//! Each section is a table (`section!`) of its settings with type, default, range and meaning. The structs, the reader,
//! [`json_schema`], [`settings_list`], [`starter_file`] and [`settings_table_markdown`] all come from that table.
//!
//! It looks nothing up: no environment, no working directory. It reads two files when asked: the configuration
//! ([`Sources::read_file`]) and a secret ([`Credential::resolve`]).
//!
//! ```
//! use longshore_config::{Config, Sources};
//!
//! let sources = Sources::new()
//!     .file("longshore.yaml", "servers:\n  - name: gpu\n    rest: http://gpu.lan:8000\n    wieght: 2\n")
//!     .environment([("LONGSHORE_RETRY__MAX_ATTEMPTS".to_owned(), "99".to_owned())]);
//! let problems = Config::load(sources).unwrap_err();
//! assert_eq!(
//!     problems.to_string(),
//!     "longshore.yaml:4:5: servers[0].wieght: unknown setting; did you mean \"weight\"?\n\
//!      environment variable LONGSHORE_RETRY__MAX_ATTEMPTS: retry.max_attempts: out of range, found \"99\"; use 1 to 10"
//! );
//! ```

#![forbid(unsafe_code)]

mod check;
mod describe;
mod load;
mod origin;
mod problem;
mod read;
mod search;
mod section;
mod setting;
mod settings;
mod show;
mod value;

pub use check::ENGINE_NAME;
pub use describe::{Described, json_schema, settings_list, settings_table_markdown, starter_file};
pub use load::{Loaded, Sources};
pub use origin::{Origin, Origins};
pub use problem::{Problem, Problems, Source};
pub use read::overlay::{PREFIX as VARIABLE_PREFIX, RESERVED_VARIABLES};
pub use read::yaml::MAX_FILE_BYTES;
pub use search::{Candidate, FILE_NAME, Search};
pub use settings::{
    Batch, Breaker, Cache, Config, Desk, DialectChoice, EndMark, Engine, Gateway, GatewayTls, Health, Inference,
    Limits, LogFormat, LogLevel, Logging, Metrics, Models, Pool, Protocol, Retry, Server, Timeouts, Tls,
};
pub use show::Shown;
pub use value::{
    Address, ByteSize, Credential, CredentialError, MAX_SECRET_BYTES, Secret, ServerName, VariableName,
    format_duration, parse_duration,
};

/// The shape of the whole configuration.
pub(crate) fn root_kind() -> setting::Kind {
    <Config as setting::Setting>::kind()
}
