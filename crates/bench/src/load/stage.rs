//! A stage: one schedule against one target until the stop rule says that it is enough.

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use longshore_core::{Backend, Error, ErrorKind};
use tokio::task::JoinSet;

use super::{Live, Sending, gate::Gate, measure, pace};
use crate::{
    measure::{Counted, Outcome, Record, Tokenizer},
    resources::{Page, Reader, Spent, Watcher},
    schedule::{Arrival, Arrivals, Schedule, Shape, Stop},
    workload::Workload,
};

/// Whom to ask what.
#[derive(Clone)]
pub struct Target {
    /// What answers.
    pub backend: Arc<dyn Backend>,
    /// What is asked.
    pub workload: Arc<Workload>,
    /// The server's process, where it runs on this machine.
    pub pid: Option<u32>,
    /// Where the server tells of itself, where it does.
    pub metrics: Option<Page>,
    /// Counts the tokens of answers whose server does not.
    pub tokenizer: Option<Tokenizer>,
}

impl Target {
    /// `backend` asked for `workload`; nothing else is known of it.
    pub fn new(backend: Arc<dyn Backend>, workload: Arc<Workload>) -> Self {
        Self { backend, workload, pid: None, metrics: None, tokenizer: None }
    }
}

/// How a target is loaded, and for how long.
#[derive(Clone, Debug)]
pub struct Stage {
    /// When requests are sent.
    pub schedule: Schedule,
    /// When it is enough.
    pub stop: Stop,
    /// What it may use.
    pub bounds: Bounds,
    /// All chance comes from here.
    pub seed: u64,
}

/// What a stage may use.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests under way in an open loop; one that is due beyond it is recorded as not sent.
    pub in_flight: u64,
    /// Records that are kept; the stage ends with the last.
    pub records: usize,
}

impl Default for Bounds {
    /// 10,000 sockets, and records for a few hours of a fast server.
    fn default() -> Self {
        Self { in_flight: 10_000, records: 5_000_000 }
    }
}

/// Everything that was seen.
#[derive(Debug)]
pub struct Raw {
    /// Every request that ended, in order of sending; those of the warm-up too.
    pub records: Vec<Record>,
    /// The steady window.
    pub window: Range<Duration>,
    /// What failures said: for each kind the first message and how many there were.
    pub failures: BTreeMap<&'static str, Failure>,
    /// What it took of this process, and of the server's.
    pub spent: Spent,
    /// Somebody ended it before its time; what was under way then is not in the records.
    pub interrupted: bool,
}

/// Failures of one kind.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How many.
    pub count: u64,
    /// The first one.
    pub first: Error,
}

impl Stage {
    /// Runs it on the present runtime. When `cancel` resolves, nothing more is sent, what is under way is cancelled,
    /// and what was measured so far is given.
    ///
    /// # Errors
    /// The system gives no thread.
    pub async fn run(&self, target: &Target, live: &Arc<Live>, cancel: impl Future<Output = ()>) -> io::Result<Raw> {
        let reader = match &target.metrics {
            Some(page) => Some(Reader::start(page.clone()).await),
            None => None,
        };
        let watcher = Watcher::start(target.pid)?;
        let shared = Arc::new(Shared {
            target: target.clone(),
            bounds: self.bounds,
            gate: Gate::new(self.stop, self.schedule.wave()),
            live: live.clone(),
            origin: Instant::now(),
            seen: Mutex::default(),
        });
        let interrupted = tokio::select! {
            ended = self.drive(&shared) => { ended?; false }
            () = cancel => true,
        };
        let now = shared.origin.elapsed();
        shared.gate.close(now);
        let window = shared.gate.window(now);
        let Seen { mut records, failures } = std::mem::take(&mut *shared.seen());
        records.sort_by_key(|record| (record.scheduled, record.index));
        let mut spent = watcher.finish();
        if let Some(reader) = reader {
            spent.told = reader.finish().await;
        }
        // Not before the stage is over: counting takes the time of others.
        target.tokenizer.iter().for_each(|tokenizer| count(&mut records, tokenizer));
        Ok(Raw { records, window, failures, spent, interrupted })
    }

