//! The commands: each takes its arguments and a [`Context`], speaks through its `out`, and returns what it could not do.

mod bench;
mod cassette;
mod chat;
mod completions;
mod config;
mod embed;
mod infer;
mod load;
pub(crate) mod metrics;
mod models;
mod serve;
mod servers;
mod sim;

use std::time::Duration;

use clap::Parser;

use crate::{
    cli::{Cli, Command, Global, Serve, Sim},
    context::{self, Context},
    daemon::{self, Audience, Plan},
    exit::{Exit, Failure},
    telling::tell,
    terminal::{Manner, Out},
};

/// How long servers are waited for after Ctrl-C.
const FAREWELL: Duration = Duration::from_secs(2);

/// Reads the command line, does what it says, tells what went wrong.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nowhere to complain if even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    let manner = context::manner(&cli.global);
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
        Some(Command::Serve(arguments)) => return serve_forever(&arguments, Audience::Programs, false, &global, out),
        Some(Command::Sim(arguments)) => return simulate(arguments, &global, out),
        None => return serve_forever(&Serve::default(), Audience::Person, !no_open, &global, out),
        Some(command) => command,
    };
    let loaded = context::load(&global, &[])?.loaded;
    context::prepare_compute(&loaded.config);
    context::begin_log(&loaded, global.verbose, false, manner);
    // One worker is plenty for one answer; the engine computes on threads of its own.
    let runtime = daemon::runtime_of(1)?;
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

fn serve_forever(arguments: &Serve, audience: Audience, opens: bool, global: &Global, out: Out) -> Result<(), Failure> {
    let listen = arguments.listen.map(|address| ("gateway.listen", address.to_string(), "--listen"));
    let plan = Plan::with_flags(global, listen.into_iter().collect())?;
    let runtime = daemon::runtime()?;
    let result = runtime.block_on(serve::run(plan, audience, opens, out));
    runtime.shutdown_background();
    result
}

fn simulate(arguments: Sim, global: &Global, out: Out) -> Result<(), Failure> {
    let runtime = daemon::runtime()?;
    let result = runtime.block_on(sim::run(arguments, global, out));
    runtime.shutdown_background();
    result
}

/// Drops the work at Ctrl-C, which cancels it upstream.
async fn until_interrupted(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        result = work => result,
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure::Cancelled),
    }
}
