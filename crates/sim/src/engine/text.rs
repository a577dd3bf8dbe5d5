//! What models say: readable words that depend on the seed and the prompt alone, one token each.

use longshore_core::{
    Error, ErrorKind, Finish, Sent,
    call::{Chat, Completion, Prompt, Sampling},
};

use super::{
    draw::{Draw, fnv},
    tools::{self, ToolCall},
};
use crate::config::Model;

/// An answer that is decided, before any of it is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The draw of each choice's words.
    pub(crate) choices: Vec<u64>,
    pub(crate) prompt_tokens: u64,
    /// Of each choice.
    pub(crate) reasoning: u32,
    /// Of each choice, beside the reasoning.
    pub(crate) tokens: u32,
    /// What the tokens are pieces of, where they are no text.
    pub(crate) tool: Option<ToolCall>,
    pub(crate) finish: Finish,
    pub(crate) stop: Vec<String>,
}

impl Plan {
    pub(crate) fn of_chat(chat: &Chat, model: &Model, seed: u64) -> Result<Self, Error> {
        let text = longshore_core::text_model::transcript(&chat.messages);
        let draw = Draw::new(of_request(seed, &chat.sampling), "tool", fnv(text.as_bytes()), 0);
        let tool = tools::call_for(chat, model.tool_calls, draw)?;
        Self::new(&[text], &chat.sampling, model, seed, tool)
    }

    /// The same, whatever tools the chat offers.
    pub(crate) fn of_transcript(chat: &Chat, model: &Model, seed: u64) -> Result<Self, Error> {
        let text = longshore_core::text_model::transcript(&chat.messages);
        Self::new(&[text], &chat.sampling, model, seed, None)
    }

    pub(crate) fn of_completion(completion: &Completion, model: &Model, seed: u64) -> Result<Self, Error> {
        Self::new(&texts(&completion.prompt), &completion.sampling, model, seed, None)
    }

    fn new(
        prompts: &[String],
        sampling: &Sampling,
        model: &Model,
        seed: u64,
        tool: Option<ToolCall>,
    ) -> Result<Self, Error> {
        let prompt_tokens: u64 = prompts.iter().map(|prompt| count_tokens(prompt)).sum();
        let longest = prompts.iter().map(|prompt| count_tokens(prompt)).max().unwrap_or_default();
        let room = model.context_window.saturating_sub(longest);
        if room == 0 {
            let window = model.context_window;
            let message = format!(
                "the prompt has {longest} tokens, the maximum context length of `{}` is {window} tokens",
                model.id
            );
            return Err(Error::new(ErrorKind::ContextTooLong, message).sent(Sent::No));
        }
        let natural = tool.as_ref().map_or(model.tokens, ToolCall::steps).saturating_add(model.reasoning_tokens);
        let limit = sampling.max_tokens.unwrap_or(u32::MAX).min(u32::try_from(room).unwrap_or(u32::MAX));
        let endless = tool.is_none() && sampling.ignore_eos == Some(true) && sampling.max_tokens.is_some();
        let all = if endless { limit } else { natural.min(limit) };
        let reasoning = model.reasoning_tokens.min(all);
        let seed = of_request(seed, sampling);
        let finish = match &tool {
            _ if endless || natural > limit => Finish::Length,
            Some(_) => Finish::ToolCalls,
            None => Finish::Stop,
        };
        Ok(Self {
            choices: prompts.iter().map(|prompt| Draw::new(seed, "text", fnv(prompt.as_bytes()), 0).next()).collect(),
            prompt_tokens,
            reasoning,
            tokens: all - reasoning,
            tool,
            finish,
            stop: sampling.stop.clone(),
        })
    }

    /// The text of a choice's tokens `from` up to `to`, of all its tokens in a row; of a tool call, the pieces of its
    /// arguments.
    pub(crate) fn said(&self, choice: usize, from: u32, to: u32) -> String {
        let mut text = String::with_capacity((to - from) as usize * LONGEST);
        (from..to).for_each(|position| self.say(choice, position, &mut text));
        text
    }

    fn say(&self, choice: usize, position: u32, text: &mut String) {
        if let Some(tool) = self.tool.as_ref().filter(|_| position >= self.reasoning) {
            return text.push_str(tool.piece(position - self.reasoning));
        }
        if position != 0 && position != self.reasoning {
            text.push(' ');
        }
        text.push_str(word(&mut Draw::new(self.choices[choice], "word", position.into(), 0)));
    }

    /// Steps of the longest choice.
    pub(crate) fn steps(&self) -> u32 {
        self.reasoning + self.tokens
    }

    /// The same plan, ended before the first stop text of the first choice.
    pub(crate) fn until_stop(mut self) -> Self {
        if self.stop.is_empty() || self.tool.is_some() {
            return self;
        }
        let mut text = String::new();
        for position in 0..self.tokens {
            self.say(0, self.reasoning + position, &mut text);
            if self.stop.iter().any(|stop| !stop.is_empty() && text.contains(stop.as_str())) {
                self.tokens = position;
                self.finish = Finish::Stop;
                break;
            }
        }
        self
    }
}

