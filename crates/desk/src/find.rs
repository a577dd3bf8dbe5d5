//! Finding servers: who is at an address, and who is at the usual ports of this machine.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use longshore_client::{EndpointHealth, Fleet};
use longshore_config::{Address, Config, Credential, Server, ServerName};
use longshore_core::{Error, capability::OpKind};
use serde::Serialize;
use tokio::{net::TcpStream, time::timeout};
use utoipa::ToSchema;

use crate::{Desk, words};

/// Where model servers usually listen: Ollama; LM Studio; llama.cpp; vLLM, Triton and MLServer (REST and gRPC);
/// more llama.cpp; text-generation-webui; Longshore's simulator; TGI and others.
const PORTS: [u16; 11] = [11434, 1234, 8080, 8000, 8001, 8081, 5000, 5001, 8410, 3000, 9000];
/// How long somebody on this machine may take to take a connection.
const KNOCK: Duration = Duration::from_millis(300);
/// How long a scan may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// Names of models that are told of one server.
const MODELS: usize = 500;
/// What a server is called that has no name yet.
const NAMELESS: &str = "candidate";

/// Who is at an address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Probe {
    /// The address, as it would be saved.
    pub(crate) url: String,
    /// What was found there, one for each protocol.
    pub(crate) found: Vec<Found>,
    /// What was tried in vain.
    pub(crate) tried: Vec<Tried>,
}

/// What is spoken at an address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    /// How it is spoken to.
    #[schema(value_type = words::WireProtocol)]
    pub(crate) protocol: &'static str,
    /// The preferred one of what is spoken there.
    pub(crate) dialect: &'static str,
    /// What the server calls itself.
    pub(crate) product: Option<String>,
    /// And which version.
    pub(crate) version: Option<String>,
    /// What it can be asked for.
    pub(crate) capabilities: Vec<&'static str>,
    /// Its models.
    pub(crate) models: Vec<String>,
}

/// What was tried in vain.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Tried {
    /// The protocol.
    pub(crate) what: String,
    /// Why it is not that.
    pub(crate) error: String,
}

/// Who is on this machine.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Scan {
    /// Model servers.
    pub(crate) found: Vec<Neighbour>,
    /// Every address that was asked.
    pub(crate) scanned: Vec<String>,
}

/// A model server of this machine.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Neighbour {
    /// Where.
    pub(crate) url: String,
    /// How it is spoken to.
    #[schema(value_type = words::WireProtocol)]
    pub(crate) protocol: &'static str,
    /// What it calls itself.
    pub(crate) product: Option<String>,
    /// And which version.
    pub(crate) version: Option<String>,
    /// Its models.
    pub(crate) models: Vec<String>,
    /// The configured server that it is, if it is one.
    pub(crate) known_as: Option<String>,
}

/// Asks who is at an address, by both protocols at once.
///
/// # Errors
/// It is no address.
pub(crate) async fn probe(desk: &Desk, url: &str, token_env: Option<&str>) -> Result<Probe, Error> {
    let url = with_scheme(url);
    let address = Address::parse(&url).map_err(Error::invalid)?;
    let credential = match token_env.filter(|name| !name.is_empty()) {
        Some(name) => {
            let credential = Credential::from_env(name);
            Some(credential.ok_or_else(|| Error::invalid(format!("{name:?} cannot be a variable's name")))?)
        }
        None => None,
    };
    // Each protocol is a server of its own, so that the models of one are not waited for because of the other. gRPC
    // addresses have no path.
    let both = [true, false].map(|rest| {
        let fits = rest || address.base_path().trim_matches('/').is_empty();
        let address = fits.then(|| address.clone());
        let server = Server {
            name: ServerName::new(NAMELESS).unwrap_or_default(),
            rest: address.clone().filter(|_| rest),
            grpc: address.filter(|_| !rest),
            credential: credential.clone(),
            ..Server::default()
        };
        ask(desk, server, if rest { "REST" } else { "gRPC" })
    });
    let mut probe = Probe { url, found: Vec::new(), tried: Vec::new() };
    for result in join_all(both).await {
        match result {
            Ok(found) => probe.found.push(found),
            Err(tried) => probe.tried.push(tried),
        }
    }
    Ok(probe)
}

