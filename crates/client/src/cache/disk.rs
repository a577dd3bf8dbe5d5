//! Answers on disk: a file for each, written beside the call, and given up at the first difficulty.
//!
//! Each file is whole in itself (written aside and renamed, with its format's version and a checksum), so that several
//! processes may share the folder, and a broken file costs one answer. A fault of the disk puts the store aside for a
//! minute; it never fails a call.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tempfile::NamedTempFile;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{Key, codec, entry::Entry, fault};

/// The folder of this format inside the configured one: another version begins an empty one.
const FORMAT: &str = "answers-1";
/// Answers that may wait to be written; more are not kept on disk.
const WRITES: usize = 16;
/// How long a faulty store is left alone.
const PAUSE: Duration = Duration::from_secs(60);
/// No file may be larger than this share of the store.
const LARGEST: u64 = 4;

/// The store. Clones share it.
#[derive(Clone)]
pub(super) struct Disk {
    folder: Arc<Path>,
    limit: u64,
    shared: Arc<Shared>,
}

struct Shared {
    writes: Arc<Semaphore>,
    /// Bytes in the folder; `None` until somebody has counted.
    bytes: Mutex<Option<u64>>,
    paused: Mutex<Option<Instant>>,
    /// Somebody makes room already.
    clearing: AtomicBool,
}

impl Disk {
    pub(super) fn new(path: PathBuf, limit: u64) -> Self {
        let shared = Shared {
            writes: Arc::new(Semaphore::new(WRITES)),
            bytes: Mutex::default(),
            paused: Mutex::default(),
            clearing: AtomicBool::new(false),
        };
        Self { folder: path.join(FORMAT).into(), limit, shared: Arc::new(shared) }
    }

    pub(super) fn generations_file(&self) -> PathBuf {
        self.folder.join("generations")
    }

    /// The answer under this key, if there is a sound and fresh one.
    pub(super) async fn get(&self, key: Key) -> Option<Entry> {
        if self.is_paused() {
            return None;
        }
        let disk = self.clone();
        tokio::task::spawn_blocking(move || disk.read(&key)).await.ok().flatten()
    }

    /// Writes an answer, soon and elsewhere. With too many on their way it is not written.
    pub(super) fn put(&self, key: Key, entry: Arc<Entry>) {
        let (Ok(runtime), false) = (Handle::try_current(), self.is_paused()) else { return };
        let Ok(permit) = self.shared.writes.clone().try_acquire_owned() else {
            tracing::debug!("too many answers wait to be written: one is kept in memory alone");
            return;
        };
        let disk = self.clone();
        runtime.spawn_blocking(move || disk.write(key, &entry, permit));
    }

    fn file(&self, key: &Key) -> PathBuf {
        let name: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(&name[..2]).join(name)
    }

    fn read(&self, key: &Key) -> Option<Entry> {
        let file = self.file(key);
        let bytes = match fs::metadata(&file) {
            Ok(found) if found.len() <= self.limit => fs::read(&file),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than the whole store may be")),
            Err(error) => Err(error),
        };
        let found = match bytes {
            Ok(bytes) => codec::decode(&bytes, key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.pause(&error);
                return None;
            }
        };
        match found {
            Ok(entry) if entry.is_fresh() => return Some(entry),
            Ok(_) => {}
            Err(problem) => fault::warn(&file, problem, "a broken answer is thrown away and asked for anew"),
        }
        self.remove(&file);
        None
    }

    fn write(&self, key: Key, entry: &Entry, _permit: OwnedSemaphorePermit) {
        let Some(bytes) = codec::encode(entry, &key) else { return };
        let length = bytes.len() as u64;
        if length > self.limit / LARGEST {
            return;
        }
        let file = self.file(&key);
        let written = self.make_room(length).and_then(|()| {
            let before = fs::metadata(&file).map_or(0, |found| found.len());
            write_whole(&file, &bytes)?;
            let mut total = self.bytes();
            *total = total.map(|total| (total + length).saturating_sub(before));
            Ok(())
        });
        if let Err(error) = written {
            self.pause(&error);
        }
    }

    /// Deletes the oldest answers until so many bytes more fit, and a tenth beside, so that it is seldom done.
    fn make_room(&self, wanted: u64) -> io::Result<()> {
        let counted = *self.bytes();
        if counted.is_some_and(|total| total + wanted <= self.limit)
            || self.shared.clearing.swap(true, Ordering::AcqRel)
        {
            return Ok(());
        }
        let result = self.clear(wanted);
        self.shared.clearing.store(false, Ordering::Release);
        result
    }

