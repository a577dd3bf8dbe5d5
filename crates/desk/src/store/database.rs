//! The file, its two connections, and what becomes of its errors.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use longshore_core::{Error, ErrorKind, Sent};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, functions::FunctionFlags};

use super::{
    messages,
    migrations::{Refused, migrate},
    owner::Owner,
    words,
};

/// The file's name in the data folder.
const FILE: &str = "desk.db";
/// How long another program may keep the file to itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The conversations. Clones are the same. Everything is done on tokio's threads for blocking work, one writer at a time;
/// readers do not wait for it. Dropping a future does not undo what was begun.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// `None` until it could be opened.
    open: Mutex<Option<Arc<Database>>>,
}

struct Database {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    owner: Owner,
}

impl Store {
    /// The conversations of this folder. The folder and the file are made when they are first needed.
    pub fn new(folder: &Path) -> Self {
        Self(Arc::new(Inner { folder: folder.to_owned(), open: Mutex::default() }))
    }

    /// Where they are.
    pub fn path(&self) -> PathBuf {
        self.0.folder.join(FILE)
    }

    /// Reads.
    ///
    /// # Errors
    /// What kept the file from being opened or read, and which file.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.work(move |database| work(&lock(&database.reader))).await
    }

    /// Writes: all of it or nothing.
    ///
    /// # Errors
    /// What kept the file from being opened or written, and which file.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.work(move |database| {
            let mut writer = lock(&database.writer);
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
        .await
    }

    /// Marks answers as interrupted that were coming in a process that has ended since this one began.
    ///
    /// # Errors
    /// What kept the file from being read or written.
    pub async fn interrupt_left(&self) -> Result<(), Error> {
        self.work(move |database| {
            if !messages::has_left(&lock(&database.reader), &database.owner)? {
                return Ok(());
            }
            let mut writer = lock(&database.writer);
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            messages::interrupt_left(&transaction, &database.owner)?;
            transaction.commit()
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let database = store.0.database()?;
            work(&database).map_err(|error| explained(&store.path(), &error))
        });
        done.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Server, "the work on the file was broken off").caused_by(error))
        })
    }
}

impl Inner {
    /// Opens the file if it is not open.
    fn database(&self) -> Result<Arc<Database>, Error> {
        let mut open = lock(&self.open);
        if let Some(database) = &*open {
            return Ok(Arc::clone(database));
        }
        let database = Arc::new(self.opened()?);
        *open = Some(Arc::clone(&database));
        Ok(database)
    }

    fn opened(&self) -> Result<Database, Error> {
        let path = self.folder.join(FILE);
        make_folder(&self.folder).map_err(|error| {
            let message = format!("the folder {} cannot be made: {error}", self.folder.display());
            Error::new(ErrorKind::Server, message).sent(Sent::No).code("folder")
        })?;
        let failed = |error: rusqlite::Error| explained(&path, &error);
        let mut writer = connect(&path, OpenFlags::default()).map_err(failed)?;
        let owner = Owner::claim(&self.folder);
        let number = owner.number();
        // Writers mark what is running as this process's.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        writer.create_scalar_function("this_process", 0, flags, move |_| Ok(number)).map_err(failed)?;
        match migrate(&mut writer) {
            Ok(()) => {}
            Err(Refused::Sqlite(error)) => return Err(failed(error)),
            Err(Refused::Newer(version)) => {
                let message = format!(
                    "{} was made by a newer Longshore (form {version}); this one cannot read it",
                    path.display()
                );
                return Err(Error::new(ErrorKind::Unsupported, message).sent(Sent::No).code("newer"));
            }
        }
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        messages::interrupt_left(&transaction, &owner).and_then(|()| transaction.commit()).map_err(failed)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = connect(&path, flags).map_err(failed)?;
        reader.pragma_update(None, "query_only", true).map_err(failed)?;
        Ok(Database { writer: Mutex::new(writer), reader: Mutex::new(reader), owner })
    }
}

/// What people say to models is theirs alone.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // What was committed survives the process's end whatever happens to it; of a power cut, only the last moments may be lost.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    words::install(&connection)?;
    Ok(connection)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What SQLite says, for a person.
fn explained(path: &Path, error: &rusqlite::Error) -> Error {
    let file = path.display();
    let (kind, code, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Overloaded, "busy", format!("another program keeps {file} to itself"))
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (ErrorKind::Server, "damaged", format!("{file} is damaged or no database: {error}"))
        }
        Some(ErrorCode::DiskFull) => (ErrorKind::Server, "full", format!("the disk of {file} is full")),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            (ErrorKind::Server, "closed", format!("{file} cannot be opened for writing: {error}"))
        }
        _ => (ErrorKind::Server, "file", format!("{file}: {error}")),
    };
    Error::new(kind, message).sent(Sent::No).code(code)
}

/// What a person can do about an error of the store.
pub(crate) fn next(error: &Error) -> Option<&'static str> {
    Some(match error.server_code()? {
        "busy" => "end the other program, or wait, and try again",
        "damaged" => "move the file away to begin anew, or put a copy of it back, and try again",
        "full" => "make room on the disk and try again",
        "closed" | "folder" => "make the folder writable for you, and try again",
        "newer" => "use the newer Longshore, or move the file away to begin anew",
        _ => return None,
    })
}
