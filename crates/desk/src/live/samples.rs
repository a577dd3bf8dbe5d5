//! Numbers, second by second: [`Samples`] counts what the recorder of calls sees.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longshore_core::{CacheStatus, capability::OpKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Observer, Seen};

/// Times of one second that are kept for its percentiles; beyond them, the second has enough.
const TIMES: usize = 4096;
/// Latencies of a server that are kept to say how it does lately.
const LATELY: usize = 200;
/// Servers that are counted for: their names come from the configuration, which changes.
const SERVERS: usize = 256;

/// One second.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Sample {
    /// Its end, in milliseconds since 1970.
    pub at: u64,
    /// By server.
    pub servers: BTreeMap<String, ServerSample>,
    /// What the response cache did in it; null where there is none.
    pub cache: Option<CacheSample>,
    /// Calls under way at its end.
    pub running: usize,
    /// Memory of this process, where the system tells.
    pub rss_bytes: Option<u64>,
}

/// One second of one server. What nobody could measure in it is null.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ServerSample {
    /// Calls that ended in it.
    pub requests: u64,
    /// Of these, those that failed.
    pub errors: u64,
    /// Tokens that came in it; null where no answer was on its way.
    pub tokens_per_second: Option<f64>,
    /// Time to the first content, of the calls that ended.
    pub ttft_p50_ms: Option<f64>,
    /// The same.
    pub ttft_p95_ms: Option<f64>,
    /// Time between tokens.
    pub itl_p50_ms: Option<f64>,
    /// From the call to its end.
    pub latency_p50_ms: Option<f64>,
    /// The same.
    pub latency_p95_ms: Option<f64>,
    /// Calls that were worked on at its end.
    pub in_flight: usize,
    /// Calls that waited for a place at its end.
    pub queue: Option<usize>,
}

/// What the response cache did in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CacheSample {
    /// Answers that were kept.
    pub hits: u64,
    /// Answers that had to be made.
    pub misses: u64,
    /// Answers that were made for another call too.
    pub joined: u64,
}

/// What is under way when a second ends.
pub(crate) struct Present {
    /// In milliseconds since 1970.
    pub(crate) at: u64,
    /// In flight and waiting, by server.
    pub(crate) servers: BTreeMap<Arc<str>, (usize, usize)>,
    pub(crate) running: usize,
    pub(crate) has_cache: bool,
    pub(crate) rss_bytes: Option<u64>,
}

/// See the module.
pub(crate) struct Samples {
    counts: Mutex<Counts>,
    kept: Mutex<VecDeque<Sample>>,
    most: AtomicUsize,
}

#[derive(Default)]
struct Counts {
    second: HashMap<Arc<str>, Bucket>,
    cache: CacheSample,
    lately: HashMap<Arc<str>, VecDeque<f64>>,
}

#[derive(Default)]
struct Bucket {
    requests: u64,
    errors: u64,
    tokens: u64,
    ttft: Vec<f64>,
    itl: Vec<f64>,
    latency: Vec<f64>,
}

impl Samples {
    /// Keeps so many minutes.
    pub(crate) fn new(minutes: u32) -> Self {
        let samples = Self { counts: Mutex::default(), kept: Mutex::default(), most: AtomicUsize::default() };
        samples.keep(minutes);
        samples
    }

    /// So many minutes are kept from now on; what is older is forgotten.
    pub(crate) fn keep(&self, minutes: u32) {
        let most = minutes as usize * 60;
        self.most.store(most, Ordering::Relaxed);
        let mut kept = self.kept();
        let old = kept.len().saturating_sub(most);
        kept.drain(..old);
    }

