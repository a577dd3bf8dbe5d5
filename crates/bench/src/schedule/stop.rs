//! When a stage has seen enough: [`Stop`], on time, on a number, or on being sure.

use std::time::Duration;

use crate::statistics::{order_interval, quantile};

/// Whichever comes first ends the stage; nothing at all never does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stop {
    /// After this time, counted from the end of the warm-up.
    pub after: Option<Duration>,
    /// After so many requests, the warm-up's not counted.
    pub requests: Option<u64>,
    /// When the interval of the median latency is this narrow, as a share of the median.
    pub precision: Option<f64>,
}

impl Stop {
    /// Whether these latencies say enough. `false` where no precision is asked for.
    pub fn is_sure(&self, latencies: &mut [f64]) -> bool {
        let Some(wanted) = self.precision else { return false };
        latencies.sort_by(f64::total_cmp);
        let (Some(median), (Some(low), Some(high))) = (quantile(latencies, 0.5), order_interval(latencies, 0.5)) else {
            return false;
        };
        median > 0.0 && (high - low) / median <= wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_when_the_median_is_known() {
        let stop = |precision| Stop { precision, ..Stop::default() };
        let check = |count: u32, precision, expected: bool| {
            let mut latencies: Vec<f64> = (0..count).map(|n| 100.0 + f64::from(n % 10)).collect();
            assert_eq!(stop(precision).is_sure(&mut latencies), expected, "{count} {precision:?}");
        };
        check(1000, None, false);
        check(3, Some(0.5), false);
        check(20, Some(0.01), false);
        check(1000, Some(0.02), true);
    }
}
