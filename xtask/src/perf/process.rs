//! Servers under measurement: [`Server`], which ends with its value.

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use super::Outcome;

/// A server of this program, and where it listens.
pub(super) struct Server {
    child: Child,
    pub(super) url: String,
    /// A server whose output nobody reads any more ends when it writes.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts `program` in a home of its own, and waits until it says where it listens.
    pub(super) fn start(program: &Path, home: &Path, arguments: &[&str]) -> Outcome<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let word = line.split_whitespace().find(|word| word.starts_with("http://"))?;
            Some(word.trim_end_matches(['/', '.', ',']).to_owned())
        });
        let url = url.ok_or_else(|| format!("{arguments:?} does not say where it listens"))?;
        Ok(Self { child, url, _lines: lines })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to be done about either.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
