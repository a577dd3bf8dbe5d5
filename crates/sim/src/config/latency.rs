//! How long things take: a [`Distribution`] for each part of a request's life.

use std::{fmt, str::FromStr, time::Duration};

use longshore_config::{format_duration, parse_duration};
use serde::{Deserialize, Serialize};

use crate::engine::draw::Draw;

/// How long the parts of a request take. All zero by default: an answer as fast as the machine can give it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// Every request that a model answers, before anything else and outside its slot: what a network would take.
    pub request: Distribution,
    /// From the slot to the first token, whatever the prompt; for tensors and vectors, the whole of the work.
    pub ttft: Distribution,
    /// Added to `ttft` for each token of the prompt.
    pub prefill_per_token: Distribution,
    /// From one token to the next, when the request is alone.
    pub itl: Distribution,
    /// How much each further request in a slot slows a decode step down: a step takes
    /// `itl × (1 + batch_slope × (running requests - 1))`.
    pub batch_slope: f64,
}

/// A duration, or how durations are distributed. Written `20ms`, `normal(20ms, 5ms)` or `lognormal(20ms, 5ms)`; the
/// numbers are the mean and the standard deviation. Draws below zero are zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Distribution {
    /// Always the same.
    Fixed(Duration),
    /// Gaussian.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// A long tail to the right, as measured latencies have.
    LogNormal {
        /// The mean of the durations, not of their logarithms.
        mean: Duration,
        /// The standard deviation of the durations.
        deviation: Duration,
    },
}

impl Distribution {
    /// Takes no time.
    pub const ZERO: Self = Self::Fixed(Duration::ZERO);

    /// Whether it is always zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// One draw, in seconds; never negative.
    pub(crate) fn sample(&self, draw: &mut Draw) -> f64 {
        match self {
            Self::Fixed(duration) => duration.as_secs_f64(),
            Self::Normal { mean, deviation } => {
                (mean.as_secs_f64() + deviation.as_secs_f64() * draw.gaussian()).max(0.0)
            }
            Self::LogNormal { mean, .. } if mean.is_zero() => 0.0,
            Self::LogNormal { mean, deviation } => {
                let mean = mean.as_secs_f64();
                let variance = (1.0 + (deviation.as_secs_f64() / mean).powi(2)).ln();
                (mean.ln() - variance / 2.0 + variance.sqrt() * draw.gaussian()).exp()
            }
        }
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<Duration> for Distribution {
    fn from(duration: Duration) -> Self {
        Self::Fixed(duration)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, mean, deviation) = match self {
            Self::Fixed(duration) => return f.write_str(&format_duration(*duration)),
            Self::Normal { mean, deviation } => ("normal", mean, deviation),
            Self::LogNormal { mean, deviation } => ("lognormal", mean, deviation),
        };
        write!(f, "{name}({}, {})", format_duration(*mean), format_duration(*deviation))
    }
}

impl From<Distribution> for String {
    fn from(distribution: Distribution) -> Self {
        distribution.to_string()
    }
}

/// A text that is no distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoDistribution(String);

impl fmt::Display for NoDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no distribution: write 20ms, normal(20ms, 5ms) or lognormal(20ms, 5ms)", self.0)
    }
}

impl std::error::Error for NoDistribution {}

impl FromStr for Distribution {
    type Err = NoDistribution;

    fn from_str(text: &str) -> Result<Self, NoDistribution> {
        parse(text.trim()).ok_or_else(|| NoDistribution(text.to_owned()))
    }
}

impl TryFrom<String> for Distribution {
    type Error = NoDistribution;

    fn try_from(text: String) -> Result<Self, NoDistribution> {
        text.parse()
    }
}

fn parse(text: &str) -> Option<Distribution> {
    let Some((name, arguments)) = text.split_once('(') else { return Some(Distribution::Fixed(parse_duration(text)?)) };
    let (mean, deviation) = arguments.strip_suffix(')')?.split_once(',')?;
    let (mean, deviation) = (parse_duration(mean)?, parse_duration(deviation)?);
    match name.trim() {
        "normal" => Some(Distribution::Normal { mean, deviation }),
        "lognormal" => Some(Distribution::LogNormal { mean, deviation }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_read_and_written() {
        for text in ["20ms", "0s", "normal(20ms, 5ms)", "lognormal(1s, 250ms)"] {
            assert_eq!(text.parse::<Distribution>().unwrap().to_string(), text);
        }
        for text in ["", "20", "normal(20ms)", "normal(20ms, 5ms", "uniform(1ms, 2ms)", "normal(1ms, 2ms, 3ms)"] {
            assert!(text.parse::<Distribution>().is_err(), "{text}");
        }
    }

    /// Mean and deviation of 20,000 draws lie within four standard errors of what was asked for.
    #[test]
    fn draws_have_the_mean_and_deviation_that_are_written() {
        for text in ["normal(20ms, 3ms)", "lognormal(20ms, 6ms)"] {
            let distribution: Distribution = text.parse().unwrap();
            let draws: Vec<f64> =
                (0..20_000).map(|index| distribution.sample(&mut Draw::new(7, "test", index, 0))).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let deviation = (draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / draws.len() as f64).sqrt();
            let wanted = if text.starts_with("normal") { 3e-3 } else { 6e-3 };
            assert!((mean - 20e-3).abs() < 4.0 * wanted / (draws.len() as f64).sqrt(), "{text}: mean {mean}");
            assert!((deviation / wanted - 1.0).abs() < 0.05, "{text}: deviation {deviation}");
            assert!(draws.iter().all(|draw| *draw >= 0.0));
        }
    }
}
