//! How the program ends: [`Exit`], the documented codes, and [`Failure`], what a command could not do.
//!
//! Nothing here prints. The text of a failure is made in [`report`](crate::report).

use std::{io, process::ExitCode};

use longshore_config::Problems;
use longshore_core::{Error, ErrorKind};

/// The exit codes. They are part of the interface: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// Anything that has no code of its own: the server refused the request, a file could not be written, …
    Other = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// No server answered: refused, unreachable, too slow or too busy.
    NoServer = 4,
    /// Nobody has the model.
    UnknownModel = 5,
    /// The answer broke off; what had arrived was shown.
    Interrupted = 6,
    /// `bench compare` found a regression.
    Regression = 7,
    /// Ctrl-C.
    Cancelled = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What a command could not do.
#[derive(Debug)]
pub enum Failure {
    /// The arguments are each fine to the parser and make no sense all the same.
    Usage(String),
    /// The configuration's problems, all of them.
    Problems(Box<Problems>),
    /// Something else about the configuration: the file is missing, a secret cannot be fetched.
    Configuration(String),
    /// A call failed.
    Call {
        /// What was tried, to stand after "failed to ".
        what: String,
        /// What went wrong.
        error: Box<Error>,
    },
    /// Some of many could not be done; each was reported where it happened.
    Partly(Exit),
    /// The person said stop.
    Cancelled,
    /// Nobody reads standard output any more.
    ClosedOutput,
    /// Anything else.
    Other(String),
}

impl Failure {
    /// A failed call.
    pub(crate) fn call(what: impl Into<String>, error: Error) -> Self {
        Self::Call { what: what.into(), error: Box::new(error) }
    }

    /// The code to end with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Problems(_) | Self::Configuration(_) => Exit::Configuration,
            Self::Call { error, .. } => exit_of_kind(error.kind()),
            Self::Partly(exit) => *exit,
            Self::Cancelled => Exit::Cancelled,
            // `longshore models | head -1` is no failure.
            Self::ClosedOutput => Exit::Success,
            Self::Other(_) => Exit::Other,
        }
    }
}

/// Errors of writing to standard output; of files, [`Failure::Other`] tells more.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedOutput,
            _ => Self::Other(format!("write to standard output: {error}")),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Problems(Box::new(problems))
    }
}

/// The code for a failed call of this kind.
pub(crate) fn exit_of_kind(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Overloaded => Exit::NoServer,
        ErrorKind::UnknownModel => Exit::UnknownModel,
        ErrorKind::Interrupted => Exit::Interrupted,
        ErrorKind::Cancelled => Exit::Cancelled,
        _ => Exit::Other,
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::dialect::status_of;

    use super::*;

    #[test]
    fn kinds_have_the_documented_codes() {
        for (kind, code) in [
            (ErrorKind::Connect, 4),
            (ErrorKind::Timeout, 4),
            (ErrorKind::UnknownModel, 5),
            (ErrorKind::Interrupted, 6),
            (ErrorKind::Cancelled, 130),
            (ErrorKind::Server, 1),
            (ErrorKind::InvalidRequest, 1),
        ] {
            assert_eq!(exit_of_kind(kind) as u8, code, "{}", kind.as_str());
        }
    }

    #[test]
    fn the_guide_has_every_kind_with_its_status_and_code() {
        let page = include_str!("../../../docs/integration.md");
        for kind in ErrorKind::ALL {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", kind.as_str())));
            let row = row.unwrap_or_else(|| panic!("docs/integration.md does not tell of {}", kind.as_str()));
            let (status, code) = (status_of(&Error::new(kind, "x")).as_u16(), exit_of_kind(kind) as u8);
            assert!(row.ends_with(&format!("| {status} | {code} |")), "{row}: it is {status} and {code}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit(), Exit::Success);
        assert_eq!(Failure::from(io::Error::other("disk full")).exit(), Exit::Other);
    }
}
