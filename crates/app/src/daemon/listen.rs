//! On which port, and with which limits, as the settings say.

use std::{fs, io, path::Path};

use longshore_config::Gateway;
use longshore_server::{AccessToken, Limits, Server, ServerOptions, TlsIdentity};

use super::Audience;
use crate::{context, exit::Failure};

/// How many ports after the configured one are tried for a person.
const PORTS: u16 = 32;

/// Takes the port; for a person, the next one that is free.
pub(super) async fn bind(options: ServerOptions, audience: Audience) -> Result<Server, Failure> {
    let mut options = options;
    let first = options.listen.port();
    let last = match audience {
        Audience::Person if first != 0 => first.saturating_add(PORTS),
        _ => first,
    };
    loop {
        let taken = match Server::bind(options.clone()).await {
            Ok(server) => return Ok(server),
            Err(error) => error,
        };
        let in_use = taken.kind() == io::ErrorKind::AddrInUse;
        if !in_use || options.listen.port() == last {
            let free = match (in_use, audience) {
                (false, _) => "",
                (true, Audience::Programs) => "; --listen 127.0.0.1:0 takes a free port",
                (true, Audience::Person) => "; --set gateway.listen=127.0.0.1:0 takes a free port",
            };
            return Err(Failure::Other(format!("serve: {taken}{free}")));
        }
        options.listen.set_port(options.listen.port() + 1);
    }
}

/// What the settings say about it.
pub(super) fn options(gateway: &Gateway) -> Result<ServerOptions, Failure> {
    let mut options = ServerOptions::new(gateway.listen);
    options.version = env!("CARGO_PKG_VERSION").into();
    options.hosts = gateway.hosts.clone();
    if let Some(credential) = &gateway.token {
        let token = credential.resolve(&context::variable);
        let token = token.map_err(|error| Failure::Configuration(format!("gateway.token: {error}")))?;
        options.token = Some(AccessToken::new(token.expose()));
    }
    if let Some(tls) = &gateway.tls {
        let certificates = read(&tls.certificate, "gateway.tls.certificate")?;
        options.tls = Some(TlsIdentity { certificates, key: read(&tls.key, "gateway.tls.key")? });
    }
    options.limits = Limits {
        request_bytes: gateway.max_request.as_usize(),
        header_bytes: gateway.max_header.as_usize(),
        concurrent_requests: gateway.max_concurrent as usize,
        drain_timeout: gateway.drain_timeout,
        ..Limits::default()
    };
    Ok(options)
}

fn read(path: &Path, setting: &str) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Configuration(format!("{setting}: {}: {error}", path.display())))
}
