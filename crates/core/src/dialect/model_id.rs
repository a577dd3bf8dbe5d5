//! Which names of models are let in from a wire. They become paths on other servers and files in a folder, so a name
//! that could leave either is refused before anything is touched.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::Error;

const MAX_LENGTH: usize = 256;

/// Accepts `org/model:tag` and the like; refuses what could climb out of a path or hide in one.
///
/// # Errors
/// `InvalidRequest` that says what is wrong with the name.
pub fn check_model_id(id: &str) -> Result<(), Error> {
    let wrong = if id.is_empty() {
        "is empty"
    } else if id.len() > MAX_LENGTH {
        "is longer than 256 bytes"
    } else if id.chars().any(char::is_control) {
        "has control characters"
    } else if id.contains('\\') || id.contains('%') {
        "has a backslash or a percent sign"
    } else if id.starts_with('/') || id.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "is not a plain name or path"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("the model name {id:?} {wrong}")))
}

/// Everything but RFC 3986's unreserved characters, and `:`, which servers have in ids and clients leave as it is.
const OUTSIDE_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// A model's name as one segment of a path.
pub(super) fn to_path_segment(id: &str) -> String {
    utf8_percent_encode(id, OUTSIDE_SEGMENT).to_string()
}

/// The model's name that a part of a path stands for, if it is one that is let in.
///
/// # Errors
/// As [`check_model_id`], and when it is not UTF-8.
pub(super) fn from_path_segment(segment: &str) -> Result<String, Error> {
    let id = percent_decode_str(segment).decode_utf8().map_err(|_| Error::invalid("the model name is not UTF-8"))?;
    check_model_id(&id)?;
    Ok(id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_climb() {
        for good in ["tiny-a", "meta-llama/Llama-3.1-8B", "qwen3:0.6b", "a b", "naïve", "x@y+z~1"] {
            check_model_id(good).unwrap();
        }
        for bad in ["", "../x", "..\\x", "%2e%2e/x", "a\0b", "/etc", "a//b", "a/./b", "a/..", &"x".repeat(257)] {
            assert!(check_model_id(bad).is_err(), "{bad:?}");
        }
    }
}
