//! `longshore serve`: one port for OpenAI, Ollama, Triton and gRPC clients, in front of every server and the engine.

use std::{fs, io, path::Path, pin::pin};

use longshore_config::{Gateway, Loaded};
use longshore_server::{AccessToken, Limits, Server, ServerOptions, TlsIdentity};
use serde_json::json;

use crate::{
    cli::Global,
    commands::metrics,
    context::{self, Context},
    exit::{Exit, Failure},
    terminal::{Out, Style},
};

/// Serves until it is told to stop, then lets running requests finish.
pub(crate) async fn run(global: &Global, loaded: Loaded, out: Out) -> Result<(), Failure> {
    let mut options = options(&loaded.config.gateway)?;
    // Held until the end: it keeps the numbers from growing while nobody asks for them.
    let counting = if loaded.config.metrics.enabled { Some(metrics::install()?) } else { None };
    options.metrics = counting.as_ref().map(metrics::Counting::page);
    // The port comes first: who waits for it need not wait for models.
    let server = Server::bind(options).await.map_err(|error| {
        let free =
            if error.kind() == io::ErrorKind::AddrInUse { "; --listen 127.0.0.1:0 takes a free port" } else { "" };
        Failure::Other(format!("serve: {error}{free}"))
    })?;
    let mut context = Context::open(global, loaded, out, true)?;
    announce(&server.url(), &mut context.out)?;

    let finished = {
        let mut serving = pin!(server.serve(context.fleet, stop_signal()));
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
    context.out.note("some requests had not finished and were broken off");
    Err(Failure::Partly(Exit::Interrupted))
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
fn announce(url: &str, out: &mut Out) -> Result<(), Failure> {
    if out.manner.json {
        return out.json_line(&json!({ "listening": url }));
    }
    out.styled(Style::Bold, &format!("Longshore listens on {url}"))?;
    out.line(format!(
        "
Try, in another terminal:
  longshore chat -m \"What is streaming?\"
  curl {url}/v1/models
  curl {url}/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"built-in\", \"messages\": [{{\"role\": \"user\", \"content\": \"What is streaming?\"}}]}}'
  python -c 'import openai; print(openai.OpenAI(base_url=\"{url}/v1\", api_key=\"none\").models.list())'

Triton clients find the Open Inference Protocol, REST and gRPC, on the same port. Ctrl-C ends it."
    ))
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
