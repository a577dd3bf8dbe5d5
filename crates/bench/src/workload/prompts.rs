//! Where prompts come from: one text, several, or as many words as wanted.
//!
//! A generated prompt is made of common English words, which the tokenizers in use today keep whole: its length in words
//! is about its length in tokens. Each begins with a number of its own, so that no server can reuse another's prefix,
//! unless a trace says that prompts begin alike.

use std::{fmt, str::FromStr, sync::Arc};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal, Normal};

use crate::schedule::Shape;

/// Tokens of a block of a trace.
const BLOCK: usize = 512;
/// Words of one generated prompt.
const LONGEST: u32 = 1_000_000;

/// What prompts are.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompts {
    /// Always this one.
    Fixed(Arc<str>),
    /// These in turn; never empty.
    Several(Vec<Arc<str>>),
    /// Words, about so many tokens.
    Generated(Length),
}

/// How long generated prompts are, in tokens. Written `512`, `normal(512, 100)` or `lognormal(512, 400)`; the numbers
/// are mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// All alike.
    Fixed(u32),
    /// Gaussian.
    Normal(f64, f64),
    /// With a long tail, as people's prompts have.
    LogNormal(f64, f64),
}

impl Prompts {
    /// The prompt of request `number`, or of its `part`. The same arguments give the same text.
    pub fn prompt(&self, seed: u64, number: u64, part: u64, shape: Option<&Shape>) -> String {
        if let Some(shape) = shape {
            return shaped(seed, number, part, shape);
        }
        match self {
            Self::Fixed(text) => text.to_string(),
            Self::Several(texts) => {
                let at = number.wrapping_add(part) % texts.len().max(1) as u64;
                texts.get(at as usize).map(ToString::to_string).unwrap_or_default()
            }
            Self::Generated(length) => {
                let mut rng = rng(seed, number, part);
                let words = length.draw(&mut rng);
                let mut text = format!("{number}.{part}");
                write_words(&mut text, words.saturating_sub(1) as usize, &mut rng);
                text
            }
        }
    }
}

/// The text of a trace's request: the same block has the same words in every prompt.
fn shaped(seed: u64, number: u64, part: u64, shape: &Shape) -> String {
    let (mut text, wanted) = (String::new(), shape.prompt_tokens.min(LONGEST) as usize);
    let mut written = 0;
    for block in &shape.blocks {
        let words = BLOCK.min(wanted - written);
        write_words(&mut text, words, &mut rng(seed, *block, u64::MAX));
        written += words;
    }
    write_words(&mut text, wanted - written, &mut rng(seed, number, part));
    text
}

fn write_words(text: &mut String, count: usize, rng: &mut impl Rng) {
    for _ in 0..count {
        text.push(' ');
        text.push_str(WORDS[rng.random_range(0..WORDS.len())]);
    }
}

fn rng(seed: u64, number: u64, part: u64) -> StdRng {
    let mut key = [0; 32];
    for (place, value) in key.chunks_exact_mut(8).zip([seed, number, part]) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    StdRng::from_seed(key)
}

impl Length {
    fn draw(self, rng: &mut impl Rng) -> u32 {
        let drawn = match self {
            Self::Fixed(length) => return length.clamp(1, LONGEST),
            Self::Normal(mean, deviation) => Normal::new(mean, deviation).map_or(mean, |normal| normal.sample(rng)),
            Self::LogNormal(mean, deviation) => {
                let lognormal = LogNormal::from_mean_cv(mean, deviation / mean);
                lognormal.map_or(mean, |lognormal| lognormal.sample(rng))
            }
        };
        drawn.round().clamp(1.0, f64::from(LONGEST)) as u32
    }
}

/// A text that is no length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoLength(String);

impl fmt::Display for NoLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no length in tokens: write 512, normal(512, 100) or lognormal(512, 400)", self.0)
    }
}

impl std::error::Error for NoLength {}

impl FromStr for Length {
    type Err = NoLength;

