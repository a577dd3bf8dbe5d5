//! `longshore completions`: a script that makes a shell complete our commands.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{cli::Cli, exit::Failure, terminal::Out};

/// Prints the script.
pub(crate) fn run(shell: Shell, out: &mut Out) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "longshore", &mut script);
    out.raw_line(&String::from_utf8_lossy(&script))
}
