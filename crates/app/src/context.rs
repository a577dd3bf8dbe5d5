//! The wiring: finds and reads the configuration, and builds the backend that commands talk to.
//!
//! Only this module reads the environment. It prints nothing but warnings.

#![expect(clippy::disallowed_methods, reason = "the app alone reads the environment, and here alone")]

mod backend;
mod compute;
mod log;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use directories::BaseDirs;
use longshore_client::{Fleet, ServerConfig};
use longshore_config::{Candidate, Config, Loaded, Problems, Search, Sources};
use longshore_core::{Answer, Attempt, Backend, Call, Error, Op, Route, call::CacheUse};

use crate::{
    cli::Global,
    exit::Failure,
    report,
    terminal::{Manner, Out, Style},
};

pub(crate) use backend::{KeptEngine, check_name, dialects, open as open_fleet};
pub(crate) use compute::prepare as prepare_compute;
pub(crate) use log::begin as begin_log;

/// What a command that asks models works with.
pub(crate) struct Context {
    /// Where to speak.
    pub(crate) out: Out,
    /// The settings.
    pub(crate) loaded: Loaded,
    /// What answers: every server that is configured, and the engine.
    pub(crate) fleet: Arc<Fleet>,
    /// Only this server may answer.
    pub(crate) server: Option<String>,
    /// What may be done with kept answers.
    cache: CacheUse,
    /// How much a person wants to be told.
    pub(crate) verbose: u8,
    /// Nothing that only is good to know.
    quiet: bool,
    /// What was said last about who answered in whose place.
    noted: Option<String>,
}

impl Context {
    /// Builds the backend for a configuration. Nothing is connected or loaded yet.
    pub(crate) fn open(global: &Global, loaded: Loaded, mut out: Out) -> Result<Self, Failure> {
        let mut warnings = Vec::new();
        let fleet = backend::open(&loaded.config, &KeptEngine::default(), &mut warnings, |fleet| fleet)?;
        for warning in warnings {
            out.note(&format!("warning: {warning}"));
        }
        if let Some(name) = &global.server {
            backend::check_name(&fleet, name)?;
        }
        let cache = if global.no_cache { CacheUse::Never } else { CacheUse::Allowed };
        let (server, verbose, quiet) = (global.server.clone(), global.verbose, global.quiet);
        Ok(Self { out, loaded, fleet, server, cache, verbose, quiet, noted: None })
    }

    /// A call for `model`; the fleet knows the one to take without, and how long it may last.
    pub(crate) fn call(&self, op: Op, model: Option<&str>) -> Call {
        let mut call = Call::new(op);
        call.model = model.map(Into::into);
        call.cache = self.cache;
        call.server = self.server.as_deref().map(Into::into);
        call
    }

    /// The whole answer.
    pub(crate) async fn ask(&self, call: Call) -> Result<Answer, Error> {
        self.fleet.call(call).await?.collect().await
    }

    /// Says in one line, once, that another server answers than the one that should have. Programs read it in the reply.
    pub(crate) fn note_failover(&mut self, route: &Route, ledger: &[Attempt]) {
        let note = report::failover(route, ledger);
        if let Some(note) = note.as_deref().filter(|_| !self.quiet && !self.out.manner.json && self.noted != note) {
            self.out.styled_note(Style::Dim, note);
        }
        self.noted = note;
    }
}

/// The configured servers and the engine, or `only` this server, asked once for each call by up to so many at once: for
/// measuring.
pub(crate) fn open_plain(
    global: &Global,
    config: &Config,
    only: Option<ServerConfig>,
    at_once: usize,
    out: &mut Out,
) -> Result<Arc<Fleet>, Failure> {
    let mut warnings = Vec::new();
    let tune = |fleet| longshore_bench::load::plain(fleet, at_once);
    let fleet = match only {
        Some(server) => backend::open_one(config, server, tune)?,
        None => backend::open(config, &KeptEngine::default(), &mut warnings, tune)?,
    };
    warnings.iter().for_each(|warning| out.note(&format!("warning: {warning}")));
    if let Some(name) = &global.server {
        backend::check_name(&fleet, name)?;
    }
    Ok(fleet)
}

/// A configuration, and where it was found.
pub(crate) struct Found {
    /// The settings.
    pub(crate) loaded: Loaded,
    /// The file they were read from.
    pub(crate) file: Option<PathBuf>,
}

/// Reads the configuration: file, environment, flags. `flags` are settings of a command's own flags, as setting, value
/// and flag.
pub(crate) fn load(global: &Global, flags: &[(&str, String, &str)]) -> Result<Found, Failure> {
    let mut sources = Sources::new();
    let mut file = None;
    for candidate in candidates(global) {
        if !candidate.required && !candidate.path.is_file() {
            continue;
        }
        sources = sources.read_file(&candidate.path).map_err(|error| {
            Failure::Configuration(format!("{} (named by {}): {error}", candidate.path.display(), candidate.reason))
        })?;
        file = Some(candidate.path);
        break;
    }
    Ok(Found { loaded: Config::load(with_overrides(sources, global, flags))?, file })
}

/// The settings if `file` had this text; `None`: if there were no file.
pub(crate) fn load_text(
    global: &Global,
    flags: &[(&str, String, &str)],
    file: &Path,
    text: Option<&str>,
) -> Result<Loaded, Problems> {
    let sources = text.map_or_else(Sources::new, |text| Sources::new().file(file, text));
    Config::load(with_overrides(sources, global, flags))
}

/// What stands over the file: environment and flags.
fn with_overrides(mut sources: Sources, global: &Global, flags: &[(&str, String, &str)]) -> Sources {
    sources = sources.environment(variables());
    if let Some(home) = home() {
        sources = sources.home(home);
    }
    for (key, value) in &global.set {
        sources = sources.flag(key, value, format!("--set {key}"));
    }
    for (key, value, flag) in flags {
        sources = sources.flag(*key, value, *flag);
    }
    sources
}

/// The places where a configuration may be, strongest first.
pub(crate) fn candidates(global: &Global) -> Vec<Candidate> {
    let variable = variable("LONGSHORE_CONFIG");
    let folders = BaseDirs::new();
    Search {
        flag: global.config.as_deref(),
        variable: variable.as_deref(),
        // Paths in messages stay as short as a person would write them.
        working_directory: Path::new(""),
        config_directory: folders.as_ref().map(BaseDirs::config_dir),
    }
    .candidates()
}

/// The file of earlier questions; `None` where there is no home.
pub(crate) fn history_file() -> Option<PathBuf> {
    Some(BaseDirs::new()?.data_dir().join("longshore").join("history"))
}

/// The folder of benchmark runs; `None` where there is no home.
pub(crate) fn bench_folder() -> Option<PathBuf> {
    Some(data_folder()?.join("bench"))
}

/// The folder of everything that is kept; `None` where there is no home.
pub(crate) fn data_folder() -> Option<PathBuf> {
    Some(BaseDirs::new()?.data_dir().join("longshore"))
}

/// How to speak to whoever gave these flags.
pub(crate) fn manner(global: &Global) -> Manner {
    Manner::new(global.json, global.no_color || no_color())
}

/// Whether `NO_COLOR` asks for plain text.
fn no_color() -> bool {
    variable("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// A variable of the environment; `None` also if it is no text.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn home() -> Option<PathBuf> {
    BaseDirs::new().map(|folders| folders.home_dir().to_owned())
}
