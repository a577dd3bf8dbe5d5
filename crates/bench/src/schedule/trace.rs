//! Requests that somebody once made: [`Trace`], read from the JSON lines of the Mooncake traces.
//!
//! Each line is `{"timestamp": MILLISECONDS, "input_length": TOKENS, "output_length": TOKENS, "hash_ids": [..]}`. A hash
//! id stands for a block of 512 tokens of the prompt, so prompts that begin alike share their first ids
//! (<https://github.com/kvcache-ai/Mooncake>, "Open-source trace").

use std::{fmt, time::Duration};

use serde::Deserialize;

/// Requests of a trace; more would not fit a test.
const MOST: usize = 1_000_000;

/// Recorded requests, in order of arrival; the first arrives at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace(Vec<(Duration, Shape)>);

/// How long a prompt and its answer are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub tokens: u32,
    /// The blocks that the prompt begins with: prompts with the same ones begin alike.
    pub blocks: Vec<u64>,
}

/// A text that is no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTrace(String);

impl fmt::Display for NoTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoTrace {}

#[derive(Deserialize)]
struct Line {
    timestamp: f64,
    input_length: u32,
    output_length: u32,
    #[serde(default)]
    hash_ids: Vec<u64>,
}

impl Trace {
    /// Reads JSON lines; empty ones are skipped.
    ///
    /// # Errors
    /// Which line is none, and why.
    pub fn parse(text: &str) -> Result<Self, NoTrace> {
        let mut requests = Vec::new();
        for (position, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |why: String| NoTrace(format!("line {} of the trace: {why}", position + 1));
            let line: Line = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            let at = Duration::try_from_secs_f64(line.timestamp / 1e3).map_err(|error| wrong(error.to_string()))?;
            let (prompt_tokens, tokens) = (line.input_length.max(1), line.output_length.max(1));
            requests.push((at, Shape { prompt_tokens, tokens, blocks: line.hash_ids }));
            if requests.len() > MOST {
                return Err(wrong(format!("a trace has up to {MOST} requests")));
            }
        }
        requests.sort_by_key(|(at, _)| *at);
        let Some(first) = requests.first().map(|(at, _)| *at) else {
            return Err(NoTrace("the trace has no requests".into()));
        };
        requests.iter_mut().for_each(|(at, _)| *at -= first);
        Ok(Self(requests))
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, which a trace that was read never has.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, index: usize) -> Option<(Duration, &Shape)> {
        self.0.get(index).map(|(at, shape)| (*at, shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_in_order_of_arrival() {
        let text = r#"
{"timestamp": 3052, "input_length": 7322, "output_length": 0, "hash_ids": [46, 60]}
{"timestamp": 27.5, "input_length": 6955, "output_length": 52}
"#;
        let trace = Trace::parse(text).unwrap();
        assert_eq!(trace.len(), 2);
        assert_eq!(trace.get(0).unwrap(), (Duration::ZERO, &Shape { prompt_tokens: 6955, tokens: 52, blocks: vec![] }));
        let (at, second) = trace.get(1).unwrap();
        assert_eq!((at, second.tokens, &second.blocks[..]), (Duration::from_micros(3_024_500), 1, &[46, 60][..]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("", "no requests"),
            ("\n{\"timestamp\": 1}", "line 2"),
            ("{\"timestamp\": -1, \"input_length\": 1, \"output_length\": 1}", "line 1"),
        ] {
            let error = Trace::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
