//! The tables of a run's report.

use super::{
    document::{Block, Table},
    number::{bytes, interval, maybe, maybe_bytes, number, percent, percentile, share},
};
use crate::{
    certificate::verdict,
    resources::Gauge,
    run::{Level, Run},
    statistics::Spread,
};

/// Latencies by load. What the client changed by more than 1 % has an asterisk.
pub(super) fn latency(run: &Run) -> Table {
    let headings = ["load", "metric", "mean", "p50", "p90", "p95", "p99", "max", "n"];
    let mut table = Table::new("Latency, ms (* the client changed it by more than 1 %)", &headings);
    for level in &run.levels {
        let metrics = &level.metrics;
        let open = level.concurrency.is_none();
        let named = [
            ("TTFT", "ttft", &metrics.scheduled_ttft, true),
            ("TTFT from sending", "ttft", &metrics.ttft, open),
            ("ITL", "itl", &metrics.itl, true),
            ("TPOT", "itl", &metrics.tpot, true),
            ("E2E", "e2e", &metrics.scheduled_e2e, true),
        ];
        for (name, key, spread, shown) in named {
            if let Some(spread) = spread.as_ref().filter(|_| shown) {
                table.rows.push(latency_row(run, level, name, key, spread));
            }
        }
    }
    table
}

fn latency_row(run: &Run, level: &Level, name: &str, key: &str, spread: &Spread) -> Vec<String> {
    let verdict = run.certificate.as_ref().and_then(|certificate| verdict(level, certificate));
    let mark = |list: fn(&crate::certificate::Verdict) -> &Vec<(String, String)>| {
        let marked = verdict.as_ref().is_some_and(|verdict| list(verdict).iter().any(|(metric, _)| metric == key));
        if marked { "*" } else { "" }
    };
    vec![
        level.load.clone(),
        name.into(),
        format!("{}{}", number(spread.mean), mark(|verdict| &verdict.means)),
        interval(spread.p50),
        percentile(spread.p90),
        percentile(spread.p95),
        format!("{}{}", interval(spread.p99), if spread.p99.is_some() { mark(|verdict| &verdict.tails) } else { "" }),
        number(spread.max),
        spread.count.to_string(),
    ]
}

/// Rates by load.
pub(super) fn throughput(run: &Run) -> Table {
    let unit = format!("{}/s", unit(run));
    let goodput = run.levels.iter().any(|level| level.window.goodput.is_some());
    let mut headings = vec!["load", "requests/s", &unit, "efficiency", "in flight", "success", "requests", "repeats"];
    if goodput {
        headings.insert(3, "goodput/s");
    }
    let mut table = Table::new("Throughput in the steady window", &headings);
    for level in &run.levels {
        let window = &level.window;
        let mut row = vec![
            level.load.clone(),
            number(window.requests_per_second),
            number(window.tokens_per_second),
            level.efficiency.map_or_else(|| maybe(None), percent),
            number(window.little.in_flight),
            share(level.success),
            level.requests.to_string(),
            level.repeats.to_string(),
        ];
        if goodput {
            row.insert(3, maybe(window.goodput));
        }
        table.rows.push(row);
    }
    table
}

/// What an answer is made of.
pub(super) fn unit(run: &Run) -> &'static str {
    match run.subject.task.as_str() {
        "embed" => "vectors",
        "infer" => "answers",
        _ => "tokens",
    }
}

/// What caches did: Longshore's own for answers, the server's for prompts.
pub(super) fn caching(run: &Run) -> Vec<Block> {
    let mut table = Table::new(
        "Answers from the response cache, and prompt tokens that the server did not compute again",
        &["load", "hits", "of answers", "hit, ms", "made, ms", "prompt tokens", "cached"],
    );
    for level in &run.levels {
        let caching = &level.caching;
        let of: u64 = caching.answers.values().sum();
        let cached = caching.cached_tokens as f64 / caching.prompt_tokens as f64;
        if of > 0 || caching.prompt_tokens > 0 {
            table.rows.push(vec![
                level.load.clone(),
                caching.answers.get("hit").copied().unwrap_or(0).to_string(),
                of.to_string(),
                maybe(caching.hit_ms),
                maybe(caching.made_ms),
                caching.prompt_tokens.to_string(),
                if caching.prompt_tokens > 0 { percent(cached) } else { maybe(None) },
            ]);
        }
    }
    let mut blocks = Vec::new();
    if !run.subject.cached {
        blocks.push(Block::Text("Every request passed the response cache by (--cache lets it answer).".into()));
    }
    if run.levels.iter().all(|level| level.caching.prompt_tokens == 0) {
        blocks.push(Block::Text("The server does not tell what it has of a prompt already.".into()));
    }
    blocks.push(Block::Table(table));
    blocks
}

