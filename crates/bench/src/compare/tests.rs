//! Comparisons of samples with a known difference.

use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal};

use super::*;
use crate::{
    measure::Window,
    run::Row,
    statistics::{Share, wilson},
};

/// Five repeats of 320 requests at two loads. Machines vary from repeat to repeat, requests within.
fn run(seed: u64, slower: f64, failures: usize) -> Run {
    let mut rng = StdRng::seed_from_u64(seed);
    let (level_of, value) = (LogNormal::new(0.0, 0.004).unwrap(), LogNormal::new(5.3, 0.06).unwrap());
    let mut run = Run { id: format!("run-{seed}"), ..Run::default() };
    for concurrency in [1_usize, 10] {
        let load = format!("C={concurrency}");
        for repeat in 0..5 {
            let speed = level_of.sample(&mut rng) * slower;
            let row = |at: usize, rng: &mut StdRng| {
                let ttft = speed * value.sample(rng);
                let outcome = if at < failures { "server" } else { "ok" };
                Row {
                    ttft: Some(ttft),
                    e2e: ttft * 2.0,
                    tpot: Some(ttft / 10.0),
                    outcome: outcome.into(),
                    counts: true,
                    ..Row::default()
                }
            };
            let requests: Vec<Row> = (0..320).map(|at| row(at, &mut rng)).collect();
            let mean = requests.iter().map(|row| row.e2e).sum::<f64>() / 320.0;
            let window = Window { requests_per_second: 1e3 * concurrency as f64 / mean, ..Window::default() };
            run.stages.push(StageResult { load: load.clone(), repeat, window, requests, ..StageResult::default() });
        }
        let success: Share = wilson(5 * (320 - failures as u64), 1600);
        run.levels.push(Level { load, concurrency: Some(concurrency), repeats: 5, success, ..Level::default() });
    }
    run
}

#[test]
fn a_run_is_no_regression_of_itself() {
    let same = compare(&run(1, 1.0, 0), &run(1, 1.0, 0), 0.0);
    assert!(!same.is_regression() && same.changes.len() == 14 && same.warnings.is_empty(), "{same:?}");
}

/// Two runs of the same server pass 19 times of 20, even where any difference would matter.
#[test]
fn alike_pass_nineteen_times_of_twenty() {
    let passed = |threshold: f64| {
        (0..20)
            .filter(|&pair| !compare(&run(pair, 1.0, 0), &run(900 + pair, 1.0, 0), threshold).is_regression())
            .count()
    };
    let (strict, practical) = (passed(0.0), passed(0.03));
    assert!(strict >= 19 && practical == 20, "{strict} and {practical} of 20");
}

#[test]
fn five_percent_slower_is_found_with_five_repeats() {
    let found = (0..20).filter(|&pair| compare(&run(pair, 1.0, 0), &run(900 + pair, 1.05, 0), 0.03).is_regression());
    let found = found.count();
    assert!(found >= 19, "{found} of 20");
    let faster = compare(&run(1, 1.05, 0), &run(2, 1.0, 0), 0.03);
    assert!(!faster.is_regression() && faster.changes.iter().any(|change| change.finding == Finding::Better));
}

#[test]
fn failures_are_a_regression_too() {
    let comparison = compare(&run(1, 1.0, 0), &run(2, 1.0, 40), 0.03);
    let worse: Vec<_> = comparison.changes.iter().filter(|change| change.finding == Finding::Worse).collect();
    assert_eq!(worse.iter().map(|change| change.metric.as_str()).collect::<Vec<_>>(), ["success", "success"]);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let mut other = run(2, 1.0, 0);
    other.environment.cpu = Some("another".into());
    other.subject.model = Some("another".into());
    other.levels.iter_mut().for_each(|level| level.load = "5/s".into());
    let comparison = compare(&run(1, 1.0, 0), &other, 0.03);
    assert!(comparison.changes.is_empty());
    for word in ["processor", "model", "no load in common"] {
        assert!(comparison.warnings.iter().any(|warning| warning.contains(word)), "{:?}", comparison.warnings);
    }
}

/// Runs that `examples/record-samples.rs` recorded against the simulator.
fn recorded(which: &str) -> Vec<Run> {
    let samples: serde_json::Value = serde_json::from_str(include_str!("samples.json")).unwrap();
    let (load, further) = (samples["load"].as_str().unwrap(), samples["tokens"].as_f64().unwrap() - 1.0);
    let ms = |value: &serde_json::Value| value.as_f64().unwrap() / 100.0;
    let run = |repeats: &serde_json::Value| {
        let stages = repeats.as_array().unwrap().iter().zip(0..).map(|(stage, repeat)| StageResult {
            load: load.into(),
            repeat,
            window: Window { requests_per_second: stage[0].as_f64().unwrap(), ..Window::default() },
            requests: stage[1]
                .as_array()
                .unwrap()
                .iter()
                .map(|values| Row {
                    ttft: Some(ms(&values[0])),
                    tpot: Some((ms(&values[1]) - ms(&values[0])) / further),
                    e2e: ms(&values[1]),
                    outcome: "ok".into(),
                    counts: true,
                    ..Row::default()
                })
                .collect(),
            ..StageResult::default()
        });
        let stages: Vec<StageResult> = stages.collect();
        let success = wilson(300, 300);
        let level = Level { load: load.into(), concurrency: Some(2), repeats: 5, success, ..Level::default() };
        Run { stages, levels: vec![level], ..Run::default() }
    };
    samples[which].as_array().unwrap().iter().map(run).collect()
}

/// What a real server and a real machine vary by from run to run: nineteen of twenty comparisons of the same server pass.
#[test]
fn recorded_runs_of_one_server_pass_nineteen_times_of_twenty() {
    let alike = recorded("alike");
    let pairs = || alike.windows(2).map(|pair| compare(&pair[0], &pair[1], 0.03));
    let passed = pairs().filter(|comparison| !comparison.is_regression()).count();
    assert_eq!(pairs().count(), 20);
    assert!(passed >= 19, "{passed} of 20");
    assert!(alike.iter().all(|run| !compare(run, run, 0.0).is_regression()), "of itself none is");
}

#[test]
fn a_recorded_server_that_is_five_percent_slower_is_found_with_five_repeats() {
    let (alike, slower) = (recorded("alike"), recorded("slower"));
    let found = alike.iter().zip(&slower).filter(|(a, b)| {
        let comparison = compare(a, b, 0.03);
        comparison.is_regression() && comparison.changes.iter().all(|change| change.finding != Finding::Better)
    });
    let found = found.count();
    assert!(slower.len() == 10 && found == 10, "{found} of {}", slower.len());
}
