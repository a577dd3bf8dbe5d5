//! Is B slower than A? [`compare`] says so only when it is sure, and when the difference matters.
//!
//! Each metric of each load is compared by the ratio of its statistic, with a bootstrap interval over the repeats
//! ([`crate::statistics::ratio_interval`]). As many intervals as there are comparisons would be wrong now and then by
//! chance alone, so each is as wide as it must be for all of them together to be wrong once in twenty (Bonferroni). A
//! regression is an interval that leaves 1 out on the bad side *and* a ratio beyond the practical threshold.

use serde::{Deserialize, Serialize};

use crate::{
    run::{Level, Run, StageResult},
    statistics::{CONFIDENCE, Interval, Repeat, quantile, ratio_interval, wilson},
};

/// Repeats below which a comparison says that it may miss things.
const FEW: u32 = 5;

/// What two runs have against each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The first run.
    pub a: String,
    /// The second.
    pub b: String,
    /// A difference that matters, as a share.
    pub threshold: f64,
    /// Each metric of each load that both have.
    pub changes: Vec<Change>,
    /// What should be known before this is believed.
    pub warnings: Vec<String>,
}

/// One metric of one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The load.
    pub load: String,
    /// What is compared: `TTFT p50`.
    pub metric: String,
    /// As A had it.
    pub a: f64,
    /// As B had it.
    pub b: f64,
    /// The ratio B ÷ A and its interval; for a share of successes, of the failures.
    pub ratio: Option<Interval>,
    /// What it means.
    pub finding: Finding,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Nothing that is sure, or nothing that matters.
    Same,
    /// B is surely better, by more than the threshold.
    Better,
    /// B is surely worse, by more than the threshold.
    Worse,
}

impl Comparison {
    /// Whether anything became worse.
    pub fn is_regression(&self) -> bool {
        self.changes.iter().any(|change| change.finding == Finding::Worse)
    }
}

/// A metric that is compared: from a stage's rows to values, and from values to the statistic.
struct Metric {
    name: &'static str,
    higher_is_better: bool,
    values: fn(&StageResult) -> Vec<f64>,
    statistic: fn(&mut [f64]) -> f64,
    /// Values that a repeat must have for the statistic to say anything.
    least: usize,
}

/// Only requests that count and came to their end have latencies.
fn rows(stage: &StageResult, value: fn(&crate::run::Row) -> Option<f64>) -> Vec<f64> {
    stage.requests.iter().filter(|row| row.counts && row.outcome == "ok").filter_map(value).collect()
}

const METRICS: &[Metric] = &[
    Metric {
        name: "TTFT p50",
        higher_is_better: false,
        values: |s| rows(s, |r| r.ttft.map(|t| t + r.late)),
        statistic: p50,
        least: 1,
    },
    Metric {
        name: "TTFT p99",
        higher_is_better: false,
        values: |s| rows(s, |r| r.ttft.map(|t| t + r.late)),
        statistic: p99,
        least: 299,
    },
    Metric { name: "TPOT p50", higher_is_better: false, values: |s| rows(s, |r| r.tpot), statistic: p50, least: 1 },
    Metric {
        name: "E2E p50",
        higher_is_better: false,
        values: |s| rows(s, |r| Some(r.e2e + r.late)),
        statistic: p50,
        least: 1,
    },
    Metric {
        name: "E2E p99",
        higher_is_better: false,
        values: |s| rows(s, |r| Some(r.e2e + r.late)),
        statistic: p99,
        least: 299,
    },
    Metric {
        name: "requests/s",
        higher_is_better: true,
        values: |s| vec![s.window.requests_per_second],
        statistic: p50,
        least: 1,
    },
];

fn p50(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(values, 0.5).unwrap_or(0.0)
}

fn p99(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(values, 0.99).unwrap_or(0.0)
}

