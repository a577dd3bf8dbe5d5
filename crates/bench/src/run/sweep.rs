//! The search for the highest rate that is still served well: double until it is too much, then halve the interval.

use super::Sweep;

/// Where the search stands.
#[derive(Clone, Debug)]
pub struct Bisection {
    sweep: Sweep,
    met: Option<f64>,
    failed: Option<f64>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Try this rate.
    Try(f64),
    /// It is known: the highest rate that was met; `None`: not even the lowest was.
    Knee(Option<f64>),
}

impl Bisection {
    /// Nothing tried so far.
    pub fn new(sweep: Sweep) -> Self {
        Self { sweep, met: None, failed: None }
    }

    /// What to do next.
    pub fn step(&self) -> Step {
        let Sweep { from, to, precision, .. } = self.sweep;
        match (self.met, self.failed) {
            (None, None) => Step::Try(from),
            (None, Some(_)) => Step::Knee(None),
            (Some(met), None) if met >= to => Step::Knee(Some(met)),
            (Some(met), None) => Step::Try((met * 2.0).min(to)),
            (Some(met), Some(failed)) if failed / met - 1.0 <= precision => Step::Knee(Some(met)),
            // The geometric middle: the precision is a share.
            (Some(met), Some(failed)) => Step::Try((met * failed).sqrt()),
        }
    }

    /// Whether the objectives were met at `rate`.
    pub fn learn(&mut self, rate: f64, met: bool) {
        match met {
            true => self.met = Some(rate),
            false => self.failed = Some(rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(sweep: Sweep, capacity: f64) -> (Option<f64>, usize) {
        let mut bisection = Bisection::new(sweep);
        for tried in 0..100 {
            match bisection.step() {
                Step::Knee(knee) => return (knee, tried),
                Step::Try(rate) => bisection.learn(rate, rate <= capacity),
            }
        }
        panic!("it never ends");
    }

    proptest! {
        #[test]
        fn the_knee_is_found(capacity in 0.5..5000.0_f64, precision in 0.01..0.3_f64) {
            let sweep = Sweep { from: 1.0, to: 1000.0, share: 0.99, precision };
            let (knee, tried) = search(sweep, capacity);
            match knee {
                None => prop_assert!(capacity < 1.0),
                Some(knee) => {
                    prop_assert!(knee <= capacity.min(1000.0));
                    prop_assert!(knee * (1.0 + precision) >= capacity.min(1000.0) * (1.0 - 1e-9));
                }
            }
            prop_assert!(tried <= 20, "{tried} stages");
        }
    }
}
