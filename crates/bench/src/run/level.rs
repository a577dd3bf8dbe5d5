//! From what was seen of a load's repeats to its [`Level`], and the rows of each stage.

use std::collections::BTreeMap;

use longshore_core::CacheStatus;

use super::{Caching, Level, Metrics, Row, StageResult, Told};
use crate::{
    load::Raw,
    measure::{Counted, Objectives, Record, Stamps, Timing, Window, milliseconds},
    resources::{Gauge, Idle, Took},
    schedule::Schedule,
    statistics::{Distribution, order_interval, quantile, wilson},
};

/// Two halves of a window that differ by more are not one steady state.
const DRIFT: f64 = 0.05;
/// Beyond it Little's law says that the window does not fit the load.
const LITTLE: f64 = 0.02;

/// The level of one schedule from its repeats, and the stages' own results. `idle` and `server_idle` are what the
/// processes take when nothing is asked.
pub fn summarise(
    schedule: &Schedule,
    repeats: &[(u32, Raw)],
    objectives: &Objectives,
    idle: &Idle,
    server_idle: Option<&Idle>,
) -> (Level, Vec<StageResult>) {
    let mut gather = Gather::default();
    let mut stages = Vec::new();
    for (repeat, raw) in repeats {
        let timings: Vec<Timing> = raw.records.iter().map(Timing::of).collect();
        let pairs = || raw.records.iter().zip(&timings);
        let window = Window::of(pairs(), raw.window.clone(), objectives);
        let counts = |record: &Record| raw.window.contains(&record.scheduled);
        pairs().filter(|(record, _)| counts(record)).for_each(|(record, timing)| gather.add(record, timing));
        let rows = pairs().map(|(record, timing)| row(record, timing, counts(record))).collect();
        stages.push(StageResult {
            load: schedule.to_string(),
            repeat: *repeat,
            window,
            spent: raw.spent.clone(),
            requests: rows,
            interrupted: raw.interrupted,
        });
    }
    let mut level = gather.level(schedule, &stages);
    costs(&mut level, &stages, idle, server_idle);
    for (_, raw) in repeats {
        for (word, failure) in &raw.failures {
            level.failures.entry((*word).to_owned()).or_insert_with(|| failure.first.to_string());
        }
    }
    level.warnings = warnings(&level, &stages, schedule);
    (level, stages)
}

#[derive(Default)]
struct Gather {
    requests: u64,
    complete: u64,
    outcomes: BTreeMap<String, u64>,
    ttft: Distribution,
    scheduled_ttft: Distribution,
    e2e: Distribution,
    scheduled_e2e: Distribution,
    tpot: Distribution,
    itl: Distribution,
    gap: Distribution,
    send_lag: Distribution,
    /// Answers by who counted their tokens.
    counted: BTreeMap<Counted, u64>,
    stamps: Stamps,
    caching: Caching,
    hits: Distribution,
    made: Distribution,
    /// Gaps by their place in the answer: how many, and their sum.
    places: Vec<(u32, f64)>,
}

/// Places in an answer that are told apart.
const PLACES: usize = 1024;

impl Gather {
    fn add(&mut self, record: &Record, timing: &Timing) {
        self.requests += 1;
        *self.outcomes.entry(record.word().to_owned()).or_default() += 1;
        self.send_lag.add(milliseconds(record.sent.saturating_sub(record.scheduled)), 1.0);
        if !record.is_complete() {
            return;
        }
        self.complete += 1;
        self.stamps = self.stamps.and(record.stamps);
        let put =
            |into: &mut Distribution, value: Option<f64>| value.into_iter().for_each(|value| into.add(value, 1.0));
        put(&mut self.ttft, timing.ttft);
        put(&mut self.scheduled_ttft, timing.scheduled_ttft);
        put(&mut self.e2e, Some(timing.e2e));
        put(&mut self.scheduled_e2e, Some(timing.scheduled_e2e));
        // Vectors and tensors have no characters, and no tokens either.
        if record.chunks.iter().any(|chunk| chunk.characters > 0) {
            put(&mut self.tpot, timing.tpot);
            for (place, (gap, tokens)) in timing.gaps.iter().enumerate() {
                self.gap.add(*gap, 1.0);
                self.itl.add(gap / tokens, *tokens);
                if place < PLACES {
                    self.places.resize(self.places.len().max(place + 1), (0, 0.0));
                    self.places[place].0 += 1;
                    self.places[place].1 += gap;
                }
            }
            *self.counted.entry(record.counted).or_default() += 1;
        }
        self.add_caching(record, timing);
    }

