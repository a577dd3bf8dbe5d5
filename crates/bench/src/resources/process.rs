//! Processor time and memory of a process, where the system tells.

use std::time::Duration;

/// A process to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// This one.
    Own,
    /// The one with this id.
    Other(u32),
}

/// What a process has taken so far; `None` where nobody tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all threads.
    pub cpu: Option<Duration>,
    /// Resident memory, in bytes.
    pub memory: Option<u64>,
}

impl Process {
    /// What it has taken so far.
    pub fn usage(self) -> Usage {
        let cpu = match self {
            Self::Own => own_cpu(),
            Self::Other(pid) => linux::cpu(pid),
        };
        Usage { cpu, memory: self.memory() }
    }

    /// Its resident memory, in bytes.
    pub fn memory(self) -> Option<u64> {
        match self {
            Self::Own => linux::memory("self"),
            Self::Other(pid) => linux::memory(&pid.to_string()),
        }
    }
}

#[cfg(unix)]
fn own_cpu() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(unix))]
fn own_cpu() -> Option<Duration> {
    None
}

/// `/proc` (proc_pid_stat(5), proc_pid_status(5)); there is none elsewhere, and then nothing is known.
mod linux {
    use std::{fs, time::Duration};

    /// USER_HZ, which is 100 on every architecture that Rust runs on.
    const TICK: Duration = Duration::from_millis(10);

    pub(super) fn cpu(pid: u32) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything; user and system time are fields 14 and 15.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u32>().ok();
        Some(TICK * ticks()? + TICK * ticks()?)
    }

    pub(super) fn memory(pid: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    }
}
