//! `longshore serve`: one port for OpenAI, Ollama, Triton and gRPC clients, in front of every server and the engine, and
//! the desk beside them. `longshore` alone is the same, and opens the desk's page.

use std::pin::pin;

use serde_json::json;

use crate::{
    daemon::{Audience, Instance, Plan, Started},
    desk::opening::Opening,
    exit::{Exit, Failure},
    signal::stop_signal,
    terminal::{Out, Style},
};

/// Serves until it is told to stop, then lets running requests finish. `opens`: a person's page is opened, unless the
/// settings say otherwise.
pub(crate) async fn run(plan: Plan, audience: Audience, opens: bool, mut out: Out) -> Result<(), Failure> {
    let opens = opens && plan.opens_browser();
    let daemon = match plan.start(audience).await? {
        Started::Elsewhere(running) => {
            let opening = Opening::plan(&running.page(), opens);
            return tell_running(&running, &opening, &mut out);
        }
        Started::Here(daemon) => daemon,
    };
    if let Some(port) = daemon.port_missed() {
        out.note(&format!("port {port} is taken by something else"));
    }
    let page = daemon.page();
    announce(daemon.url(), &page, audience, &mut out)?;
    if audience == Audience::Person {
        open(&Opening::plan(&page, opens), &mut out)?;
    }
    let stopped_twice = async {
        stop_signal().await;
        stop_signal().await;
    };
    if daemon.serve(stop_signal(), pin!(stopped_twice)).await {
        return Ok(());
    }
    out.note("some requests had not finished and were broken off");
    Err(Failure::Partly(Exit::Interrupted))
}

/// Tells where it listens, and people what to try there.
fn announce(url: &str, page: &str, audience: Audience, out: &mut Out) -> Result<(), Failure> {
    if out.manner.json {
        return out.json_line(&json!({ "listening": url, "desk": page }));
    }
    out.styled(Style::Bold, &format!("Longshore listens on {url}"))?;
    if audience == Audience::Person {
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