/// Compares the loads that both runs have. `threshold` is a difference that matters, as a share: 0.03.
pub fn compare(a: &Run, b: &Run, threshold: f64) -> Comparison {
    let common: Vec<(&Level, &Level)> = a
        .levels
        .iter()
        .filter_map(|level| Some((level, b.levels.iter().find(|other| other.load == level.load)?)))
        .collect();
    let mut planned = Vec::new();
    for (of_a, of_b) in &common {
        for metric in METRICS {
            // An open loop's rate is what was offered.
            let given = metric.higher_is_better && of_a.offered.is_some();
            let (from_a, from_b) = (repeats(a, &of_a.load, metric), repeats(b, &of_b.load, metric));
            if !given && !from_a.is_empty() && !from_b.is_empty() {
                planned.push((of_a.load.clone(), metric, from_a, from_b));
            }
        }
    }
    let confidence = 1.0 - (1.0 - CONFIDENCE) / (planned.len() + common.len()).max(1) as f64;
    let mut changes: Vec<Change> = planned
        .iter()
        .map(|(load, metric, from_a, from_b)| change(load, metric, from_a, from_b, confidence, threshold))
        .collect();
    changes.extend(common.iter().map(|(of_a, of_b)| failures(of_a, of_b, threshold)));
    Comparison { a: a.id.clone(), b: b.id.clone(), threshold, changes, warnings: warnings(a, b, &common) }
}

fn repeats(run: &Run, load: &str, metric: &Metric) -> Vec<Repeat> {
    let stages = run.stages.iter().filter(|stage| stage.load == load && !stage.interrupted);
    stages.map(metric.values).filter(|values| values.len() >= metric.least).collect()
}

fn change(load: &str, metric: &Metric, a: &[Repeat], b: &[Repeat], confidence: f64, threshold: f64) -> Change {
    let mean = |side: &[Repeat]| {
        let each: Vec<f64> = side.iter().map(|repeat| (metric.statistic)(&mut repeat.clone())).collect();
        crate::statistics::mean(&each).unwrap_or(0.0)
    };
    let ratio = ratio_interval(a, b, metric.statistic, confidence, 0);
    let finding = ratio.map_or(Finding::Same, |ratio| judge(ratio, threshold, metric.higher_is_better));
    Change { load: load.into(), metric: metric.name.into(), a: mean(a), b: mean(b), ratio, finding }
}

fn judge(ratio: Interval, threshold: f64, higher_is_better: bool) -> Finding {
    let (up, down) =
        if higher_is_better { (Finding::Better, Finding::Worse) } else { (Finding::Worse, Finding::Better) };
    if ratio.low > 1.0 && ratio.ratio > 1.0 + threshold {
        up
    } else if ratio.high < 1.0 && ratio.ratio < 1.0 - threshold {
        down
    } else {
        Finding::Same
    }
}

/// Shares of successes are apart when their intervals are, and when the difference matters.
fn failures(a: &Level, b: &Level, threshold: f64) -> Change {
    let share = |level: &Level| wilson(level.success.count, level.success.of);
    let (of_a, of_b) = (share(a), share(b));
    let matters = (of_a.value() - of_b.value()).abs() > threshold;
    let finding = match matters {
        true if of_b.high < of_a.low => Finding::Worse,
        true if of_b.low > of_a.high => Finding::Better,
        _ => Finding::Same,
    };
    Change { load: a.load.clone(), metric: "success".into(), a: of_a.value(), b: of_b.value(), ratio: None, finding }
}

fn warnings(a: &Run, b: &Run, common: &[(&Level, &Level)]) -> Vec<String> {
    let mut warnings: Vec<String> =
        a.environment.differences(&b.environment).into_iter().map(|what| format!("not the same {what}")).collect();
    let instants = |run: &Run| Some(if run.stamps().kernel > 0 { "the kernel's" } else { "the client's" }.to_owned());
    let subject = [
        ("model", a.subject.model.clone(), b.subject.model.clone()),
        ("protocol", a.subject.protocol.clone(), b.subject.protocol.clone()),
        ("task", Some(a.subject.task.clone()), Some(b.subject.task.clone())),
        ("prompts", Some(a.subject.prompts.clone()), Some(b.subject.prompts.clone())),
        ("tokens", a.subject.tokens.map(|n| n.to_string()), b.subject.tokens.map(|n| n.to_string())),
        ("instants", instants(a), instants(b)),
        ("streaming", Some(a.subject.stream.to_string()), Some(b.subject.stream.to_string())),
    ];
    for (what, in_a, in_b) in subject {
        if in_a != in_b {
            let text = |value: Option<String>| value.unwrap_or_else(|| "unknown".into());
            warnings.push(format!("not the same {what}: {} and {}", text(in_a), text(in_b)));
        }
    }
    if common.is_empty() {
        warnings.push("the runs have no load in common: there is nothing to compare".into());
    }
    if common.iter().any(|(a, b)| a.repeats.min(b.repeats) < FEW) {
        warnings.push(format!("fewer than {FEW} repeats: small differences may be missed (--repeats {FEW})"));
    }
    warnings
}

#[cfg(test)]
mod tests;
