//! In which order the servers are asked that could answer equally soon.
//!
//! Groups of warmth keep their order; inside a group the load decides: the time to first content that can be expected,
//! times the calls that are there already, divided by the server's weight. Of several servers two are drawn at random
//! and the less loaded one goes first (the power of two choices), so that many clients that see the same do not all run
//! to the same server. Where the load does not decide (an idle fleet, servers of about the same speed), the order of
//! the configuration does: calls that follow each other stay on one server, whose cache of the conversation is warm,
//! and calls side by side spread over all of them.
//!
//! Whoever failed or was busy a moment ago comes after the others; whoever may be tried again after a break comes
//! first, for one call.

use std::time::Duration;

use crate::registry::Warmth;

/// Nobody is taken to be slower than this before it was measured: behind a slower server, others are compared.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Loads that differ by less than this factor are equal.
const EQUAL: f64 = 1.25;

/// What is to be known of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runner {
    pub(crate) warmth: Warmth,
    pub(crate) form: Form,
    /// The time to first content that can be expected; `None` where nobody has measured lately.
    pub(crate) latency: Option<Duration>,
    /// Calls in flight there, or waiting.
    pub(crate) calls: usize,
    pub(crate) weight: u32,
}

/// How a server has done lately; the better comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// One call shall find out whether it is well again.
    Probe,
    Sound,
    /// Its last call failed or was turned away.
    Troubled,
    /// It is not asked as long as there is another.
    Blocked,
}

/// The runners' places, the one to be asked first in front. `draw(n)` gives a number below `n`.
pub(crate) fn order(runners: &[Runner], mut draw: impl FnMut(usize) -> usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..runners.len()).collect();
    // Stable: the configuration's order stays where nothing else decides.
    places.sort_by_key(|place| (runners[*place].form == Form::Blocked, runners[*place].warmth, runners[*place].form));
    let alike = |a: &usize, b: &usize| {
        let (a, b) = (&runners[*a], &runners[*b]);
        (a.warmth, a.form) == (b.warmth, b.form)
    };
    for group in places.chunk_by_mut(alike) {
        by_load(group, runners, &mut draw);
    }
    places
}

fn by_load(group: &mut [usize], runners: &[Runner], draw: &mut impl FnMut(usize) -> usize) {
    let best = group.iter().filter_map(|place| runners[*place].latency).min().unwrap_or(UNKNOWN).min(UNKNOWN);
    let load = |place: usize| {
        let runner = &runners[place];
        let latency = runner.latency.unwrap_or(best).max(Duration::from_millis(1)).as_secs_f64();
        latency * (runner.calls + 1) as f64 / f64::from(runner.weight.max(1))
    };
    let least = group.iter().map(|place| load(*place)).fold(f64::INFINITY, f64::min);
    if group.iter().all(|place| load(*place) <= least * EQUAL) {
        return;
    }
    // Those that follow are where a failure leads to: the least loaded first.
    group.sort_by(|a, b| load(*a).total_cmp(&load(*b)));
    if group.len() > 2 {
        let one = draw(group.len());
        let other = (one + 1 + draw(group.len() - 1)) % group.len();
        group[..=one.min(other)].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(latency_ms: Option<u64>, calls: usize) -> Runner {
        let latency = latency_ms.map(Duration::from_millis);
        Runner { warmth: Warmth::Ready, form: Form::Sound, latency, calls, weight: 1 }
    }

    fn check(runners: &[Runner], expected: &[usize]) {
        // Draws the first two of those that are left, so that the best always wins.
        assert_eq!(order(runners, |_| 0), expected, "{runners:?}");
    }

    #[test]
    fn an_idle_fleet_keeps_the_order_of_the_configuration() {
        check(&[runner(None, 0), runner(None, 0), runner(None, 0)], &[0, 1, 2]);
        check(&[runner(Some(100), 0), runner(None, 0)], &[0, 1]);
        check(&[runner(Some(110), 0), runner(Some(100), 0)], &[0, 1]);
    }

    #[test]
    fn calls_side_by_side_spread_by_weight() {
        check(&[runner(None, 1), runner(None, 0)], &[1, 0]);
        check(&[runner(Some(100), 1), runner(Some(100), 1)], &[0, 1]);
        let heavy = Runner { weight: 3, ..runner(None, 1) };
        check(&[runner(None, 0), heavy], &[1, 0]);
        let mut fleet = [Runner { weight: 3, ..runner(None, 0) }, runner(None, 0)];
        for _ in 0..40 {
            fleet[order(&fleet, |_| 0)[0]].calls += 1;
        }
        assert!((28..=32).contains(&fleet[0].calls), "{fleet:?}");
    }

    #[test]
    fn the_quicker_goes_first_and_the_slow_is_compared_with_the_unknown() {
        check(&[runner(Some(300), 0), runner(Some(100), 0)], &[1, 0]);
        check(&[runner(Some(900), 0), runner(None, 0)], &[0, 1]);
        check(&[runner(Some(5000), 0), runner(None, 0)], &[1, 0]);
    }

    #[test]
    fn form_and_warmth_go_before_load() {
        let with = |form, warmth| Runner { form, warmth, ..runner(None, 0) };
        let troubled = with(Form::Troubled, Warmth::Ready);
        let cold = with(Form::Sound, Warmth::Unloaded);
        let busy = Runner { calls: 9, ..runner(None, 0) };
        check(
            &[with(Form::Blocked, Warmth::Ready), cold, troubled, busy, with(Form::Probe, Warmth::Ready)],
            &[4, 3, 2, 1, 0],
        );
    }

    #[test]
    fn two_are_drawn_and_the_less_loaded_goes_first() {
        let fleet = [runner(None, 0), runner(None, 5), runner(None, 9)];
        let drawn = |mut numbers: Vec<usize>| order(&fleet, move |_| numbers.remove(0));
        assert_eq!(drawn(vec![0, 0]), [0, 1, 2]);
        assert_eq!(drawn(vec![1, 0]), [1, 0, 2], "of 1 and 2");
        assert_eq!(drawn(vec![2, 0]), [0, 1, 2], "of 2 and 0");
    }
}
