//! What a stage takes of the machine: [`Watcher`] looks at this process, and at the server's where it is known.
//!
//! It also watches the client itself: a small piece of work is given to the runtime every few milliseconds, and how
//! late it begins is how late a token may be noticed. Processor time and memory are known on Linux; elsewhere this
//! process's processor time alone, or nothing.

mod exposed;
mod listener;
mod process;

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::{
    measure::milliseconds,
    statistics::{Distribution, Spread},
};

pub(crate) use exposed::Reader;
pub use exposed::{Course, Courses, Exposed, Gauge, Page};
pub use listener::{Listener, listener};
use process::Members;
pub use process::{Process, Usage};

/// How often the watcher looks for lag. A client that waits for one answer pays more for being looked at than for the answer.
const EVERY: Duration = Duration::from_millis(100);
/// Looks for lag between two looks at memory, which cost ten times as much.
const MEMORY_EVERY: usize = 2;

/// What a stage took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// How long it was watched, in seconds.
    pub seconds: f64,
    /// This process.
    pub client: Took,
    /// The server's process, where it is known.
    pub server: Option<Took>,
    /// How late the client's own runtime was, in milliseconds.
    pub lag: Option<Spread>,
    /// What the server told of itself.
    #[serde(default)]
    pub told: Courses,
}

impl Spent {
    /// What the server told that its process took, where it was not to be seen itself.
    pub fn by_its_own_word(&self) -> Option<Took> {
        let cpu_s = self.told.get(&Gauge::CpuSeconds).map(|cpu| cpu.last - cpu.first);
        let memory = self.told.get(&Gauge::Memory);
        let bytes = |value: fn(&Course) -> f64| memory.map(|memory| value(memory) as u64);
        let (memory_before, memory_peak) = (bytes(|memory| memory.first), bytes(|memory| memory.max));
        (cpu_s.is_some() || memory.is_some()).then_some(Took { cpu_s, memory_before, memory_peak })
    }
}

/// What a process took. What nobody can tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// Processor time, in seconds; more than `seconds` where several cores worked.
    pub cpu_s: Option<f64>,
    /// Resident memory at the beginning, in bytes.
    pub memory_before: Option<u64>,
    /// The most resident memory that was seen, in bytes.
    pub memory_peak: Option<u64>,
}

impl Took {
    /// Processor time beyond what an idle process takes, for each of so many requests, in milliseconds.
    pub fn cpu_per_request(&self, seconds: f64, idle: &Idle, requests: usize) -> Option<f64> {
        let cpu = self.cpu_s? - idle.cpu_share.unwrap_or(0.0) * seconds;
        (requests > 0).then(|| cpu.max(0.0) * 1e3 / requests as f64)
    }

    /// Memory beyond an idle process's, for each of so many requests, in bytes.
    pub fn memory_per_request(&self, idle: &Idle, requests: usize) -> Option<f64> {
        let more = self.memory_peak?.saturating_sub(idle.memory?);
        (requests > 0).then(|| more as f64 / requests as f64)
    }
}

/// What a process takes when nothing is asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// The share of a core.
    pub cpu_share: Option<f64>,
    /// Resident memory, in bytes.
    pub memory: Option<u64>,
}

impl Idle {
    /// Looks at `process` for this long, while nothing is asked of it.
    pub async fn of(process: Process, lasting: Duration) -> Self {
        let (before, started) = (process.usage(), Instant::now());
        tokio::time::sleep(lasting).await;
        let (after, seconds) = (process.usage(), started.elapsed().as_secs_f64());
        let cpu_share = before.cpu.zip(after.cpu).map(|(from, to)| to.saturating_sub(from).as_secs_f64() / seconds);
        Self { cpu_share, memory: after.memory }
    }
}

/// Looks at processes from its start until it is finished.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Spent>,
}

