//! From settings to the backend that commands and the server talk to.

use std::sync::Arc;

use longshore_config::Config;
use longshore_core::Backend;

use crate::exit::Failure;

pub(crate) fn open(config: &Config, preload: bool) -> Result<Arc<dyn Backend>, Failure> {
    let engine = longshore_engine::Engine::new(longshore_engine::EngineConfig { name: "built-in".into(), preload_builtin: preload, ..Default::default() })
        .map_err(|error| Failure::call("start the engine", error))?;
    let _ = config;
    Ok(Arc::new(engine))
}

pub(crate) fn check_server(_config: &Config, _name: &str) -> Result<(), Failure> {
    Ok(())
}
