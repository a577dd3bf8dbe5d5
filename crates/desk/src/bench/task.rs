//! One benchmark under way: [`Bench`], and the events that tell of it, which can be read from the beginning.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_core::Stream;
use futures_util::stream;
use longshore_bench::{
    load::{Seen, Target},
    run::{Notice, Run, Runner},
};
use longshore_core::{Error, ErrorKind};
use serde::Serialize;
use tokio::sync::watch;

use super::Order;
use crate::{
    Desk, Problem,
    live::{News, written},
};

/// How often the counters are told.
const EVERY: Duration = Duration::from_secs(1);
/// Events that are kept: an hour's progress and more.
const MOST: usize = 8192;

/// A benchmark.
pub(crate) struct Bench {
    pub(crate) id: String,
    events: Mutex<Vec<News>>,
    /// How many events there are, and whether it was the last.
    grown: watch::Sender<(usize, bool)>,
    cancel: watch::Sender<bool>,
}

/// What `stage` tells.
#[derive(Serialize)]
struct Stage {
    phase: &'static str,
    load: String,
    number: Option<usize>,
    of: Option<usize>,
}

/// What `progress` tells: counters, and rates of the last second.
#[derive(Serialize)]
struct Progress {
    elapsed_s: f64,
    sent: u64,
    in_flight: u64,
    complete: u64,
    failed: u64,
    requests_per_second: Option<f64>,
    tokens_per_second: Option<f64>,
    ttft_ms: Option<f64>,
    latency_ms: Option<f64>,
}

/// What `done` tells.
#[derive(Serialize)]
struct Done<'a> {
    run: &'a Run,
}

impl Bench {
    /// Begins on the present runtime.
    ///
    /// # Errors
    /// It makes no sense.
    pub(super) fn begin(id: String, desk: &Desk, order: Order) -> Result<Arc<Self>, Error> {
        let plan = order.plan()?;
        let (fleet, name) = order.target(desk, &plan)?;
        let bench = Arc::new(Self {
            id,
            events: Mutex::default(),
            grown: watch::Sender::new((0, false)),
            cancel: watch::Sender::new(false),
        });
        let (task, desk) = (Arc::clone(&bench), desk.clone());
        tokio::spawn(async move {
            let work = async {
                let workload = order.workload(&fleet).await?;
                let subject = order.subject(name, &plan, &workload);
                let target = Target::new(Arc::new(fleet), Arc::new(workload));
                let certifier = order.certifier(&desk);
                Runner { target, plan, subject, pages: Vec::new(), certifier, live: Arc::default() }.told(&task).await
            };
            let result = tokio::select! {
                result = work => result,
                () = desk.closing.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the program ended")),
            };
            task.end(&desk, result).await;
        });
        Ok(bench)
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.grown.borrow().1
    }

    /// Ends it; what was measured until now is kept.
    pub(crate) fn stop(&self) {
        self.cancel.send_replace(true);
    }

    /// Its events from the beginning, and then as they come, to the last.
    pub(crate) fn events(self: Arc<Self>) -> impl Stream<Item = News> + Send {
        let grown = self.grown.subscribe();
        stream::unfold((self, grown, 0), |(bench, mut grown, next)| async move {
            loop {
                let news = bench.lock().get(next).cloned();
                if let Some(news) = news {
                    return Some((news, (bench, grown, next + 1)));
                }
                let (count, ended) = *grown.borrow_and_update();
                if ended && next >= count {
                    return None;
                }
                grown.changed().await.ok()?;
            }
        })
    }

    fn tell(&self, name: &'static str, value: &impl Serialize, last: bool) {
        let Some(data) = written(name, value) else { return };
        let mut events = self.lock();
        if events.len() < MOST || last {
            events.push((name, data));
        }
        self.grown.send_replace((events.len(), last));
    }

    async fn end(&self, desk: &Desk, result: Result<Run, Error>) {
        match result {
            Ok(run) => {
                let (store, run) = (desk.benches.store.clone(), Arc::new(run));
                let kept = Arc::clone(&run);
                let kept = tokio::task::spawn_blocking(move || store.keep(&kept)).await;
                if let Ok(Err(error)) = kept {
                    tracing::warn!(%error, "a benchmark's run is not kept");
                }
                self.tell("done", &Done { run: &run }, true);
            }
            Err(error) => {
                let mut problem = Problem::from(&error);
                problem.what = Some("measure".into());
                self.tell("error", &problem, true);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<News>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Running and telling of it.
trait Told {
    async fn told(self, bench: &Arc<Bench>) -> Result<Run, Error>;
}

impl Told for Runner {
    async fn told(self, bench: &Arc<Bench>) -> Result<Run, Error> {
        let (live, began) = (Arc::clone(&self.live), Instant::now());
        // What is replayed against the simulator says nothing of the server, and is not counted.
        let replaying = AtomicBool::new(false);
        let counting = async {
            let (mut before, mut at) = (live.seen(), Instant::now());
            loop {
                tokio::time::sleep(EVERY).await;
                if replaying.load(Ordering::Relaxed) {
                    continue;
                }
                let (now, seconds) = (live.seen(), at.elapsed().as_secs_f64());
                bench.tell("progress", &progress(before, now, seconds, began.elapsed()), false);
                (before, at) = (now, Instant::now());
            }
        };
        let notify = |notice: Notice| {
            replaying.store(matches!(notice, Notice::Certifying { .. }), Ordering::Relaxed);
            bench.tell("stage", &stage(notice), false);
        };
        tokio::select! {
            result = self.run(notify, bench.cancel.subscribe()) => result,
            () = counting => Err(Error::new(ErrorKind::Cancelled, "it was called off")),
        }
    }
}

fn stage(notice: Notice) -> Stage {
    let nothing = |phase| Stage { phase, load: String::new(), number: None, of: None };
    match notice {
        Notice::Stage { load, number, of } => Stage { phase: "running", load, number: Some(number), of },
        Notice::Certifying { load } => Stage { load, ..nothing("certifying") },
        _ => nothing("probing"),
    }
}

fn progress(before: Seen, now: Seen, seconds: f64, elapsed: Duration) -> Progress {
    let grown = |of: fn(&Seen) -> u64| (of(&now) - of(&before)) as f64;
    let complete = grown(|seen| seen.complete);
    let mean_ms = |sum: f64| (complete > 0.0).then(|| sum / complete / 1e3);
    Progress {
        elapsed_s: elapsed.as_secs_f64(),
        sent: now.sent,
        in_flight: now.in_flight,
        complete: now.complete,
        failed: now.failed,
        requests_per_second: Some(complete / seconds),
        tokens_per_second: Some(grown(|seen| seen.events) / seconds),
        ttft_ms: mean_ms(grown(|seen| seen.first_us)),
        latency_ms: mean_ms(grown(|seen| seen.whole_us)),
    }
}
