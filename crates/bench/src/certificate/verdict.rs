//! What a certificate says about a run's numbers: [`Verdict`].

use super::Certificate;
use crate::{run::Level, statistics::Spread};

/// What the client may add to a metric, as a share of it.
pub const TRUSTED: f64 = 0.01;
/// A client that does more than this share of what it can is part of what is measured.
const BUSY: f64 = 0.8;

/// Whether a level's numbers are the server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Metrics whose mean the client changed by more than 1 %, and by how much.
    pub means: Vec<(String, String)>,
    /// Metrics whose 99th percentile it changed by more than 1 %, and by how much.
    pub tails: Vec<(String, String)>,
    /// Why the client itself may have been the limit.
    pub bottleneck: Option<String>,
}

impl Verdict {
    /// Whether every number can be trusted.
    pub fn is_clean(&self) -> bool {
        self.means.is_empty() && self.tails.is_empty() && self.bottleneck.is_none()
    }
}

/// What `certificate` says about `level`; `None` where that load was not replayed.
pub fn verdict(level: &Level, certificate: &Certificate) -> Option<Verdict> {
    let certified = certificate.levels.iter().find(|certified| certified.load == level.load)?;
    let mut verdict = Verdict::default();
    for deviation in &certified.deviations {
        let Some(spread) = metric(level, &deviation.metric) else { continue };
        let (bias, mean) = (deviation.bias(), spread.mean);
        if bias.abs() > TRUSTED * mean {
            let why = format!("{bias:+.3} ms of {mean:.3} ms");
            verdict.means.push((deviation.metric.clone(), why));
        }
        if let (Some(lag), Some(p99)) = (deviation.p99_lag(), spread.p99)
            && lag.abs() > TRUSTED * p99.value
        {
            let why = format!("{lag:+.3} ms of {:.3} ms", p99.value);
            verdict.tails.push((deviation.metric.clone(), why));
        }
    }
    verdict.bottleneck = certificate.ceiling.and_then(|ceiling| {
        let (requests, tokens) = (level.window.requests_per_second, level.window.tokens_per_second);
        let over = |what: &str, done: f64, most: f64| {
            (done > BUSY * most)
                .then(|| format!("{done:.0} {what} a second, and the client can do {most:.0} (--threads)"))
        };
        over("requests", requests, ceiling.requests_per_second)
            .or_else(|| over("tokens", tokens, ceiling.tokens_per_second))
    });
    Some(verdict)
}

fn metric<'a>(level: &'a Level, name: &str) -> Option<&'a Spread> {
    match name {
        "ttft" => level.metrics.ttft.as_ref(),
        "itl" => level.metrics.itl.as_ref(),
        _ => level.metrics.e2e.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        certificate::{Ceiling, Certified, Deviation},
        measure::Window,
        run::Metrics,
        statistics::Distribution,
    };

    fn level(ttft: f64, requests_per_second: f64) -> Level {
        let ttft = Distribution::of(vec![ttft; 300]).spread(true);
        Level {
            load: "C=1".into(),
            metrics: Metrics { ttft, ..Metrics::default() },
            window: Window { requests_per_second, ..Window::default() },
            ..Level::default()
        }
    }

    fn certificate(mean: f64, p99: f64) -> Certificate {
        let deviation = Deviation {
            metric: "ttft".into(),
            count: 300,
            true_mean: 100.0,
            mean,
            true_p99: Some(100.0),
            p99: Some(p99),
        };
        Certificate {
            levels: vec![Certified { load: "C=1".into(), deviations: vec![deviation], ..Certified::default() }],
            ceiling: Some(Ceiling { concurrency: 1, requests_per_second: 1000.0, tokens_per_second: 1e6 }),
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_hundredth_is_trusted() {
        let check = |level: &Level, certificate: &Certificate, means, tails, bottleneck| {
            let verdict = verdict(level, certificate).unwrap();
            let found = (verdict.means.len(), verdict.tails.len(), verdict.bottleneck.is_some());
            assert_eq!(found, (means, tails, bottleneck), "{verdict:?}");
        };
        check(&level(100.0, 10.0), &certificate(100.9, 100.9), 0, 0, false);
        check(&level(100.0, 10.0), &certificate(101.1, 100.9), 1, 0, false);
        check(&level(100.0, 10.0), &certificate(100.0, 104.0), 0, 1, false);
        check(&level(100.0, 900.0), &certificate(100.0, 100.0), 0, 0, true);
        let other = Level { load: "C=5".into(), ..level(1.0, 1.0) };
        assert_eq!(verdict(&other, &certificate(1.0, 1.0)), None);
    }
}
