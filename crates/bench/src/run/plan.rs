//! What a run shall do: [`Plan`].

use std::time::Duration;

use crate::{
    load::Bounds,
    measure::Objectives,
    schedule::{Schedule, Stop},
};

/// What a run shall do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The loads, each a stage; their order is shuffled within each repeat.
    pub schedules: Vec<Schedule>,
    /// How often each is done.
    pub repeats: u32,
    /// When a stage is enough.
    pub stop: Stop,
    /// What counts as good.
    pub objectives: Objectives,
    /// Search for the highest rate that meets the objectives, in place of the schedules.
    pub sweep: Option<Sweep>,
    /// What a stage may use.
    pub bounds: Bounds,
    /// All chance comes from here.
    pub seed: u64,
}

/// The search for the highest rate that is served well.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// The first rate, requests per second; it is doubled until it is too much.
    pub from: f64,
    /// No rate above it is tried.
    pub to: f64,
    /// The share of requests that must meet the objectives.
    pub share: f64,
    /// The search ends when what is met and what is too much are so close, as a share.
    pub precision: f64,
}

impl Default for Plan {
    /// The mission's: 1, 5, 10, 20 and 50 at a time, ten seconds each.
    fn default() -> Self {
        Self {
            schedules: [1, 5, 10, 20, 50].map(|concurrency| Schedule::Closed { concurrency }).to_vec(),
            repeats: 1,
            stop: Stop { after: Some(Duration::from_secs(10)), ..Stop::default() },
            objectives: Objectives::default(),
            sweep: None,
            bounds: Bounds::default(),
            seed: 0,
        }
    }
}

impl Plan {
    /// Whether it can be done.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), String> {
        if self.schedules.is_empty() && self.sweep.is_none() {
            return Err("there is no load to apply".into());
        }
        if self.repeats == 0 {
            return Err("nothing is measured in no repeats".into());
        }
        let trace = |schedule: &Schedule| schedule.is_open() && schedule.wave() == 0;
        if self.stop == Stop::default() && !self.schedules.iter().all(trace) {
            return Err("a stage without an end: say a duration, a number of requests, or a precision".into());
        }
        if let Some(sweep) = &self.sweep {
            if self.objectives.is_empty() {
                return Err("a sweep looks for the highest rate that meets objectives: say which".into());
            }
            let fits = sweep.from > 0.0 && sweep.from <= sweep.to && (0.0..=1.0).contains(&sweep.share);
            if !fits || sweep.precision.is_nan() || sweep.precision <= 0.0 {
                return Err("a sweep goes from a rate above 0 to a higher one".into());
            }
        }
        self.schedules.iter().try_for_each(Schedule::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_is_refused() {
        let check = |change: fn(&mut Plan), ok: bool| {
            let mut plan = Plan::default();
            change(&mut plan);
            assert_eq!(plan.check().is_ok(), ok, "{plan:?}");
        };
        check(|_| {}, true);
        check(|plan| plan.schedules.clear(), false);
        check(|plan| plan.repeats = 0, false);
        check(|plan| plan.stop = Stop::default(), false);
        let sweep = Sweep { from: 1.0, to: 10.0, share: 0.99, precision: 0.1 };
        check(|plan| plan.sweep = Some(Sweep { from: 1.0, to: 10.0, share: 0.9, precision: 0.1 }), false);
        let mut plan = Plan { sweep: Some(sweep), objectives: "ttft=1s".parse().unwrap(), ..Plan::default() };
        assert!(plan.check().is_ok());
        plan.sweep = Some(Sweep { from: 0.0, ..sweep });
        assert!(plan.check().is_err());
    }
}
