//! Intervals for percentiles from the order of the sample alone, whatever the distribution.
//!
//! The number of values below the true quantile is binomial, so two order statistics enclose it with a probability
//! that is known (David and Nagaraja, "Order Statistics", section 7.1). Values must be independent: good for requests,
//! not for the tokens of one stream.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::CONFIDENCE;

/// How many values it takes before the largest lies above the quantile `p` with 95 % probability: 299 for the 99th
/// percentile. With fewer, the percentile is refused.
pub fn needed_for(p: f64) -> usize {
    if p <= 0.0 || p >= 1.0 {
        return if p <= 0.0 { 1 } else { usize::MAX };
    }
    ((1.0 - CONFIDENCE).ln() / p.ln()).ceil() as usize
}

/// The values between which the quantile `p` lies with at least 95 % probability; `None` at an end that the sample does
/// not reach.
pub fn order_interval(sorted: &[f64], p: f64) -> (Option<f64>, Option<f64>) {
    let count = sorted.len();
    let Ok(below) = Binomial::new(p, count as u64) else { return (None, None) };
    let tail = (1.0 - CONFIDENCE) / 2.0;
    // `low`: the largest rank with P(B < low) <= tail. `high`: the smallest with P(B < high) >= 1 - tail.
    let low = lowest(count, |rank| below.cdf(rank as u64) > tail);
    let high = lowest(count, |rank| below.cdf(rank as u64) >= 1.0 - tail) + 1;
    (low.checked_sub(1).and_then(|at| sorted.get(at)).copied(), sorted.get(high - 1).copied())
}

/// The lowest rank from 0 to `count` for which `holds`, which holds for all ranks above it.
fn lowest(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn percentiles_want_their_number_of_values() {
        for (p, count) in [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)] {
            assert_eq!(needed_for(p), count, "{p}");
        }
    }

    /// Known values: of 100 the median lies between the 40th and the 61st (Conover's table).
    #[test]
    fn the_median_of_a_hundred() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(order_interval(&sorted, 0.5), (Some(40.0), Some(61.0)));
        assert_eq!(order_interval(&sorted[..3], 0.5), (None, None));
        assert_eq!(order_interval(&[], 0.5), (None, None));
    }

    /// Of 2000 samples of a known distribution, at least 93 % of the intervals hold the true quantile.
    #[test]
    fn intervals_cover_as_often_as_they_say() {
        let mut rng = StdRng::seed_from_u64(7);
        for p in [0.5, 0.9, 0.99] {
            let covered = (0..2000).filter(|_| {
                let mut sample: Vec<f64> = (0..400).map(|_| rng.random::<f64>()).collect();
                sample.sort_by(f64::total_cmp);
                let (low, high) = order_interval(&sample, p);
                low.is_none_or(|low| low <= p) && high.is_none_or(|high| p <= high)
            });
            let covered = covered.count();
            assert!(covered >= 1860, "{p}: {covered} of 2000");
        }
    }

    proptest! {
        #[test]
        fn an_interval_encloses_its_quantile(values in prop::collection::vec(0.0..1e6_f64, 1..500), p in 0.01..0.995_f64) {
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let at = super::super::quantile(&sorted, p).unwrap();
            let (low, high) = order_interval(&sorted, p);
            prop_assert!(low.is_none_or(|low| low <= at) && high.is_none_or(|high| at <= high));
        }
    }
}
