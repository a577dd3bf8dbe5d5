//! The `longshore` binary. What it does stands in the library beside it.

use std::process::ExitCode;

/// A request through the gateway allocates two hundred times, on whichever thread it is at. The system's allocator took a
/// tenth or more of its processor time; this one a twentieth (`docs/performance/mission.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    longshore::main().into()
}