    /// Ends the second.
    pub(crate) fn take(&self, present: Present) -> Sample {
        let (second, cache) = {
            let mut counts = self.counts();
            (std::mem::take(&mut counts.second), std::mem::take(&mut counts.cache))
        };
        // What the fleet itself answers, such as a list of all servers' models, is no server's.
        let of_servers = second.into_iter().filter(|(name, _)| present.servers.contains_key(name));
        let mut servers: BTreeMap<String, ServerSample> =
            of_servers.map(|(name, bucket)| (name.to_string(), bucket.sample())).collect();
        for (name, (in_flight, waiting)) in &present.servers {
            let sample = servers.entry(name.to_string()).or_default();
            sample.in_flight = *in_flight;
            sample.queue = Some(*waiting);
            if *in_flight > 0 {
                sample.tokens_per_second.get_or_insert(0.0);
            }
        }
        let sample = Sample {
            at: present.at,
            servers,
            cache: present.has_cache.then_some(cache),
            running: present.running,
            rss_bytes: present.rss_bytes,
        };
        let mut kept = self.kept();
        if kept.len() >= self.most.load(Ordering::Relaxed) {
            kept.pop_front();
        }
        kept.push_back(sample.clone());
        sample
    }

    /// The last so many minutes, oldest first.
    pub(crate) fn last(&self, minutes: u32) -> Vec<Sample> {
        let kept = self.kept();
        let wanted = (minutes as usize).saturating_mul(60);
        kept.iter().skip(kept.len().saturating_sub(wanted)).cloned().collect()
    }

    /// Median and 95th percentile of how long a server's last calls took, in milliseconds.
    pub(crate) fn lately(&self, server: &str) -> (Option<f64>, Option<f64>) {
        let mut times: Vec<f64> = self.counts().lately.get(server).into_iter().flatten().copied().collect();
        (percentile(&mut times, 0.5), percentile(&mut times, 0.95))
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn bucket(&mut self, server: &Arc<str>) -> Option<&mut Bucket> {
        if self.second.len() >= SERVERS && !self.second.contains_key(server) {
            return None;
        }
        Some(self.second.entry(Arc::clone(server)).or_default())
    }

    fn note(&mut self, server: &Arc<str>, latency: f64) {
        if self.lately.len() >= SERVERS && !self.lately.contains_key(server) {
            return;
        }
        let times = self.lately.entry(Arc::clone(server)).or_default();
        if times.len() >= LATELY {
            times.pop_front();
        }
        times.push_back(latency);
    }
}

impl Observer for Samples {
    fn text(&self, server: &Arc<str>) {
        if let Some(bucket) = self.counts().bucket(server) {
            bucket.tokens += 1;
        }
    }

    fn ended(&self, seen: &Seen) {
        let mut counts = self.counts();
        match seen.cache {
            Some(CacheStatus::Hit) => counts.cache.hits += 1,
            Some(CacheStatus::Miss) => counts.cache.misses += 1,
            Some(CacheStatus::Joined) => counts.cache.joined += 1,
            _ => {}
        }
        for failed in &seen.failed {
            if let Some(bucket) = counts.bucket(&failed.server) {
                bucket.errors += 1;
            }
        }
        let Some(server) = &seen.server else { return };
        let total = milliseconds(seen.total);
        // How long a load or a list takes says nothing of how long an answer does.
        let answers = matches!(seen.op, OpKind::Chat | OpKind::Complete | OpKind::Embed | OpKind::Infer);
        if answers && seen.outcome == "ok" {
            counts.note(server, total);
        }
        let Some(bucket) = counts.bucket(server) else { return };
        bucket.requests += 1;
        bucket.errors += u64::from(matches!(seen.outcome, "error" | "interrupted"));
        let mut put = |times: fn(&mut Bucket) -> &mut Vec<f64>, time: Option<f64>| {
            let times = times(bucket);
            times.extend(time.filter(|_| times.len() < TIMES));
        };
        if !answers {
            return;
        }
        put(|bucket| &mut bucket.ttft, seen.ttft.map(milliseconds));
        put(|bucket| &mut bucket.itl, seen.itl.map(milliseconds));
        put(|bucket| &mut bucket.latency, Some(total));
    }
}

impl Bucket {
    fn sample(mut self) -> ServerSample {
        ServerSample {
            requests: self.requests,
            errors: self.errors,
            tokens_per_second: (self.tokens > 0).then_some(self.tokens as f64),
            ttft_p50_ms: percentile(&mut self.ttft, 0.5),
            ttft_p95_ms: percentile(&mut self.ttft, 0.95),
            itl_p50_ms: percentile(&mut self.itl, 0.5),
            latency_p50_ms: percentile(&mut self.latency, 0.5),
            latency_p95_ms: percentile(&mut self.latency, 0.95),
            in_flight: 0,
            queue: None,
        }
    }
}

/// The value that this share of the others is not above; `None` of nothing.
fn percentile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.clamp(1, values.len().max(1)) - 1).copied()
}

