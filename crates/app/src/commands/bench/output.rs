//! What a run is written to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use longshore_bench::{report, run::Run, store};

use crate::{exit::Failure, terminal::Out};

/// The files that were asked for.
pub(super) fn write_files(
    run: &Run,
    html: &Option<PathBuf>,
    csv: &Option<PathBuf>,
    markdown: &Option<PathBuf>,
) -> Result<(), Failure> {
    let document = report::run_document(run);
    if let Some(file) = html {
        write(file, &report::html(&document))?;
    }
    if let Some(file) = csv {
        write(file, &report::csv(run))?;
    }
    markdown.as_ref().map_or(Ok(()), |file| write(file, &report::markdown(&document)))
}

/// A text, to a file.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::Other(format!("write {}: {error}", file.display())))
}

/// The run, to a file.
pub(super) fn write_run(file: &Path, run: &Run) -> Result<(), Failure> {
    store::write(file, run).map_err(|error| Failure::Other(format!("write {}: {error}", file.display())))
}

/// The report, to a person.
pub(super) fn show(run: &Run, out: &mut Out) -> Result<(), Failure> {
    out.line(report::text(&report::run_document(run), width(out), true).trim_end())
}

/// The terminal's width, where there is one.
pub(super) fn width(out: &Out) -> Option<u16> {
    let known = terminal_size::terminal_size_of(std::io::stdout()).filter(|_| out.manner.is_terminal);
    known.map(|(terminal_size::Width(width), _)| width)
}