    fn add_caching(&mut self, record: &Record, timing: &Timing) {
        if let Some(status) = record.cache.filter(|status| !matches!(status, CacheStatus::Bypassed(_))) {
            *self.caching.answers.entry(status.as_str().to_owned()).or_default() += 1;
            let side = if status == CacheStatus::Hit { &mut self.hits } else { &mut self.made };
            side.add(timing.e2e, 1.0);
        }
        if let (Some(prompt), Some(cached)) = (record.prompt_tokens, record.cached_tokens) {
            self.caching.prompt_tokens += prompt;
            self.caching.cached_tokens += cached;
        }
    }

    fn level(self, schedule: &Schedule, stages: &[StageResult]) -> Level {
        // The least sure of them is told.
        let counted = self.counted.keys().next_back().copied();
        let mean = |values: Distribution| values.spread(false).map(|spread| spread.mean);
        let concurrency = match schedule {
            Schedule::Closed { concurrency } => Some(*concurrency),
            Schedule::Open(_) => None,
        };
        Level {
            load: schedule.to_string(),
            concurrency,
            offered: schedule.rate(),
            repeats: u32::try_from(stages.len()).unwrap_or(u32::MAX),
            requests: self.requests,
            success: wilson(self.complete, self.requests),
            outcomes: self.outcomes,
            window: average(stages),
            counted,
            stamps: self.stamps,
            caching: Caching { hit_ms: mean(self.hits), made_ms: mean(self.made), ..self.caching },
            gaps_by_place: self.places.iter().map(|(count, sum)| sum / f64::from((*count).max(1))).collect(),
            metrics: Metrics {
                ttft: self.ttft.spread(true),
                scheduled_ttft: self.scheduled_ttft.spread(true),
                e2e: self.e2e.spread(true),
                scheduled_e2e: self.scheduled_e2e.spread(true),
                tpot: self.tpot.spread(true),
                itl: self.itl.spread(false),
                gap: self.gap.spread(false),
                send_lag: self.send_lag.spread(true),
            },
            ..Level::default()
        }
    }
}

/// Rates, averaged over windows as long as they were.
fn average(stages: &[StageResult]) -> Window {
    let seconds: f64 = stages.iter().map(|stage| stage.window.seconds).sum();
    let of = |value: fn(&Window) -> f64| {
        let sum: f64 = stages.iter().map(|stage| value(&stage.window) * stage.window.seconds).sum();
        if seconds > 0.0 { sum / seconds } else { 0.0 }
    };
    let asked = stages.iter().any(|stage| stage.window.goodput.is_some());
    let mut window = Window {
        from_s: stages.first().map_or(0.0, |stage| stage.window.from_s),
        seconds,
        requests_per_second: of(|window| window.requests_per_second),
        tokens_per_second: of(|window| window.tokens_per_second),
        prompt_tokens_per_second: of(|window| window.prompt_tokens_per_second),
        goodput: asked.then(|| of(|window| window.goodput.unwrap_or(0.0))),
        ..Window::default()
    };
    window.little.in_flight = of(|window| window.little.in_flight);
    window.little.rate_times_stay = of(|window| window.little.rate_times_stay);
    window
}

