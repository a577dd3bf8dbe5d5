//! How often a model was loaded or unloaded: answers of an earlier generation are not asked for any more.

use std::{
    collections::HashMap,
    fs,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use ring::digest::{SHA256, digest};

use super::fault;

/// Models share the counters by their names' digests, so that no number of names takes more memory. A collision costs a
/// model its kept answers, never their truth.
const COUNTERS: usize = 256;

/// More models than this are not watched one by one.
const WATCHED: usize = 4096;

/// A server and its model.
type Place = (Arc<str>, Arc<str>);

/// The counters, and where they outlive the process.
pub(super) struct Generations {
    counters: OnceLock<Mutex<Vec<u64>>>,
    /// What the registry said last, by server and model.
    noted: Mutex<HashMap<Place, u64>>,
    file: Option<PathBuf>,
}

impl Generations {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { counters: OnceLock::new(), noted: Mutex::default(), file }
    }

    pub(super) fn of(&self, model: &str) -> u64 {
        self.lock()[counter(model)]
    }

    /// The registry counts what happened to this model in this process; when that changes, so does the generation.
    pub(super) fn note(&self, server: &Arc<str>, model: &Arc<str>, told: u64) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let full = noted.len() >= WATCHED;
        let before = noted.insert((Arc::clone(server), Arc::clone(model)), told);
        if before.is_some_and(|before| before != told) {
            self.raise(model);
        } else if before.is_none() && full {
            // What is not watched any more may change unseen.
            noted.clear();
            self.lock().iter_mut().for_each(|counter| *counter = counter.wrapping_add(1));
        }
    }

    /// The answers of this model are good no longer, after a restart neither.
    pub(super) fn raise(&self, model: &str) {
        let mut counters = self.lock();
        // Other processes may have raised it since.
        if let Some(stored) = self.file.as_deref().and_then(read) {
            counters.iter_mut().zip(stored).for_each(|(own, stored)| *own = (*own).max(stored));
        }
        let counter = &mut counters[counter(model)];
        *counter = counter.wrapping_add(1);
        if let Some(file) = &self.file
            && file.parent().is_some_and(Path::exists)
            && let Err(error) = write(file, &counters)
        {
            fault::warn(file, &error.to_string(), "loads and unloads are forgotten at the next start");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        let counters = self.counters.get_or_init(|| Mutex::new(self.file.as_deref().map_or_else(zeros, begin)));
        counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn zeros() -> Vec<u64> {
    vec![0; COUNTERS]
}

/// What is stored; where nothing sound is, numbers that no kept answer can have been stored under.
fn begin(file: &Path) -> Vec<u64> {
    read(file).unwrap_or_else(|| {
        let counters = vec![RandomState::new().hash_one("generations") >> 1; COUNTERS];
        if let Err(error) = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| write(file, &counters)) {
            fault::warn(file, &error.to_string(), "what is kept on disk is not found at the next start");
        }
        counters
    })
}

fn read(file: &Path) -> Option<Vec<u64>> {
    let bytes = fs::read(file).ok()?;
    let (counters, sum) = bytes.split_at_checked(COUNTERS * 8)?;
    if digest(&SHA256, counters).as_ref() != sum {
        return None;
    }
    Some(counters.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}

fn write(file: &Path, counters: &[u64]) -> std::io::Result<()> {
    let mut bytes: Vec<u8> = counters.iter().flat_map(|counter| counter.to_le_bytes()).collect();
    let sum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(sum.as_ref());
    super::disk::write_whole(file, &bytes)
}

fn counter(model: &str) -> usize {
    let name = model.strip_suffix(":latest").unwrap_or(model);
    digest(&SHA256, name.as_bytes()).as_ref()[0].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_outlives_the_process_and_a_lost_file_begins_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("generations");
        let open = || Generations::new(Some(file.clone()));
        let first = open().of("m");
        assert_eq!(open().of("m"), first);
        open().raise("m:latest");
        assert_eq!(open().of("m"), first + 1);
        fs::write(&file, b"no counters").unwrap();
        assert!(![first, first + 1].contains(&open().of("m")));
    }
}
