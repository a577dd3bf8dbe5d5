//! Conversations as a whole: made, read, changed, deleted, taken in.

use longshore_core::Error;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    Change, Conversation, Message, NewConversation, Sampling, Store, fresh_id,
    messages::{insert, messages_of},
    now,
};

impl Store {
    /// Begins a conversation.
    ///
    /// # Errors
    /// What kept the file from being written.
    pub async fn create(&self, new: NewConversation) -> Result<Conversation, Error> {
        let at = now();
        let NewConversation { title, model, server, system, sampling } = new;
        let conversation = Conversation {
            id: fresh_id(),
            title,
            model,
            server,
            system,
            sampling,
            created_at: at,
            updated_at: at,
            ..Conversation::default()
        };
        self.add(conversation).await
    }

    /// Takes in a whole conversation as it is. Its ids are kept if they are free; else it gets new ones throughout.
    ///
    /// # Errors
    /// What kept the file from being written.
    pub async fn add(&self, conversation: Conversation) -> Result<Conversation, Error> {
        self.write(move |transaction| {
            let conversation = if is_free(transaction, &conversation)? { conversation } else { renamed(conversation) };
            add(transaction, &conversation)?;
            Ok(conversation)
        })
        .await
    }

    /// The conversation with all its messages; `None` if there is none of this id.
    ///
    /// # Errors
    /// What kept the file from being read.
    pub async fn conversation(&self, id: &str) -> Result<Option<Conversation>, Error> {
        let id = id.to_owned();
        self.read(move |connection| read(connection, &id)).await
    }

    /// Changes what is said about a conversation; `None` if there is none of this id.
    ///
    /// # Errors
    /// What kept the file from being written.
    pub async fn change(&self, id: &str, change: Change) -> Result<Option<Conversation>, Error> {
        let id = id.to_owned();
        self.write(move |transaction| {
            apply(transaction, &id, change)?;
            read(transaction, &id)
        })
        .await
    }

    /// Deletes a conversation; whether there was one.
    ///
    /// # Errors
    /// What kept the file from being written.
    pub async fn delete(&self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        self.write(move |transaction| Ok(transaction.execute("DELETE FROM conversations WHERE id = ?", [id])? > 0))
            .await
    }
}

/// The number of a conversation.
pub(super) fn key_of(connection: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT key FROM conversations WHERE id = ?", [id], |row| row.get(0)).optional()
}

pub(super) fn read(connection: &Connection, id: &str) -> rusqlite::Result<Option<Conversation>> {
    let asked = "SELECT key, id, title, model, server, system, sampling, leaf, created_at, updated_at
                 FROM conversations WHERE id = ?";
    let found = connection.query_row(asked, [id], |row| {
        let sampling: String = row.get(6)?;
        let conversation = Conversation {
            id: row.get(1)?,
            title: row.get(2)?,
            model: row.get(3)?,
            server: row.get(4)?,
            system: row.get(5)?,
            sampling: serde_json::from_str(&sampling).unwrap_or_default(),
            leaf: row.get(7)?,
            created_at: row.get::<_, i64>(8)? as u64,
            updated_at: row.get::<_, i64>(9)? as u64,
            messages: Vec::new(),
        };
        Ok((row.get(0)?, conversation))
    });
    let Some((key, conversation)) = found.optional()? else { return Ok(None) };
    Ok(Some(Conversation { messages: messages_of(connection, key)?, ..conversation }))
}

fn add(transaction: &Transaction<'_>, conversation: &Conversation) -> rusqlite::Result<()> {
    let made = "INSERT INTO conversations (id, title, model, server, system, sampling, leaf, created_at, updated_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let Conversation { id, title, model, server, system, sampling, leaf, created_at, updated_at, messages } =
        conversation;
    transaction.execute(
        made,
        params![id, title, model, server, system, written(sampling), leaf, *created_at as i64, *updated_at as i64],
    )?;
    let key = transaction.last_insert_rowid();
    messages.iter().try_for_each(|message| insert(transaction, key, message))
}

fn apply(transaction: &Transaction<'_>, id: &str, change: Change) -> rusqlite::Result<()> {
    let set = |what: &str, value: &dyn rusqlite::ToSql| {
        transaction.execute(&format!("UPDATE conversations SET {what} = ? WHERE id = ?"), params![value, id]).map(drop)
    };
    let Change { title, model, server, system, sampling, leaf } = change;
    if let Some(title) = title {
        set("title", &title)?;
    }
    if let Some(model) = model {
        set("model", &model)?;
    }
    if let Some(server) = server {
        set("server", &server)?;
    }
    if let Some(system) = system {
        set("system", &system)?;
    }
    if let Some(sampling) = sampling {
        set("sampling", &written(&sampling))?;
    }
    if let Some(leaf) = leaf {
        set("leaf", &leaf)?;
    }
    Ok(())
}

fn written(sampling: &Sampling) -> String {
    serde_json::to_string(sampling).unwrap_or_else(|_| "{}".into())
}

fn is_free(connection: &Connection, conversation: &Conversation) -> rusqlite::Result<bool> {
    let mut taken = connection.prepare("SELECT 1 FROM messages WHERE id = ?")?;
    for message in &conversation.messages {
        if taken.exists([&message.id])? {
            return Ok(false);
        }
    }
    Ok(key_of(connection, &conversation.id)?.is_none())
}

/// The same conversation under new ids.
fn renamed(mut conversation: Conversation) -> Conversation {
    let names: std::collections::HashMap<String, String> =
        conversation.messages.iter().map(|message| (message.id.clone(), fresh_id())).collect();
    let renamed = |id: Option<String>| id.and_then(|id| names.get(&id).cloned());
    conversation.id = fresh_id();
    conversation.leaf = renamed(conversation.leaf);
    conversation.messages = conversation
        .messages
        .into_iter()
        .map(|message| Message {
            id: renamed(Some(message.id)).unwrap_or_else(fresh_id),
            parent: renamed(message.parent),
            ..message
        })
        .collect();
    conversation
}
