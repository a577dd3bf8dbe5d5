//! Where something could be gained. Each sentence is there because of a number of the run, and gives it.

use super::number::{number, percent};
use crate::{
    resources::Gauge,
    run::{Level, Run},
    statistics::Spread,
};

/// Efficiency above which more requests at a time bring more.
const GROWS: f64 = 0.9;
/// A step of concurrency that brings less than this share more is saturation.
const FLAT: f64 = 0.1;
/// A part of a whole that is worth a sentence.
const LARGE: f64 = 0.5;

/// What could be gained, by what was measured.
pub(super) fn opportunities(run: &Run) -> Vec<String> {
    [concurrency(run), waiting(run), first_token(run), streaming(run), prompt_cache(run), failures(run), server(run)]
        .into_iter()
        .flatten()
        .collect()
}

/// Closed loops, the fewest at a time first.
fn closed(run: &Run) -> Vec<(usize, &Level)> {
    let mut levels: Vec<_> = run
        .levels
        .iter()
        .filter(|level| level.requests > 0)
        .filter_map(|level| Some((level.concurrency?, level)))
        .collect();
    levels.sort_by_key(|(concurrency, _)| *concurrency);
    levels
}

/// Whether more at a time would bring more, or only wait longer.
fn concurrency(run: &Run) -> Option<String> {
    let levels = closed(run);
    let rate = |level: &Level| level.window.requests_per_second;
    let flat = levels.windows(2).find(|pair| rate(pair[1].1) < rate(pair[0].1) * (1.0 + FLAT));
    if let Some([(few, before), (many, after)]) = flat {
        let (from, to) = (typical(&before.metrics.scheduled_e2e)?, typical(&after.metrics.scheduled_e2e)?);
        return Some(format!(
            "Between {few} and {many} at a time the server is full: throughput changes by {:+.0} %, the time of a whole answer by {:+.0} %. More than {few} at a time wait rather than work.",
            (rate(after) / rate(before) - 1.0) * 100.0,
            (to / from - 1.0) * 100.0
        ));
    }
    let (most, level) = levels.last()?;
    let efficiency = level.efficiency.filter(|efficiency| *most > 1 && *efficiency >= GROWS)?;
    Some(format!(
        "At {most} at a time the server keeps {} of its pace for each: more at a time are likely to bring more.",
        percent(efficiency)
    ))
}

/// Requests that waited, by the server's own word.
fn waiting(run: &Run) -> Option<String> {
    let waits = |level: &&Level| level.told.get(&Gauge::Waiting).map_or(0.0, |told| told.mean);
    let level = run.levels.iter().max_by(|a, b| waits(a).total_cmp(&waits(b)))?;
    (waits(&level) >= 1.0).then(|| {
        format!(
            "{}: {} requests waited in the server's queue on average: more slots, replicas or batching would shorten their wait.",
            level.load,
            number(waits(&level))
        )
    })
}

/// Answers whose time passes before their first token.
fn first_token(run: &Run) -> Option<String> {
    let share = |level: &&Level| Some(super::advice::median(level)? / typical(&level.metrics.scheduled_e2e)?);
    let streamed = run.levels.iter().filter(|level| level.metrics.itl.is_some());
    let (level, share) = streamed
        .filter_map(|level| Some((level, share(&level)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .filter(|(_, share)| *share > LARGE)?;
    Some(format!(
        "{}: {} of an answer's time passes before its first token: shorter prompts, a cache of prompts or less queueing are felt more than faster tokens.",
        level.load,
        percent(share.min(1.0))
    ))
}

/// Whole answers could be read while they are made.
fn streaming(run: &Run) -> Option<String> {
    if run.subject.stream || !matches!(run.subject.task.as_str(), "chat" | "complete") {
        return None;
    }
    let level = run.levels.iter().find(|level| level.window.requests_per_second > 0.0)?;
    let tokens = level.window.tokens_per_second / level.window.requests_per_second;
    let whole = typical(&level.metrics.scheduled_e2e)?;
    (tokens >= 2.0).then(|| {
        format!(
            "{}: readers see nothing of {} tokens for {} ms: streamed, the first would come with the server's first token.",
            level.load,
            number(tokens),
            number(whole)
        )
    })
}

/// Prompts that are computed again.
fn prompt_cache(run: &Run) -> Option<String> {
    let (prompt, cached) = run.levels.iter().fold((0, 0), |(prompt, cached), level| {
        (prompt + level.caching.prompt_tokens, cached + level.caching.cached_tokens)
    });
    let share = cached as f64 / prompt as f64;
    (prompt > 0 && share < LARGE).then(|| {
        format!(
            "The server computed {} of {prompt} prompt tokens: prompts that begin alike can be cached there.",
            percent(1.0 - share)
        )
    })
}

/// Requests that failed in a way that may pass.
fn failures(run: &Run) -> Option<String> {
    let passing = ["server", "overloaded", "interrupted", "connect", "timeout"];
    let (mut failed, mut of) = (0, 0);
    for level in &run.levels {
        of += level.success.of;
        failed += passing.iter().filter_map(|word| level.outcomes.get(*word)).sum::<u64>();
    }
    (failed > 0).then(|| {
        format!(
            "{failed} of {of} requests ({}) failed in a way that may pass; the benchmark asks once, a fleet would ask again or elsewhere.",
            percent(failed as f64 / of.max(1) as f64)
        )
    })
}

/// Whether the server's processors were busy.
fn server(run: &Run) -> Option<String> {
    let cores = run.environment.cores? as f64;
    let busy = |level: &Level| Some(level.server_cpu_ms? / 1e3 * level.window.requests_per_second);
    let (level, busy) = run
        .levels
        .iter()
        .filter_map(|level| Some((level, busy(level)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .filter(|(_, busy)| *busy > LARGE * cores)?;
    Some(format!(
        "{}: the server's process kept {} of {cores} cores busy: it is its own limit on this machine.",
        level.load,
        number(busy)
    ))
}

fn typical(spread: &Option<Spread>) -> Option<f64> {
    spread.as_ref().map(|spread| spread.p50.map_or(spread.mean, |p50| p50.value))
}