/// What a request costs.
pub(super) fn resources(run: &Run) -> Vec<Block> {
    let server = run.levels.iter().any(|level| level.server_cpu_ms.is_some());
    let mut headings = vec!["load", "client CPU ms/request", "client memory/request", "client memory, most"];
    if server {
        headings.extend(["server CPU ms/request", "server memory/request"]);
    }
    let mut table = Table::new("What a request costs beyond an idle process", &headings);
    for level in &run.levels {
        let mut row = vec![
            level.load.clone(),
            maybe(level.client_cpu_ms),
            maybe_bytes(level.client_memory),
            maybe_bytes(level.client_memory_peak.map(|most| most as f64)),
        ];
        if server {
            row.extend([maybe(level.server_cpu_ms), maybe_bytes(level.server_memory)]);
        }
        table.rows.push(row);
    }
    let mut blocks = vec![Block::Table(table)];
    if run.subject.protocol.as_deref() == Some("in_process") {
        blocks.push(Block::Text("The model ran in the client's own process: its work is the client's.".into()));
    }
    if let Some(memory) = run.idle.memory {
        blocks.push(Block::Text(format!("Idle, the client had {} of memory.", bytes(memory as f64))));
    }
    if !run.subject.server_process.is_empty() {
        blocks.push(Block::Text(format!("The server's process: {}.", run.subject.server_process)));
    }
    blocks.extend(told(run));
    blocks
}

/// What the server told of itself, or why it told nothing.
fn told(run: &Run) -> Vec<Block> {
    let Some(exposed) = &run.exposed else { return Vec::new() };
    if let Some(problem) = &exposed.problem {
        return vec![Block::Text(format!("The server exposes no metrics that are known here: {problem}."))];
    }
    let shown = [
        (Gauge::Running, "at work"),
        (Gauge::Waiting, "waiting"),
        (Gauge::KvCache, "KV cache"),
        (Gauge::GpuUse, "GPU"),
        (Gauge::GpuMemory, "GPU memory"),
        (Gauge::Memory, "memory"),
    ];
    let there: Vec<_> = shown.into_iter().filter(|(gauge, _)| exposed.gauges.contains(gauge)).collect();
    let mut headings = vec!["load".to_owned()];
    headings.extend(there.iter().flat_map(|(_, name)| [format!("{name}, mean"), format!("{name}, most")]));
    let mut table = Table { caption: format!("What the server told at {}", exposed.url), headings, rows: Vec::new() };
    for level in run.levels.iter().filter(|level| !level.told.is_empty()) {
        let cells = there.iter().flat_map(|(gauge, _)| {
            let told = level.told.get(gauge);
            [told.map(|told| told.mean), told.map(|told| told.max)].map(|value| told_cell(*gauge, value))
        });
        table.rows.push(std::iter::once(level.load.clone()).chain(cells).collect());
    }
    vec![Block::Table(table)]
}

fn told_cell(gauge: Gauge, value: Option<f64>) -> String {
    match gauge {
        Gauge::KvCache | Gauge::GpuUse => value.map_or_else(|| maybe(None), percent),
        Gauge::GpuMemory | Gauge::Memory => maybe_bytes(value),
        _ => maybe(value),
    }
}

/// Failures by kind, each with what the first of them said.
pub(super) fn errors(run: &Run) -> Vec<Block> {
    let mut table =
        Table::new("Requests that failed in the steady window", &["load", "kind", "requests", "the first said"]);
    for level in &run.levels {
        for (word, count) in level.outcomes.iter().filter(|(word, _)| *word != "ok") {
            let said = level.failures.get(word).cloned().unwrap_or_default();
            table.rows.push(vec![level.load.clone(), word.clone(), count.to_string(), said]);
        }
    }
    match table.rows.is_empty() {
        true => vec![Block::Text("No request failed.".into())],
        false => vec![Block::Table(table)],
    }
}

/// The client beside the truth.
pub(super) fn certificate(run: &Run) -> Vec<Block> {
    let Some(certificate) = &run.certificate else {
        return vec![Block::Text("Not proven: the load was not replayed against the simulator.".into())];
    };
    let headings = ["load", "metric", "true mean", "measured", "bias", "p99 lag", "simulator's own lag", "n"];
    let mut table = Table::new("The same load against known timings, ms", &headings);
    for level in &certificate.levels {
        for deviation in &level.deviations {
            table.rows.push(vec![
                level.load.clone(),
                deviation.metric.to_uppercase(),
                number(deviation.true_mean),
                number(deviation.mean),
                format!("{:+.3}", deviation.bias()),
                deviation.p99_lag().map_or_else(|| maybe(None), |lag| format!("{lag:+.3}")),
                number(level.simulator_lag),
                deviation.count.to_string(),
            ]);
        }
    }
    let mut blocks = vec![Block::Table(table)];
    if let Some(ceiling) = certificate.ceiling {
        blocks.push(Block::Text(format!(
            "With a server that takes no time, on the same machine, this client does {} requests and {} tokens a second at {} at a time.",
            number(ceiling.requests_per_second), number(ceiling.tokens_per_second), ceiling.concurrency
        )));
    }
    if !certificate.problems.is_empty() {
        blocks.push(Block::List(certificate.problems.iter().map(|problem| format!("Not proven: {problem}")).collect()));
    }
    blocks
}