    fn clear(&self, wanted: u64) -> io::Result<()> {
        let mut files = answers(&self.folder)?;
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        if total + wanted > self.limit {
            files.sort_by_key(|(written, ..)| *written);
            let goal = (self.limit - self.limit / 10).saturating_sub(wanted);
            for (_, length, file) in files {
                if total <= goal {
                    break;
                }
                fs::remove_file(file)?;
                total -= length;
            }
        }
        *self.bytes() = Some(total);
        Ok(())
    }

    fn remove(&self, file: &Path) {
        let length = fs::metadata(file).map_or(0, |found| found.len());
        if fs::remove_file(file).is_ok() {
            let mut total = self.bytes();
            *total = total.map(|total| total.saturating_sub(length));
        }
    }

    fn pause(&self, error: &io::Error) {
        *self.shared.paused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        fault::warn(&self.folder, &error.to_string(), "it is bypassed for a minute, and answers are kept in memory");
    }

    fn is_paused(&self) -> bool {
        let paused = self.shared.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.is_some_and(|since| since.elapsed() < PAUSE)
    }

    fn bytes(&self) -> MutexGuard<'_, Option<u64>> {
        self.shared.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every answer in the folder: when it was written, its length, and where it is.
fn answers(folder: &Path) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
    let list = |folder: &Path| match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let mut found = Vec::new();
    for part in list(folder)? {
        if !part.file_type()?.is_dir() {
            continue;
        }
        for file in list(&part.path())? {
            // Another process may have deleted it just now.
            if let Ok(metadata) = file.metadata() {
                let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((written, metadata.len(), file.path()));
            }
        }
    }
    Ok(found)
}

/// Writes a file that is there whole or not at all. Only its owner may read it.
pub(super) fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no folder"))?;
    fs::create_dir_all(folder)?;
    let mut aside = NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut aside, bytes)?;
    aside.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use longshore_core::{EventKind, Route};

    use super::*;
    use crate::cache::entry::Kept;

    fn entry(text: &str) -> Entry {
        let kept = Kept { kind: EventKind::Text { index: 0, text: text.into() }, raw: None };
        let expires = SystemTime::now() + Duration::from_secs(60);
        Entry::of(Route::in_process("x"), [kept].into(), None, expires)
    }

    fn store(disk: &Disk, key: Key, text: &str) {
        let permit = disk.shared.writes.clone().try_acquire_owned().unwrap();
        disk.write(key, &entry(text), permit);
    }

    #[test]
    fn the_oldest_answers_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path().into(), 8 << 10);
        for number in 0..40 {
            store(&disk, [number; 32], &"x".repeat(1000));
            // The clock of a file system may be coarse.
            let file = disk.file(&[number; 32]);
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(number.into());
            fs::File::options().append(true).open(file).unwrap().set_modified(at).unwrap();
        }
        let left: u64 = answers(&disk.folder).unwrap().iter().map(|(_, length, _)| length).sum();
        assert!(left <= 8 << 10, "{left}");
        assert!(disk.read(&[39; 32]).is_some() && disk.read(&[0; 32]).is_none());
        store(&disk, [99; 32], &"x".repeat(4000));
        assert!(disk.read(&[99; 32]).is_none(), "too large for the store");
    }

    #[test]
    fn a_broken_file_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path().into(), 1 << 20);
        let (key, other) = ([1; 32], [2; 32]);
        store(&disk, key, "sound");
        assert_eq!(disk.read(&key).unwrap().events[0].kind, entry("sound").events[0].kind);
        let file = disk.file(&key);
        let sound = fs::read(&file).unwrap();
        for at in [0, 8, 45, sound.len() - 1] {
            let mut broken = sound.clone();
            broken[at] ^= 1;
            fs::write(&file, broken).unwrap();
            assert!(disk.read(&key).is_none() && !file.exists(), "byte {at}");
        }
        fs::create_dir_all(disk.file(&other).parent().unwrap()).unwrap();
        fs::write(disk.file(&other), &sound).unwrap();
        assert!(disk.read(&other).is_none(), "another call's answer");
        fs::write(&file, &sound[..20]).unwrap();
        assert!(disk.read(&key).is_none());
        assert!(!disk.is_paused(), "a broken file is no fault of the disk");
    }

    #[test]
    fn a_disk_that_takes_nothing_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let no_folder = folder.path().join("file");
        fs::write(&no_folder, b"").unwrap();
        let disk = Disk::new(no_folder, 1 << 20);
        store(&disk, [1; 32], "nowhere");
        assert!(disk.is_paused());
    }
}