/// With microseconds, as ledgers have them.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use longshore_core::{Protocol, capability::OpKind};

    use super::*;
    use crate::live::Failed;

    fn seen(server: &str, outcome: &'static str, total_ms: u64) -> Seen {
        Seen {
            server: Some(server.into()),
            protocol: Some(Protocol::Rest),
            model: None,
            op: OpKind::Chat,
            outcome,
            cache: None,
            ttft: Some(Duration::from_millis(total_ms / 2)),
            total: Duration::from_millis(total_ms),
            tokens: None,
            itl: None,
            failed: Vec::new(),
        }
    }

    fn present(running: &[(&str, usize)]) -> Present {
        let servers = running.iter().map(|(name, count)| (Arc::from(*name), (*count, 0))).collect();
        Present { at: 1, servers, running: 0, has_cache: true, rss_bytes: None }
    }

    #[test]
    fn a_second_has_what_ended_in_it() {
        let samples = Samples::new(1);
        for total in [10, 20, 30, 40] {
            samples.ended(&seen("a", "ok", total));
        }
        let failed = Failed { server: "b".into(), protocol: Protocol::Rest, reason: "no".into() };
        samples.ended(&Seen { failed: vec![failed], cache: Some(CacheStatus::Miss), ..seen("a", "interrupted", 50) });
        // A load takes its time, which is no answer's.
        samples.ended(&Seen { op: OpKind::Load, ..seen("a", "ok", 9000) });
        samples.text(&"a".into());
        samples.ended(&seen("fleet", "ok", 1));
        let sample = samples.take(present(&[("a", 0), ("b", 0), ("c", 2)]));
        assert!(!sample.servers.contains_key("fleet"));
        let a = &sample.servers["a"];
        assert_eq!((a.requests, a.errors, a.tokens_per_second), (6, 1, Some(1.0)));
        assert_eq!(
            (a.latency_p50_ms, a.latency_p95_ms, a.ttft_p50_ms, a.itl_p50_ms),
            (Some(30.0), Some(50.0), Some(15.0), None)
        );
        assert_eq!((sample.servers["b"].requests, sample.servers["b"].errors), (0, 1));
        // Nothing came from where something runs: that is a rate; where nothing runs there is none.
        assert_eq!((sample.servers["c"].tokens_per_second, sample.servers["b"].tokens_per_second), (Some(0.0), None));
        assert_eq!(sample.cache, Some(CacheSample { hits: 0, misses: 1, joined: 0 }));
        assert_eq!(samples.lately("a"), (Some(20.0), Some(40.0)));
        // The next one begins anew.
        assert_eq!(samples.take(present(&[("a", 0)])).servers["a"].latency_p50_ms, None);
    }

    #[test]
    fn only_so_much_is_kept() {
        let samples = Samples::new(1);
        for _ in 0..100 {
            samples.take(present(&[]));
        }
        assert_eq!((samples.last(1).len(), samples.last(0).len()), (60, 0));
        for _ in 0..2 * LATELY {
            samples.ended(&seen("a", "ok", 5));
        }
        assert_eq!(samples.counts().lately["a"].len(), LATELY);
    }
}
