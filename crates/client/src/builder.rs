//! From a [`FleetConfig`] to a [`Fleet`]: everything that does not fit is found here, all of it at once.

use std::{collections::HashSet, sync::Arc};

use http::{HeaderValue, Uri, header};
use longshore_core::{Backend, Error, Protocol};
use rustls_pki_types::ServerName;

use crate::{
    DialectChoice, Fleet, FleetConfig, ServerConfig,
    detect::Speaks,
    endpoint::{Address, Endpoint, Place, Shared},
    health::Vitals,
    member::{Local, Member, Way},
    transport::{Connector, Dial, Http, TlsRoots},
};

/// Puts a fleet together.
#[must_use = "a builder does nothing before `build`"]
pub struct FleetBuilder {
    config: FleetConfig,
    local: Vec<(String, Arc<dyn Backend>)>,
    dial: Option<Arc<dyn Dial>>,
}

impl Fleet {
    /// A fleet of these servers; more backends may be added before it is built.
    pub fn builder(config: FleetConfig) -> FleetBuilder {
        FleetBuilder { config, local: Vec::new(), dial: None }
    }
}

impl FleetBuilder {
    /// Adds a backend of this process, after the servers and the backends added before: `("built-in", engine)`.
    pub fn backend(mut self, name: impl Into<String>, backend: Arc<dyn Backend>) -> Self {
        self.local.push((name.into(), backend));
        self
    }

    /// Opens every connection by `dial`, in place of the system's TCP.
    pub fn dial(mut self, dial: impl Dial) -> Self {
        self.dial = Some(Arc::new(dial));
        self
    }

    /// Checks everything and reads certificates. Nothing is connected to yet.
    ///
    /// # Errors
    /// `InvalidRequest`, whose message names every problem.
    pub fn build(self) -> Result<Fleet, Error> {
        let Self { config, local, dial } = self;
        let mut problems = Vec::new();
        check_names(&config, &local, &mut problems);
        check_numbers(&config, &mut problems);
        let (roots, shared) = (TlsRoots::default(), Arc::new(Shared::new(&config)));
        let mut members = Vec::new();
        for server in &config.servers {
            match member(server, &config, &roots, &shared, dial.as_ref()) {
                Ok(member) => members.push(member),
                Err(found) => {
                    problems.extend(found.into_iter().map(|problem| format!("server `{}`: {problem}", server.name)));
                }
            }
        }
        if !problems.is_empty() {
            return Err(Error::invalid(problems.join("; ")));
        }
        members.extend(local.into_iter().map(|(name, backend)| {
            let name: Arc<str> = name.into();
            let vitals = Vitals::new(&name, Protocol::InProcess, &config);
            let way = Way::Local(Local { name: Arc::clone(&name), backend, vitals });
            Member::new(name, vec![way], 1, config.retry.budget_percent)
        }));
        Ok(Fleet::new(members, config))
    }
}

fn check_names(config: &FleetConfig, local: &[(String, Arc<dyn Backend>)], problems: &mut Vec<String>) {
    let names = config.servers.iter().map(|server| &server.name).chain(local.iter().map(|(name, _)| name));
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() || name.contains('/') || name.chars().any(char::is_control) {
            problems.push(format!("{name:?} cannot be a server's name: it must not be empty and has no slash"));
        } else if !seen.insert(name.to_lowercase()) {
            problems.push(format!("two servers are called `{name}`"));
        }
    }
}

fn check_numbers(config: &FleetConfig, problems: &mut Vec<String>) {
    let timeouts = &config.timeouts;
    for (what, value) in [
        ("connect", timeouts.connect),
        ("headers", timeouts.headers),
        ("first_token", timeouts.first_token),
        ("idle", timeouts.idle),
        ("total", timeouts.total),
        ("first_token_cold", timeouts.first_token_cold),
        ("load", timeouts.load),
        ("probe", timeouts.probe),
    ] {
        if value.is_zero() {
            problems.push(format!("the {what} timeout is zero"));
        }
    }
    if config.lifecycle.poll.is_zero() {
        problems.push("the lifecycle's poll is zero: a server would be asked without a pause".into());
    }
    if config.retry.max_attempts == 0 {
        problems.push("retry.max_attempts is zero: nothing would ever be asked".into());
    }
    if config.limits.in_flight == 0 {
        problems.push("limits.in_flight is zero: nothing would ever be asked".into());
    }
    if config.servers.iter().any(|server| server.weight == 0) {
        problems.push("a weight of zero: leave the server out instead".into());
    }
    if config.pool.max_connections == 0 {
        problems.push("pool.max_connections is zero: nobody would ever be reached".into());
    }
    if config.limits.reply_body_bytes == 0 || config.limits.stream_event_bytes == 0 {
        problems.push("a limit of zero bytes accepts no answer".into());
    }
}