impl Watcher {
    /// Begins to look at this process and at `server`. Needs a tokio runtime, whose lag it watches.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(server: Option<u32>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (for_thread, runtime) = (stop.clone(), Handle::current());
        let thread =
            thread::Builder::new().name("bench-watch".into()).spawn(move || watch(&for_thread, &runtime, server))?;
        Ok(Self { stop, thread })
    }

    /// What was seen.
    pub fn finish(self) -> Spent {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or_default()
    }
}

fn watch(stop: &AtomicBool, runtime: &Handle, server: Option<u32>) -> Spent {
    let started = Instant::now();
    let mut client = Watched::new(Process::Own);
    let mut server = server.map(|pid| Watched::new(Process::Other(pid)));
    let lags = Arc::new(Mutex::new(Vec::new()));
    for look in 0_usize.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let (asked, lags) = (Instant::now(), lags.clone());
        drop(runtime.spawn(async move {
            lags.lock().unwrap_or_else(PoisonError::into_inner).push(milliseconds(asked.elapsed()));
        }));
        if look % MEMORY_EVERY == 0 {
            client.look();
            server.iter_mut().for_each(Watched::look);
        }
        thread::park_timeout(EVERY);
    }
    let lags = std::mem::take(&mut *lags.lock().unwrap_or_else(PoisonError::into_inner));
    Spent {
        seconds: started.elapsed().as_secs_f64(),
        client: client.took(),
        server: server.map(|server| server.took()),
        lag: Distribution::of(lags).spread(true),
        told: Courses::new(),
    }
}

struct Watched {
    process: Process,
    members: Members,
    before: Usage,
    peak: Option<u64>,
}

impl Watched {
    fn new(process: Process) -> Self {
        let members = Members::of(process);
        let before = members.usage();
        Self { process, members, before, peak: before.memory }
    }

    fn look(&mut self) {
        self.peak = self.peak.max(self.members.memory());
    }

    fn took(mut self) -> Took {
        // Whoever was started meanwhile counts from nothing.
        self.members = Members::of(self.process);
        self.look();
        let cpu = self.before.cpu.zip(self.members.usage().cpu).map(|(from, to)| to.saturating_sub(from));
        Took { cpu_s: cpu.map(|cpu| cpu.as_secs_f64()), memory_before: self.before.memory, memory_peak: self.peak }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_watcher_sees_time_memory_and_lag() {
        let watcher = Watcher::start(Some(std::process::id())).unwrap();
        let begun = Instant::now();
        let mut kept = vec![0_u8; 64 << 20];
        while begun.elapsed() < Duration::from_millis(350) {
            kept.iter_mut().step_by(4096).for_each(|byte| *byte = byte.wrapping_add(1));
            tokio::task::yield_now().await;
        }
        let spent = watcher.finish();
        assert!(spent.seconds > 0.05 && spent.lag.as_ref().is_some_and(|lag| lag.count > 1), "{spent:?}");
        if cfg!(target_os = "linux") {
            let (client, server) = (spent.client, spent.server.unwrap());
            assert!(client.cpu_s.unwrap() > 0.02, "{client:?}");
            assert!(client.memory_peak.unwrap() >= client.memory_before.unwrap() + (32 << 20), "{client:?}");
            assert!(server.cpu_s.is_some() && server.memory_peak.is_some(), "{server:?}");
        }
    }

    #[test]
    fn what_a_request_costs_leaves_idleness_out() {
        let took = Took { cpu_s: Some(3.0), memory_before: None, memory_peak: Some(3000) };
        let idle = Idle { cpu_share: Some(0.1), memory: Some(1000) };
        assert_eq!(took.cpu_per_request(10.0, &idle, 100), Some(20.0));
        assert_eq!(took.memory_per_request(&idle, 100), Some(20.0));
        assert_eq!(took.memory_per_request(&idle, 0), None);
        assert_eq!(Took::default().cpu_per_request(10.0, &idle, 100), None);
    }
}
