//! Whom to ask: a configured server, the built-in model, or an address that nobody configured.

use std::sync::Arc;

use http::Uri;
use longshore_bench::resources::{Listener, Page, listener};
use longshore_client::ServerConfig;
use longshore_config::{Config, Credential, ENGINE_NAME};
use longshore_core::Backend;

use crate::{
    cli::{Bench, BenchTarget, Dialect, Global},
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
        Dialect::Ollama => longshore_config::DialectChoice::Ollama,
        Dialect::Openai => longshore_config::DialectChoice::Openai,
        Dialect::Oip => longshore_config::DialectChoice::Oip,
    };
    let server = ServerConfig { rest, grpc, dialect: context::dialects(dialect), ..ServerConfig::new("target") };
    let fleet = context::open_plain(global, config, Some(server), at_once, out)?;
    Ok((fleet, url.clone()))
}

/// What can be seen of the server beside its answers.
pub(super) struct Seen {
    /// Its process.
    pub(super) pid: Option<u32>,
    /// Which that is, or why there is none.
    pub(super) said: String,
    /// Where it may tell of itself.
    pub(super) pages: Vec<Page>,
}

/// Looks for the server's process and its page of metrics, where an address was given.
///
/// # Errors
/// The token for the page is not where it was said to be.
pub(super) fn seen(target: &BenchTarget) -> Result<Seen, Failure> {
    let address = target.url.as_ref().and_then(|url| url.parse::<Uri>().ok());
    let place = address.as_ref().and_then(|address| Some((address.host()?, port(address))));
    let (pid, said) = match (target.server_pid, place) {
        (Some(pid), _) => (Some(pid), format!("process {pid}, as --server-pid says")),
        (None, None) => (None, "not looked for: no --url was given".into()),
        (None, Some((host, port))) => match listener(host, port) {
            Listener::Found(pid) => (Some(pid), format!("process {pid}, which listens on port {port}")),
            Listener::Elsewhere => (None, format!("not on this machine: {host}")),
            Listener::Hidden => {
                (None, format!("not to be seen: whoever listens on port {port} is hidden from this user"))
            }
        },
    };
    Ok(Seen { pid, said, pages: pages(target, address.as_ref())? })
}

/// Where the server may tell of itself. The token goes to the page that was named, or to those at the server's own address.
fn pages(target: &BenchTarget, address: Option<&Uri>) -> Result<Vec<Page>, Failure> {
    let token = target.server_metrics_token_env.as_deref().map(token).transpose()?;
    let shown = |page: Page| match &token {
        Some(token) => {
            page.with_token(token).map_err(|error| Failure::Usage(format!("the token for the metrics: {error}")))
        }
        None => Ok(page),
    };
    if let Some(page) = &target.server_metrics {
        return Ok(vec![shown(Page::new(page.clone()))?]);
    }
    let Some((address, host)) = address.and_then(|address| Some((address, address.host()?))) else {
        return Ok(Vec::new());
    };
    let scheme = if is_safe(address) { "https" } else { "http" };
    let page = |port: u16, path: &str| format!("{scheme}://{host}:{port}{path}").parse().ok().map(Page::new);
    let mut pages = Vec::new();
    pages.extend(page(port(address), "/metrics").map(shown).transpose()?);
    if token.is_some() {
        pages.extend(page(port(address), SIMULATOR).map(shown).transpose()?);
    }
    // Triton has a port of its own for it.
    pages.extend(page(TRITON, "/metrics"));
    Ok(pages)
}

/// The token in an environment variable.
fn token(name: &str) -> Result<String, Failure> {
    let wrong = |why: String| Failure::Usage(format!("--server-metrics-token-env: {why}"));
    let place = Credential::from_env(name).ok_or_else(|| wrong(format!("{name:?} is no variable's name")))?;
    let secret = place.resolve(&context::variable).map_err(|error| wrong(error.to_string()))?;
    Ok(secret.expose().to_owned())
}

/// Where a simulator gives its metrics.
const SIMULATOR: &str = "/sim/metrics";
/// Where Triton gives its metrics, if nobody moved them.
const TRITON: u16 = 8002;

fn port(address: &Uri) -> u16 {
    address.port_u16().unwrap_or(if is_safe(address) { 443 } else { 80 })
}

fn is_safe(address: &Uri) -> bool {
    matches!(address.scheme_str(), Some("https" | "grpcs"))
}
