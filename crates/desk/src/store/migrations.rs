//! The forms that the file has had: [`migrate`] brings an older one up to the present.
//!
//! A conversation has a number, and each of its messages the conversation's number and its own in one key. So the
//! conversation of a message that the full-text index found is known without looking the message up.

use rusqlite::Connection;

/// How many bits of a message's key are its own number.
pub(super) const BITS: u32 = 20;

/// Each makes the next form out of the one before it. Never changed once it has been released: what is to be different
/// is one more line.
const MIGRATIONS: &[&str] = &["CREATE TABLE conversations (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        model TEXT,
        server TEXT,
        system TEXT NOT NULL,
        sampling TEXT NOT NULL,
        leaf TEXT,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        messages INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX conversations_by_time ON conversations (updated_at DESC, key DESC);
    CREATE TABLE messages (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        parent TEXT,
        role TEXT NOT NULL,
        content TEXT NOT NULL,
        answer TEXT,
        running INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX messages_running ON messages (key) WHERE running;
    CREATE TABLE attachments (
        message INTEGER NOT NULL,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (message, position)
    ) STRICT;
    CREATE TABLE pieces (
        message INTEGER NOT NULL,
        number INTEGER NOT NULL,
        segment INTEGER NOT NULL,
        reasoning INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (message, number)
    ) STRICT, WITHOUT ROWID;
    CREATE VIRTUAL TABLE bodies USING fts5 (
        content, content = 'messages', content_rowid = 'key',
        tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    );
    CREATE TRIGGER messages_made AFTER INSERT ON messages BEGIN
        INSERT INTO bodies (rowid, content) VALUES (new.key, new.content);
    END;
    CREATE TRIGGER messages_changed AFTER UPDATE OF content ON messages BEGIN
        INSERT INTO bodies (bodies, rowid, content) VALUES ('delete', old.key, old.content);
        INSERT INTO bodies (rowid, content) VALUES (new.key, new.content);
    END;
    CREATE TRIGGER messages_gone AFTER DELETE ON messages BEGIN
        INSERT INTO bodies (bodies, rowid, content) VALUES ('delete', old.key, old.content);
        DELETE FROM attachments WHERE message = old.key;
        DELETE FROM pieces WHERE message = old.key;
    END;
    CREATE VIRTUAL TABLE titles USING fts5 (
        title, content = 'conversations', content_rowid = 'key',
        tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    );
    CREATE TRIGGER conversations_made AFTER INSERT ON conversations BEGIN
        INSERT INTO titles (rowid, title) VALUES (new.key, new.title);
    END;
    CREATE TRIGGER conversations_renamed AFTER UPDATE OF title ON conversations BEGIN
        INSERT INTO titles (titles, rowid, title) VALUES ('delete', old.key, old.title);
        INSERT INTO titles (rowid, title) VALUES (new.key, new.title);
    END;
    CREATE TRIGGER conversations_gone AFTER DELETE ON conversations BEGIN
        INSERT INTO titles (titles, rowid, title) VALUES ('delete', old.key, old.title);
        DELETE FROM messages WHERE key >= old.key << 20 AND key < (old.key + 1) << 20;
    END;"];

/// Why a file is not brought up to date.
pub(super) enum Refused {
    /// A newer program made it.
    Newer(i64),
    /// SQLite says no.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Brings the file to the present form, all at once or not at all.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Refused> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    let done = usize::try_from(version).ok().filter(|done| *done <= MIGRATIONS.len()).ok_or(Refused::Newer(version))?;
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if done < MIGRATIONS.len() {
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    }
    Ok(transaction.commit()?)
}
