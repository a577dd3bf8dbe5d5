//! A share of successes and how sure it is: Wilson's interval, which is right near 0 and 1 too.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::CONFIDENCE;

/// So many of so many, with the interval in which the true share lies with 95 % probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Of these…
    pub of: u64,
    /// …so many.
    pub count: u64,
    /// The interval's lower end, 0 to 1.
    pub low: f64,
    /// The interval's upper end, 0 to 1.
    pub high: f64,
}

impl Share {
    /// The share itself, 0 to 1; 0 of nothing.
    pub fn value(&self) -> f64 {
        if self.of == 0 { 0.0 } else { self.count as f64 / self.of as f64 }
    }
}

/// Wilson's score interval (1927) for `count` of `of`.
pub fn wilson(count: u64, of: u64) -> Share {
    if of == 0 {
        return Share { of, count, low: 0.0, high: 1.0 };
    }
    let z = Normal::standard().inverse_cdf(1.0 - (1.0 - CONFIDENCE) / 2.0);
    let (n, p) = (of as f64, count as f64 / of as f64);
    let scale = 1.0 + z * z / n;
    let middle = (p + z * z / (2.0 * n)) / scale;
    let half = z / scale * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Share { of, count, low: (middle - half).clamp(0.0, p), high: (middle + half).clamp(p, 1.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        for (count, of, low, high) in
            [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (998, 1000, 0.9927, 0.9995)]
        {
            let share = wilson(count, of);
            assert!((share.low - low).abs() < 1e-4 && (share.high - high).abs() < 1e-4, "{share:?}");
        }
    }

    proptest! {
        #[test]
        fn the_share_lies_in_its_interval(of in 1..100_000_u64, part in 0.0..=1.0_f64) {
            let share = wilson((of as f64 * part) as u64, of);
            prop_assert!(0.0 <= share.low && share.low <= share.value());
            prop_assert!(share.value() <= share.high && share.high <= 1.0);
        }
    }
}
