//! Processor time and memory of a process, where the system tells.

use std::time::Duration;

/// A process to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// This one.
    Own,
    /// The one with this id, and those that it has started: many servers compute in processes of their own.
    Other(u32),
}

/// What a process has taken so far; `None` where nobody tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all threads.
    pub cpu: Option<Duration>,
    /// Resident memory, in bytes. What several processes share counts for each.
    pub memory: Option<u64>,
}

impl Process {
    /// What it has taken so far.
    pub fn usage(self) -> Usage {
        Members::of(self).usage()
    }
}

/// The processes that a [`Process`] is made of, looked up once: to find them costs more than to look at them.
pub(super) enum Members {
    Own,
    Others(Vec<u32>),
}

impl Members {
    pub(super) fn of(process: Process) -> Self {
        match process {
            Process::Own => Self::Own,
            Process::Other(pid) => Self::Others(linux::family(pid)),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let cpu = match self {
            Self::Own => own_cpu(),
            Self::Others(pids) => sum(pids.iter().map(|pid| linux::cpu(*pid))),
        };
        Usage { cpu, memory: self.memory() }
    }

    pub(super) fn memory(&self) -> Option<u64> {
        match self {
            Self::Own => linux::memory("self"),
            Self::Others(pids) => sum(pids.iter().map(|pid| linux::memory(&pid.to_string()))),
        }
    }
}

/// The process, its children, theirs, and so on, as far as the system tells.
pub(super) fn family_of(pid: u32) -> Vec<u32> {
    linux::family(pid)
}

/// Of those that are still there; `None` where nobody is.
fn sum<T: std::ops::Add<Output = T>>(values: impl Iterator<Item = Option<T>>) -> Option<T> {
    values.flatten().reduce(|sum, value| sum + value)
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
        // User and system time are fields 14 and 15.
        let (user, system) = (field(pid, 14)?.parse::<u32>().ok()?, field(pid, 15)?.parse::<u32>().ok()?);
        Some(TICK * user + TICK * system)
    }

    /// The name stands in brackets and may hold anything; field 3 follows it.
    fn field(pid: u32, number: usize) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)?.to_owned())
    }

    pub(super) fn memory(pid: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    }

    /// The process, its children, theirs, and so on.
    pub(super) fn family(pid: u32) -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let parents: Vec<(u32, u32)> = all.filter_map(|pid| Some((pid, field(pid, 4)?.parse().ok()?))).collect();
        let mut family = vec![pid];
        let mut asked = 0;
        while let Some(&parent) = family.get(asked) {
            let children = parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid);
            let new: Vec<u32> = children.filter(|pid| !family.contains(pid)).collect();
            family.extend(new);
            asked += 1;
        }
        family
    }
}
