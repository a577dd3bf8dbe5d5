//! Conversations with models: [`Answers`], the answers that are coming.
//!
//! An answer is a task of this process, not of the page: it goes on when nobody looks, is written down as it comes, and
//! can be watched from its beginning at any time. When it breaks off for another reason than the person's wish, and
//! another server has the model, it is asked for anew there, as another segment that everybody sees. Which server answers
//! a call is the fleet's affair; what is kept, and how, is the store's.

mod afar;
mod answers;
mod context;
mod draft;
mod elsewhere;
mod event;
mod log;
mod markdown;
mod run;

pub use afar::from_afar;
pub use answers::{Answers, Asked, Limits, Stopped, Target, Upstream};
pub use context::{check_attachments, turn};
pub use event::{AnswerEvent, Phase, replayed};
pub use markdown::{from_markdown, to_markdown};

/// A conversation's title by its first message: its first line, cut at a word.
pub fn title_of(content: &str) -> String {
    const LONGEST: usize = 60;
    let line = content.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let cut: String = line.chars().take(LONGEST).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", cut.trim_end_matches([',', '.', ';', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_short_lines() {
        let check = |content: &str, expected: &str| assert_eq!(title_of(content), expected);
        check("Hello", "Hello");
        check("\n  What is\tstreaming? \nAnd why", "What is streaming?");
        check("", "");
        let long = "Explain, in the simplest words that you can find, the whole of it, please";
        check(long, "Explain, in the simplest words that you can find, the whole…");
        assert_eq!(title_of(&"x".repeat(80)).chars().count(), 61);
    }
}
