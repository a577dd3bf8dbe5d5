//! The `longshore` binary. What it does stands in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    longshore::main().into()
}
