//! `longshore bench`: load on a server, measured; and what was measured before.

mod output;
mod plan;
mod progress;
mod target;

use std::sync::Arc;

use longshore_bench::{
    certificate::Certifier,
    compare::compare,
    load::{Live, Target},
    report,
    run::{Run, Runner, Subject},
    store::Store,
};
use longshore_core::{Error, ErrorKind};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};

use crate::{
    cli::{Bench, BenchCommand, Compare, Global, Report},
    context, daemon,
    exit::{Exit, Failure, exit_of_kind},
    terminal::{Out, table::Table},
};
use progress::Progress;

/// Does what the arguments say.
pub(crate) fn run(arguments: Bench, global: &Global, mut out: Out) -> Result<(), Failure> {
    match &arguments.command {
        None => measure(arguments, global, out),
        Some(BenchCommand::Compare(arguments)) => compare_runs(arguments, &mut out),
        Some(BenchCommand::Report(arguments)) => report_again(arguments, &mut out),
        Some(BenchCommand::List) => list(&mut out),
    }
}

fn measure(arguments: Bench, global: &Global, mut out: Out) -> Result<(), Failure> {
    if arguments.json_file.is_some() && !global.json {
        return Err(Failure::Usage("a file alone says nothing: --json FILE writes the run to it".into()));
    }
    let plan = plan::plan(&arguments.load)?;
    let loaded = context::load(global, &[])?.loaded;
    context::prepare_compute(&loaded.config);
    context::begin_log(&loaded, global.verbose, false, out.manner);
    let runtime = client(arguments.load.threads)?;
    let result = runtime.block_on(async {
        let at_once = plan.schedules.iter().map(|schedule| schedule.at_once()).max().unwrap_or(10_000);
        let (backend, name) = target::open(&arguments, global, &loaded.config, at_once, &mut out)?;
        let workload = plan::workload(&arguments, global, &*backend).await?;
        let subject = plan::subject(&arguments, name, &plan);
        let certifier = (!arguments.output.no_certificate).then(certifier).transpose()?;
        let live = Arc::new(Live::default());
        let seen = target::seen(&arguments.target)?;
        let subject = Subject { server_process: seen.said, ..subject };
        let tokenizer = plan::tokenizer(&arguments.work)?;
        let target = Target { pid: seen.pid, tokenizer, ..Target::new(backend, Arc::new(workload)) };
        let runner = Runner { target, plan, subject, pages: seen.pages, certifier, live: live.clone() };
        let mut progress = Progress::new(out.manner, live);
        let run = runner.run(|notice| progress.tell(&notice, &mut out), at_interrupt()).await;
        progress.finish();
        run.map_err(failed)
    });
    runtime.shutdown_background();
    finish(&arguments, &result?, &mut out)
}

/// What the load runs on. One thread wakes nobody else for a token, which costs less and is more even than sharing them
/// out; it is enough for some 10,000 requests a second.
fn client(threads: usize) -> Result<Runtime, Failure> {
    if threads > 1 {
        return daemon::runtime_of(threads);
    }
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Failure::Other(format!("start the client: {error}")))
}

/// Becomes true at the first Ctrl-C: what was measured until then is kept.
fn at_interrupt() -> watch::Receiver<bool> {
    let (cancel, cancelled) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.send_replace(true);
        }
        // Without signals nobody interrupts, and the sender lives as long as somebody listens.
        cancel.closed().await;
    });
    cancelled
}

fn failed(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::Cancelled => Failure::Cancelled,
        _ => Failure::call("measure", error),
    }
}

/// This program simulates as well.
fn certifier() -> Result<Certifier, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::Other(format!("find this program: {error}")))?;
    Ok(Certifier { program })
}

