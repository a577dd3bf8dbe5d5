//! The levels for a spreadsheet: a line for each load, numbers without units, times in milliseconds.

use crate::{
    run::{Level, Run},
    statistics::Spread,
};

/// CSV as RFC 4180 has it, with a line of names first. What is not known is empty.
pub fn csv(run: &Run) -> String {
    let mut names: Vec<String> = ["load", "concurrency", "offered", "repeats", "requests", "complete", "window_s"]
        .into_iter()
        .chain(["requests_per_s", "tokens_per_s", "goodput_per_s", "efficiency", "in_flight"])
        .chain(["client_cpu_ms", "client_memory_bytes", "server_cpu_ms", "server_memory_bytes"])
        .map(str::to_owned)
        .collect();
    for metric in METRICS {
        names.extend(["mean", "p50", "p90", "p95", "p99", "max"].map(|what| format!("{}_{what}_ms", metric.0)));
    }
    let mut out = names.join(",") + "\r\n";
    for level in &run.levels {
        out.push_str(&line(level).join(","));
        out.push_str("\r\n");
    }
    out
}

type Metric = (&'static str, fn(&Level) -> Option<&Spread>);

const METRICS: [Metric; 6] = [
    ("ttft", |level| level.metrics.scheduled_ttft.as_ref()),
    ("ttft_from_sending", |level| level.metrics.ttft.as_ref()),
    ("itl", |level| level.metrics.itl.as_ref()),
    ("tpot", |level| level.metrics.tpot.as_ref()),
    ("e2e", |level| level.metrics.scheduled_e2e.as_ref()),
    ("send_lag", |level| level.metrics.send_lag.as_ref()),
];

fn line(level: &Level) -> Vec<String> {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let window = &level.window;
    let mut cells = vec![
        quoted(&level.load),
        level.concurrency.map(|concurrency| concurrency.to_string()).unwrap_or_default(),
        number(level.offered),
        level.repeats.to_string(),
        level.requests.to_string(),
        level.success.count.to_string(),
        window.seconds.to_string(),
        window.requests_per_second.to_string(),
        window.tokens_per_second.to_string(),
        number(window.goodput),
        number(level.efficiency),
        window.little.in_flight.to_string(),
        number(level.client_cpu_ms),
        number(level.client_memory),
        number(level.server_cpu_ms),
        number(level.server_memory),
    ];
    for (_, spread) in METRICS {
        let spread = spread(level);
        let quantile = |of: fn(&Spread) -> Option<crate::statistics::Quantile>| spread.and_then(of).map(|q| q.value);
        cells.extend([
            number(spread.map(|spread| spread.mean)),
            number(quantile(|spread| spread.p50)),
            number(quantile(|spread| spread.p90)),
            number(quantile(|spread| spread.p95)),
            number(quantile(|spread| spread.p99)),
            number(spread.map(|spread| spread.max)),
        ]);
    }
    cells
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
