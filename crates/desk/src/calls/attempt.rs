//! A line of a ledger as it is written on the desk's wire: [`Attempt`].

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An attempt at a call, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Attempt {
    /// The server's name in the configuration.
    pub server: String,
    /// Its address; empty in this process.
    pub endpoint: String,
    /// `rest`, `grpc` or `in_process`.
    pub protocol: String,
    /// What was spoken; empty in this process, and where it never came to that.
    pub dialect: String,
    /// What was asked.
    pub op: String,
    /// How long the call had waited before it.
    pub wait_ms: f64,
    /// From its beginning until it was committed, failed or was given up.
    pub elapsed_ms: f64,
    /// It was begun while another one was still running.
    pub hedge: bool,
    /// `committed`, or the error's kind.
    pub outcome: String,
    /// What went wrong.
    pub error: Option<String>,
    /// Bytes of the reply's body.
    pub bytes: u64,
    /// Tokens that came.
    pub tokens: u64,
    /// Whether the request had left: `no`, `maybe` or `yes`.
    pub sent: String,
}

impl From<&longshore_core::Attempt> for Attempt {
    fn from(attempt: &longshore_core::Attempt) -> Self {
        // The ledger has one written form, and this is it.
        serde_json::to_value(attempt).ok().and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::{Error, ErrorKind, Route, capability::OpKind};

    use super::*;

    #[test]
    fn it_has_every_field_of_the_ledger() {
        let error = Error::new(ErrorKind::Connect, "refused");
        let core = longshore_core::Attempt {
            error: Some(error),
            ..longshore_core::Attempt::new(Route::in_process("a"), OpKind::Chat)
        };
        let written = serde_json::to_value(&core).unwrap();
        assert_eq!(serde_json::to_value(Attempt::from(&core)).unwrap(), written);
    }
}
