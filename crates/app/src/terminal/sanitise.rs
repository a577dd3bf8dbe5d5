//! Makes text from outside inert: a model or a server must not move the cursor, set the clipboard or hide text.
//!
//! [`Sanitiser`] works on a stream of any pieces; [`sanitise`] on a whole text; [`sanitise_json`] on a JSON document. No
//! terminal sequence is understood here: without its control characters a sequence is text like any other.

use std::{borrow::Cow, fmt::Write};

/// Replaces control characters by visible forms, piece by piece. A carriage return is held back until it is known
/// whether a line feed follows.
#[derive(Debug, Default)]
pub(crate) struct Sanitiser {
    held_return: bool,
}

impl Sanitiser {
    /// Appends `text` to `out`, made inert. Line feeds and tabs stay, and CR LF becomes LF.
    pub(crate) fn push(&mut self, text: &str, out: &mut String) {
        for char in text.chars() {
            if std::mem::take(&mut self.held_return) && char != '\n' {
                out.push('\u{240d}');
            }
            match char {
                '\r' => self.held_return = true,
                char => put(char, out),
            }
        }
    }

    /// The text has ended.
    pub(crate) fn finish(&mut self, out: &mut String) {
        if std::mem::take(&mut self.held_return) {
            out.push('\u{240d}');
        }
    }
}

/// The whole text, made inert.
pub(crate) fn sanitise(text: &str) -> Cow<'_, str> {
    if text.chars().all(|char| char == '\n' || char == '\t' || !is_control(char)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut sanitiser = Sanitiser::default();
    sanitiser.push(text, &mut out);
    sanitiser.finish(&mut out);
    Cow::Owned(out)
}

/// As [`sanitise`], for what must stay on its line: a cell of a table, a field of an error.
pub(crate) fn sanitise_line(text: &str) -> String {
    sanitise(text).replace(['\n', '\t'], " ")
}

/// The same JSON value with the control characters escaped that JSON lets stand bare (DEL, C1, bidi overrides).
pub(crate) fn sanitise_json(json: &str) -> Cow<'_, str> {
    // Those below U+0020 that are left stand between values.
    let is_bare = |char: char| char >= ' ' && is_control(char);
    if !json.contains(is_bare) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for char in json.chars() {
        if is_bare(char) {
            let _ = write!(out, "\\u{:04x}", u32::from(char));
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out)
}

/// The same text with a `?` for each byte of a control character, so that positions in it stay right.
pub(crate) fn same_length(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\t' => out.push(char),
            char if is_control(char) => out.extend(std::iter::repeat_n('?', char.len_utf8())),
            char => out.push(char),
        }
    }
    out
}

fn put(char: char, out: &mut String) {
    match char {
        '\n' | '\t' => out.push(char),
        // Unicode has a picture for each of C0.
        '\0'..='\x1f' => out.extend(char::from_u32(0x2400 + u32::from(char))),
        '\x7f' => out.push('\u{2421}'),
        char if is_control(char) => {
            let _ = write!(out, "<U+{:04X}>", u32::from(char));
        }
        char => out.push(char),
    }
}

/// C0, DEL, C1, and the bidirectional overrides and isolates, which make text look like another.
fn is_control(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        for (hostile, inert) in [
            ("\x1b]52;c;aGFjaw==\x07", "␛]52;c;aGFjaw==␇"),
            ("\x1b[2Jx", "␛[2Jx"),
            ("\u{9b}31mx", "<U+009B>31mx"),
            ("\u{9d}0;title\u{9c}", "<U+009D>0;title<U+009C>"),
            ("\x07\x08\x7f\0", "␇␈␡␀"),
            ("a\u{202e}b\u{2066}c", "a<U+202E>b<U+2066>c"),
            ("over\rwrite", "over␍write"),
            ("end\r", "end␍"),
            ("\r\r\n", "␍\n"),
            ("a\r\nb\tc\n", "a\nb\tc\n"),
            ("naïve 日本 🦀 👩‍💻 שלום", "naïve 日本 🦀 👩‍💻 שלום"),
        ] {
            assert_eq!(sanitise(hostile), inert);
            for split in (0..=hostile.len()).filter(|&at| hostile.is_char_boundary(at)) {
                let (mut sanitiser, mut out) = (Sanitiser::default(), String::new());
                sanitiser.push(&hostile[..split], &mut out);
                sanitiser.push(&hostile[split..], &mut out);
                sanitiser.finish(&mut out);
                assert_eq!(out, inert, "{hostile:?} split at {split}");
            }
        }
    }

    #[test]
    fn nothing_that_a_terminal_obeys_survives() {
        let every: String = (0..=0x2100).filter_map(char::from_u32).collect();
        let inert = sanitise(&every);
        let left: Vec<char> = inert.chars().filter(|&char| is_control(char)).collect();
        assert_eq!(left, ['\t', '\n']);
    }

    #[test]
    fn positions_stay_right() {
        assert_eq!(same_length("a\x1b\u{9b}\u{202e}é\n\t"), "a??????é\n\t");
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ "a": "\u{9b}31m \x7f \x1b \u{202e} é", "b": ["\n"] });
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let inert = sanitise_json(&text);
            assert!(inert.chars().all(|char| char == '\n' || !is_control(char)), "{inert}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&inert).unwrap(), value);
        }
    }
}