/// A seed of the request's own gives other words, always the same ones.
fn of_request(seed: u64, sampling: &Sampling) -> u64 {
    sampling.seed.map_or(seed, |own| seed ^ own.cast_unsigned().rotate_left(32))
}

/// The prompt's texts; tokens are numbers written out, so that each counts as one.
pub(crate) fn texts(prompt: &Prompt) -> Vec<String> {
    match prompt {
        Prompt::Text(texts) => texts.clone(),
        Prompt::Tokens(lists) => {
            let text = |tokens: &Vec<u32>| tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
            lists.iter().map(text).collect()
        }
    }
}

/// A simulated tokenizer: a token is what stands between blanks, and there is at least one.
pub(crate) fn count_tokens(text: &str) -> u64 {
    (text.split_whitespace().count() as u64).max(1)
}

/// One of the words that models say.
pub(super) fn word(draw: &mut Draw) -> &'static str {
    WORDS[draw.below(WORDS.len())]
}

/// Bytes of the longest word, and the blank before it.
const LONGEST: usize = 8;

const WORDS: [&str; 64] = [
    "the", "harbour", "quay", "crane", "ship", "tide", "rope", "anchor", "lantern", "keel", "gull", "mast", "cargo",
    "wave", "storm", "calm", "pilot", "channel", "buoy", "chart", "compass", "north", "east", "wind", "sail", "deck",
    "hold", "bell", "watch", "night", "morning", "fog", "light", "house", "shore", "sand", "stone", "pier", "winch",
    "barge", "ferry", "crew", "captain", "signal", "flag", "horn", "engine", "steam", "coal", "salt", "fish", "net",
    "oar", "boat", "island", "bay", "river", "mouth", "bridge", "lock", "gate", "basin", "dock", "yard",
];

/// A vector of length 1 that depends on the seed and the text alone.
pub(crate) fn embedding(seed: u64, text: &str, dimensions: u32) -> Vec<f32> {
    let hash = fnv(text.as_bytes());
    let vector: Vec<f64> =
        (0..dimensions).map(|component| Draw::new(seed, "vector", hash, component.into()).gaussian()).collect();
    let length = vector.iter().map(|component| component * component).sum::<f64>().sqrt();
    vector.iter().map(|component| (component / length) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(prompt: &str, sampling: Sampling, seed: u64) -> (String, Plan) {
        let completion = Completion { prompt: prompt.into(), sampling, ..Completion::default() };
        let model = Model { tokens: 12, ..Model::chat("a") };
        let plan = Plan::of_completion(&completion, &model, seed).unwrap().until_stop();
        (plan.said(0, 0, plan.steps()), plan)
    }

    #[test]
    fn words_depend_on_seed_and_prompt_alone() {
        let (text, plan) = said("tell me", Sampling::default(), 1);
        assert_eq!(said("tell me", Sampling::default(), 1).0, text);
        assert_ne!(said("tell me", Sampling::default(), 2).0, text);
        assert_ne!(said("tell you", Sampling::default(), 1).0, text);
        assert_ne!(said("tell me", Sampling { seed: Some(3), ..Sampling::default() }, 1).0, text);
        assert_eq!((plan.prompt_tokens, plan.steps(), plan.finish), (2, 12, Finish::Stop));
        assert_eq!(count_tokens(&text), 12);
    }

    #[test]
    fn answers_are_as_long_as_they_may_be() {
        let check = |sampling: Sampling, tokens, finish| {
            let (_, plan) = said("x", sampling, 1);
            assert_eq!((plan.tokens, plan.finish), (tokens, finish));
        };
        check(Sampling { max_tokens: Some(5), ..Sampling::default() }, 5, Finish::Length);
        check(Sampling { max_tokens: Some(12), ..Sampling::default() }, 12, Finish::Stop);
        check(Sampling { max_tokens: Some(500), ..Sampling::default() }, 12, Finish::Stop);
        check(Sampling { max_tokens: Some(500), ignore_eos: Some(true), ..Sampling::default() }, 500, Finish::Length);
        let third = said("x", Sampling::default(), 1).1.said(0, 3, 4);
        let (text, plan) = said("x", Sampling { stop: vec![third.clone()], ..Sampling::default() }, 1);
        assert!(plan.tokens <= 3 && plan.finish == Finish::Stop && !text.contains(&third));
    }

    #[test]
    fn too_long_a_prompt_is_refused_with_both_numbers() {
        let model = Model { context_window: 3, ..Model::chat("a") };
        let completion = Completion { prompt: "a b c d".into(), ..Completion::default() };
        let error = Plan::of_completion(&completion, &model, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContextTooLong);
        assert!(error.message().contains("4 tokens") && error.message().contains("3 tokens"), "{error}");
    }

    #[test]
    fn vectors_have_length_one() {
        let vector = embedding(5, "naïve", 32);
        let length: f32 = vector.iter().map(|component| component * component).sum();
        assert!((length - 1.0).abs() < 1e-5);
        assert_eq!(vector, embedding(5, "naïve", 32));
        assert_ne!(vector, embedding(5, "naive", 32));
    }
}
