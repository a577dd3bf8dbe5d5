//! Longshore, wired: command line, configuration, exit codes; and the [`daemon`], which the terminal and the window in
//! `shell/` start alike.
//!
//! `main → cli → context → commands`, and back through [`Exit`]. This crate alone prints (in `terminal`), reads the
//! environment (in `context`) and decides how the process ends. What it talks to is a
//! [`Backend`](longshore_core::Backend); which one, only `context` knows. Programs that call model servers want
//! `longshore-client`, not this.

mod cli;
mod commands;
mod context;
pub mod daemon;
mod desk;
mod exit;
mod report;
mod signal;
mod telling;
mod tensors;
mod terminal;

pub use cli::Global;
pub use commands::main;
pub use exit::{Exit, Failure};
pub use signal::stop_signal;
pub use telling::{failure_text, tell_failure};

/// Of whatever program this is in. A request through the gateway allocates a hundred and sixty times, on whichever thread it
/// is at just then; see `docs/performance/mission.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
