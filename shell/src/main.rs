//! Longshore in a window: the daemon of `longshore`, and its page in a web view instead of a browser.
//!
//! `start → session (the daemon) → window, tray`. What is a rule stands in a module of its own, without a web view:
//! where the page may go ([`navigation`]), what closing means ([`closing`]), what the tray says ([`tray`]). The page is
//! served by the daemon as everywhere, and may ask nothing of this program.

// A window has no console on Windows.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

mod closing;
mod navigation;
mod session;
mod start;
mod tray;
mod trouble;
mod window;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The desk's benchmarks start this program once more, for a simulator in a process of its own.
    if std::env::args_os().nth(1).is_some_and(|word| word == "sim") {
        return longshore::main().into();
    }
    start::run()
}
