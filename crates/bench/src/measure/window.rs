//! What arrives while everything is under way: [`Window`], the time between the warm-up and the first slackening.

use std::{ops::Range, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Objectives, Record, Timing, milliseconds};

/// The steady part of a stage and what happened in it. Rates are per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// When it opened, in seconds from the stage's beginning.
    pub from_s: f64,
    /// How long it was open, in seconds.
    pub seconds: f64,
    /// Answers that came to their end in it, per second.
    pub requests_per_second: f64,
    /// Tokens that arrived in it, whoever's they were, per second.
    pub tokens_per_second: f64,
    /// Tokens of prompts whose answers ended in it, per second; 0 where nobody told.
    pub prompt_tokens_per_second: f64,
    /// Requests due in it that met every objective, per second. `None`: nothing was asked for.
    pub goodput: Option<f64>,
    /// Whether the numbers agree with each other.
    pub little: Little,
}

/// Little's law: what is under way is what ends per second times how long it stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Little {
    /// Requests under way, averaged over the window.
    pub in_flight: f64,
    /// Ends per second times the mean stay: the stays that ended, per second.
    pub rate_times_stay: f64,
}

impl Little {
    /// How far they are apart, as a share of what is under way; 0 where nothing was.
    pub fn difference(&self) -> f64 {
        if self.in_flight > 0.0 { (self.rate_times_stay / self.in_flight - 1.0).abs() } else { 0.0 }
    }
}

impl Window {
    /// What `records` did within `open`; their timings beside them.
    pub fn of<'a>(
        records: impl Iterator<Item = (&'a Record, &'a Timing)>,
        open: Range<Duration>,
        objectives: &Objectives,
    ) -> Self {
        let seconds = open.end.saturating_sub(open.start).as_secs_f64();
        if seconds <= 0.0 {
            return Self { from_s: open.start.as_secs_f64(), ..Self::default() };
        }
        let (mut answers, mut tokens, mut prompts, mut good) = (0_u64, 0.0, 0_u64, 0_u64);
        let (mut stay, mut busy) = (0.0, 0.0);
        for (record, timing) in records {
            for (chunk, share) in record.chunks.iter().zip(&timing.tokens) {
                if open.contains(&chunk.at) {
                    tokens += share;
                }
            }
            if open.contains(&record.ended) {
                stay += milliseconds(record.ended.saturating_sub(record.sent)) / 1e3;
                if record.is_complete() {
                    answers += 1;
                    prompts += record.prompt_tokens.unwrap_or(0);
                }
            }
            if open.contains(&record.scheduled) && objectives.met_by(record, timing) {
                good += 1;
            }
            let (from, to) = (record.sent.max(open.start), record.ended.min(open.end));
            busy += to.saturating_sub(from).as_secs_f64();
        }
        Self {
            from_s: open.start.as_secs_f64(),
            seconds,
            requests_per_second: answers as f64 / seconds,
            tokens_per_second: tokens / seconds,
            prompt_tokens_per_second: prompts as f64 / seconds,
            goodput: (!objectives.is_empty()).then_some(good as f64 / seconds),
            little: Little { in_flight: busy / seconds, rate_times_stay: stay / seconds },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::timing::tests::record;

    fn window(records: &[Record], open: Range<u64>, objectives: &str) -> Window {
        let timings: Vec<Timing> = records.iter().map(Timing::of).collect();
        let open = Duration::from_millis(open.start)..Duration::from_millis(open.end);
        let objectives = objectives.parse().unwrap_or_default();
        Window::of(records.iter().zip(&timings), open, &objectives)
    }

    /// Two workers, requests of 100 ms, one after the other, for a second.
    fn steady() -> Vec<Record> {
        let one = |worker: u64, turn: u64| {
            let from = turn * 100 + worker * 50;
            Record { scheduled: Duration::from_millis(from), ..record(from, &[from + 50, from + 100], None) }
        };
        (0..2).flat_map(|worker| (0..10).map(move |turn| one(worker, turn))).collect()
    }

    #[test]
    fn a_steady_load_has_its_rates() {
        let window = window(&steady(), 100..900, "ttft=60ms");
        assert!((window.requests_per_second - 20.0).abs() < 1e-9, "{window:?}");
        assert!((window.tokens_per_second - 40.0).abs() < 1e-9, "{window:?}");
        assert_eq!(window.goodput, Some(20.0));
        assert!((window.little.in_flight - 2.0).abs() < 1e-9 && window.little.difference() < 1e-9, "{window:?}");
    }

    /// A token of an answer that ends after the window counts if it arrives inside.
    #[test]
    fn tokens_count_where_they_arrive() {
        let window = window(&[record(0, &[400, 600, 1500], None)], 500..1000, "");
        assert_eq!((window.tokens_per_second, window.requests_per_second, window.goodput), (2.0, 0.0, None));
        assert_eq!(window.little.in_flight, 1.0);
    }

    #[test]
    fn no_time_has_no_rates() {
        assert_eq!(window(&steady(), 100..100, "").requests_per_second, 0.0);
    }
}