/// Asks the usual ports of this machine, all at once.
pub(crate) async fn scan(desk: &Desk) -> Scan {
    let own = desk.url.get().and_then(|url| url.rsplit_once(':')?.1.parse().ok());
    let ports: Vec<u16> = PORTS.into_iter().filter(|port| Some(*port) != own).collect();
    let asked = stream::iter(ports.clone()).map(|port| async move {
        timeout(KNOCK, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await.ok()?.ok()?;
        timeout(PATIENCE, probe(desk, &local(port), None)).await.ok()?.ok()
    });
    let mut found: Vec<_> = asked.buffer_unordered(PORTS.len()).filter_map(std::future::ready).collect().await;
    found.sort_by_key(|probe| ports.iter().position(|port| local(*port) == probe.url));
    let settings = desk.settings();
    let neighbours = found.into_iter().filter_map(|probe| {
        let known_as = known_as(&settings.config, &probe.url);
        let first = probe.found.into_iter().next()?;
        let Found { protocol, product, version, models, .. } = first;
        Some(Neighbour { url: probe.url, protocol, product, version, models, known_as })
    });
    Scan { found: neighbours.collect(), scanned: ports.into_iter().map(local).collect() }
}

fn local(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn known_as(config: &Config, url: &str) -> Option<String> {
    let place = |address: &Address| {
        let host = if address.host() == "localhost" { "127.0.0.1" } else { address.host() };
        (host.to_owned(), address.port())
    };
    let wanted = place(&Address::parse(url).ok()?);
    let is_there =
        |server: &&Server| [&server.rest, &server.grpc].into_iter().flatten().any(|one| place(one) == wanted);
    config.servers.iter().find(is_there).map(|server| server.name.to_string())
}

async fn ask(desk: &Desk, server: Server, what: &str) -> Result<Found, Tried> {
    let tried = |error: String| Tried { what: what.to_owned(), error };
    if server.rest.is_none() && server.grpc.is_none() {
        return Err(tried("such an address has no path".into()));
    }
    let fleet = candidate(desk, server).map_err(|error| tried(error.message().to_owned()))?;
    // It asks who is there first, so that what cannot be a server is not asked for models.
    let health = fleet.check().await.into_iter().next().ok_or_else(|| tried("nothing was asked".into()))?;
    let EndpointHealth { protocol, dialects, can, result, .. } = health;
    let info = result.map_err(|error| tried(error.headline().to_owned()))?;
    let models = fleet.refresh().await.into_iter().flat_map(|server| server.models);
    let text = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Found {
        protocol: protocol.as_str(),
        dialect: dialects.first().copied().unwrap_or_default(),
        product: text(&info.name),
        version: text(&info.version),
        capabilities: can.unwrap_or_default().iter().map(OpKind::name).collect(),
        models: models.map(|model| model.info.id.to_string()).take(MODELS).collect(),
    })
}

/// A fleet of this one server, called as the settings say.
fn candidate(desk: &Desk, server: Server) -> Result<Fleet, Error> {
    let mut config = desk.settings().config.clone();
    config.servers = vec![server];
    config.engine.enabled = false;
    config.cache.enabled = false;
    desk.options.house.build(&config)
}

/// The address as a configuration has it: with a scheme, without what dialects add.
pub(crate) fn with_scheme(url: &str) -> String {
    let url = url.trim();
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let bare = url.trim_end_matches('/');
    let bare = ["/v1", "/v2", "/api"].iter().find_map(|tail| bare.strip_suffix(tail)).unwrap_or(bare);
    bare.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_configuration_wants_them() {
        for (given, expected) in [
            ("localhost:11434", "http://localhost:11434"),
            (" http://a:1/v1/ ", "http://a:1"),
            ("https://a/base/v2", "https://a/base"),
            ("http://a/", "http://a"),
        ] {
            assert_eq!(with_scheme(given), expected);
        }
    }
}
