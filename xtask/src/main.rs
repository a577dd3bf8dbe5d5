//! What developers of Longshore do again and again: `cargo xtask TASK`.
//!
//! Each task is a module with a `run`. What a release or a test needs does not belong here: `.ci/run` has it.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_macros, reason = "a developer's program prints")]

mod desk;
mod perf;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask desk                           builds the desk's page into desk/dist, with npm
cargo xtask perf [SECTION…] [--bin FILE]   measures again, and rewrites the tables in docs/performance/
                                           (sections: mission, accuracy, overhead, allocations, levers, loading; and, only
                                           when they are named, others, and desk [--trace FOLDER], which wants Chromium)";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some("desk") => desk::run().map_err(Into::into),
        Some("perf") => perf::run(&arguments.collect::<Vec<_>>()),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
