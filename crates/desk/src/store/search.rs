//! The list of conversations, and full-text search over it.
//!
//! A conversation is found if each word of the query begins a word somewhere in it, in its title or in any message; the
//! latest comes first. What the index finds are keys alone, so a word that stands everywhere costs a pass over numbers;
//! only what is shown is looked up.

use std::collections::HashMap;

use longshore_core::Error;
use rusqlite::{Connection, OptionalExtension, params};

use super::{ConversationSummary, Store, excerpt::excerpt, migrations::BITS};

/// Words of a query that are looked for; what comes after them is not.
const WORDS: usize = 8;
/// The longest list.
const MOST: usize = 500;

impl Store {
    /// Conversations in which all words of `query` stand, the latest first, at most `limit`; those before the conversation
    /// `before` in that order. An empty query takes all. The flag: whether there are more.
    ///
    /// # Errors
    /// What kept the file from being read.
    pub async fn list(
        &self,
        query: &str,
        limit: usize,
        before: Option<String>,
    ) -> Result<(Vec<ConversationSummary>, bool), Error> {
        let terms = terms(query);
        let asked = !query.trim().is_empty();
        let limit = limit.clamp(1, MOST);
        self.read(move |connection| {
            if asked && terms.is_empty() {
                return Ok((Vec::new(), false));
            }
            let found = if asked { Some(found(connection, &terms)?) } else { None };
            let mut keys = latest(connection, before.as_deref(), limit + 1, found.as_ref())?;
            let more = keys.len() > limit;
            keys.truncate(limit);
            let summary = |key| summary(connection, key, found.as_ref().and_then(|found| found[&key]), &terms);
            Ok((keys.into_iter().map(summary).collect::<rusqlite::Result<_>>()?, more))
        })
        .await
    }
}

/// The words of a query, in lower case.
fn terms(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS).map(str::to_lowercase).collect()
}

/// Conversations by their keys, each with a message in which a word stands, if it is not in the title alone.
type Found = HashMap<i64, Option<i64>>;

fn found(connection: &Connection, terms: &[String]) -> rusqlite::Result<Found> {
    let mut all: Option<Found> = None;
    for term in terms {
        let mut these = Found::new();
        // As a string of FTS5's own syntax, in which nothing but the quote has a meaning; a word has none.
        let pattern = format!("\"{term}\"*");
        let mut bodies = connection.prepare("SELECT rowid FROM bodies WHERE bodies MATCH ?")?;
        let mut rows = bodies.query([&pattern])?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            these.insert(key >> BITS, Some(key));
        }
        let mut titles = connection.prepare("SELECT rowid FROM titles WHERE titles MATCH ?")?;
        let mut rows = titles.query([&pattern])?;
        while let Some(row) = rows.next()? {
            these.entry(row.get(0)?).or_insert(None);
        }
        if let Some(all) = all {
            these.retain(|key, place| match all.get(key) {
                Some(before) => {
                    *place = before.or(*place);
                    true
                }
                None => false,
            });
        }
        all = Some(these);
    }
    Ok(all.unwrap_or_default())
}

fn latest(
    connection: &Connection,
    before: Option<&str>,
    limit: usize,
    found: Option<&Found>,
) -> rusqlite::Result<Vec<i64>> {
    let place = |id: &str| {
        let place = "SELECT updated_at, key FROM conversations WHERE id = ?";
        connection.query_row(place, [id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    };
    let start = before.map(place).transpose()?.flatten().unwrap_or((i64::MAX, i64::MAX));
    let listed = "SELECT key FROM conversations WHERE (updated_at, key) < (?, ?) ORDER BY updated_at DESC, key DESC";
    let mut statement = connection.prepare(listed)?;
    let mut rows = statement.query([start.0, start.1])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        if found.is_none_or(|found| found.contains_key(&key)) {
            keys.push(key);
            if keys.len() == limit {
                break;
            }
        }
    }
    Ok(keys)
}

fn summary(
    connection: &Connection,
    key: i64,
    place: Option<i64>,
    terms: &[String],
) -> rusqlite::Result<ConversationSummary> {
    let snippet = match place {
        None => None,
        Some(place) => {
            let content: String =
                connection.query_row("SELECT content FROM messages WHERE key = ?", [place], |row| row.get(0))?;
            Some(excerpt(&content, terms))
        }
    };
    let listed = "SELECT id, title, updated_at, messages, model FROM conversations WHERE key = ?";
    connection.query_row(listed, params![key], |row| {
        Ok(ConversationSummary {
            id: row.get(0)?,
            title: row.get(1)?,
            updated_at: row.get::<_, i64>(2)? as u64,
            messages: row.get::<_, i64>(3)? as u64,
            model: row.get(4)?,
            snippet,
        })
    })
}
