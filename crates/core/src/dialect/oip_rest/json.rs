//! Reading the JSON that servers of this protocol write, which is not always JSON.
//!
//! Triton writes floats as bare `NaN`, `Infinity` and `-Infinity`, and BYTES elements as they are, UTF-8 or not.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

pub(super) use crate::dialect::parameters::{object, parameters, value_of};
use crate::{Error, dialect::http_error::excerpt};

/// Reads what a peer wrote. If it is no JSON as it is, bare words for floats are put between quotes first.
///
/// # Errors
/// `Protocol` when it is no JSON even so, or not of the shape that is expected.
pub(super) fn read<T: DeserializeOwned>(what: &str, json: &[u8]) -> Result<T, Error> {
    let error = match serde_json::from_slice(json) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    if std::str::from_utf8(json).is_err() {
        return Err(Error::protocol(format!(
            "{what} has bytes that are not UTF-8, perhaps elements of a BYTES tensor: ask for binary data"
        )));
    }
    if let Cow::Owned(quoted) = quote_floats(json)
        && let Ok(read) = serde_json::from_slice(&quoted)
    {
        return Ok(read);
    }
    Err(Error::protocol(format!("{what} is not what the protocol promises ({error}): {}", excerpt(json))))
}

/// The text with every bare `NaN`, `Infinity` and `-Infinity` outside strings between quotes.
fn quote_floats(json: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut quoted = Vec::new();
    let (mut copied, mut place) = (0, 0);
    while place < json.len() {
        if json[place] == b'"' {
            place += string_length(&json[place..]);
        } else if let Some(word) = WORDS.iter().find(|word| json[place..].starts_with(word)) {
            quoted.extend_from_slice(&json[copied..place]);
            quoted.push(b'"');
            quoted.extend_from_slice(word);
            quoted.push(b'"');
            place += word.len();
            copied = place;
        } else {
            place += 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    quoted.extend_from_slice(&json[copied..]);
    Cow::Owned(quoted)
}

/// The length of the string that `json` begins with, both quotes included.
fn string_length(json: &[u8]) -> usize {
    let mut escaped = false;
    let end = json[1..].iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn bare_floats_are_read_and_strings_left_alone() {
        let read: Value =
            read("x", br#"{"a":[Infinity,NaN,-Infinity,1.5],"NaN":"say \"NaN\", \\","b":"-Infinity"}"#).unwrap();
        assert_eq!(
            read,
            json!({"a": ["Infinity", "NaN", "-Infinity", 1.5], "NaN": "say \"NaN\", \\", "b": "-Infinity"})
        );
    }

    #[test]
    fn what_is_no_json_is_told() {
        for (json, part) in [
            (&b"{\"a\":nan}"[..], "expected"),
            (b"[NaN", "expected"),
            (b"\"\xff\"", "ask for binary data"),
            (b"\"NaN", "EOF"),
        ] {
            let error = read::<Value>("the reply", json).unwrap_err();
            assert!(error.message().contains(part) && error.message().starts_with("the reply"), "{error}");
        }
    }
}
