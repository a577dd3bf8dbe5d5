//! Building the desk's page into `desk/dist`, which is committed.
//!
//! It needs Node and npm, and installs the pinned packages where they are not. Nobody else needs either: the program is
//! built from what is committed, and a test says when that is behind.

use std::{path::Path, process::Command};

/// Installs what the lock file names, if that is not what is there, and builds.
pub(crate) fn run() -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../desk");
    let changed = |path: &str| std::fs::metadata(folder.join(path)).and_then(|file| file.modified()).ok();
    if changed("node_modules/.package-lock.json") < changed("package-lock.json") {
        npm(&folder, &["ci", "--no-audit", "--no-fund"])?;
    }
    npm(&folder, &["run", "build"])
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    match Command::new(program).args(arguments).current_dir(folder).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`npm {}` ended with {status}", arguments.join(" "))),
        Err(error) => Err(format!("npm cannot be started: {error}; the page is built with Node 20 or later")),
    }
}