fn costs(level: &mut Level, stages: &[StageResult], idle: &Idle, server_idle: Option<&Idle>) {
    let mean = |of: &dyn Fn(&StageResult) -> Option<f64>| {
        let known: Vec<f64> = stages.iter().filter_map(of).collect();
        crate::statistics::mean(&known)
    };
    let count = |stage: &StageResult| stage.requests.len();
    level.client_cpu_ms = mean(&|stage| stage.spent.client.cpu_per_request(stage.spent.seconds, idle, count(stage)));
    level.client_memory = mean(&|stage| stage.spent.client.memory_per_request(idle, count(stage)));
    level.client_memory_peak = stages.iter().filter_map(|stage| stage.spent.client.memory_peak).max();
    // Where its process cannot be seen, the server's own word counts; what it had before the stage is then its idleness.
    let server = |stage: &StageResult| -> Option<(Took, Idle)> {
        if let (Some(seen), Some(idle)) = (stage.spent.server, server_idle) {
            return Some((seen, *idle));
        }
        let told = stage.spent.by_its_own_word()?;
        Some((told, Idle { cpu_share: None, memory: told.memory_before }))
    };
    level.server_cpu_ms = mean(&|stage| {
        let (took, idle) = server(stage)?;
        took.cpu_per_request(stage.spent.seconds, &idle, count(stage))
    });
    level.server_memory = mean(&|stage| {
        let (took, idle) = server(stage)?;
        took.memory_per_request(&idle, count(stage))
    });
    level.told = told(stages);
}

/// What the server told, of all stages together. What only grows says nothing by its mean.
fn told(stages: &[StageResult]) -> BTreeMap<Gauge, Told> {
    let mut all: BTreeMap<Gauge, Vec<Told>> = BTreeMap::new();
    for (gauge, course) in stages.iter().flat_map(|stage| &stage.spent.told) {
        if *gauge != Gauge::CpuSeconds {
            all.entry(*gauge).or_default().push(Told { mean: course.mean, max: course.max });
        }
    }
    let together = |told: Vec<Told>| Told {
        mean: told.iter().map(|one| one.mean).sum::<f64>() / told.len().max(1) as f64,
        max: told.iter().map(|one| one.max).fold(0.0, f64::max),
    };
    all.into_iter().map(|(gauge, each)| (gauge, together(each))).collect()
}

fn row(record: &Record, timing: &Timing, counts: bool) -> Row {
    // A microsecond is finer than any of this is known.
    let rounded = |value: f64| (value * 1e3).round() / 1e3;
    Row {
        at: rounded(milliseconds(record.scheduled)),
        late: rounded(milliseconds(record.sent.saturating_sub(record.scheduled))),
        ttft: timing.ttft.map(rounded),
        e2e: rounded(timing.e2e),
        tpot: timing.tpot.map(rounded),
        tokens: timing.tokens.iter().sum(),
        outcome: record.word().to_owned(),
        counts,
    }
}

fn warnings(level: &Level, stages: &[StageResult], schedule: &Schedule) -> Vec<String> {
    let mut warnings = Vec::new();
    if level.requests == 0 {
        warnings.push("no request was due in the steady window: the stage was too short for one wave".into());
        return warnings;
    }
    if level.counted == Some(Counted::Events) {
        warnings
            .push("the server told no token counts: each event was taken for one token (--tokenizer counts)".into());
    }
    let drifts: Vec<(f64, f64)> = stages.iter().filter_map(drift).collect();
    if let Some((first, second)) = drifts.iter().max_by(|a, b| apart(a).total_cmp(&apart(b))) {
        warnings.push(format!(
            "not steady in {} of {} repeats: the median latency went from {first:.1} ms in the first half to {second:.1} ms in the second",
            drifts.len(),
            stages.len()
        ));
    }
    let little = level.window.little;
    if little.difference() > LITTLE && schedule.wave() > 0 {
        warnings.push(format!(
            "Little's law is missed by {:.1} %: {:.2} under way, {:.2} by rate and stay; the window is short for the latency",
            little.difference() * 100.0, little.in_flight, little.rate_times_stay
        ));
    }
    if let (Some(lag), Some(e2e)) = (&level.metrics.send_lag, &level.metrics.scheduled_e2e) {
        let worst = lag.p99.map_or(lag.max, |p99| p99.value);
        if schedule.is_open() && worst > e2e.mean * 0.01 {
            warnings.push(format!("the client sent late: {worst:.2} ms (p99), more than 1 % of the latency"));
        }
    }
    if let Some(count) = level.outcomes.get("not_sent") {
        warnings.push(format!("{count} requests were due and not sent: too many were under way"));
    }
    warnings
}

/// How far the halves' medians are apart, as a share.
fn apart((first, second): &(f64, f64)) -> f64 {
    (second / first - 1.0).abs()
}

