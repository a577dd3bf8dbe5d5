//! A report as a value: [`Document`], and the one that is made from a run.

use super::{
    advice, goals,
    number::{NOTHING, bytes, number, percent},
    opportunities, plots, tables,
};
use crate::{measure::Counted, run::Run};

/// A report, however it is written down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What it is about.
    pub title: String,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// What it is about.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// A piece of a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A sentence or several.
    Text(String),
    /// Short sentences.
    List(Vec<String>),
    /// Rows.
    Table(Table),
    /// A picture of rows; where pictures cannot be shown, it is left out.
    Plot(Plot),
}

/// Rows under headings. The first column is a name, the others are numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What the rows are.
    pub caption: String,
    /// The columns' names.
    pub headings: Vec<String>,
    /// The rows, each as long as the headings.
    pub rows: Vec<Vec<String>>,
}

/// Lines or points over two axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What is told to the right.
    pub x: String,
    /// What is told upwards.
    pub y: String,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Points that are not joined.
    pub scattered: bool,
}

/// A line of a plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

impl Table {
    /// A table with these headings and no rows.
    pub(super) fn new(caption: &str, headings: &[&str]) -> Self {
        let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
        Self { caption: caption.into(), headings, rows: Vec::new() }
    }
}

impl Section {
    pub(super) fn new(title: &str, blocks: Vec<Block>) -> Self {
        Self { title: title.into(), blocks }
    }
}

/// The report of a run.
pub fn run_document(run: &Run) -> Document {
    let sections = [
        summary(run),
        Section::new("Latency", vec![Block::Table(tables::latency(run))]),
        Section::new("Throughput", vec![Block::Table(tables::throughput(run))]),
        Section::new("Plots", plots::plots(run).into_iter().map(Block::Plot).collect()),
        Section::new("Targets and what was reached", goals::goals(run)),
        Section::new("Caching", tables::caching(run)),
        Section::new("Resources", tables::resources(run)),
        Section::new("Errors", tables::errors(run)),
        Section::new("How far the client can be trusted", tables::certificate(run)),
        Section::new("Findings", vec![Block::List(advice::findings(run))]),
        Section::new("Opportunities", vec![Block::List(opportunities::opportunities(run))]),
        Section::new("Advice by use", vec![Block::List(advice::advice(run))]),
        environment(run),
        definitions(),
    ];
    let something = |section: &Section| section.blocks.iter().any(|block| !is_empty(block));
    Document { title: title(run), sections: sections.into_iter().filter(something).collect() }
}

fn is_empty(block: &Block) -> bool {
    match block {
        Block::Text(text) => text.is_empty(),
        Block::List(items) => items.is_empty(),
        Block::Table(table) => table.rows.is_empty(),
        Block::Plot(plot) => plot.series.is_empty(),
    }
}

fn title(run: &Run) -> String {
    let model = run.subject.model.as_deref().unwrap_or("the default model");
    format!("Benchmark of {model} at {}", run.subject.target)
}

fn summary(run: &Run) -> Section {
    let mut items = Vec::new();
    if run.interrupted {
        items.push("The run was ended before its time; this is what was measured until then.".into());
    }
    let best = run.levels.iter().max_by(|a, b| a.window.requests_per_second.total_cmp(&b.window.requests_per_second));
    if let Some(level) = best.filter(|level| level.window.requests_per_second > 0.0) {
        let tokens = match run.subject.task.as_str() {
            "chat" | "complete" => format!(" and {} tokens", number(level.window.tokens_per_second)),
            _ => String::new(),
        };
        items.push(format!(
            "The highest throughput was {} requests{tokens} a second, at {}.",
            number(level.window.requests_per_second),
            level.load
        ));
    }
    if let Some(level) = run.levels.first()
        && let (Some(ttft), Some(e2e)) = (&level.metrics.scheduled_ttft, &level.metrics.scheduled_e2e)
    {
        let median = |spread: &crate::statistics::Spread| spread.p50.map_or(spread.mean, |p50| p50.value);
        items.push(format!(
            "At {} the first token came after {} ms and the whole answer after {} ms (medians).",
            level.load,
            number(median(ttft)),
            number(median(e2e))
        ));
    }
    let (complete, requests) = run
        .levels
        .iter()
        .fold((0, 0), |(complete, requests), level| (complete + level.success.count, requests + level.success.of));
    items.push(format!(
        "{complete} of {requests} requests in the steady windows came to their end ({}).",
        if requests == 0 { NOTHING.into() } else { percent(complete as f64 / requests as f64) }
    ));
    match run.knee {
        Some(Some(rate)) => items.push(format!(
            "The highest rate that met {} was {} requests a second.",
            run.subject.objectives,
            number(rate)
        )),
        Some(None) => items.push(format!("Not even the lowest rate met {}.", run.subject.objectives)),
        None => {}
    }
    Section::new("Summary", vec![Block::List(items)])
}

fn environment(run: &Run) -> Section {
    let mut table = Table::new("What was measured, and where", &["what", "value"]);
    let (subject, machine) = (&run.subject, &run.environment);
    let mut row = |what: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.rows.push(vec![what.into(), value]);
        }
    };
    let way = [subject.protocol.clone(), subject.dialect.clone()];
    row("run", Some(run.id.clone()));
    row("began", Some(run.started.clone()));
    row("took", Some(format!("{} s", number(run.seconds))));
    row("target", Some(subject.target.clone()));
    row("model", subject.model.clone());
    row("spoken", Some(way.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    row("task", Some(format!("{}, {}", subject.task, if subject.stream { "streamed" } else { "in one piece" })));
    row("prompts", Some(subject.prompts.clone()));
    row("answer tokens", subject.tokens.map(|tokens| tokens.to_string()));
    row("tokens counted by", tokens_counted_by(run));
    row("instants", Some(run.stamps().told()));
    row("objectives", Some(subject.objectives.clone()));
    row("each stage", Some(subject.stop.clone()));
    row("seed", Some(subject.seed.to_string()));
    row("command", subject.command.clone());
    row("processor", machine.cpu.clone());
    row("cores", machine.cores.map(|cores| cores.to_string()));
    row("memory", machine.memory.map(|memory| bytes(memory as f64)));
    row("system", Some(machine.system.clone()));
    row("kernel", machine.kernel.clone());
    row("version", Some(format!("{}{}", machine.version, if machine.optimised { "" } else { ", not optimised" })));
    row("git revision", machine.revision.clone());
    Section::new("Environment", vec![Block::Table(table)])
}

fn tokens_counted_by(run: &Run) -> Option<String> {
    let counted = run.levels.iter().filter_map(|level| level.counted).max()?;
    Some(match counted {
        Counted::Usage => "the server's usage".into(),
        Counted::Tokenizer => format!("the tokenizer {}", run.subject.tokenizer.as_deref().unwrap_or_default()),
        Counted::Events => "nobody: each event was taken for one".into(),
    })
}

fn definitions() -> Section {
    let items = [
        "Times are in milliseconds. A percentile stands with the interval in which the true one lies with 95 % probability; one that the sample is too small for is left out (the 99th wants 299 values).",
        "TTFT: from the instant at which a request was due to its first token. ITL: between tokens, each event's gap shared among the tokens that it brought. TPOT: the same as one number for each request. E2E: from due to the end.",
        "Throughput: what arrived in the steady window, after the first wave of answers and before the last request was sent, divided by the window.",
        "Goodput: requests due in the window that met every objective, per second; a failure meets none. Efficiency: throughput at C divided by C times throughput at 1.",
    ];
    Section::new("Definitions", vec![Block::List(items.map(str::to_owned).to_vec())])
}
