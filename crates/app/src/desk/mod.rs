//! The desk, wired: what it is told of this program, where it is found, how it is opened.

mod house;
pub(crate) mod instance;
pub(crate) mod opening;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use longshore_desk::{Desk, DeskOptions};
use longshore_server::fresh_token;

use crate::{
    cli::Global,
    context::{self, Found},
    exit::Failure,
};
use house::Home;
use instance::{Instance, Known};

/// Builds the fleet and the desk over it.
pub(crate) fn open(
    global: &Global,
    flags: Vec<(&'static str, String, &'static str)>,
    found: Found,
    folder: &Path,
) -> Result<Desk, Failure> {
    let token = fresh_token().map_err(|error| Failure::Other(format!("make a token: {error}")))?;
    let Found { loaded, file } = found;
    let new_file = context::candidates(global).pop().map(|candidate| candidate.path).unwrap_or_default();
    let desk = Desk::open(DeskOptions {
        token,
        hosts: loaded.config.gateway.hosts.clone(),
        data_folder: folder.to_owned(),
        house: Arc::new(Home::new(global.clone(), flags, file.clone().unwrap_or_else(|| new_file.clone()))),
        config_file: file,
        new_config_file: new_file,
        loaded,
        engine: cfg!(feature = "engine"),
        version: env!("CARGO_PKG_VERSION"),
    });
    let desk = desk.map_err(|error| Failure::call("open the desk", error))?;
    if let Some(name) = &global.server {
        context::check_name(&desk.live().now(), name)?;
    }
    Ok(desk)
}

/// Where everything is kept; in a machine without homes, for as long as its temporary files live.
pub(crate) fn data_folder() -> PathBuf {
    context::data_folder().unwrap_or_else(|| std::env::temp_dir().join("longshore"))
}

/// Lets the next start find this one, until the result is dropped. That it cannot be written is no reason not to serve.
pub(crate) fn announce_instance(desk: &Desk, url: &str, folder: &Path) -> Option<Known> {
    let token = desk.page_url()?.rsplit_once("#token=")?.1.to_owned();
    let instance = Instance { url: url.to_owned(), pid: std::process::id(), token };
    instance::announce(folder, &instance)
        .inspect_err(
            |error| tracing::warn!(%error, folder = %folder.display(), "cannot tell the next start of this one"),
        )
        .ok()
}
