//! What the numbers say in words. Each sentence is there because of a number of the run, and gives it.

use std::collections::BTreeMap;

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
    found.extend(tail(run));
    found.extend(trust(run));
    found.extend(warnings(run));
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

/// The load with the longest tail, where there is one.
fn tail(run: &Run) -> Option<String> {
    let far = |level: &&Level| {
        let ttft = level.metrics.scheduled_ttft.as_ref()?;
        let (p50, p99) = (ttft.p50?.value, ttft.p99?.value);
        (p99 > TAIL * p50).then_some((p99, p99 / p50))
    };
    let tails: Vec<_> = run.levels.iter().filter_map(|level| Some((level, far(&level)?))).collect();
    let (level, (p99, times)) = tails.iter().max_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
    let others = match tails.len() {
        1 => String::new(),
        all => format!(" The tail is longer than {TAIL} medians at {all} loads; this is the longest."),
    };
    Some(format!(
        "{}: one request in a hundred waits more than {} ms for its first token, {} times the median.{others}",
        level.load,
        number(*p99),
        number(*times)
    ))
}

/// Of which numbers the client's own part is more than it should be: one sentence for all means, one for all tails.
fn trust(run: &Run) -> Vec<String> {
    let Some(certificate) = &run.certificate else { return Vec::new() };
    let verdicts: Vec<_> = run.levels.iter().filter_map(|level| Some((level, verdict(level, certificate)?))).collect();
    let gather = |what: &str, list: fn(&crate::certificate::Verdict) -> &Vec<(String, String)>| {
        let mut metrics: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (level, verdict) in &verdicts {
            for (metric, why) in list(verdict) {
                metrics.entry(metric.to_uppercase()).or_default().push(format!("{} {why}", level.load));
            }
        }
        let each: Vec<String> =
            metrics.into_iter().map(|(metric, loads)| format!("{metric} ({})", loads.join(", "))).collect();
        (!each.is_empty())
            .then(|| format!("Client and way add more than 1 % to {what} of {}: marked with * above.", each.join("; ")))
    };
    let mut found: Vec<String> =
        [gather("the mean", |verdict| &verdict.means), gather("the p99", |verdict| &verdict.tails)]
            .into_iter()
            .flatten()
            .collect();
    for (level, verdict) in &verdicts {
        if let Some(why) = &verdict.bottleneck {
            found.push(format!("{}: the client may have been the limit: {why}.", level.load));
        }
    }
    found
}

/// Each warning once, with the loads that it is about.
fn warnings(run: &Run) -> Vec<String> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for level in &run.levels {
        for warning in &level.warnings {
            match found.iter_mut().find(|(known, _)| known == warning) {
                Some((_, loads)) => loads.push(&level.load),
                None => found.push((warning, vec![&level.load])),
            }
        }
    }
    found.into_iter().map(|(warning, loads)| format!("{}: {warning}.", loads.join(", "))).collect()
}

/// For three kinds of use, the load that suits each best.
pub(super) fn advice(run: &Run) -> Vec<String> {
    let closed = || run.levels.iter().filter(|level| level.concurrency.is_some() && level.requests > 0);
    let mut advice = Vec::new();
    let quickest = closed().filter_map(|level| Some((median(level)?, level))).min_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((ttft, level)) = quickest {
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
        advice.push(format!(
            "At a desk, where waiting counts: {} gave the shortest wait, {} ms.",
            level.load,
            number(ttft)
        ));
    }
    let most = closed().max_by(|a, b| a.window.tokens_per_second.total_cmp(&b.window.tokens_per_second));
    if let Some(level) = most.filter(|level| level.window.tokens_per_second > 0.0) {
        let unit = super::tables::unit(run);
        advice.push(format!(
            "In batches, where throughput counts: {} brought the most, {} {unit} and {} requests a second.",
            level.load,
            number(level.window.tokens_per_second),
            number(level.window.requests_per_second)
        ));
    }
    advice
}

pub(super) fn median(level: &Level) -> Option<f64> {
    level.metrics.scheduled_ttft.as_ref().map(|ttft| ttft.p50.map_or(ttft.mean, |p50| p50.value))
}
