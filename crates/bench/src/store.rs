//! Runs that are kept: JSON files in a folder, found again by name.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::run::{FORMAT, Run};

/// A folder of runs. It is made when the first is kept.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

/// What is told of a run that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// The run, or why it cannot be read.
    pub run: Result<Run, String>,
}

impl Store {
    /// The runs in `folder`, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Keeps a run.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn keep(&self, run: &Run) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.0)?;
        let path = self.0.join(format!("{}.json", run.id));
        write(&path, run)?;
        Ok(path)
    }

    /// Every run that is kept, the latest first.
    ///
    /// # Errors
    /// The folder cannot be read; one that is not there has no runs.
    pub fn list(&self) -> io::Result<Vec<Kept>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        // Names begin with the time.
        paths.sort_by(|a, b| b.file_name().cmp(&a.file_name()));
        Ok(paths.into_iter().map(|path| Kept { run: read(&path), path }).collect())
    }

    /// The run of this file or name; `latest` is the latest, and the beginning of a name will do if it is the only one.
    ///
    /// # Errors
    /// What there is instead.
    pub fn find(&self, name: &str) -> Result<Run, String> {
        if Path::new(name).is_file() {
            return read(Path::new(name));
        }
        let kept = self.list().map_err(|error| format!("{}: {error}", self.0.display()))?;
        if name == "latest" {
            return kept.into_iter().next().ok_or("no run is kept yet")?.run;
        }
        let stem =
            |kept: &Kept| kept.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut fitting = kept.into_iter().filter(|kept| !name.is_empty() && stem(kept).starts_with(name));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => only.run,
            (Some(one), Some(other)) => Err(format!("`{name}` fits {} and {}", stem(&one), stem(&other))),
            (None, _) => Err(format!("there is no file and no kept run `{name}`; `longshore bench list` lists them")),
        }
    }
}

/// Writes a run as JSON: whole, or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, run: &Run) -> io::Result<()> {
    let text = serde_json::to_string(run)?;
    let draft = path.with_extension("json.part");
    let mut file = fs::File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// Reads a run.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read(path: &Path) -> Result<Run, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let run: Run = serde_json::from_str(&text).map_err(|error| wrong(format!("this is no run: {error}")))?;
    if run.format != FORMAT {
        return Err(wrong(format!("its format is {:?}, and {FORMAT:?} is understood", run.format)));
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str) -> Run {
        Run { id: id.into(), format: FORMAT.into(), ..Run::default() }
    }

    #[test]
    fn runs_are_kept_and_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("runs"));
        assert!(store.list().unwrap().is_empty() && store.find("latest").is_err());
        for id in ["20260101T000000Z-aa", "20260102T000000Z-bb"] {
            store.keep(&run(id)).unwrap();
        }
        let found = |name: &str| store.find(name).map(|run| run.id);
        assert_eq!(found("latest").unwrap(), "20260102T000000Z-bb");
        assert_eq!(found("20260101").unwrap(), "20260101T000000Z-aa");
        assert!(found("2026").unwrap_err().contains("fits"));
        assert!(found("x").unwrap_err().contains("bench list"));
        let file = store.keep(&run("z")).unwrap();
        assert_eq!(found(file.to_str().unwrap()).unwrap(), "z");
    }

    #[test]
    fn what_is_no_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        for (text, word) in [("", "no run"), ("{\"format\": \"other/9\"}", "no run")] {
            fs::write(&path, text).unwrap();
            assert!(read(&path).unwrap_err().contains(word));
        }
        write(&path, &Run { format: "longshore-bench/0".into(), ..Run::default() }).unwrap();
        assert!(read(&path).unwrap_err().contains("is understood"));
        assert_eq!(Store::new(folder.path()).list().unwrap().len(), 1);
    }
}
