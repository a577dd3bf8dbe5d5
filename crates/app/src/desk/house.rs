//! How the desk gets at configurations and fleets: [`Home`].

use std::path::PathBuf;

use longshore_client::{Fleet, FleetConfig};
use longshore_config::{Config, Loaded, Problems};
use longshore_core::{Error, ErrorKind};
use longshore_desk::House;

use crate::{
    cli::Global,
    context::{self, KeptEngine},
    exit::Failure,
};

/// This program, as the desk sees it.
pub(crate) struct Home {
    global: Global,
    flags: Vec<(&'static str, String, &'static str)>,
    /// The configuration file: for messages, and for the relative paths in it.
    file: PathBuf,
    engine: KeptEngine,
}

impl Home {
    pub(crate) fn new(global: Global, flags: Vec<(&'static str, String, &'static str)>, file: PathBuf) -> Self {
        Self { global, flags, file, engine: KeptEngine::preloading() }
    }
}

impl Home {
    fn tuned(&self, config: &Config, tune: impl FnOnce(FleetConfig) -> FleetConfig) -> Result<Fleet, Error> {
        let mut warnings = Vec::new();
        let fleet = context::open_fleet(config, &self.engine, &mut warnings, tune).map_err(error)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(Fleet::clone(&fleet))
    }
}

impl House for Home {
    fn load(&self, text: Option<&str>) -> Result<Loaded, Problems> {
        context::load_text(&self.global, &self.flags, &self.file, text)
    }

    fn build(&self, config: &Config) -> Result<Fleet, Error> {
        self.tuned(config, |fleet| fleet)
    }

    fn measured(&self, config: &Config, at_once: usize) -> Result<Fleet, Error> {
        self.tuned(config, |fleet| longshore_bench::load::plain(fleet, at_once))
    }

    /// This program simulates as well.
    fn simulator(&self) -> Option<PathBuf> {
        std::env::current_exe().ok()
    }
}

fn error(failure: Failure) -> Error {
    match failure {
        Failure::Call { error, .. } => *error,
        Failure::Configuration(message) | Failure::Usage(message) => Error::invalid(message),
        Failure::Problems(problems) => Error::invalid(problems.to_string()),
        other => Error::new(ErrorKind::Server, format!("the fleet cannot be built: {other:?}")),
    }
}
