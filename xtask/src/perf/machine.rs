//! Where it was measured: numbers of two machines say nothing of each other, nor do those of one that stands still at times.

use std::{
    hint::black_box,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::done;

/// How long the machine is watched.
const WATCHED: Duration = Duration::from_secs(5);
/// The piece of work that is done again and again.
const PIECE: Duration = Duration::from_millis(1);

/// A line on the machine, the revision, and how busy and how steady it is.
pub(super) fn line(root: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let load = read("/proc/loadavg");
    let cpuinfo = read("/proc/cpuinfo");
    let cpu = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let revision =
        done(Command::new("git").current_dir(root).args(["rev-parse", "--short", "HEAD"])).unwrap_or_default();
    let took = watch();
    let ms = |share: f64| at(&took, share).as_secs_f64() * 1e3;
    format!(
        "*Revision {}; {}, {cores} cores, Linux {}; load average before: {}. Work that takes {:.1} ms here, done {} times with \
         nothing beside it, took more than {:.1} ms once in a hundred times, and {:.1} ms at most.*\n",
        revision.trim(),
        cpu.map_or("an unknown processor", |(_, name)| name),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or("unknown"),
        ms(0.5),
        took.len(),
        ms(0.99),
        ms(1.0)
    )
}

/// How long the same piece of work took, each time that it was done; sorted.
fn watch() -> Vec<Duration> {
    let mut rounds = 1000;
    while work(rounds) < PIECE {
        rounds += rounds / 10;
    }
    let begun = Instant::now();
    let mut took = Vec::new();
    while begun.elapsed() < WATCHED {
        took.push(work(rounds));
    }
    took.sort_unstable();
    took
}

/// Arithmetic that needs no memory: its time is the processor's.
fn work(rounds: u32) -> Duration {
    let begun = Instant::now();
    black_box((0..rounds).fold(1u32, |sum, round| black_box(sum.wrapping_mul(1_103_515_245).wrapping_add(round))));
    begun.elapsed()
}

/// The time within which this share of them was done.
fn at(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * share) as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_times() {
        let times: Vec<_> = (1..=101).map(Duration::from_millis).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| at(&times, share).as_millis()), [1, 51, 100, 101]);
        assert_eq!(at(&[], 0.5), Duration::ZERO);
    }
}