fn finish(arguments: &Bench, run: &Run, out: &mut Out) -> Result<(), Failure> {
    // Files first: a closed terminal must not lose the run.
    let mut kept = None;
    if !arguments.output.no_store {
        match store()?.keep(run) {
            Ok(path) => kept = Some(path),
            Err(error) => out.note(&format!("warning: the run is not kept: {error}")),
        }
    }
    output::write_files(run, &arguments.output.html, &arguments.output.csv, &arguments.output.markdown)?;
    if let Some(file) = &arguments.json_file {
        output::write_run(file, run)?;
    }
    if out.manner.json {
        if arguments.json_file.is_none() {
            out.json_line(run)?;
        }
    } else {
        output::show(run, out)?;
    }
    if let Some(path) = kept.filter(|_| !out.manner.json) {
        out.note(&format!("kept as {}; `longshore bench report` shows it again", path.display()));
    }
    match run.interrupted {
        true => Err(Failure::Cancelled),
        false => nothing_succeeded(run).map_or(Ok(()), |exit| Err(Failure::Partly(exit))),
    }
}

/// The code for a run in which no request came to its end.
fn nothing_succeeded(run: &Run) -> Option<Exit> {
    if run.levels.iter().any(|level| level.success.count > 0 || level.success.of == 0) {
        return None;
    }
    let word = run.levels.iter().flat_map(|level| level.outcomes.keys()).next()?;
    Some(ErrorKind::from_word(word).map_or(Exit::Other, exit_of_kind))
}

fn store() -> Result<Store, Failure> {
    let folder = context::bench_folder();
    folder.map(Store::new).ok_or_else(|| Failure::Other("keep runs: this user has no folder for data".into()))
}

fn find(name: &str) -> Result<Run, Failure> {
    store()?.find(name).map_err(|why| Failure::Other(format!("read a run: {why}")))
}

fn compare_runs(arguments: &Compare, out: &mut Out) -> Result<(), Failure> {
    let comparison = compare(&find(&arguments.a)?, &find(&arguments.b)?, arguments.threshold);
    let document = report::comparison_document(&comparison);
    if let Some(file) = &arguments.markdown {
        output::write(file, &report::markdown(&document))?;
    }
    match out.manner.json {
        true => out.json_line(&comparison)?,
        false => out.line(report::text(&document, output::width(out), false))?,
    }
    if comparison.changes.is_empty() {
        return Err(Failure::Other("compare runs that have no load in common".into()));
    }
    if comparison.is_regression() { Err(Failure::Partly(Exit::Regression)) } else { Ok(()) }
}

fn report_again(arguments: &Report, out: &mut Out) -> Result<(), Failure> {
    let run = find(&arguments.run)?;
    output::write_files(&run, &arguments.html, &arguments.csv, &arguments.markdown)?;
    match out.manner.json {
        true => out.json_line(&run),
        false => out.line(report::text(&report::run_document(&run), output::width(out), false)),
    }
}

fn list(out: &mut Out) -> Result<(), Failure> {
    let kept = store()?.list().map_err(|error| Failure::Other(format!("list runs: {error}")))?;
    if out.manner.json {
        let rows = kept.iter().map(|kept| match &kept.run {
            Ok(run) => serde_json::json!({
                "id": run.id, "path": kept.path, "started": run.started, "target": run.subject.target,
                "model": run.subject.model, "loads": run.levels.iter().map(|level| &level.load).collect::<Vec<_>>(),
                "interrupted": run.interrupted,
            }),
            Err(problem) => serde_json::json!({ "path": kept.path, "problem": problem }),
        });
        return out.json(&rows.collect::<Vec<_>>());
    }
    if kept.is_empty() {
        return out.line("No run is kept yet: `longshore bench` makes one.");
    }
    let mut table = Table::new(["RUN", "TARGET", "MODEL", "LOADS"]);
    for kept in kept {
        table.row(match kept.run {
            Ok(run) => {
                let loads: Vec<&str> = run.levels.iter().map(|level| level.load.as_str()).collect();
                [run.id, run.subject.target, run.subject.model.unwrap_or_default(), loads.join(" ")]
            }
            Err(problem) => [kept.path.display().to_string(), problem, String::new(), String::new()],
        });
    }
    out.line(table.text())
}
