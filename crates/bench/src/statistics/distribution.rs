//! Values as they come, exact while they fit, and in a histogram however many they are.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{needed_for, order_interval};

/// Exact values that are kept of one distribution (16 bytes each); beyond it the histogram answers.
const KEPT: usize = 2_000_000;
/// The histogram's unit, in milliseconds: a nanosecond.
const UNIT: f64 = 1e-6;
/// A day, in the histogram's unit.
const LONGEST: u64 = 86_400_000_000_000;
/// Percentiles that are told.
const TOLD: [f64; 4] = [0.5, 0.9, 0.95, 0.99];
/// Parts of the curve that is kept for drawing.
const CURVE: usize = 100;

/// Gathers the values of one metric, in milliseconds, each with a weight.
pub struct Distribution {
    exact: Vec<(f64, f64)>,
    histogram: Option<Histogram<u64>>,
    count: u64,
    weight: f64,
    sum: f64,
    min: f64,
    max: f64,
}

/// What is told about a metric. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many values there were.
    pub count: u64,
    /// Their mean, weighted.
    pub mean: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The median.
    pub p50: Option<Quantile>,
    /// Nine of ten are no larger.
    pub p90: Option<Quantile>,
    /// Nineteen of twenty are no larger.
    pub p95: Option<Quantile>,
    /// 99 of 100 are no larger. `None` below 299 values: the sample cannot tell.
    pub p99: Option<Quantile>,
    /// The quantiles 0, 1, 2, … 100 %, for drawing.
    pub curve: Vec<f64>,
}

/// A percentile, with the interval in which the true one lies with 95 % probability. An end that the sample does not
/// reach, or that is not known because values depend on each other, is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// As measured.
    pub value: f64,
    /// The interval's lower end.
    pub low: Option<f64>,
    /// The interval's upper end.
    pub high: Option<f64>,
}

impl Default for Distribution {
    fn default() -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { exact: Vec::new(), histogram: None, count: 0, weight: 0.0, sum: 0.0, min, max }
    }
}

impl Distribution {
    /// These values, each as heavy as the others.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut distribution = Self::default();
        values.into_iter().for_each(|value| distribution.add(value, 1.0));
        distribution
    }

    /// One more value. What is not finite, negative or without weight is left out.
    pub fn add(&mut self, value: f64, weight: f64) {
        if !(value.is_finite() && value >= 0.0 && weight > 0.0 && weight.is_finite()) {
            return;
        }
        self.count += 1;
        self.weight += weight;
        self.sum += value * weight;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        match &mut self.histogram {
            Some(histogram) => tally(histogram, value, weight),
            None => {
                self.exact.push((value, weight));
                if self.exact.len() > KEPT {
                    self.give_up_exactness();
                }
            }
        }
    }

    /// What can be told. `independent`: no value says anything about another, so that percentiles have intervals.
    pub fn spread(mut self, independent: bool) -> Option<Spread> {
        if self.count == 0 {
            return None;
        }
        self.exact.sort_by(|a, b| a.0.total_cmp(&b.0));
        let plain: Vec<f64> =
            if independent { self.exact.iter().map(|(value, _)| *value).collect() } else { Vec::new() };
        let curve: Vec<f64> = self.quantiles((0..=CURVE).map(|step| step as f64 / CURVE as f64));
        let told = self.quantiles(TOLD.into_iter());
        let quantile = |at: usize| {
            let p = TOLD[at];
            (self.count >= needed_for(p) as u64).then(|| {
                let (low, high) = if plain.is_empty() { (None, None) } else { order_interval(&plain, p) };
                Quantile { value: told[at], low, high }
            })
        };
        Some(Spread {
            count: self.count,
            mean: self.sum / self.weight,
            min: self.min,
            max: self.max,
            p50: quantile(0),
            p90: quantile(1),
            p95: quantile(2),
            p99: quantile(3),
            curve,
        })
    }

    /// The weighted quantiles of ascending `shares`; the exact values are sorted.
    fn quantiles(&self, shares: impl Iterator<Item = f64>) -> Vec<f64> {
        if let Some(histogram) = &self.histogram {
            return shares.map(|p| histogram.value_at_quantile(p) as f64 * UNIT).collect();
        }
        let mut values = self.exact.iter();
        let (mut passed, mut last) = (0.0, self.min);
        let step = |p: f64| {
            // Sums of weights are rounded: a share that is met but for that is met.
            while passed < p * self.weight * (1.0 - 1e-12)
                && let Some((value, weight)) = values.next()
            {
                passed += weight;
                last = *value;
            }
            last
        };
        shares.map(step).collect()
    }

    fn give_up_exactness(&mut self) {
        // The bounds are constants that the histogram accepts; without one, values go on being exact.
        let Ok(mut histogram) = Histogram::new_with_bounds(1, LONGEST, 3) else { return };
        self.exact.drain(..).for_each(|(value, weight)| tally(&mut histogram, value, weight));
        self.histogram = Some(histogram);
    }
}

