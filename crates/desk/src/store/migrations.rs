//! The forms that the file has had: [`migrate`] brings an older one up to the present.
//!
//! A conversation has a number, and each of its messages the conversation's number and its own in one key. So the
//! conversation of a message that the full-text index found is known without looking the message up.

use rusqlite::Connection;

/// How many bits of a message's key are its own number.
pub(super) const BITS: u32 = 20;

/// Each makes the next form out of the one before it. Never changed once it has been released: what is to be different
/// is one more line.
const MIGRATIONS: &[&str] = &[FIRST, SEPARATED];

const FIRST: &str = "CREATE TABLE conversations (
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
    END;";

/// The index has writings without spaces character by character; `words` gives the function. What it indexes is not what
/// stands in the tables, so it keeps no texts and reads none.
const SEPARATED: &str = "DROP TRIGGER messages_made;
    DROP TRIGGER messages_changed;
    DROP TRIGGER messages_gone;
    DROP TRIGGER conversations_made;
    DROP TRIGGER conversations_renamed;
    DROP TRIGGER conversations_gone;
    DROP TABLE bodies;
    DROP TABLE titles;
    CREATE VIRTUAL TABLE bodies USING fts5 (
        content, content = '', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    );
    CREATE VIRTUAL TABLE titles USING fts5 (
        title, content = '', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    );
    INSERT INTO bodies (rowid, content) SELECT key, separated(content) FROM messages;
    INSERT INTO titles (rowid, title) SELECT key, separated(title) FROM conversations;
    CREATE TRIGGER messages_made AFTER INSERT ON messages BEGIN
        INSERT INTO bodies (rowid, content) VALUES (new.key, separated(new.content));
    END;
    CREATE TRIGGER messages_changed AFTER UPDATE OF content ON messages BEGIN
        INSERT INTO bodies (bodies, rowid, content) VALUES ('delete', old.key, separated(old.content));
        INSERT INTO bodies (rowid, content) VALUES (new.key, separated(new.content));
    END;
    CREATE TRIGGER messages_gone AFTER DELETE ON messages BEGIN
        INSERT INTO bodies (bodies, rowid, content) VALUES ('delete', old.key, separated(old.content));
        DELETE FROM attachments WHERE message = old.key;
        DELETE FROM pieces WHERE message = old.key;
    END;
    CREATE TRIGGER conversations_made AFTER INSERT ON conversations BEGIN
        INSERT INTO titles (rowid, title) VALUES (new.key, separated(new.title));
    END;
    CREATE TRIGGER conversations_renamed AFTER UPDATE OF title ON conversations BEGIN
        INSERT INTO titles (titles, rowid, title) VALUES ('delete', old.key, separated(old.title));
        INSERT INTO titles (rowid, title) VALUES (new.key, separated(new.title));
    END;
    CREATE TRIGGER conversations_gone AFTER DELETE ON conversations BEGIN
        INSERT INTO titles (titles, rowid, title) VALUES ('delete', old.key, separated(old.title));
        DELETE FROM messages WHERE key >= old.key << 20 AND key < (old.key + 1) << 20;
    END;";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::words;

    #[test]
    fn an_older_file_is_found_in_anew() {
        let mut connection = Connection::open_in_memory().unwrap();
        words::install(&connection).unwrap();
        connection.execute_batch(FIRST).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let add = "INSERT INTO conversations (key, id, title, system, sampling, created_at, updated_at)
                   VALUES (7, 'c', '天気予報', '', '{}', 0, 0);
                   INSERT INTO messages (key, id, role, content, created_at) VALUES (7340033, 'm', 'user', '東京の雨', 0);";
        connection.execute_batch(add).unwrap();
        let Ok(()) = migrate(&mut connection) else { panic!("not brought up to date") };
        let found = |table: &str, words: &str| {
            let count = format!("SELECT count(*) FROM {table} WHERE {table} MATCH ?");
            connection.query_row(&count, [words], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((found("bodies", "\"京 の\""), found("titles", "\"予 報\"")), (1, 1));
        connection.execute("DELETE FROM conversations", ()).unwrap();
        assert_eq!((found("bodies", "\"京 の\""), found("titles", "\"予 報\"")), (0, 0));
        // Another time there is nothing to do; and what a newer program made is left alone.
        assert!(migrate(&mut connection).is_ok());
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(migrate(&mut connection), Err(Refused::Newer(99))));
    }
}
