//! Where a value came from: [`Origin`], and [`Origins`], which knows it for every setting of a loaded configuration.
//!
//! Nothing here reads a file or a variable; it only remembers what the readers saw.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Where one value came from. Its text is what a person needs to find it: `longshore.yaml:12:5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in: nothing set it.
    Default,
    /// The configuration file.
    File {
        /// The file as the caller named it.
        path: Arc<Path>,
        /// The line, from 1; 0 when the problem is the whole file.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// An environment variable.
    Env {
        /// Its name as it stands in the environment.
        variable: String,
    },
    /// A command-line flag.
    Flag {
        /// The flag as a person types it: `--listen`.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0, .. } => write!(f, "{}", path.display()),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Env { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { name } => write!(f, "flag {name}"),
        }
    }
}

/// The origin of every setting that something set; what is absent is [`Origin::Default`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// The origin of a setting by its dotted path, such as `servers[0].rest`.
    pub fn of(&self, path: &str) -> &Origin {
        self.0.get(path).unwrap_or(&Origin::Default)
    }

    /// Every setting that is not at its default, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.0.iter().map(|(path, origin)| (path.as_str(), origin))
    }
}

impl FromIterator<(String, Origin)> for Origins {
    fn from_iter<I: IntoIterator<Item = (String, Origin)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// An origin with the bytes of the file that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) origin: Origin,
    pub(crate) span: Option<Range<usize>>,
}

impl Place {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, span: None }
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(self.origin, Origin::File { .. })
    }
}
