//! What the numbers say in words. Each sentence is there because of a number of the run, and gives it.

use super::number::{number, percent};
use crate::{
    certificate::verdict,
    run::{Level, Run},
};

/// Efficiency below which more concurrency is not worth its latency.
const WORTHWHILE: f64 = 0.5;
/// A tail this many times the median is a tail.
const TAIL: f64 = 3.0;

/// What stands out.
pub(super) fn findings(run: &Run) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(scaling(run));
    for level in &run.levels {
        if let Some(ttft) = &level.metrics.scheduled_ttft
            && let (Some(p50), Some(p99)) = (ttft.p50, ttft.p99)
            && p99.value > TAIL * p50.value
        {
            found.push(format!(
                "{}: one request in a hundred waits more than {} ms for its first token, {} times the median.",
                level.load,
                number(p99.value),
                number(p99.value / p50.value)
            ));
        }
        if let Some(goodput) = level.window.goodput
            && level.window.requests_per_second > 0.0
        {
            let good = goodput / level.window.requests_per_second;
            found.push(format!(
                "{}: {} of the throughput met {}.",
                level.load,
                percent(good.min(1.0)),
                run.subject.objectives
            ));
        }
        if let Some(verdict) = run.certificate.as_ref().and_then(|certificate| verdict(level, certificate)) {
            for (metric, why) in verdict.means {
                found.push(format!(
                    "{}: the mean {} is not the server's alone: {why}.",
                    level.load,
                    metric.to_uppercase()
                ));
            }
            for (metric, why) in verdict.tails {
                found.push(format!(
                    "{}: the p99 of {} is not the server's alone: {why}.",
                    level.load,
                    metric.to_uppercase()
                ));
            }
            if let Some(why) = verdict.bottleneck {
                found.push(format!("{}: the client may have been the limit: {why}.", level.load));
            }
        }
        found.extend(level.warnings.iter().map(|warning| format!("{}: {warning}.", level.load)));
    }
    if !run.environment.optimised {
        found
            .push("This program was compiled without optimisation: its own numbers are not those of a release.".into());
    }
    found
}

/// How far concurrency pays.
fn scaling(run: &Run) -> Vec<String> {
    let levels: Vec<(usize, f64, &Level)> = run
        .levels
        .iter()
        .filter_map(|level| Some((level.concurrency?, level.efficiency?, level)))
        .filter(|(concurrency, ..)| *concurrency > 1)
        .collect();
    let Some((most, efficiency, level)) = levels.iter().max_by_key(|(concurrency, ..)| *concurrency) else {
        return Vec::new();
    };
    let mut found = vec![format!(
        "{most} at a time bring {} requests a second, {} of {most} times what one brings.",
        number(level.window.requests_per_second),
        percent(*efficiency)
    )];
    if let Some((concurrency, efficiency, _)) = levels.iter().find(|(_, efficiency, _)| *efficiency < WORTHWHILE) {
        found
            .push(format!("From {concurrency} at a time on, efficiency is below one half ({}).", percent(*efficiency)));
    }
    found
}

/// For three kinds of use, the load that suits each best.
pub(super) fn advice(run: &Run) -> Vec<String> {
    let closed = || run.levels.iter().filter(|level| level.concurrency.is_some() && level.requests > 0);
    let mut advice = Vec::new();
    let quickest = closed().filter_map(|level| Some((median(level)?, level))).min_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((ttft, level)) = quickest {
        advice.push(format!(
            "At a desk, where waiting counts: {} gave the shortest wait, {} ms.",
            level.load,
            number(ttft)
        ));
        let within = closed()
            .filter(|level| median(level).is_some_and(|other| other <= 2.0 * ttft))
            .max_by(|a, b| a.window.requests_per_second.total_cmp(&b.window.requests_per_second));
        if let Some(level) = within {
            advice.push(format!(
                "Behind an API: up to {} the wait stays within twice the shortest, at {} requests a second.",
                level.load,
                number(level.window.requests_per_second)
            ));
        }
    }
    let most = closed().max_by(|a, b| a.window.tokens_per_second.total_cmp(&b.window.tokens_per_second));
    if let Some(level) = most.filter(|level| level.window.tokens_per_second > 0.0) {
        advice.push(format!(
            "In batches, where throughput counts: {} brought the most, {} a second.",
            level.load,
            number(level.window.tokens_per_second)
        ));
    }
    advice
}

fn median(level: &Level) -> Option<f64> {
    level.metrics.scheduled_ttft.as_ref().map(|ttft| ttft.p50.map_or(ttft.mean, |p50| p50.value))
}
