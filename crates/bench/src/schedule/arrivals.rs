//! The instants of an open loop, one after the other, from a seed.

use std::time::Duration;

use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Exp, Gamma};

use super::{Process, Shape, Trace};

/// A request that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// When, from the beginning.
    pub at: Duration,
    /// How long its prompt and answer are, where a trace tells.
    pub shape: Option<Shape>,
}

/// The arrivals of a process, in order; without end, but for a trace's.
pub struct Arrivals {
    process: Process,
    rng: StdRng,
    made: u64,
    /// The instant of the latest one, in seconds.
    at: f64,
}

impl Arrivals {
    /// The same seed gives the same instants. Its rates must have passed [`Schedule::check`](super::Schedule::check).
    pub fn new(process: Process, seed: u64) -> Self {
        Self { process, rng: StdRng::seed_from_u64(seed), made: 0, at: 0.0 }
    }

    /// The time to the next one, in seconds.
    fn gap(&mut self, rate: f64, cv: f64) -> f64 {
        // Gamma of this shape and scale has the mean 1/rate and the variation cv.
        let shape = 1.0 / (cv * cv);
        match Gamma::new(shape, 1.0 / (rate * shape)) {
            Ok(gamma) => gamma.sample(&mut self.rng),
            Err(_) => 1.0 / rate,
        }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let number = self.made as f64;
        let at = match &self.process {
            // From the number, not from the one before: nothing adds up.
            Process::Fixed { rate } => number / rate,
            Process::Poisson { rate } => {
                let gap = Exp::new(*rate).map_or(1.0 / rate, |exp| exp.sample(&mut self.rng));
                self.at + gap
            }
            Process::Gamma { rate, cv } => {
                let (rate, cv) = (*rate, *cv);
                self.at + self.gap(rate, cv)
            }
            Process::Ramp { from, to, over } => ramp(*from, *to, over.as_secs_f64(), number),
            Process::Trace { trace, speed } => return next_of(trace, *speed, &mut self.made),
        };
        self.made += 1;
        self.at = at;
        Some(Arrival { at: Duration::try_from_secs_f64(at).ok()?, shape: None })
    }
}

fn next_of(trace: &Trace, speed: f64, made: &mut u64) -> Option<Arrival> {
    let (at, shape) = trace.get(usize::try_from(*made).ok()?)?;
    *made += 1;
    Some(Arrival { at: Duration::try_from_secs_f64(at.as_secs_f64() / speed).ok()?, shape: Some(shape.clone()) })
}

/// When a ramp has let `number` requests pass: the solution of `from·t + (to - from)·t²/(2·over) = number`.
fn ramp(from: f64, to: f64, over: f64, number: f64) -> f64 {
    let during = (from + to) / 2.0 * over;
    if number >= during {
        return over + (number - during) / to;
    }
    let bend = (to - from) / (2.0 * over);
    if bend.abs() < 1e-12 {
        return number / from;
    }
    // Written so that nothing cancels: 2c / (b + √(b² + 4ac)).
    2.0 * number / (from + (from * from + 4.0 * bend * number).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(process: Process, count: usize) -> Vec<f64> {
        Arrivals::new(process, 7).take(count).map(|arrival| arrival.at.as_secs_f64()).collect()
    }

    #[test]
    fn fixed_is_even_and_never_drifts() {
        let at = instants(Process::Fixed { rate: 3.0 }, 300_001);
        assert!((at[300_000] - 100_000.0).abs() < 1e-6 && (at[1] - 1.0 / 3.0).abs() < 1e-8);
    }

    /// Mean and variation of the gaps, over 50,000 of them.
    #[test]
    fn chance_has_the_mean_and_variation_that_were_asked_for() {
        let check = |process: Process, cv: f64| {
            let at = instants(process.clone(), 50_001);
            let gaps: Vec<f64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
            assert!((mean * 40.0 - 1.0).abs() < 4.0 * cv / 50_000_f64.sqrt(), "{process:?}: mean {mean}");
            assert!((deviation / mean / cv - 1.0).abs() < 0.06, "{process:?}: variation {}", deviation / mean);
            assert!(gaps.iter().all(|gap| *gap >= 0.0));
        };
        check(Process::Poisson { rate: 40.0 }, 1.0);
        check(Process::Gamma { rate: 40.0, cv: 0.5 }, 0.5);
        check(Process::Gamma { rate: 40.0, cv: 2.0 }, 2.0);
    }

    #[test]
    fn a_ramp_rises_and_then_holds() {
        let over = Duration::from_secs(10);
        let at = instants(Process::Ramp { from: 10.0, to: 30.0, over }, 500);
        let within = |from: f64, to: f64| at.iter().filter(|at| (from..to).contains(*at)).count();
        assert_eq!((within(0.0, 10.0), within(0.0, 1.0), within(9.0, 10.0)), (200, 11, 29));
        assert_eq!(within(11.0, 12.0), 30);
        let down = instants(Process::Ramp { from: 30.0, to: 10.0, over }, 400);
        assert!(down.windows(2).all(|pair| pair[0] < pair[1]) && down[200] >= 9.99, "{}", down[200]);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let poisson = Process::Poisson { rate: 5.0 };
        assert_eq!(instants(poisson.clone(), 100), instants(poisson, 100));
    }

    #[test]
    fn a_trace_is_played_at_its_speed() {
        let trace = Trace::parse("{\"timestamp\": 500, \"input_length\": 3, \"output_length\": 4}\n").unwrap();
        let arrivals: Vec<_> = Arrivals::new(Process::Trace { trace: trace.into(), speed: 2.0 }, 0).collect();
        assert_eq!(arrivals.len(), 1);
        assert_eq!(arrivals[0].at, Duration::ZERO, "the first arrives at once");
        assert_eq!(arrivals[0].shape.as_ref().unwrap().tokens, 4);
    }
}
