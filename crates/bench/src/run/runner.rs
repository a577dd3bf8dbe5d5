//! Doing a [`Plan`]: probe, idle, stages, certificate.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use longshore_core::{Answer, Backend, Error, ErrorKind};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::sync::watch;

use super::{Bisection, Environment, FORMAT, Level, Plan, Run, StageResult, Step, Subject, summarise};
use crate::{
    certificate::Certifier,
    load::{Live, Raw, Stage, Target},
    resources::{Exposed, Idle, Page, Process},
    schedule::{Process as Arriving, Schedule},
};

/// How long processes are watched while nothing is asked of them.
const IDLE: Duration = Duration::from_millis(300);
/// Requests before a server that always fails is given up.
const PROBES: usize = 3;

/// Does a plan.
pub struct Runner {
    /// Whom to ask what.
    pub target: Target,
    /// What to do.
    pub plan: Plan,
    /// What is measured; model, protocol and dialect are filled in from the first answer.
    pub subject: Subject,
    /// Where the server may tell of itself: the first address that does is read in every stage.
    pub pages: Vec<Page>,
    /// Proves the client's accuracy; `None` leaves it unproven.
    pub certifier: Option<Certifier>,
    /// Counters for whoever watches.
    pub live: Arc<Live>,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The first request is sent, to see whether there is an answer at all.
    Probing,
    /// A stage begins.
    Stage {
        /// Its load.
        load: String,
        /// Which one it is, from 1.
        number: usize,
        /// How many there are; `None`: that depends on what is found.
        of: Option<usize>,
    },
    /// A load is replayed against the simulator.
    Certifying {
        /// The load.
        load: String,
    },
}

impl Runner {
    /// Does everything on the present runtime, and tells `notify` where it stands. When `cancel` becomes true, or its
    /// sender is gone, the run ends and what was measured is given.
    ///
    /// # Errors
    /// The plan makes no sense, or the server does not answer the first request: then there is nothing to report.
    pub async fn run(mut self, mut notify: impl FnMut(Notice), cancel: watch::Receiver<bool>) -> Result<Run, Error> {
        self.plan.check().map_err(Error::invalid)?;
        let (started, begun) = (jiff::Timestamp::now(), Instant::now());
        notify(Notice::Probing);
        let probe = tokio::select! {
            answer = self.probe() => answer?,
            () = cancelled(cancel.clone()) => return Err(Error::new(ErrorKind::Cancelled, "it was called off")),
        };
        self.learn(probe);
        let (exposed, page) = Exposed::at(&self.pages).await;
        self.target.metrics = page.cloned();
        let idle = Idle::of(Process::Own, IDLE).await;
        let server_idle = match self.target.pid {
            Some(pid) => Some(Idle::of(Process::Other(pid), IDLE).await),
            None => None,
        };
        let done = match self.plan.sweep {
            None => self.all(&mut notify, &cancel).await,
            Some(_) => self.search(&mut notify, &cancel).await,
        };
        let Done { mut levels, stages, knee, interrupted } =
            done.map_err(no_thread)?.finish(&self.plan, &idle, server_idle.as_ref());
        efficiency(&mut levels);
        let mut run = Run {
            format: FORMAT.into(),
            id: name(&started, self.plan.seed),
            started: started.to_string(),
            subject: self.subject,
            environment: Environment::of(Path::new(".")),
            idle,
            server_idle,
            exposed: (!self.pages.is_empty()).then_some(exposed),
            levels,
            stages,
            knee,
            interrupted,
            ..Run::default()
        };
        if let Some(certifier) = self.certifier.filter(|_| !run.interrupted) {
            let workload = &self.target.workload;
            run.certificate = tokio::select! {
                certificate = certifier.certify(&run, &self.plan, workload, |load| notify(Notice::Certifying { load })) => Some(certificate),
                () = cancelled(cancel) => { run.interrupted = true; None }
            };
        }
        run.seconds = begun.elapsed().as_secs_f64();
        Ok(run)
    }

    /// Whether anybody answers: a benchmark of refusals would say nothing. A server that fails now and then may.
    async fn probe(&self) -> Result<Answer, Error> {
        let mut tried = 0;
        loop {
            tried += 1;
            let Some(call) = self.target.workload.session(u64::MAX, None).next("") else {
                return Err(Error::invalid("the workload asks nothing"));
            };
            let answer = match self.target.backend.call(call).await {
                Ok(reply) => reply.collect().await,
                Err(error) => Err(error),
            };
            match answer {
                Err(error) if tried < PROBES && may_pass(error.kind()) => {}
                answer => return answer,
            }
        }
    }

    fn learn(&mut self, answer: Answer) {
        let asked = self.target.workload.model.as_ref();
        self.subject.model = answer.model.as_ref().or(asked).map(ToString::to_string);
        if let Some(route) = answer.route {
            self.subject.protocol = Some(route.protocol.as_str().to_owned());
            self.subject.dialect = Some(route.dialect.to_owned()).filter(|dialect| !dialect.is_empty());
        }
    }

