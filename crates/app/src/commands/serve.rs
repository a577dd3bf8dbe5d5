//! `longshore serve`: one port for OpenAI, Ollama, Triton and gRPC clients, in front of every server and the engine, and
//! the desk beside them. `longshore` alone is the same, and opens the desk's page.

use std::{fs, io, path::Path, pin::pin};

use longshore_config::Gateway;
use longshore_server::{AccessToken, Limits, Server, ServerOptions, TlsIdentity};
use serde_json::json;

use crate::{
    cli::Global,
    commands::metrics,
    context::{self, Found},
    desk::{
        self,
        instance::{self, Instance},
        opening::Opening,
    },
    exit::{Exit, Failure},
    terminal::{Out, Style},
};

/// How many ports after the configured one are tried by [`Manners::Desk`].
const PORTS: u16 = 32;

/// For whom it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// `longshore serve`, for programs: the port that was said or none, and no browser.
    Server,
    /// `longshore`, for a person: the next free port will do, and one desk is enough.
    Desk {
        /// The page is opened, unless the settings say otherwise.
        opens: bool,
    },
}

/// Serves until it is told to stop, then lets running requests finish.
pub(crate) async fn run(
    global: &Global,
    flags: Vec<(&'static str, String, &'static str)>,
    manners: Manners,
    found: Found,
    mut out: Out,
) -> Result<(), Failure> {
    let opens = found.loaded.config.desk.open && matches!(manners, Manners::Desk { opens: true });
    let folder = desk::data_folder();
    let running = instance::running(&folder).await;
    if let (Some(running), Manners::Desk { .. }) = (&running, manners) {
        let opening = Opening::plan(&running.page(), opens);
        return tell_running(running, &opening, &mut out);
    }

    let gateway = &found.loaded.config.gateway;
    let mut options = options(gateway)?;
    let request_bytes = options.limits.request_bytes;
    // Held until the end: it keeps the numbers from growing while nobody asks for them.
    let counting = if found.loaded.config.metrics.enabled { Some(metrics::install()?) } else { None };
    options.metrics = counting.as_ref().map(metrics::Counting::page);
    // The port comes first: who waits for it need not wait for models.
    let wanted = options.listen;
    let server = bind(options, manners).await?;
    let desk = desk::open(global, flags, found, &folder)?;
    let server = server.with_site(desk.site(request_bytes));
    let url = server.url();
    desk.listens_on(&url);
    // One that runs already stays the one that is found.
    let _known = if running.is_none() { desk::announce_instance(&desk, &url, &folder) } else { None };

    if wanted.port() != 0 && !url.ends_with(&format!(":{}", wanted.port())) {
        out.note(&format!("port {} is taken by something else", wanted.port()));
    }
    let page = desk.page_url().unwrap_or_default();
    announce(&url, &page, manners, &mut out)?;
    if matches!(manners, Manners::Desk { .. }) {
        open(&Opening::plan(&page, opens), &mut out)?;
    }

    let finished = {
        let shutdown = async {
            stop_signal().await;
            desk.close();
        };
        let mut serving = pin!(server.serve(desk.gateway(), shutdown));
        let stopped_twice = async {
            stop_signal().await;
            stop_signal().await;
        };
        tokio::select! {
            finished = &mut serving => finished,
            () = stopped_twice => false,
        }
    };
    if finished {
        return Ok(());
    }
    out.note("some requests had not finished and were broken off");
    Err(Failure::Partly(Exit::Interrupted))
}

/// Takes the port; for a person, the next one that is free.
async fn bind(options: ServerOptions, manners: Manners) -> Result<Server, Failure> {
    let mut options = options;
    let first = options.listen.port();
    let last = match manners {
        Manners::Desk { .. } if first != 0 => first.saturating_add(PORTS),
        _ => first,
    };
    loop {
        let taken = match Server::bind(options.clone()).await {
            Ok(server) => return Ok(server),
            Err(error) => error,
        };
        let in_use = taken.kind() == io::ErrorKind::AddrInUse;
        if !in_use || options.listen.port() == last {
            let free = if in_use { "; --listen 127.0.0.1:0 takes a free port" } else { "" };
            return Err(Failure::Other(format!("serve: {taken}{free}")));
        }
        options.listen.set_port(options.listen.port() + 1);
    }
}

fn options(gateway: &Gateway) -> Result<ServerOptions, Failure> {
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

/// Tells where it listens, and people what to try there.
fn announce(url: &str, page: &str, manners: Manners, out: &mut Out) -> Result<(), Failure> {
    if out.manner.json {
        return out.json_line(&json!({ "listening": url, "desk": page }));
    }
    out.styled(Style::Bold, &format!("Longshore listens on {url}"))?;
    if matches!(manners, Manners::Desk { .. }) {
        return out.line(format!("OpenAI, Ollama and Triton clients find their API there too.\n\nThe desk: {page}\n"));
    }
    out.line(format!(
        "The desk: {page}

Try, in another terminal:
  longshore chat -m \"What is streaming?\"
  curl {url}/v1/models
  curl {url}/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"built-in\", \"messages\": [{{\"role\": \"user\", \"content\": \"What is streaming?\"}}]}}'
  python -c 'import openai; print(openai.OpenAI(base_url=\"{url}/v1\", api_key=\"none\").models.list())'

Triton clients find the Open Inference Protocol, REST and gRPC, on the same port. Ctrl-C ends it."
    ))
}

/// Opens the page, or says how a person gets to it.
fn open(opening: &Opening, out: &mut Out) -> Result<(), Failure> {
    if out.manner.json {
        opening.begin();
        return Ok(());
    }
    let said = match opening.begin() {
        Some(browser) => format!("It opens in {browser}. Ctrl-C ends it."),
        None => opening.hint(),
    };
    out.line(said)
}

/// A desk is open already, and one is enough.
fn tell_running(running: &Instance, opening: &Opening, out: &mut Out) -> Result<(), Failure> {
    if out.manner.json {
        out.json_line(&json!({ "listening": running.url, "desk": running.page(), "running": running.pid }))?;
        return open(opening, out);
    }
    out.styled(Style::Bold, &format!("Longshore runs already, on {} (process {})", running.url, running.pid))?;
    out.line(format!("\nThe desk: {}\n", running.page()))?;
    open(opening, out)
}

/// Resolves at Ctrl-C, and where there is such a thing at SIGTERM.
pub(super) async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Without a handler there is nothing to wait for; the system's own way of ending remains.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
