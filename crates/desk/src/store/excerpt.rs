//! The place in a text where something stands: [`excerpt`].

use super::words::stands_alone;

/// Characters before the place, and in all.
const BEFORE: usize = 40;
const LENGTH: usize = 160;

/// A line of `text` around the first of `terms` that stands in it; its beginning if none does as it is written (the index
/// knows more spellings than this). Terms are in lower case.
pub(super) fn excerpt(text: &str, terms: &[String]) -> String {
    let start = terms.iter().filter_map(|term| find(text, term)).min().unwrap_or(0);
    let before = text[..start].char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
    let line: String = text[before..].chars().take(LENGTH).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let cut = before + line.len() < text.len();
    let line = line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{}{line}{}", if before > 0 { "…" } else { "" }, if cut { "…" } else { "" })
}

/// Where `term` begins in `text`, at the beginning of a word as the index has them, whatever the case.
fn find(text: &str, term: &str) -> Option<usize> {
    let mut in_word = false;
    text.char_indices().find_map(|(at, char)| {
        let alone = stands_alone(char);
        let begins = alone || (!in_word && char.is_alphanumeric());
        in_word = char.is_alphanumeric() && !alone;
        (begins && starts_with(&text[at..], term)).then_some(at)
    })
}

fn starts_with(text: &str, term: &str) -> bool {
    let mut chars = text.chars().flat_map(char::to_lowercase);
    term.chars().all(|wanted| chars.next() == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shown() {
        let check = |text: &str, term: &str, expected: &str| assert_eq!(excerpt(text, &[term.into()]), expected);
        check("Hello there", "the", "Hello there");
        check("a\n\nb  c", "c", "a b c");
        check("", "c", "");
        let long = format!("{}天気予報{}", "晴".repeat(60), "雨".repeat(200));
        assert!(excerpt(&long, &["予報".into()]).contains("天気予報"));
        assert!(excerpt(&format!("{}GPUで推論", "語".repeat(200)), &["gpu".into()]).ends_with("GPUで推論"));
        let long = format!("{} Ärger {}", "wort ".repeat(30), "ende ".repeat(50));
        let shown = excerpt(&long, &["ärger".into()]);
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains("Ärger"), "{shown}");
        assert!(excerpt(&long, &["nowhere".into()]).starts_with("wort"));
    }
}
