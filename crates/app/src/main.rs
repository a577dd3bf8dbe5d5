//! The `longshore` binary: command line, wiring, exit codes.
//!
//! `main → cli → context → commands`, and back through [`exit`]. This crate alone prints (in [`terminal`]), reads the
//! environment (in [`context`]) and decides how the process ends. What it talks to is a
//! [`Backend`](longshore_core::Backend); which one, only [`context`] knows.

mod cli;
mod commands;
mod context;
mod desk;
mod exit;
mod report;
mod tensors;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main().into()
}
