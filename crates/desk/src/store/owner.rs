//! Which process an answer is coming in: [`Owner`].
//!
//! Several processes may have the same file open, and one of them may be killed at any time. So each holds a lock on a
//! small file of its own, which the system releases with the process however it ends, and marks its running answers with
//! the file's number. Where a lock can be taken, nobody is there any more.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// The folder of the locks, in the data folder.
const FOLDER: &str = "running";
/// Who cannot be told from others, since it has no lock: answers that older programs left behind, too.
const NOBODY: i64 = 1;
/// How often a place is looked for that nobody clears away meanwhile.
const TRIES: u32 = 8;

/// This process, until it ends or this is dropped.
pub(super) struct Owner {
    folder: PathBuf,
    number: i64,
    /// Holds the lock.
    _file: Option<File>,
}

impl Owner {
    /// Takes a number. Where the file system has no locks, it is nobody's, and others take its answers for left behind.
    pub(super) fn claim(data: &Path) -> Self {
        let folder = data.join(FOLDER);
        let nobody = Self { folder: folder.clone(), number: NOBODY, _file: None };
        if let Err(error) = fs::create_dir_all(&folder) {
            tracing::warn!(%error, folder = %folder.display(), "running answers cannot be told from other processes'");
            return nobody;
        }
        clear(&folder);
        for _ in 0..TRIES {
            let number = i64::from(fastrand::u32(..)) + NOBODY + 1;
            match held(&place(&folder, number)) {
                Ok(Some(file)) => return Self { folder, number, _file: Some(file) },
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "running answers cannot be told from other processes'");
                    break;
                }
            }
        }
        nobody
    }

    /// What this process's running answers are marked with.
    pub(super) fn number(&self) -> i64 {
        self.number
    }

    /// Whether the process that had this number has ended.
    pub(super) fn has_ended(&self, number: i64) -> bool {
        if number == self.number {
            return false;
        }
        match File::open(place(&self.folder, number)) {
            // A shared lock, so that two that ask at once do not take each other for it.
            Ok(file) => !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.number != NOBODY {
            // What is left behind, the next process clears away.
            let _ = fs::remove_file(place(&self.folder, self.number));
        }
    }
}

fn place(folder: &Path, number: i64) -> PathBuf {
    folder.join(format!("{number}.lock"))
}

/// A locked file that is there; `None` if somebody else has it, or cleared it away before it was locked.
fn held(path: &Path) -> io::Result<Option<File>> {
    let file = match File::options().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(path.exists().then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes what ended processes left behind.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = path.extension().is_some_and(|extension| extension == "lock");
        let free = |file: &File| file.try_lock().is_ok();
        if let Some(_locked) = File::open(&path).ok().filter(|file| ours && free(file)) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_there_is_told_from_whoever_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Owner::claim(folder.path()), Owner::claim(folder.path()));
        assert_ne!(one.number(), two.number());
        assert!(!one.has_ended(one.number()) && !one.has_ended(two.number()) && !two.has_ended(one.number()));
        assert!(one.has_ended(NOBODY), "what an older program left behind is nobody's");
        let number = two.number();
        drop(two);
        assert!(one.has_ended(number));
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        let left = folder.path().join(FOLDER).join("77.lock");
        let other = folder.path().join(FOLDER).join("note.txt");
        fs::write(&left, "").unwrap();
        fs::write(&other, "").unwrap();
        let owner = Owner::claim(folder.path());
        assert!(owner.has_ended(77) && !left.exists() && other.exists());
    }
}
