//! Where a run took place: [`Environment`]. Two runs are comparable as far as theirs agree.

use std::{fs, path::Path, thread};

use serde::{Deserialize, Serialize};

/// The machine and the program. What nobody tells is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// The processor's name.
    pub cpu: Option<String>,
    /// Threads that it runs at a time.
    pub cores: Option<usize>,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Operating system and architecture: `linux x86_64`.
    pub system: String,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// This program's version.
    pub version: String,
    /// Whether this program was compiled with optimisation.
    pub optimised: bool,
    /// The git revision of the folder in which it ran.
    pub revision: Option<String>,
}

impl Environment {
    /// This machine's; `folder` is where to look for a git revision, upwards.
    pub fn of(folder: &Path) -> Self {
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().ok().map(usize::from),
            memory: memory(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: kernel(),
            version: env!("CARGO_PKG_VERSION").into(),
            optimised: !cfg!(debug_assertions),
            revision: folder.ancestors().find_map(revision),
        }
    }

    /// What differs between two, in words.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
        let number = |value: Option<usize>| value.map(|value| value.to_string());
        let fields = [
            ("processor", text(&self.cpu), text(&other.cpu)),
            ("cores", text(&number(self.cores)), text(&number(other.cores))),
            ("system", self.system.clone(), other.system.clone()),
            ("kernel", text(&self.kernel), text(&other.kernel)),
            ("version", self.version.clone(), other.version.clone()),
            ("optimised", self.optimised.to_string(), other.optimised.to_string()),
        ];
        let differs = |(what, a, b): (&str, String, String)| (a != b).then(|| format!("{what}: {a} and {b}"));
        fields.into_iter().filter_map(differs).collect()
    }
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory() -> Option<u64> {
    field("/proc/meminfo", "MemTotal")?.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(unix)]
fn kernel() -> Option<String> {
    rustix::system::uname().release().to_str().ok().map(str::to_owned)
}

#[cfg(not(unix))]
fn kernel() -> Option<String> {
    None
}

/// The commit that is checked out in `folder`, from git's own files (gitrepository-layout(5)).
fn revision(folder: &Path) -> Option<String> {
    let mut git = folder.join(".git");
    if let Ok(link) = fs::read_to_string(&git) {
        git = folder.join(link.strip_prefix("gitdir:")?.trim());
    }
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return Some(head.trim().to_owned()) };
    let common = fs::read_to_string(git.join("commondir")).map_or_else(|_| git.clone(), |path| git.join(path.trim()));
    if let Ok(commit) = fs::read_to_string(common.join(name)) {
        return Some(commit.trim().to_owned());
    }
    let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| Some(line.strip_suffix(name)?.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known() {
        let here = Environment::of(Path::new("."));
        assert!(here.cores.is_some() && !here.system.is_empty() && here.differences(&here).is_empty());
        let other = Environment { cpu: Some("another".into()), ..here.clone() };
        assert_eq!(here.differences(&other).len(), 1);
    }

    #[test]
    fn a_revision_is_read_from_gits_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(".git").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let found = || revision(folder.path());
        assert_eq!(found(), None);
        write("HEAD", "ref: refs/heads/main\n");
        write("packed-refs", "# pack-refs\nabc123 refs/heads/main\n");
        assert_eq!(found().as_deref(), Some("abc123"));
        write("refs/heads/main", "def456\n");
        assert_eq!(found().as_deref(), Some("def456"));
        write("HEAD", "987fed\n");
        assert_eq!(found().as_deref(), Some("987fed"));
    }
}