    /// Every schedule as often as wanted, in an order that chance decides: what changes with time hits all alike.
    async fn all(&self, notify: &mut impl FnMut(Notice), cancel: &watch::Receiver<bool>) -> io::Result<Found> {
        let mut rng = StdRng::seed_from_u64(self.plan.seed);
        let schedules = &self.plan.schedules;
        let mut found = Found::of(schedules.clone());
        let (mut number, of) = (0, schedules.len() * self.plan.repeats as usize);
        for repeat in 0..self.plan.repeats {
            let mut order: Vec<usize> = (0..schedules.len()).collect();
            order.shuffle(&mut rng);
            for at in order {
                number += 1;
                notify(Notice::Stage { load: schedules[at].to_string(), number, of: Some(of) });
                let raw = self.stage(&schedules[at], rng.random(), cancel).await?;
                if found.add(at, repeat, raw) {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    async fn search(&self, notify: &mut impl FnMut(Notice), cancel: &watch::Receiver<bool>) -> io::Result<Found> {
        let mut found = Found::of(Vec::new());
        let Some(sweep) = self.plan.sweep else { return Ok(found) };
        let mut bisection = Bisection::new(sweep);
        while let Step::Try(rate) = bisection.step() {
            let (schedule, at) = (Schedule::Open(Arriving::Poisson { rate }), found.levels.len());
            notify(Notice::Stage { load: schedule.to_string(), number: at + 1, of: None });
            let raw = self.stage(&schedule, self.plan.seed.wrapping_add(at as u64), cancel).await?;
            let (due, met) = self.good(&raw);
            found.levels.push((schedule, Vec::new()));
            if found.add(at, 0, raw) {
                return Ok(found);
            }
            bisection.learn(rate, due > 0 && met as f64 >= sweep.share * due as f64);
        }
        if let Step::Knee(knee) = bisection.step() {
            found.knee = Some(knee);
        }
        found.levels.sort_by(|a, b| a.0.rate().unwrap_or(0.0).total_cmp(&b.0.rate().unwrap_or(0.0)));
        Ok(found)
    }

    /// Requests due in the window, and those of them that met the objectives.
    fn good(&self, raw: &Raw) -> (usize, usize) {
        let due = || raw.records.iter().filter(|record| raw.window.contains(&record.scheduled));
        let met = due().filter(|record| self.plan.objectives.met_by(record, &crate::measure::Timing::of(record)));
        (due().count(), met.count())
    }

    async fn stage(&self, schedule: &Schedule, seed: u64, cancel: &watch::Receiver<bool>) -> io::Result<Raw> {
        let stage = Stage { schedule: schedule.clone(), stop: self.plan.stop, bounds: self.plan.bounds, seed };
        stage.run(&self.target, &self.live, cancelled(cancel.clone())).await
    }
}

/// What the stages gave, before it is summed up.
struct Found {
    levels: Vec<(Schedule, Vec<(u32, Raw)>)>,
    knee: Option<Option<f64>>,
    interrupted: bool,
}

struct Done {
    levels: Vec<Level>,
    stages: Vec<StageResult>,
    knee: Option<Option<f64>>,
    interrupted: bool,
}

impl Found {
    fn of(schedules: Vec<Schedule>) -> Self {
        let levels = schedules.into_iter().map(|schedule| (schedule, Vec::new())).collect();
        Self { levels, knee: None, interrupted: false }
    }

    /// Whether this was the end.
    fn add(&mut self, at: usize, repeat: u32, raw: Raw) -> bool {
        self.interrupted |= raw.interrupted;
        self.levels[at].1.push((repeat, raw));
        self.interrupted
    }

    fn finish(self, plan: &Plan, idle: &Idle, server_idle: Option<&Idle>) -> Done {
        let (mut levels, mut stages) = (Vec::new(), Vec::new());
        for (schedule, repeats) in self.levels.iter().filter(|(_, repeats)| !repeats.is_empty()) {
            let (level, its) = summarise(schedule, repeats, &plan.objectives, idle, server_idle);
            levels.push(level);
            stages.extend(its);
        }
        Done { levels, stages, knee: self.knee, interrupted: self.interrupted }
    }
}

/// Of what so many clients would get if each were alone, the share that they get together.
fn efficiency(levels: &mut [Level]) {
    let alone = levels.iter().find(|level| level.concurrency == Some(1)).map(|level| level.window.requests_per_second);
    let Some(alone) = alone.filter(|alone| *alone > 0.0) else { return };
    for level in levels {
        let together = level.window.requests_per_second;
        level.efficiency = level.concurrency.map(|concurrency| together / (concurrency as f64 * alone));
    }
}

/// Resolves when `cancel` is true or nobody can make it so any more.
async fn cancelled(mut cancel: watch::Receiver<bool>) {
    // An error says that the sender is gone.
    let _ = cancel.wait_for(|cancelled| *cancelled).await;
}

/// Whether the next request may fare better.
fn may_pass(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Server | ErrorKind::Overloaded | ErrorKind::Interrupted | ErrorKind::Protocol)
}

fn no_thread(error: io::Error) -> Error {
    Error::new(ErrorKind::Overloaded, "the system gives no thread").caused_by(error)
}

/// A name that sorts by time: `20260131T120000Z-1f`.
fn name(started: &jiff::Timestamp, seed: u64) -> String {
    let time = started.strftime("%Y%m%dT%H%M%SZ");
    let salt = (started.subsec_nanosecond() as u64 / 1000) ^ (seed << 12);
    format!("{time}-{:04x}", salt & 0xffff)
}
