//! Words as the index has them: [`separated`], and [`terms`] of a query.
//!
//! Chinese, Japanese and Korean join words without a space, so an index of words would know a whole run by its beginning
//! alone. There each character is a word of its own, and a term of several is looked for as a phrase: found wherever it
//! stands. Other writings are left as they are.

use std::borrow::Cow;

use rusqlite::{Connection, functions::FunctionFlags};

/// Words of a query that are looked for; what comes after them is not.
const WORDS: usize = 8;

/// Gives this connection's statements the function `separated(text)`, which the triggers of the index call.
pub(super) fn install(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("separated", 1, flags, |context| {
        Ok(separated(context.get_raw(0).as_str()?).into_owned())
    })
}

/// The words of a query, in lower case.
pub(super) fn terms(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS).map(str::to_lowercase).collect()
}

/// The text with a space on either side of each character that stands for itself.
pub(super) fn separated(text: &str) -> Cow<'_, str> {
    if !text.contains(stands_alone) {
        return Cow::Borrowed(text);
    }
    let mut apart = String::with_capacity(text.len() * 2);
    for char in text.chars() {
        if stands_alone(char) {
            apart.extend([' ', char, ' ']);
        } else {
            apart.push(char);
        }
    }
    Cow::Owned(apart)
}

/// Han, kana, bopomofo, Hangul and Yi, with their extensions.
pub(super) fn stands_alone(char: char) -> bool {
    matches!(char,
        '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{318f}' | '\u{31a0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{a000}'..='\u{a48f}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}' | '\u{1b000}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_joins_words_is_taken_apart() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(separated(text).split_whitespace().collect::<Vec<_>>(), expected, "{text}");
        };
        check("plain text, Größe", &["plain", "text,", "Größe"]);
        check("今日の天気", &["今", "日", "の", "天", "気"]);
        check("GPUで推論 fast", &["GPU", "で", "推", "論", "fast"]);
        check("한국어", &["한", "국", "어"]);
        check("𠀋", &["𠀋"]);
        assert!(matches!(separated("nothing to do: ไทย"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_query_has_words_and_an_end() {
        let check = |query: &str, expected: &[&str]| assert_eq!(terms(query), expected, "{query}");
        check("", &[]);
        check("\"*", &[]);
        check("Hello, WORLD!", &["hello", "world"]);
        check("天気 予報", &["天気", "予報"]);
        check("a b c d e f g h i j", &["a", "b", "c", "d", "e", "f", "g", "h"]);
    }
}
