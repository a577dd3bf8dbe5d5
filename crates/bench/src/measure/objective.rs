//! What a request must keep to count as good: [`Objectives`], written `ttft=200ms,itl=30ms`.

use std::{fmt, str::FromStr};

use longshore_config::{format_duration, parse_duration};
use serde::{Deserialize, Serialize};

use super::{Record, Timing};

/// A limit on one metric of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Time to first token, from the scheduled instant.
    Ttft,
    /// The mean time between tokens of the request.
    Itl,
    /// From the scheduled instant to the end.
    E2e,
}

impl Objective {
    const ALL: [(Self, &'static str); 3] = [(Self::Ttft, "ttft"), (Self::Itl, "itl"), (Self::E2e, "e2e")];

    /// The word that stands before the `=`.
    pub fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(objective, _)| *objective == self).map_or("", |(_, word)| word)
    }

    /// What the request has of it, in milliseconds. `None`: the metric does not apply to it.
    fn of(self, timing: &Timing) -> Option<f64> {
        match self {
            Self::Ttft => timing.scheduled_ttft,
            Self::Itl => timing.mean_itl(),
            Self::E2e => Some(timing.scheduled_e2e),
        }
    }
}

/// Every limit, each in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objectives(Vec<(Objective, f64)>);

impl Objectives {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every limit, in milliseconds.
    pub fn limits(&self) -> impl Iterator<Item = (Objective, f64)> {
        self.0.iter().copied()
    }

    /// Whether the request is complete and keeps every limit that applies to it.
    pub fn met_by(&self, record: &Record, timing: &Timing) -> bool {
        let keeps = |(objective, limit): &(Objective, f64)| objective.of(timing).is_none_or(|value| value <= *limit);
        record.is_complete() && self.0.iter().all(keeps)
    }
}

/// A text that names no objectives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoObjective(String);

impl fmt::Display for NoObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no objective: write ttft=200ms, itl=30ms or e2e=5s, joined by commas", self.0)
    }
}

impl std::error::Error for NoObjective {}

impl FromStr for Objectives {
    type Err = NoObjective;

    fn from_str(text: &str) -> Result<Self, NoObjective> {
        let one = |part: &str| {
            let (word, limit) = part.split_once('=')?;
            let (objective, _) = Objective::ALL.into_iter().find(|(_, known)| *known == word.trim())?;
            Some((objective, super::milliseconds(parse_duration(limit)?)))
        };
        let parsed: Option<Vec<_>> = text.split(',').map(one).collect();
        parsed.filter(|all| !all.is_empty()).map(Self).ok_or_else(|| NoObjective(text.to_owned()))
    }
}

impl fmt::Display for Objectives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.iter().map(|(objective, limit)| {
            let limit = std::time::Duration::from_secs_f64(limit / 1e3);
            format!("{}={}", objective.word(), format_duration(limit))
        });
        f.write_str(&all.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::ErrorKind;

    use super::*;
    use crate::measure::{Outcome, timing::tests::record};

    #[test]
    fn objectives_are_read_and_written() {
        let objectives: Objectives = "ttft=200ms, itl=30ms,e2e=1m30s".parse().unwrap();
        assert_eq!(objectives.to_string(), "ttft=200ms,itl=30ms,e2e=1m30s");
        for text in ["", "ttft", "ttft=200", "speed=1s", "ttft=1s,"] {
            assert!(text.parse::<Objectives>().is_err(), "{text}");
        }
    }

    #[test]
    fn good_is_what_meets_all_on_scheduled_latency() {
        let check = |objectives: &str, record: Record, expected: bool| {
            let met = objectives.parse::<Objectives>().unwrap().met_by(&record, &Timing::of(&record));
            assert_eq!(met, expected, "{objectives} {record:?}");
        };
        check("ttft=200ms", record(0, &[200, 220], None), true);
        check("ttft=200ms", record(50, &[240, 260], None), false);
        check("ttft=200ms,itl=20ms", record(0, &[100, 120, 140], None), true);
        check("ttft=200ms,itl=19ms", record(0, &[100, 120, 140], None), false);
        check("itl=1ms", record(0, &[100], None), true);
        let failed = Record { outcome: Outcome::Failed(ErrorKind::Server), ..record(0, &[1], None) };
        check("ttft=200ms", failed, false);
    }
}