    async fn drive(&self, shared: &Arc<Shared>) -> io::Result<()> {
        match &self.schedule {
            Schedule::Closed { concurrency } => {
                let mut workers = JoinSet::new();
                for _ in 0..*concurrency {
                    workers.spawn(shared.clone().work());
                }
                workers.join_all().await;
            }
            Schedule::Open(process) => {
                let arrivals = Arrivals::new(process.clone(), self.seed);
                let for_thread = shared.clone();
                let send = move |Arrival { at, shape }: Arrival| {
                    let number = for_thread.gate.next(at)?;
                    Some(for_thread.clone().serve(number, at, shape))
                };
                // Held until the last has been sent: dropping it, as a cancelled stage does, stops the thread.
                let (_leash, sent) = pace::pace(arrivals, shared.origin, send)?;
                if let Ok(under_way) = sent.await {
                    under_way.join_all().await;
                }
            }
        }
        Ok(())
    }
}

struct Shared {
    target: Target,
    bounds: Bounds,
    gate: Gate,
    live: Arc<Live>,
    origin: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    records: Vec<Record>,
    failures: BTreeMap<&'static str, Failure>,
}

impl Shared {
    /// A worker of a closed loop: one request after the other.
    async fn work(self: Arc<Self>) {
        let mut due = self.origin.elapsed();
        while let Some(number) = self.gate.next(due) {
            self.clone().serve(number, due, None).await;
            due = self.origin.elapsed();
        }
    }

    /// Everything that one turn of the schedule brings: a request, or a conversation.
    async fn serve(self: Arc<Self>, number: u64, due: Duration, shape: Option<Shape>) {
        let (_under_way, in_flight) = self.live.begin();
        if in_flight > self.bounds.in_flight {
            self.not_sent(number, due);
            return;
        }
        let mut session = self.target.workload.session(number, shape);
        let (mut due, mut answer) = (due, String::new());
        while let Some(call) = session.next(&answer) {
            let sending = Sending {
                index: number,
                origin: self.origin,
                scheduled: due,
                expected: self.target.workload.events(),
                keep_answer: session.wants_answer(),
                keep_text: self.target.tokenizer.is_some(),
            };
            let measured = measure(&*self.target.backend, call, sending).await;
            let failed = measured.error.is_some();
            answer = measured.answer;
            self.write_down(measured.record, measured.error);
            if failed {
                return;
            }
            due = self.origin.elapsed();
        }
    }

    fn not_sent(&self, number: u64, due: Duration) {
        let now = self.origin.elapsed();
        let message = format!("{} requests were under way, which is the limit", self.bounds.in_flight);
        let record = Record { outcome: Outcome::NotSent, ..Record::sent(number, due, now) };
        self.write_down(record, Some(Error::new(ErrorKind::Overloaded, message)));
    }

    fn write_down(&self, record: Record, error: Option<Error>) {
        self.live.ended(&record);
        let latency = record.ended.saturating_sub(record.sent).as_secs_f64() * 1e3;
        let word = record.word();
        let kept = {
            let mut seen = self.seen();
            seen.records.push(record);
            if let Some(error) = error {
                seen.failures.entry(word).or_insert(Failure { count: 0, first: error }).count += 1;
            }
            seen.records.len()
        };
        let now = self.origin.elapsed();
        self.gate.ended(now, (word == "ok").then_some(latency));
        if kept >= self.bounds.records {
            self.gate.close(now);
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the tokens of answers whose server did not.
fn count(records: &mut [Record], tokenizer: &Tokenizer) {
    for record in records.iter_mut().filter(|record| record.counted == Counted::Events) {
        if let (false, Some(tokens)) = (record.text.is_empty(), tokenizer.count(&record.text)) {
            (record.tokens, record.counted) = (Some(tokens), Counted::Tokenizer);
        }
    }
    records.iter_mut().for_each(|record| record.text = Box::default());
}
