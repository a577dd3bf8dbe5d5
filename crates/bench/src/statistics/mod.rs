//! What can be said about a number that was measured often, and how surely.
//!
//! [`Distribution`] gathers values, [`Spread`] is what is told about them. Nothing here knows what was measured; times
//! are in milliseconds because that is what is shown.

mod bootstrap;
mod distribution;
mod order;
mod share;

pub use bootstrap::{Interval, Repeat, ratio_interval};
pub use distribution::{Distribution, Quantile, Spread};
pub use order::{needed_for, order_interval};
pub use share::{Share, wilson};

/// How sure the intervals are.
pub const CONFIDENCE: f64 = 0.95;

/// The mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The smallest value that at least the share `p` of `sorted` does not exceed; `None` of nothing.
pub fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let rank = (p * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}