/// The median latencies of both halves of the window, where they differ surely and by much.
fn drift(stage: &StageResult) -> Option<(f64, f64)> {
    let counted = || stage.requests.iter().filter(|row| row.counts && row.outcome == "ok");
    let half = counted().count() / 2;
    let side = |rows: &mut dyn Iterator<Item = &Row>| {
        let mut values: Vec<f64> = rows.map(|row| row.e2e).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = order_interval(&values, 0.5);
        Some((quantile(&values, 0.5)?, low?, high?))
    };
    let (first, second) = (side(&mut counted().take(half))?, side(&mut counted().skip(half))?);
    let sure = first.1 > second.2 || second.1 > first.2;
    let medians = (first.0, second.0);
    (sure && apart(&medians) > DRIFT).then_some(medians)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use longshore_core::{Error, ErrorKind};

    use super::*;
    use crate::{
        load::Failure,
        measure::{Chunk, Outcome},
        resources::Spent,
    };

    /// One worker, requests of `length(n)` milliseconds without a pause, the first of them a warm-up.
    fn raw(count: u64, length: impl Fn(u64) -> u64) -> Raw {
        let (mut at, mut records) = (Duration::ZERO, Vec::new());
        for index in 0..count {
            let end = at + Duration::from_millis(length(index));
            let chunks = vec![
                Chunk { at: at + Duration::from_millis(length(index) / 2), characters: 4 },
                Chunk { at: end, characters: 4 },
            ];
            let outcome = if index == 3 { Outcome::Failed(ErrorKind::Server) } else { Outcome::Complete };
            records.push(Record {
                chunks,
                ended: end,
                outcome,
                prompt_tokens: Some(4),
                cached_tokens: Some(1),
                tokens: Some(2),
                counted: Counted::Usage,
                cache: Some(if index % 2 == 0 { CacheStatus::Hit } else { CacheStatus::Miss }),
                ..Record::sent(index, at, at)
            });
            at = end;
        }
        let first = Failure { count: 1, first: Error::new(ErrorKind::Server, "out of luck") };
        Raw {
            window: records[0].ended..at,
            records,
            failures: [("server", first)].into(),
            spent: Spent::default(),
            interrupted: false,
        }
    }

    fn level(raw: Raw) -> Level {
        let schedule = Schedule::Closed { concurrency: 1 };
        summarise(&schedule, &[(0, raw)], &"ttft=60ms".parse().unwrap(), &Idle::default(), None).0
    }

    #[test]
    fn a_level_tells_what_happened_in_the_window() {
        let level = level(raw(101, |_| 100));
        assert_eq!((level.requests, level.success.count, level.outcomes["server"]), (100, 99, 1));
        assert_eq!(level.failures["server"], "out of luck");
        let (ttft, e2e) = (level.metrics.ttft.unwrap(), level.metrics.e2e.unwrap());
        assert_eq!((ttft.count, ttft.mean, e2e.p50.unwrap().value, e2e.p99), (99, 50.0, 100.0, None));
        assert_eq!(level.metrics.itl.unwrap().mean, 50.0);
        assert_eq!((level.counted, level.gaps_by_place), (Some(Counted::Usage), vec![50.0]));
        let caching = &level.caching;
        assert_eq!((caching.answers["hit"], caching.answers["miss"], caching.hit_ms), (50, 49, Some(100.0)));
        assert_eq!((caching.cached_tokens, caching.prompt_tokens), (99, 396));
        assert!((level.window.requests_per_second - 9.9).abs() < 0.11, "{:?}", level.window);
        assert!((level.window.goodput.unwrap() - 9.9).abs() < 0.11, "{:?}", level.window);
        assert!(level.warnings.is_empty(), "{:?}", level.warnings);
    }

    #[test]
    fn a_server_that_slows_down_is_not_steady() {
        let level = level(raw(201, |index| 50 + index / 4));
        assert!(level.warnings.iter().any(|warning| warning.contains("not steady")), "{:?}", level.warnings);
    }

    #[test]
    fn a_stage_without_a_window_says_so() {
        let mut empty = raw(5, |_| 10);
        empty.window = Duration::from_secs(9)..Duration::from_secs(9);
        let level = level(empty);
        assert_eq!((level.requests, level.metrics.e2e), (0, None));
        assert!(level.warnings[0].contains("too short"), "{:?}", level.warnings);
    }
}
