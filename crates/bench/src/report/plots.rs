//! The plots of a run's report, as series of points.

use super::document::{Plot, Series};
use crate::{
    run::{Level, Run},
    statistics::Spread,
};

/// Points of a timeline; more cannot be told apart.
const POINTS: usize = 600;

/// Every plot for which there are data.
pub(super) fn plots(run: &Run) -> Vec<Plot> {
    let all = [
        against_load(
            run,
            "Latency against load",
            "ms",
            &[
                ("TTFT p50", |l| median(&l.metrics.scheduled_ttft)),
                ("TTFT p99", |l| tail(&l.metrics.scheduled_ttft)),
                ("E2E p50", |l| median(&l.metrics.scheduled_e2e)),
                ("E2E p99", |l| tail(&l.metrics.scheduled_e2e)),
            ],
        ),
        against_load(
            run,
            "Throughput against load",
            "requests/s",
            &[("requests/s", |l| Some(l.window.requests_per_second)), ("goodput/s", |l| l.window.goodput)],
        ),
        distribution(run, "Time to first token", |level| level.metrics.scheduled_ttft.as_ref()),
        distribution(run, "Time between tokens", |level| level.metrics.itl.as_ref()),
        distribution(run, "Whole answer", |level| level.metrics.scheduled_e2e.as_ref()),
        places(run),
        timeline(run),
    ];
    all.into_iter().filter(|plot| plot.series.iter().any(|series| series.points.len() > 1)).collect()
}

fn median(spread: &Option<Spread>) -> Option<f64> {
    Some(spread.as_ref()?.p50?.value)
}

fn tail(spread: &Option<Spread>) -> Option<f64> {
    Some(spread.as_ref()?.p99?.value)
}

type Named = (&'static str, fn(&Level) -> Option<f64>);

fn against_load(run: &Run, title: &str, y: &str, lines: &[Named]) -> Plot {
    let closed = run.levels.iter().all(|level| level.concurrency.is_some());
    let x = |level: &Level| if closed { level.concurrency.map(|c| c as f64) } else { level.offered };
    let line = |(name, value): &Named| {
        let points = run.levels.iter().filter_map(|level| Some((x(level)?, value(level)?))).collect::<Vec<_>>();
        (!points.is_empty()).then(|| Series { name: (*name).into(), points })
    };
    let x = if closed { "requests at a time" } else { "requests a second, offered" };
    Plot {
        title: title.into(),
        x: x.into(),
        y: y.into(),
        series: lines.iter().filter_map(line).collect(),
        scattered: false,
    }
}

/// The share of values that are no larger, by load.
fn distribution(run: &Run, title: &str, spread: fn(&Level) -> Option<&Spread>) -> Plot {
    let line = |level: &Level| {
        let curve = &spread(level)?.curve;
        let points = curve.iter().enumerate().map(|(percent, value)| (*value, percent as f64)).collect();
        Some(Series { name: level.load.clone(), points })
    };
    Plot {
        title: format!("{title}: distribution"),
        x: "ms".into(),
        y: "% no longer than".into(),
        series: run.levels.iter().filter_map(line).collect(),
        scattered: false,
    }
}

/// The mean time before each event of an answer, by its place.
fn places(run: &Run) -> Plot {
    let line = |level: &Level| {
        let points = level.gaps_by_place.iter().enumerate().map(|(place, gap)| (place as f64 + 2.0, *gap)).collect();
        Series { name: level.load.clone(), points }
    };
    let lines = run.levels.iter().map(line).filter(|series: &Series| !series.points.is_empty());
    Plot {
        title: "Time before each event of an answer".into(),
        x: "place in the answer".into(),
        y: "ms since the event before, mean".into(),
        series: lines.collect(),
        scattered: false,
    }
}

/// The wait of each request over time, in each load's first repeat.
fn timeline(run: &Run) -> Plot {
    let line = |level: &Level| {
        let stage = run.stages.iter().find(|stage| stage.load == level.load)?;
        let rows: Vec<_> = stage.requests.iter().filter(|row| row.counts && row.outcome == "ok").collect();
        let every = rows.len().div_ceil(POINTS).max(1);
        // Of requests that fall together the slowest is shown: a freeze must not vanish.
        let slowest = |rows: &[&crate::run::Row]| {
            let wait = |row: &crate::run::Row| row.late + row.ttft.unwrap_or(row.e2e);
            rows.iter().map(|row| (row.at / 1e3, wait(row))).max_by(|a, b| a.1.total_cmp(&b.1))
        };
        Some(Series { name: level.load.clone(), points: rows.chunks(every).filter_map(slowest).collect() })
    };
    Plot {
        title: "Time to first token over time".into(),
        x: "s from the stage's beginning".into(),
        y: "ms".into(),
        series: run.levels.iter().filter_map(line).collect(),
        scattered: true,
    }
}
