//! From sources to a configuration: [`Config::load`].
//!
//! It looks nothing up: the caller brings the file's bytes, the variables and the flags.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::check;
use crate::origin::{Origin, Origins, Place};
use crate::problem::{Problem, Problems, Source};
use crate::read::overlay;
use crate::read::reader::Reader;
use crate::read::tree::Node;
use crate::read::yaml::{self, MAX_FILE_BYTES, Parsed};
use crate::setting::Setting;
use crate::settings::Config;
use crate::value::Credential;

/// Where a configuration comes from, from weak to strong: defaults, file, environment, flags.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<(Arc<Path>, Vec<u8>)>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String, String)>,
    home: Option<PathBuf>,
}

/// A configuration that is sound, and where each value came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Their origins.
    pub origins: Origins,
}

impl Sources {
    /// Nothing but defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the configuration file: its path for messages (and for the relative paths in it), and its bytes.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) -> Self {
        self.file = Some((path.as_ref().into(), bytes.into()));
        self
    }

    /// Reads the configuration file and adds it. Of a file that is too large to be one, only as much is read as it takes to
    /// know, and [`Config::load`] refuses it.
    ///
    /// # Errors
    /// The system's, when the file cannot be read.
    pub fn read_file(self, path: impl AsRef<Path>) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path.as_ref())?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(self.file(path, bytes))
    }

    /// Adds the environment. Variables that do not begin with `LONGSHORE_` are passed over, as is `LONGSHORE_CONFIG`.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Adds a flag's value for a setting, such as `("gateway.listen", "127.0.0.1:9000", "--listen")`. Servers are
    /// addressed by index or name: `servers[0].rest`, `servers.gpu.rest`. Of two for one setting, the later wins.
    #[must_use]
    pub fn flag(mut self, path: impl Into<String>, value: impl Into<String>, flag: impl Into<String>) -> Self {
        self.flags.push((path.into(), value.into(), flag.into()));
        self
    }

    /// Says what `~/` at the beginning of a path stands for. Without it, such paths are refused.
    #[must_use]
    pub fn home(mut self, folder: impl Into<PathBuf>) -> Self {
        self.home = Some(folder.into());
        self
    }
}

impl Config {
    /// Reads, merges and checks.
    ///
    /// # Errors
    /// Everything that is wrong, in all sources. Only a file that is not YAML hides what else may be wrong in it.
    pub fn load(sources: Sources) -> Result<Loaded, Problems> {
        let Sources { file, environment, flags, home } = sources;
        let parsed = file.as_ref().map(|(path, bytes)| yaml::parse(path, bytes)).unwrap_or_else(no_file);
        let is_readable = parsed.root.is_some();
        let mut root = parsed.root.unwrap_or_else(empty);

        let kind = Self::kind();
        let mut reader = Reader::new(home);
        reader.problems = parsed.problems;
        reader.masks = parsed.masks;
        reader.masks.extend(secrets(&root));
        reader.problems.extend(overlay::apply_environment(&mut root, &kind, &environment));
        reader.problems.extend(overlay::apply_flags(&mut root, &kind, &flags));

        let config = Self::read(&root, "", &mut reader).unwrap_or_default();
        forgive_secrets(&config, &mut reader.problems);
        if is_readable {
            check::contradictions(&config, &mut reader);
        }
        if reader.problems.is_empty() {
            return Ok(Loaded { config, origins: reader.origins() });
        }
        let source = file.filter(|_| is_readable).and_then(|(path, bytes)| masked(&path, bytes, &reader.masks));
        Err(Problems::new(reader.problems, source))
    }
}

/// What may be a secret in the file alone. A variable that overrides it would otherwise hide it from the reader, not from
/// those who are shown the file.
fn secrets(file: &Node) -> Vec<Range<usize>> {
    let mut reader = Reader::default();
    Config::read(file, "", &mut reader);
    reader.masks
}

fn no_file() -> Parsed {
    Parsed { root: Some(empty()), ..Parsed::default() }
}

fn empty() -> Node {
    Node::null(Place::new(Origin::Default))
}

/// A variable that a credential names holds a secret, not a setting, whatever its name begins with.
fn forgive_secrets(config: &Config, problems: &mut Vec<Problem>) {
    let servers = config.servers.iter().filter_map(|server| server.credential.as_ref());
    let credentials: Vec<&Credential> = servers.chain(config.gateway.token.as_ref()).collect();
    let is_named = |name: &str| credentials.iter().filter_map(|one| one.env.as_ref()).any(|env| env.as_str() == name);
    problems.retain(|problem| match &problem.origin {
        Origin::Env { variable } => !is_named(variable),
        _ => true,
    });
}

/// The file's text with asterisks over the masked bytes.
fn masked(path: &Path, mut bytes: Vec<u8>, masks: &[Range<usize>]) -> Option<Source> {
    for mask in masks {
        let hidden = bytes.get_mut(mask.clone()).unwrap_or_default();
        hidden.iter_mut().filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = b'*');
    }
    Some(Source { name: path.display().to_string(), text: String::from_utf8(bytes).ok()? })
}