fn member(
    server: &ServerConfig,
    config: &FleetConfig,
    roots: &TlsRoots,
    shared: &Arc<Shared>,
    dial: Option<&Arc<dyn Dial>>,
) -> Result<Member, Vec<String>> {
    let mut problems = Vec::new();
    let mut note = |result: Result<(), String>| problems.extend(result.err());
    let mut addresses = Vec::new();
    for (protocol, text) in [(Protocol::Rest, &server.rest), (Protocol::Grpc, &server.grpc)] {
        if let Some(text) = text {
            note(parse_address(text, protocol).map(|address| addresses.push((protocol, address))));
        }
    }
    if server.rest.is_none() && server.grpc.is_none() {
        note(Err("it has neither a REST nor a gRPC address".into()));
    }
    match server.prefer {
        Some(Protocol::Rest) if server.rest.is_none() => note(Err("REST is preferred, but has no address".into())),
        Some(Protocol::Grpc) if server.grpc.is_none() => note(Err("gRPC is preferred, but has no address".into())),
        Some(Protocol::InProcess) => note(Err("a remote server cannot be called in-process".into())),
        Some(first) => addresses.sort_by_key(|(protocol, _)| *protocol != first),
        None => {}
    }
    let credential = server.credential.as_ref().map(|secret| bearer(secret.expose())).transpose();
    let name = server.tls.server_name.clone().map(ServerName::try_from).transpose();
    if let Err(problem) = &credential {
        note(Err(problem.clone()));
    }
    if name.is_err() {
        note(Err("the TLS server name is no host name".into()));
    }
    let tls = roots
        .client_config(&server.tls, addresses.iter().any(|(_, address)| address.is_tls()))
        .map_err(|error| note(Err(error.message().to_owned())));
    for (protocol, _) in &addresses {
        note(speaks(&server.dialect, *protocol).map(drop));
    }
    let (true, Ok(credential), Ok(name), Ok(tls)) = (problems.is_empty(), credential, name, tls) else {
        return Err(problems);
    };
    let server_name: Arc<str> = server.name.as_str().into();
    let mut ways = Vec::new();
    for (protocol, address) in addresses {
        let (limit, stamps) = (config.timeouts.connect, config.stamps);
        let connector = Connector::new(protocol, limit, tls.clone(), name.clone(), dial.cloned(), stamps);
        let http = Http::new(&server_name, protocol, connector, &config.pool);
        let speaks = speaks(&server.dialect, protocol).map_err(|problem| vec![problem])?;
        let shared = Arc::clone(shared);
        let end_mark = server.end_mark;
        let place = Place { server: Arc::clone(&server_name), address, protocol, speaks, end_mark };
        let vitals = Vitals::new(&server_name, protocol, config);
        ways.push(Way::Remote(Box::new(Endpoint::new(place, credential.clone(), http, vitals, shared))));
    }
    Ok(Member::new(server_name, ways, server.weight, config.retry.budget_percent))
}

fn bearer(secret: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(&format!("Bearer {secret}"))
        .map_err(|_| "the credential has characters that no header can carry (a line's end?)".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn speaks(choice: &DialectChoice, protocol: Protocol) -> Result<Speaks, String> {
    let DialectChoice::Named(dialects) = choice else { return Ok(Speaks::Auto) };
    let fitting: Vec<_> = dialects.iter().copied().filter(|dialect| dialect.protocol() == protocol).collect();
    if fitting.is_empty() {
        let names: Vec<_> = dialects.iter().map(|dialect| dialect.name()).collect();
        return Err(format!("it has a {protocol} address, but {} is not spoken over {protocol}", names.join(", ")));
    }
    Ok(Speaks::Named(fitting))
}

/// `host:port` alone is plain HTTP. A version at the end is dropped, since the dialects write it themselves.
fn parse_address(text: &str, protocol: Protocol) -> Result<Address, String> {
    let wrong = |why: &str| Err(format!("the {protocol} address {why}"));
    let full = if text.contains("://") { text.trim().to_owned() } else { format!("http://{}", text.trim()) };
    let Ok(uri) = full.parse::<Uri>() else { return wrong("is not an address such as http://gpu.lan:8000") };
    let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), uri.authority().cloned()) else {
        return wrong("is not an address such as http://gpu.lan:8000");
    };
    if !matches!(scheme.as_str(), "http" | "https") {
        return wrong("is neither http nor https");
    }
    if authority.as_str().contains('@') {
        return wrong("holds a user: give a credential instead");
    }
    if uri.query().is_some() {
        return wrong("has a query");
    }
    let base = uri.path().trim_end_matches('/');
    let base = if protocol == Protocol::Rest { base.strip_suffix("/v1").unwrap_or(base) } else { base };
    Ok(Address::new(scheme, authority, base))
}

/// What every request says about its sender.
pub(crate) fn user_agent() -> (header::HeaderName, HeaderValue) {
    (header::USER_AGENT, HeaderValue::from_static(concat!("longshore/", env!("CARGO_PKG_VERSION"))))
}
