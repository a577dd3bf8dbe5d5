//! Messages, and answers while they come.
//!
//! The text of an answer that is coming is written down in pieces, each once; at its end the whole takes their place.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use longshore_core::{Error, ErrorKind};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    Answer, AnswerState, Attachment, Message, Role, SegmentEnd, Store, conversations::key_of, migrations::BITS, now,
    owner::Owner,
};
use crate::Problem;

/// More of an answer that is coming.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Counts the answer's pieces from 0.
    pub number: u64,
    /// Which segment it belongs to.
    pub segment: usize,
    /// Whether it is what the model thinks.
    pub reasoning: bool,
    /// The words.
    pub text: String,
}

impl Store {
    /// Adds messages to a conversation; the first answer among them becomes what is shown, and the title is made from
    /// `title` where there is none. `false` if there is no such conversation.
    ///
    /// # Errors
    /// What kept the file from being written.
    pub async fn append(&self, conversation: &str, messages: Vec<Message>, title: &str) -> Result<bool, Error> {
        let (conversation, title) = (conversation.to_owned(), title.to_owned());
        self.write(move |transaction| {
            let Some(key) = key_of(transaction, &conversation)? else { return Ok(false) };
            messages.iter().try_for_each(|message| insert(transaction, key, message))?;
            let shown = messages.iter().find(|message| message.answer.is_some()).or(messages.last());
            transaction.execute(
                "UPDATE conversations SET leaf = coalesce(?, leaf), updated_at = ? WHERE key = ?",
                params![shown.map(|message| &message.id), now() as i64, key],
            )?;
            transaction
                .execute("UPDATE conversations SET title = ? WHERE key = ? AND title = ''", params![title, key])?;
            Ok(true)
        })
        .await
    }

    /// Writes down what has come of a running answer, and how it stands: `answer` without its texts.
    ///
    /// # Errors
    /// What kept the file from being written.
    pub async fn progress(&self, message: &str, answer: Option<Answer>, pieces: Vec<Piece>) -> Result<(), Error> {
        let message = message.to_owned();
        self.write(move |transaction| {
            let Some(key) = message_key(transaction, &message)? else { return Ok(()) };
            if let Some(answer) = answer {
                let answer = written(&without_texts(answer));
                transaction.execute("UPDATE messages SET answer = ? WHERE key = ?", params![answer, key])?;
            }
            let mut add = transaction.prepare("INSERT OR REPLACE INTO pieces VALUES (?, ?, ?, ?, ?)")?;
            for Piece { number, segment, reasoning, text } in pieces {
                add.execute(params![key, number as i64, segment as i64, reasoning, text])?;
            }
            Ok(())
        })
        .await
    }

    /// One message; `None` if there is none of this id.
    ///
    /// # Errors
    /// What kept the file from being read.
    pub async fn message(&self, id: &str) -> Result<Option<Message>, Error> {
        let id = id.to_owned();
        self.read(move |connection| {
            let Some(key) = message_key(connection, &id)? else { return Ok(None) };
            Ok(messages_within(connection, key, key + 1)?.pop())
        })
        .await
    }

    /// Writes down an answer that has ended.
    ///
    /// # Errors
    /// What kept the file from being written.
    pub async fn finish(&self, message: &Message) -> Result<(), Error> {
        let message = message.clone();
        self.write(move |transaction| {
            let Some(key) = message_key(transaction, &message.id)? else { return Ok(()) };
            set_answer(transaction, key, &message.content, message.answer)?;
            transaction
                .execute("UPDATE conversations SET updated_at = ? WHERE key = ?", params![now() as i64, key >> BITS])?;
            Ok(())
        })
        .await
    }
}

fn message_key(connection: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT key FROM messages WHERE id = ?", [id], |row| row.get(0)).optional()
}

/// Puts a message behind the others of its conversation.
pub(super) fn insert(transaction: &Transaction<'_>, conversation: i64, message: &Message) -> rusqlite::Result<()> {
    let counted = "UPDATE conversations SET messages = messages + 1 WHERE key = ? RETURNING messages";
    let number: i64 = transaction.query_row(counted, [conversation], |row| row.get(0))?;
    if number >> BITS != 0 {
        return Err(rusqlite::Error::ToSqlConversionFailure("the conversation has too many messages".into()));
    }
    let key = conversation << BITS | number;
    let running = message.answer.as_ref().is_some_and(|answer| answer.state == AnswerState::Running);
    transaction.execute(
        "INSERT INTO messages (key, id, parent, role, content, running, created_at)
         VALUES (?, ?, ?, ?, ?, iif(?, this_process(), 0), ?)",
        params![
            key,
            message.id,
            message.parent,
            if message.role == Role::User { "user" } else { "assistant" },
            message.content,
            running,
            message.created_at as i64
        ],
    )?;
    if let Some(answer) = message.answer.clone() {
        store_answer(transaction, key, &message.content, answer)?;
    }
    let mut add = transaction.prepare("INSERT INTO attachments VALUES (?, ?, ?, ?, ?)")?;
    for (position, Attachment { name, media_type, data, .. }) in message.attachments.iter().enumerate() {
        let data = STANDARD.decode(data).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        add.execute(params![key, position as i64, name, media_type, data])?;
    }
    Ok(())
}

/// All messages of a conversation, in the order in which they were made.
pub(super) fn messages_of(connection: &Connection, conversation: i64) -> rusqlite::Result<Vec<Message>> {
    messages_within(connection, conversation << BITS, (conversation + 1) << BITS)
}

