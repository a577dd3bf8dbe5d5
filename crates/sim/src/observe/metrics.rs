//! Counters, as Prometheus reads them (text exposition format 0.0.4).

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::LogEntry;

#[derive(Default)]
pub(crate) struct Metrics {
    arrived: AtomicU64,
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
    connections_used: AtomicU64,
    finished: Mutex<Finished>,
}

#[derive(Default)]
struct Finished {
    requests: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    errors: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    total: u64,
    tokens: u64,
    prompt_tokens: u64,
}

impl Metrics {
    /// Counts a request in, and gives its number.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a connection in, and gives its number.
    pub(crate) fn connection_opened(&self) -> u64 {
        self.connections_opened.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn connection_closed(&self) {
        self.connections_closed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_used(&self) {
        self.connections_used.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections over which requests came, other than those that control the simulator.
    pub(crate) fn connections_used(&self) -> u64 {
        self.connections_used.load(Ordering::Relaxed)
    }

    /// Connections that were ever opened.
    pub(crate) fn connections(&self) -> u64 {
        self.connections_opened.load(Ordering::Relaxed)
    }

    /// Requests that are being answered.
    pub(crate) fn in_flight(&self) -> u64 {
        let total = self.finished.lock().unwrap_or_else(PoisonError::into_inner).total;
        self.arrived.load(Ordering::Relaxed).saturating_sub(total)
    }

    pub(super) fn finished(&self, entry: &LogEntry) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.total += 1;
        finished.tokens += entry.tokens;
        finished.prompt_tokens += entry.prompt_tokens;
        *finished.requests.entry((entry.op, entry.protocol, entry.outcome)).or_default() += 1;
        if let Some(error) = entry.error {
            *finished.errors.entry(error).or_default() += 1;
        }
        if let Some(fault) = entry.fault {
            *finished.faults.entry(fault).or_default() += 1;
        }
    }

    /// The text; `slots` are the requests that run and those that wait.
    pub(crate) fn text(&self, (running, waiting): (usize, usize)) -> String {
        let mut out = String::new();
        let opened = self.connections();
        let open = opened.saturating_sub(self.connections_closed.load(Ordering::Relaxed));
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        head(&mut out, "requests_total", "counter", "Requests that are over.");
        for ((op, protocol, outcome), count) in &finished.requests {
            let labels = format!("op=\"{op}\",protocol=\"{protocol}\",outcome=\"{outcome}\"");
            line(&mut out, "requests_total", &labels, *count);
        }
        head(&mut out, "errors_total", "counter", "Errors that models answered with, by kind.");
        for (kind, count) in &finished.errors {
            line(&mut out, "errors_total", &format!("kind=\"{kind}\""), *count);
        }
        head(&mut out, "faults_total", "counter", "Faults that were applied.");
        for (fault, count) in &finished.faults {
            line(&mut out, "faults_total", &format!("fault=\"{fault}\""), *count);
        }
        let in_flight = self.arrived.load(Ordering::Relaxed).saturating_sub(finished.total);
        for (name, kind, help, value) in [
            ("requests_in_flight", "gauge", "Requests that are being answered.", in_flight),
            ("tokens_total", "counter", "Tokens made.", finished.tokens),
            ("prompt_tokens_total", "counter", "Tokens of prompts.", finished.prompt_tokens),
            ("slots_in_use", "gauge", "Requests that have a slot.", running as u64),
            ("queue_length", "gauge", "Requests that wait for a slot.", waiting as u64),
            ("connections_total", "counter", "Connections that were opened.", opened),
            ("connections_open", "gauge", "Connections that are open.", open),
        ] {
            head(&mut out, name, kind, help);
            line(&mut out, name, "", value);
        }
        out
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing into a string does not fail.
    let _ = writeln!(out, "# HELP longshore_sim_{name} {help}\n# TYPE longshore_sim_{name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = match labels {
        "" => writeln!(out, "longshore_sim_{name} {value}"),
        _ => writeln!(out, "longshore_sim_{name}{{{labels}}} {value}"),
    };
}