/// A thousandth of a token's weight is kept.
fn tally(histogram: &mut Histogram<u64>, value: f64, weight: f64) {
    let (value, weight) = ((value / UNIT).round() as u64, (weight * 1e3).round().max(1.0) as u64);
    histogram.saturating_record_n(value.max(1), weight);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_p99_of_too_few_is_refused() {
        let spread = |count: u32| Distribution::of((0..count).map(f64::from)).spread(true).unwrap();
        assert_eq!(spread(298).p99, None);
        let p99 = spread(299).p99.unwrap();
        assert_eq!((p99.value, p99.high), (296.0, None));
        assert_eq!(spread(4).p50, None);
        assert!(Distribution::default().spread(true).is_none());
    }

    #[test]
    fn weights_count() {
        let mut gaps = Distribution::default();
        gaps.add(10.0, 9.0);
        gaps.add(100.0, 1.0);
        for _ in 0..4 {
            gaps.add(10.0, 9.0);
        }
        let spread = gaps.spread(false).unwrap();
        assert_eq!((spread.count, spread.p50.unwrap().value), (6, 10.0));
        assert!((spread.mean - 550.0 / 46.0).abs() < 1e-9);
        assert_eq!(spread.p50.unwrap().low, None);
    }

    #[test]
    fn what_is_no_time_is_left_out() {
        let spread = Distribution::of([f64::NAN, -1.0, f64::INFINITY, 2.0]).spread(true).unwrap();
        assert_eq!((spread.count, spread.mean), (1, 2.0));
    }

    #[test]
    fn the_histogram_agrees_with_the_exact_values() {
        let values: Vec<f64> = (1..=10_000).map(|n| f64::from(n) * 0.01).collect();
        let exact = Distribution::of(values.clone()).spread(false).unwrap();
        let mut rough = Distribution::of(values);
        rough.give_up_exactness();
        let rough = rough.spread(false).unwrap();
        for (exact, rough) in [(exact.p50, rough.p50), (exact.p99, rough.p99)] {
            let (exact, rough) = (exact.unwrap().value, rough.unwrap().value);
            assert!((rough / exact - 1.0).abs() < 2e-3, "{exact} {rough}");
        }
        assert_eq!((exact.count, exact.min, exact.max), (rough.count, rough.min, rough.max));
        assert!((exact.mean - rough.mean).abs() < 1e-9);
    }

    proptest! {
        /// Nearest rank, as written down in the documentation.
        #[test]
        fn percentiles_are_values_of_the_sample(values in prop::collection::vec(0.0..1e5_f64, 300..600)) {
            let spread = Distribution::of(values.clone()).spread(true).unwrap();
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            for (p, told) in [(0.5, spread.p50), (0.9, spread.p90), (0.95, spread.p95), (0.99, spread.p99)] {
                prop_assert_eq!(Some(told.unwrap().value), super::super::quantile(&sorted, p));
            }
            prop_assert!(spread.curve.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert_eq!((spread.curve[0], spread.curve[100]), (spread.min, spread.max));
        }
    }
}
