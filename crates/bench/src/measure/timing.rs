//! The metrics of one request: [`Timing`].

use super::{Record, milliseconds, share_out};

/// The metrics of one complete request, in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Time to first token, from the sending. `None`: there was no content.
    pub ttft: Option<f64>,
    /// Time to first token, from the instant at which it should have been sent.
    pub scheduled_ttft: Option<f64>,
    /// From the sending to the end.
    pub e2e: f64,
    /// From the instant at which it should have been sent to the end.
    pub scheduled_e2e: f64,
    /// Time per output token, without the first event's; `None` where there was but one event.
    pub tpot: Option<f64>,
    /// Each gap between events, with the tokens that ended it.
    pub gaps: Vec<(f64, f64)>,
    /// Tokens of each event.
    pub tokens: Vec<f64>,
}

impl Timing {
    /// The metrics of a request, complete or not.
    pub fn of(record: &Record) -> Self {
        let tokens = share_out(&record.chunks, record.tokens);
        let first = record.chunks.first().map(|chunk| chunk.at);
        let last = record.chunks.last().map(|chunk| chunk.at);
        let gaps: Vec<(f64, f64)> = record
            .chunks
            .windows(2)
            .zip(tokens.iter().skip(1))
            .map(|(pair, tokens)| (milliseconds(pair[1].at.saturating_sub(pair[0].at)), *tokens))
            .collect();
        let after_first: f64 = tokens.iter().skip(1).sum();
        let tpot = match (first, last) {
            (Some(first), Some(last)) if after_first > 0.0 => {
                Some(milliseconds(last.saturating_sub(first)) / after_first)
            }
            _ => None,
        };
        let since = |from: std::time::Duration| first.map(|first| milliseconds(first.saturating_sub(from)));
        Self {
            ttft: since(record.sent),
            scheduled_ttft: since(record.scheduled),
            e2e: milliseconds(record.ended.saturating_sub(record.sent)),
            scheduled_e2e: milliseconds(record.ended.saturating_sub(record.scheduled)),
            tpot,
            gaps,
            tokens,
        }
    }

    /// The mean time between tokens, in milliseconds; `None` where there was but one event. By the weights it is
    /// [`Timing::tpot`].
    pub fn mean_itl(&self) -> Option<f64> {
        self.tpot
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::measure::Chunk;

    /// A complete request that was due at 0 and sent at `sent`, with events at these milliseconds.
    pub(crate) fn record(sent: u64, events: &[u64], tokens: Option<u64>) -> Record {
        let ms = Duration::from_millis;
        Record {
            chunks: events.iter().map(|&at| Chunk { at: ms(at), characters: 4 }).collect(),
            ended: ms(events.last().copied().unwrap_or(sent)),
            tokens,
            ..Record::sent(0, Duration::ZERO, ms(sent))
        }
    }

    #[test]
    fn definitions_hold() {
        let timing = Timing::of(&record(100, &[300, 320, 360], None));
        assert_eq!((timing.ttft, timing.scheduled_ttft), (Some(200.0), Some(300.0)));
        assert_eq!((timing.e2e, timing.scheduled_e2e), (260.0, 360.0));
        assert_eq!((timing.tpot, timing.gaps), (Some(30.0), vec![(20.0, 1.0), (40.0, 1.0)]));
    }

    /// Five tokens an event, 100 ms between events: 20 ms a token, not 100.
    #[test]
    fn tokens_that_come_together_share_their_gap() {
        let timing = Timing::of(&record(0, &[200, 300, 400, 500], Some(20)));
        assert_eq!(timing.tpot, Some(20.0));
        assert_eq!(timing.gaps, [(100.0, 5.0); 3]);
    }

    #[test]
    fn one_event_has_no_gap() {
        let whole = Timing::of(&record(0, &[500], Some(50)));
        assert_eq!((whole.ttft, whole.tpot, whole.mean_itl()), (Some(500.0), None, None));
        assert_eq!(Timing::of(&record(0, &[], None)).ttft, None);
    }

    proptest! {
        /// ITL weighted by tokens has TPOT for its mean, and TTFT with all gaps makes up the time of the tokens.
        #[test]
        fn the_parts_add_up(gaps in prop::collection::vec(0..500_u64, 1..80), total in 1..400_u64, sent in 0..100_u64) {
            let mut at = sent;
            let events: Vec<u64> = gaps.iter().map(|gap| { at += gap; at }).collect();
            let timing = Timing::of(&record(sent, &events, Some(total)));
            let between: f64 = timing.gaps.iter().map(|(gap, _)| gap).sum();
            prop_assert!((timing.ttft.unwrap() + between - timing.e2e).abs() < 1e-6);
            let weight: f64 = timing.gaps.iter().map(|(_, tokens)| tokens).sum();
            if let Some(tpot) = timing.tpot {
                let itl: f64 = timing.gaps.iter().map(|(gap, tokens)| gap / tokens * tokens).sum();
                prop_assert!((itl / weight - tpot).abs() < 1e-6);
            }
            prop_assert!(timing.scheduled_ttft >= timing.ttft);
        }
    }
}
