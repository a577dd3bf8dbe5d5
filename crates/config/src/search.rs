//! Where a configuration file may be: [`Search::candidates`]. Which of them exists is for the caller to see.

use std::path::{Path, PathBuf};

/// The name of the configuration file.
pub const FILE_NAME: &str = "longshore.yaml";

/// What the caller knows about the surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The value of `--config`.
    pub flag: Option<&'a Path>,
    /// The value of the variable `LONGSHORE_CONFIG`; an empty one counts as absent.
    pub variable: Option<&'a str>,
    /// The working directory.
    pub working_directory: &'a Path,
    /// The platform's directory for configurations, such as `~/.config`.
    pub config_directory: Option<&'a Path>,
}

/// A place where the configuration file may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The file.
    pub path: PathBuf,
    /// Why it is looked for there: `--config`, `LONGSHORE_CONFIG`, `working directory` or `configuration directory`.
    pub reason: &'static str,
    /// Somebody asked for exactly this file: that it is missing is an error.
    pub required: bool,
}

impl Search<'_> {
    /// The candidates in order. The first that exists is the configuration; files are not merged. A file that the flag or
    /// the variable names is the only candidate.
    pub fn candidates(&self) -> Vec<Candidate> {
        let named = |path: &Path, reason| vec![Candidate { path: path.to_owned(), reason, required: true }];
        if let Some(path) = self.flag {
            return named(path, "--config");
        }
        if let Some(path) = self.variable.filter(|path| !path.is_empty()) {
            return named(Path::new(path), "LONGSHORE_CONFIG");
        }
        let found = |path, reason| Candidate { path, reason, required: false };
        let here = found(self.working_directory.join(FILE_NAME), "working directory");
        let shared = self.config_directory.map(|folder| folder.join("longshore").join(FILE_NAME));
        std::iter::once(here).chain(shared.map(|path| found(path, "configuration directory"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_is_the_only_candidate() {
        let check = |flag: Option<&str>, variable: Option<&str>, expected: &[(&str, &str, bool)]| {
            let search = Search {
                flag: flag.map(Path::new),
                variable,
                working_directory: Path::new("here"),
                config_directory: Some(Path::new("config")),
            };
            let found = search.candidates();
            let expected = expected.iter().map(|(path, reason, required)| (PathBuf::from(path), *reason, *required));
            let found = found.into_iter().map(|candidate| (candidate.path, candidate.reason, candidate.required));
            assert!(found.clone().eq(expected), "{:?}", found.collect::<Vec<_>>());
        };
        check(Some("a.yaml"), Some("b.yaml"), &[("a.yaml", "--config", true)]);
        check(None, Some("b.yaml"), &[("b.yaml", "LONGSHORE_CONFIG", true)]);
        let usual = [
            ("here/longshore.yaml", "working directory", false),
            ("config/longshore/longshore.yaml", "configuration directory", false),
        ];
        check(None, None, &usual);
        check(None, Some(""), &usual);
    }
}