    fn from_str(text: &str) -> Result<Self, NoLength> {
        let wrong = || NoLength(text.to_owned());
        let Some((name, arguments)) = text.trim().split_once('(') else {
            let length = text.trim().parse().map_err(|_| wrong())?;
            return if (1..=LONGEST).contains(&length) { Ok(Self::Fixed(length)) } else { Err(wrong()) };
        };
        let arguments = arguments.strip_suffix(')').and_then(|inner| inner.split_once(',')).ok_or_else(wrong)?;
        let number = |text: &str, least: f64| {
            text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= least).ok_or_else(wrong)
        };
        let (mean, deviation) = (number(arguments.0, 1.0)?, number(arguments.1, 0.0)?);
        match name.trim() {
            "normal" => Ok(Self::Normal(mean, deviation)),
            "lognormal" => Ok(Self::LogNormal(mean, deviation)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Normal(mean, deviation) => write!(f, "normal({mean}, {deviation})"),
            Self::LogNormal(mean, deviation) => write!(f, "lognormal({mean}, {deviation})"),
        }
    }
}

/// Common words.
const WORDS: [&str; 96] = [
    "time",
    "year",
    "people",
    "way",
    "day",
    "man",
    "thing",
    "woman",
    "life",
    "child",
    "world",
    "school",
    "state",
    "family",
    "student",
    "group",
    "country",
    "problem",
    "hand",
    "part",
    "place",
    "case",
    "week",
    "company",
    "system",
    "program",
    "question",
    "work",
    "government",
    "number",
    "night",
    "point",
    "home",
    "water",
    "room",
    "mother",
    "area",
    "money",
    "story",
    "fact",
    "month",
    "lot",
    "right",
    "study",
    "book",
    "eye",
    "job",
    "word",
    "business",
    "issue",
    "side",
    "kind",
    "head",
    "house",
    "service",
    "friend",
    "father",
    "power",
    "hour",
    "game",
    "line",
    "end",
    "member",
    "law",
    "car",
    "city",
    "community",
    "name",
    "president",
    "team",
    "minute",
    "idea",
    "kid",
    "body",
    "information",
    "back",
    "parent",
    "face",
    "others",
    "level",
    "office",
    "door",
    "health",
    "person",
    "art",
    "war",
    "history",
    "party",
    "result",
    "change",
    "morning",
    "reason",
    "research",
    "girl",
    "guy",
    "moment",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written() {
        for text in ["512", "normal(512, 100)", "lognormal(100.5, 0)"] {
            assert_eq!(text.parse::<Length>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "normal(1)", "normal(0, 1)", "uniform(1, 2)", "normal(1, 2", "9999999999"] {
            assert!(text.parse::<Length>().is_err(), "{text}");
        }
    }

    #[test]
    fn generated_prompts_have_their_length_and_begin_differently() {
        let prompts = Prompts::Generated(Length::Fixed(20));
        let (a, b) = (prompts.prompt(1, 0, 0, None), prompts.prompt(1, 1, 0, None));
        assert_eq!(a.split_whitespace().count(), 20);
        assert_ne!(a.split_whitespace().next(), b.split_whitespace().next());
        assert_eq!(a, prompts.prompt(1, 0, 0, None));
        let drawn = |length: &str| {
            let prompts = Prompts::Generated(length.parse().unwrap());
            let words = (0..2000).map(|n| prompts.prompt(3, n, 0, None).split_whitespace().count() as f64);
            words.sum::<f64>() / 2000.0
        };
        assert!((drawn("normal(100, 20)") - 100.0).abs() < 2.0);
        assert!((drawn("lognormal(100, 50)") - 100.0).abs() < 5.0);
    }

    #[test]
    fn several_take_turns() {
        let prompts = Prompts::Several(vec!["a".into(), "b".into()]);
        let asked: Vec<_> = (0..3).map(|number| prompts.prompt(0, number, 0, None)).collect();
        assert_eq!(asked, ["a", "b", "a"]);
    }

    #[test]
    fn prompts_of_a_trace_begin_alike_where_it_says_so() {
        let shape = |blocks: &[u64], tokens| Shape { prompt_tokens: tokens, tokens: 1, blocks: blocks.to_vec() };
        let text = |number, shape: &Shape| Prompts::Fixed("".into()).prompt(9, number, 0, Some(shape));
        let (a, b) = (text(1, &shape(&[7, 8], 1030)), text(2, &shape(&[7, 9], 700)));
        let common = a.split_whitespace().zip(b.split_whitespace()).take_while(|(a, b)| a == b).count();
        assert!((512..520).contains(&common), "{common}");
        assert_eq!((a.split_whitespace().count(), b.split_whitespace().count()), (1030, 700));
    }
}