fn messages_within(connection: &Connection, first: i64, end: i64) -> rusqlite::Result<Vec<Message>> {
    let range = params![first, end];
    let mut attachments: HashMap<i64, Vec<Attachment>> = HashMap::new();
    let mut statement = connection.prepare(
        "SELECT message, name, media_type, data FROM attachments WHERE message >= ? AND message < ?
         ORDER BY message, position",
    )?;
    let mut rows = statement.query(range)?;
    while let Some(row) = rows.next()? {
        let data = row.get_ref(3)?.as_blob()?;
        attachments.entry(row.get(0)?).or_default().push(Attachment {
            name: row.get(1)?,
            media_type: row.get(2)?,
            data: STANDARD.encode(data),
            bytes: data.len() as u64,
        });
    }
    let mut statement = connection.prepare(
        "SELECT key, id, parent, role, content, answer, created_at, running FROM messages
         WHERE key >= ? AND key < ? ORDER BY key",
    )?;
    let mut rows = statement.query(range)?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        let key = row.get(0)?;
        let mut message = Message {
            id: row.get(1)?,
            parent: row.get(2)?,
            role: if row.get_ref(3)?.as_str()? == "user" { Role::User } else { Role::Assistant },
            content: row.get(4)?,
            attachments: attachments.remove(&key).unwrap_or_default(),
            created_at: row.get::<_, i64>(6)? as u64,
            answer: read_answer(row.get::<_, Option<String>>(5)?.as_deref()),
        };
        complete(connection, key, row.get::<_, i64>(7)? != 0, &mut message)?;
        messages.push(message);
    }
    Ok(messages)
}

/// Puts the texts into an answer where they belong.
fn complete(connection: &Connection, key: i64, running: bool, message: &mut Message) -> rusqlite::Result<()> {
    let Some(answer) = &mut message.answer else { return Ok(()) };
    if running {
        add_pieces(connection, key, answer)?;
        message.content = last_text(answer);
    } else if let Some(last) = answer.segments.last_mut().filter(|last| last.text.is_empty()) {
        last.text.clone_from(&message.content);
    }
    Ok(())
}

fn add_pieces(connection: &Connection, key: i64, answer: &mut Answer) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT segment, reasoning, text FROM pieces WHERE message = ? ORDER BY number")?;
    let mut rows = statement.query([key])?;
    while let Some(row) = rows.next()? {
        let segment: i64 = row.get(0)?;
        let Some(segment) = usize::try_from(segment).ok().and_then(|segment| answer.segments.get_mut(segment)) else {
            continue;
        };
        let target = if row.get(1)? { &mut segment.reasoning } else { &mut segment.text };
        target.push_str(row.get_ref(2)?.as_str()?);
    }
    Ok(())
}

/// Whether a process has left behind an answer that was coming.
pub(super) fn has_left(connection: &Connection, owner: &Owner) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare("SELECT DISTINCT running FROM messages WHERE running")?;
    let mut numbers = statement.query_map((), |row| row.get::<_, i64>(0))?;
    numbers.try_fold(false, |left, number| Ok(left || owner.has_ended(number?)))
}

/// What processes left behind that ended while answers came.
pub(super) fn interrupt_left(transaction: &Transaction<'_>, owner: &Owner) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare("SELECT key, running, answer FROM messages WHERE running")?;
    let running = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let running: Vec<(i64, i64, Option<String>)> = running.collect::<rusqlite::Result<_>>()?;
    let left = running.into_iter().filter(|(_, number, _)| owner.has_ended(*number));
    for (key, _, answer) in left {
        let mut answer = read_answer(answer.as_deref()).unwrap_or_default();
        add_pieces(transaction, key, &mut answer)?;
        let error = Error::new(ErrorKind::Interrupted, "Longshore ended while the answer came");
        answer.state = AnswerState::Interrupted;
        if let Some(last) = answer.segments.last_mut().filter(|last| last.ended == SegmentEnd::Running) {
            last.ended = SegmentEnd::Interrupted;
        }
        answer.error = Some(Problem::from(&error));
        let content = last_text(&answer);
        set_answer(transaction, key, &content, Some(answer))?;
    }
    Ok(())
}

/// An answer that has ended takes the place of its pieces.
fn set_answer(transaction: &Transaction<'_>, key: i64, content: &str, answer: Option<Answer>) -> rusqlite::Result<()> {
    transaction.execute("UPDATE messages SET content = ?, running = 0 WHERE key = ?", params![content, key])?;
    if let Some(answer) = answer {
        store_answer(transaction, key, content, answer)?;
    }
    transaction.execute("DELETE FROM pieces WHERE message = ?", [key])?;
    Ok(())
}

/// The last segment's text is the message's content, and is kept there alone.
fn store_answer(transaction: &Transaction<'_>, key: i64, content: &str, mut answer: Answer) -> rusqlite::Result<()> {
    if let Some(last) = answer.segments.last_mut().filter(|last| last.text == content) {
        last.text = String::new();
    }
    transaction.execute("UPDATE messages SET answer = ? WHERE key = ?", params![written(&answer), key]).map(drop)
}

fn without_texts(mut answer: Answer) -> Answer {
    for segment in &mut answer.segments {
        (segment.text, segment.reasoning) = Default::default();
    }
    answer
}

fn last_text(answer: &Answer) -> String {
    answer.segments.last().map(|last| last.text.clone()).unwrap_or_default()
}

fn written(answer: &Answer) -> Option<String> {
    serde_json::to_string(answer).ok()
}

fn read_answer(text: Option<&str>) -> Option<Answer> {
    text.and_then(|text| serde_json::from_str(text).ok())
}
