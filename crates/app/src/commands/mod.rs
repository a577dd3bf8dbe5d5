//! The commands: each takes its arguments and a [`Context`], speaks through its `out`, and returns what it could not do.

mod bench;
mod cassette;
mod chat;
mod completions;
mod config;
mod embed;
mod infer;
mod load;
mod metrics;
mod models;
mod serve;
mod servers;
mod sim;

use std::{num::NonZero, time::Duration};

use clap::Parser;
use miette::GraphicalReportHandler;
use tokio::runtime::{Builder, Runtime};

use crate::{
    cli::{Cli, Command, Global, Serve, Sim},
    context::{self, Context},
    exit::{Exit, Failure},
    report,
    terminal::{Manner, Out, Style},
};

/// How long servers are waited for after Ctrl-C.
const FAREWELL: Duration = Duration::from_secs(2);

/// Reads the command line, does what it says, tells what went wrong.
pub(crate) fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nowhere to complain if even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    let manner = Manner::new(cli.global.json, cli.global.no_color || context::no_color());
    match run(cli, manner) {
        Ok(()) => Exit::Success,
        Err(failure) => {
            tell(&failure, &mut Out::new(manner));
            failure.exit()
        }
    }
}

fn run(cli: Cli, manner: Manner) -> Result<(), Failure> {
    let Cli { global, no_open, command } = cli;
    let mut out = Out::new(manner);
    let command = match command {
        Some(Command::Config(command)) => return config::run(command, &global, &mut out),
        Some(Command::Completions { shell }) => return completions::run(shell, &mut out),
        Some(Command::Bench(arguments)) => return bench::run(*arguments, &global, out),
        Some(Command::Serve(arguments)) => return serve_forever(&arguments, serve::Manners::Server, &global, out),
        Some(Command::Sim(arguments)) => return simulate(arguments, &global, out),
        None => return serve_forever(&Serve::default(), serve::Manners::Desk { opens: !no_open }, &global, out),
        Some(command) => command,
    };
    let loaded = context::load(&global, &[])?.loaded;
    context::prepare_compute(&loaded.config);
    context::begin_log(&loaded, global.verbose, false, manner);
    // One worker is plenty for one answer; the engine computes on threads of its own.
    let runtime = runtime(1)?;
    let result = runtime.block_on(async {
        let mut context = Context::open(&global, loaded, out)?;
        match command {
            // It alone goes on after Ctrl-C.
            Command::Chat(arguments) => chat::run(arguments, &mut context).await,
            other => {
                let result = until_interrupted(one_shot(other, &mut context)).await;
                if matches!(result, Err(Failure::Cancelled)) {
                    // What is called off is given a moment to hear of it.
                    let _ = tokio::time::timeout(FAREWELL, context.fleet.settled()).await;
                }
                result
            }
        }
    });
    // Somebody may still wait for a key or a line: not for us.
    runtime.shutdown_background();
    result
}

async fn one_shot(command: Command, context: &mut Context) -> Result<(), Failure> {
    match command {
        Command::Infer(arguments) => infer::run(arguments, context).await,
        Command::Embed(arguments) => embed::run(arguments, context).await,
        Command::Models(arguments) => models::run(&arguments, context).await,
        Command::Load(arguments) => load::load(&arguments, context).await,
        Command::Unload(arguments) => load::unload(&arguments, context).await,
        Command::Pull(arguments) => load::pull(&arguments, context).await,
        Command::Servers => servers::run(context).await,
        Command::Bench(_)
        | Command::Chat(_)
        | Command::Serve(_)
        | Command::Sim(_)
        | Command::Config(_)
        | Command::Completions { .. } => Ok(()),
    }
}

fn serve_forever(arguments: &Serve, manners: serve::Manners, global: &Global, out: Out) -> Result<(), Failure> {
    let listen = arguments.listen.map(|address| ("gateway.listen", address.to_string(), "--listen"));
    let flags: Vec<_> = listen.into_iter().collect();
    let found = context::load(global, &flags)?;
    context::prepare_compute(&found.loaded.config);
    context::begin_log(&found.loaded, global.verbose, true, out.manner);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    // Each worker has its own heap arena, and moving bytes needs few of them.
    let runtime = runtime(cores.min(8))?;
    let result = runtime.block_on(serve::run(global, flags, manners, found, out));
    runtime.shutdown_background();
    result
}

fn simulate(arguments: Sim, global: &Global, out: Out) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = runtime(cores.min(8))?;
    let result = runtime.block_on(sim::run(arguments, global, out));
    runtime.shutdown_background();
    result
}

fn runtime(workers: usize) -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    built.map_err(|error| Failure::Other(format!("start threads: {error}")))
}

/// Drops the work at Ctrl-C, which cancels it upstream.
async fn until_interrupted(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        result = work => result,
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure::Cancelled),
    }
}

/// Says what went wrong: to people on standard error, to programs on standard output.
fn tell(failure: &Failure, out: &mut Out) {
    if out.manner.json && !matches!(failure, Failure::ClosedOutput | Failure::Partly(_)) {
        // If standard output is closed, the code still tells.
        let _ = out.json(&report::failure_json(failure));
    }
    match failure {
        Failure::Usage(message) => {
            out.styled_note(Style::Red, &format!("error: {message}"));
            out.note("For more information, try '--help'.");
        }
        Failure::Problems(problems) => tell_problems(problems, out),
        Failure::Configuration(message) => out.styled_note(Style::Red, &format!("error: configuration: {message}")),
        Failure::Call { what, error } => {
            for (index, line) in report::error_lines(what, error).iter().enumerate() {
                match index {
                    0 => out.styled_note(Style::Red, &format!("error: {line}")),
                    _ => out.note(line),
                }
            }
        }
        Failure::Other(message) => out.styled_note(Style::Red, &format!("error: failed to {message}")),
        Failure::Cancelled => out.styled_note(Style::Dim, "cancelled"),
        Failure::Partly(_) | Failure::ClosedOutput => {}
    }
}

/// Draws each problem into its line of the file, where there is one.
fn tell_problems(problems: &longshore_config::Problems, out: &mut Out) {
    let theme = match (out.manner.error_is_terminal, out.manner.error_color) {
        (true, true) => miette::GraphicalTheme::unicode(),
        (true, false) => miette::GraphicalTheme::unicode_nocolor(),
        (false, _) => miette::GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    let source = problems.source().map(|source| crate::terminal::sanitise::same_length(&source.text));
    for problem in problems.iter() {
        let place = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
        let message = format!("{}: {place}{}", problem.origin, problem.message);
        let mut diagnostic = miette::MietteDiagnostic::new(crate::terminal::sanitise::sanitise_line(&message));
        if let Some(hint) = &problem.hint {
            diagnostic = diagnostic.with_help(crate::terminal::sanitise::sanitise_line(hint));
        }
        let span = problem.span.clone().filter(|_| source.is_some());
        if let Some(span) = span {
            diagnostic = diagnostic.with_label(miette::LabeledSpan::new_with_span(None, span));
        }
        let mut drawn = String::new();
        let report = miette::Report::new(diagnostic);
        let report = match &source {
            Some(text) => report.with_source_code(text.clone()),
            None => report,
        };
        if handler.render_report(&mut drawn, report.as_ref()).is_ok() {
            out.drawn_note(&drawn);
        } else {
            out.note(&problem.to_string());
        }
    }
    let more = problems.omitted();
    if more > 0 {
        out.note(&format!("and {more} more problems"));
    }
}
