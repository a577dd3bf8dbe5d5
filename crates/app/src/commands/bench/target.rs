//! Whom to ask: a configured server, the built-in model, or an address that nobody configured.

use std::sync::Arc;

use longshore_client::ServerConfig;
use longshore_config::{Config, ENGINE_NAME};
use longshore_core::Backend;

use crate::{
    cli::{Bench, Dialect, Global},
    context,
    exit::Failure,
    terminal::Out,
};

/// What answers, and what it is called in reports. Nothing is connected to yet.
pub(super) fn open(
    arguments: &Bench,
    global: &Global,
    config: &Config,
    at_once: usize,
    out: &mut Out,
) -> Result<(Arc<dyn Backend>, String), Failure> {
    let target = &arguments.target;
    let Some(url) = &target.url else {
        if target.dialect != Dialect::Auto {
            return Err(Failure::Usage("--dialect goes with --url; a configured server has its own setting".into()));
        }
        let fleet = context::open_plain(global, config, None, at_once, out)?;
        let only = config.servers.first().map_or(ENGINE_NAME, |server| server.name.as_str());
        let name = global.server.clone().unwrap_or_else(|| only.to_owned());
        return Ok((fleet, name));
    };
    let (rest, grpc) = match url.split_once("://") {
        Some(("grpc", place)) => (None, Some(format!("http://{place}"))),
        Some(("grpcs", place)) => (None, Some(format!("https://{place}"))),
        _ => (Some(url.clone()), None),
    };
    let dialect = match target.dialect {
        Dialect::Auto => longshore_config::DialectChoice::Auto,
        Dialect::Native => longshore_config::DialectChoice::Native,
        Dialect::Openai => longshore_config::DialectChoice::Openai,
        Dialect::Oip => longshore_config::DialectChoice::Oip,
    };
    let server = ServerConfig { rest, grpc, dialect: context::dialects(dialect), ..ServerConfig::new("target") };
    let fleet = context::open_plain(global, config, Some(server), at_once, out)?;
    Ok((fleet, url.clone()))
}
