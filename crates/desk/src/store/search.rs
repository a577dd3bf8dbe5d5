//! The list of conversations, and full-text search over it.
//!
//! A conversation is found if each word of the query begins a word somewhere in it, in its title or in any message; in
//! writings without spaces it may stand anywhere ([`super::words`]). The latest comes first. What the index finds are keys alone, so a word that stands everywhere costs a pass over numbers;
//! only what is shown is looked up.

use longshore_core::Error;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    ConversationSummary, Store,
    excerpt::excerpt,
    migrations::BITS,
    words::{separated, terms},
};

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
            let summary =
                |key| summary(connection, key, found.as_ref().and_then(|found| found.get(key)).flatten(), &terms);
            Ok((keys.into_iter().map(summary).collect::<rusqlite::Result<_>>()?, more))
        })
        .await
    }
}

/// Conversations by their keys, ascending, each with a message in which a word stands, if it is not in the title alone.
struct Found(Vec<(i64, Option<i64>)>);

impl Found {
    /// The message that is shown of this conversation; `None` where the conversation is not among them.
    fn get(&self, key: i64) -> Option<Option<i64>> {
        self.0.binary_search_by_key(&key, |(key, _)| *key).ok().map(|at| self.0[at].1)
    }

    /// Those that are in both.
    fn and(self, other: &Self) -> Self {
        let both = |(key, place): (i64, Option<i64>)| other.get(key).map(|theirs| (key, place.or(theirs)));
        Self(self.0.into_iter().filter_map(both).collect())
    }
}

fn found(connection: &Connection, terms: &[String]) -> rusqlite::Result<Found> {
    let mut all: Option<Found> = None;
    for term in terms {
        let these = with_word(connection, term)?;
        // The shorter list is gone through.
        all = Some(match all {
            None => these,
            Some(all) if all.0.len() <= these.0.len() => all.and(&these),
            Some(all) => these.and(&all),
        });
    }
    Ok(all.unwrap_or(Found(Vec::new())))
}

fn with_word(connection: &Connection, term: &str) -> rusqlite::Result<Found> {
    // As a string of FTS5's own syntax, in which nothing but the quote has a meaning; a word has none. Several in it are a
    // phrase, of which the last may go on.
    let pattern = format!("\"{}\"*", separated(term));
    let mut list: Vec<(i64, Option<i64>)> = Vec::new();
    let mut bodies = connection.prepare("SELECT rowid FROM bodies WHERE bodies MATCH ? ORDER BY rowid")?;
    let mut rows = bodies.query([&pattern])?;
    while let Some(row) = rows.next()? {
        let message: i64 = row.get(0)?;
        let key = message >> BITS;
        if list.last().is_none_or(|(last, _)| *last != key) {
            list.push((key, Some(message)));
        }
    }
    let in_bodies = list.len();
    let mut titles = connection.prepare("SELECT rowid FROM titles WHERE titles MATCH ? ORDER BY rowid")?;
    let mut rows = titles.query([&pattern])?;
    while let Some(row) = rows.next()? {
        let key = row.get(0)?;
        if list[..in_bodies].binary_search_by_key(&key, |(key, _)| *key).is_err() {
            list.push((key, None));
        }
    }
    if list.len() > in_bodies {
        list.sort_unstable();
    }
    Ok(Found(list))
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
        if found.is_none_or(|found| found.get(key).is_some()) {
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
