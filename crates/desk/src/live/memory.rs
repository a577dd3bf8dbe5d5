//! The memory of this process, where the system tells.

/// Resident bytes; `None` where nobody says.
pub(super) fn resident() -> Option<u64> {
    // In kibibytes: the page size is not ours to know.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn this_process_has_some() {
        assert!(super::resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
