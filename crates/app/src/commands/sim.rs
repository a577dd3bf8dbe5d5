//! `longshore sim`: a model server for tests, on this machine's own port, until it is told to stop.

use std::{fs, io, path::Path, pin::pin};

use longshore_sim::{Effect, LogEntry, Model, Rule, SimConfig, Simulator, Verdict, When};
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::cassette;
use crate::{
    cli::{Global, Sim},
    exit::{Exit, Failure},
    signal::stop_signal,
    terminal::{Out, Style},
};

/// Simulates until Ctrl-C or SIGTERM, then lets running requests finish and says what there was.
pub(crate) async fn run(arguments: Sim, global: &Global, mut out: Out) -> Result<(), Failure> {
    if let Some(command) = &arguments.cassette {
        return cassette::run(command, out).await;
    }
    let mut config = configuration(&arguments, global.config.as_deref())?;
    // The library fails a test by a panic; a command says it and ends with a code.
    let expected: Vec<_> = config.rules.iter_mut().map(|rule| rule.expect.take()).collect();
    let models: Vec<_> = config.models.iter().map(|model| model.id.clone()).collect();
    let mut builder = Simulator::builder().config(config).listen(arguments.listen);
    if arguments.tls.is_some() {
        builder = builder.tls();
    }
    let simulator = builder.start().await.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::Configuration(error.to_string()),
        _ => Failure::Other(format!("simulate: {error}")),
    })?;
    if let (Some(file), Some(authority)) = (&arguments.tls, simulator.authority()) {
        fs::write(file, authority).map_err(|error| Failure::Other(format!("write {}: {error}", file.display())))?;
    }

    // Showing a request costs more than answering it, so it is done only for those who look.
    let log = (out.manner.json || global.verbose > 0).then(|| simulator.follow());
    announce(&simulator, &models, &mut out)?;
    let mut stop = pin!(stop_signal());
    tokio::select! {
        () = &mut stop => {}
        shown = show(log, &mut out) => shown?,
    }
    let requests = simulator.log().iter().map(|entry| entry.arrival + 1).max().unwrap_or(0);
    let rules = simulator.rules();
    let faults: u64 = rules.iter().map(|(_, applied)| applied).sum();
    let verdict = simulator.verdict();
    simulator.stop().await;
    out.note(&format!("{requests} requests, {faults} faults"));
    let unmet = rules.iter().zip(expected).enumerate().filter_map(|(position, ((rule, applied), expected))| {
        expected.filter(|expected| expected != applied).map(|expected| (position, rule.what.name(), expected, *applied))
    });
    let unmet: Vec<_> = unmet.collect();
    for (position, name, expected, applied) in &unmet {
        out.styled_note(
            Style::Red,
            &format!("rule {} ({name}) was to be applied {expected} times, and was {applied} times", position + 1),
        );
    }
    let judged = if arguments.verdict { judge(&verdict, &mut out) } else { Ok(()) };
    if unmet.is_empty() { judged } else { Err(Failure::Partly(Exit::Other)) }
}

/// Shows requests as they end; without a log, waits for ever.
async fn show(log: Option<Receiver<LogEntry>>, out: &mut Out) -> Result<(), Failure> {
    let Some(mut log) = log else { return std::future::pending().await };
    loop {
        match log.recv().await {
            Ok(entry) => tell(&entry, out)?,
            Err(RecvError::Lagged(missed)) => out.note(&format!("{missed} requests went by too fast to be shown")),
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

/// What the client did wrong; a bad verdict is a failure of the command.
fn judge(verdict: &Verdict, out: &mut Out) -> Result<(), Failure> {
    if out.manner.json {
        out.json_line(&json!({ "verdict": verdict }))?;
    } else if verdict.good {
        out.line("verdict: good")?;
    } else {
        out.styled(Style::Red, "verdict: bad")?;
        verdict.findings.iter().try_for_each(|finding| out.line(format!("  {}", finding.message)))?;
    }
    if verdict.good { Ok(()) } else { Err(Failure::Partly(Exit::Other)) }
}

/// The file's words, and over them the command line's.
fn configuration(arguments: &Sim, file: Option<&Path>) -> Result<SimConfig, Failure> {
    let mut config = match file {
        None => SimConfig::default(),
        Some(file) => {
            let wrong = |error: &dyn std::fmt::Display| Failure::Configuration(format!("{}: {error}", file.display()));
            let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
            SimConfig::from_yaml(&text).map_err(|error| wrong(&error))?
        }
    };
    if !arguments.models.is_empty() {
        config.models = arguments.models.iter().map(|id| Model::chat(id.as_str())).collect();
    }
    if let Some(tokens) = arguments.tokens {
        config.models.iter_mut().for_each(|model| model.tokens = tokens);
    }
    config.seed = arguments.seed.unwrap_or(config.seed);
    config.slots = arguments.slots.unwrap_or(config.slots);
    let latency = &mut config.latency;
    latency.request = arguments.latency.unwrap_or(latency.request);
    latency.ttft = arguments.ttft.unwrap_or(latency.ttft);
    latency.itl = arguments.itl.unwrap_or(latency.itl);
    if let Some(share) = arguments.error_rate {
        let failure = Effect::Status { status: 500, body: None, headers: Default::default(), retry_after: None };
        config.rules.push(Rule::new(failure).when(When { probability: Some(share), ..When::default() }));
    }
    Ok(config)
}

/// Tells where it listens, and people what to try there.
fn announce(simulator: &Simulator, models: &[std::sync::Arc<str>], out: &mut Out) -> Result<(), Failure> {
    let url = simulator.url();
    if out.manner.json {
        return out.json_line(&json!({ "listening": url, "models": models, "token": simulator.token() }));
    }
    out.styled(Style::Bold, &format!("A simulated model server listens on {url}"))?;
    out.line(format!(
        "It has: {}

Try, in another terminal:
  curl {url}/v1/models
  curl -H 'Authorization: Bearer {}' {url}/sim/state
",
        models.join(", "),
        simulator.token()
    ))
}

/// One request that is over: a line for people, an object for programs.
fn tell(entry: &LogEntry, out: &mut Out) -> Result<(), Failure> {
    if out.manner.json {
        return out.json_line(entry);
    }
    let status = entry.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let fault = entry.fault.map(|fault| format!("  fault: {fault}")).unwrap_or_default();
    out.line(format!(
        "{:>6}  {status:>3}  {:<9}  {:>9.1} ms  {:>5} tokens  {}  {}{fault}",
        entry.arrival, entry.outcome, entry.elapsed_ms, entry.tokens, entry.route, entry.model
    ))
}
