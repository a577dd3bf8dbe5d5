//! How much two sets of repeats differ, and how surely: a bootstrap of blocks.
//!
//! Requests that were measured one after the other are alike, and so are the requests of one repeat. So a repeat is a
//! block, drawn with replacement as a whole. Where there are too few of them to say how repeats vary, blocks of
//! consecutive values are drawn within each as well (Künsch 1989, block length √n), which errs on the side of caution. A
//! percentile interval from few repeats is too narrow; its tails are moved outwards as far as Student's t asks for
//! (Hesterberg 2015, section 3.3, "expanded percentile interval").

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Draws; more would change the third digit of the ends.
const DRAWS: usize = 2000;
/// Repeats that tell by themselves how repeats vary.
const ENOUGH: usize = 5;

/// One repeat's values, in the order in which they were measured.
pub type Repeat = Vec<f64>;

/// A ratio, and where the true one lies with the confidence that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The ratio as measured.
    pub ratio: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

/// The ratio of `statistic` between `b` and `a`, each the mean over its repeats. `None` where either has no values, or
/// is zero. The same seed gives the same interval.
pub fn ratio_interval(
    a: &[Repeat],
    b: &[Repeat],
    statistic: impl Fn(&mut [f64]) -> f64,
    confidence: f64,
    seed: u64,
) -> Option<Interval> {
    let of = |side: &[Repeat]| over_repeats(side.iter().map(|repeat| statistic(&mut repeat.clone())));
    let (of_a, of_b) = (of(a)?, of(b)?);
    let ratio = of_b / of_a;
    if !ratio.is_finite() || ratio <= 0.0 {
        return None;
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let (a, b) = (Side::new(a, &statistic), Side::new(b, &statistic));
    let mut ratios = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        if let (Some(of_a), Some(of_b)) = (a.draw(&statistic, &mut rng), b.draw(&statistic, &mut rng)) {
            ratios.push((of_b / of_a).ln());
        }
    }
    ratios.sort_by(f64::total_cmp);
    let tail = tail(confidence, a.repeats.len(), b.repeats.len());
    let (low, high) = (super::quantile(&ratios, tail)?.exp(), super::quantile(&ratios, 1.0 - tail)?.exp());
    // The measured ratio is part of its own interval, however skewed the draws are.
    Some(Interval { ratio, low: low.min(ratio), high: high.max(ratio) })
}

/// One of the two that are compared.
struct Side<'a> {
    repeats: &'a [Repeat],
    /// The statistic of each repeat, where there are enough of them to be drawn whole.
    whole: Option<Vec<f64>>,
}

impl<'a> Side<'a> {
    fn new(repeats: &'a [Repeat], statistic: impl Fn(&mut [f64]) -> f64) -> Self {
        let enough = repeats.len() >= ENOUGH;
        let whole = enough.then(|| repeats.iter().map(|repeat| statistic(&mut repeat.clone())).collect());
        Self { repeats, whole }
    }

    fn draw(&self, statistic: impl Fn(&mut [f64]) -> f64, rng: &mut StdRng) -> Option<f64> {
        let mut drawn = Vec::new();
        over_repeats((0..self.repeats.len()).map(|_| {
            let at = rng.random_range(0..self.repeats.len());
            match &self.whole {
                Some(statistics) => statistics[at],
                None => {
                    blocks(&self.repeats[at], &mut drawn, rng);
                    statistic(&mut drawn)
                }
            }
        }))
    }
}

fn over_repeats(statistics: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = statistics.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0 && sum.is_finite() && sum > 0.0).then(|| sum / f64::from(count))
}

/// As many values as `from` has, in blocks of consecutive ones; the end is followed by the beginning.
fn blocks(from: &[f64], into: &mut Vec<f64>, rng: &mut StdRng) {
    into.clear();
    let length = (from.len() as f64).sqrt().ceil() as usize;
    while into.len() < from.len() {
        let start = rng.random_range(0..from.len());
        let wanted = length.min(from.len() - into.len());
        into.extend((0..wanted).map(|offset| from[(start + offset) % from.len()]));
    }
}

/// The share of draws to leave out at each end.
fn tail(confidence: f64, a: usize, b: usize) -> f64 {
    let outside = (1.0 - confidence) / 2.0;
    let (fewest, freedom) = (a.min(b) as f64, (a + b).saturating_sub(2) as f64);
    // One repeat: its blocks vary, and nothing can be said about repeats.
    let Some(student) = StudentsT::new(0.0, 1.0, freedom).ok().filter(|_| fewest > 1.0) else { return outside };
    let far = (fewest / (fewest - 1.0)).sqrt() * student.inverse_cdf(outside);
    Normal::standard().cdf(far)
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, LogNormal};

    use super::*;

    fn median(values: &mut [f64]) -> f64 {
        values.sort_by(f64::total_cmp);
        super::super::quantile(values, 0.5).unwrap_or(0.0)
    }

    /// Repeats with a level of their own, as machines have, and a tail within each.
    fn repeats(seed: u64, slower: f64) -> Vec<Repeat> {
        let mut rng = StdRng::seed_from_u64(seed);
        let level = LogNormal::new(0.0, 0.005).unwrap();
        let value = LogNormal::new(3.0, 0.1).unwrap();
        let one = |rng: &mut StdRng| {
            let level = level.sample(rng) * slower;
            (0..100).map(|_| level * value.sample(rng)).collect()
        };
        (0..5).map(|_| one(&mut rng)).collect()
    }

    /// Two runs of one server: the interval holds 1 about 19 times of 20.
    #[test]
    fn alike_is_found_alike() {
        let holds = (0..100).filter(|&pair| {
            let found = ratio_interval(&repeats(pair, 1.0), &repeats(1000 + pair, 1.0), median, 0.95, pair).unwrap();
            found.low <= 1.0 && 1.0 <= found.high
        });
        let holds = holds.count();
        assert!(holds >= 90, "{holds} of 100");
    }

    #[test]
    fn five_percent_are_found_with_five_repeats() {
        let found = (0..40).filter(|&pair| {
            ratio_interval(&repeats(pair, 1.0), &repeats(1000 + pair, 1.05), median, 0.95, pair).unwrap().low > 1.0
        });
        let found = found.count();
        assert!(found >= 36, "{found} of 40");
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(ratio_interval(&[], &[vec![1.0]], median, 0.95, 0), None);
        assert_eq!(ratio_interval(&[vec![0.0]], &[vec![1.0]], median, 0.95, 0), None);
        let one = ratio_interval(&[vec![1.0]], &[vec![2.0]], median, 0.95, 0).unwrap();
        assert_eq!((one.ratio, one.low, one.high), (2.0, 2.0, 2.0));
    }
}
