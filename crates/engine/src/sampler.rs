//! Chooses the next token from the model's scores.
//!
//! [`Sampler`] checks what a caller asks for and fills in what it leaves open; the drawing itself is candle's. It keeps
//! no text.

use std::hash::{BuildHasher, RandomState};

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Draw};
use longshore_core::call::Sampling;

use crate::{Error, ErrorKind};

/// Used when the call names no temperature: lively, and still coherent. llama.cpp and Ollama have the same.
pub const DEFAULT_TEMPERATURE: f64 = 0.8;
/// Used when the call names no `top_p`, as in llama.cpp.
pub const DEFAULT_TOP_P: f64 = 0.95;
/// Used when the call names no `top_k`, as in llama.cpp.
pub const DEFAULT_TOP_K: u32 = 40;

/// Draws tokens for one answer.
pub(crate) struct Sampler {
    draw: LogitsProcessor,
    banned: Vec<u32>,
}

impl Sampler {
    /// `banned` tokens are never drawn. `nth` tells apart the answers of one call that has several.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for numbers outside their range.
    pub(crate) fn new(sampling: &Sampling, banned: Vec<u32>, nth: u64) -> Result<Self, Error> {
        let temperature = in_range("temperature", sampling.temperature, 100.0)?.unwrap_or(DEFAULT_TEMPERATURE);
        let p = in_range("top_p", sampling.top_p, 1.0)?.unwrap_or(DEFAULT_TOP_P);
        let k = sampling.top_k.unwrap_or(DEFAULT_TOP_K) as usize;
        // 0 turns `top_k` off, as elsewhere.
        let draw = match (temperature < 1e-6 || p <= 0.0 || k == 1, k, p < 1.0) {
            (true, ..) => Draw::ArgMax,
            (false, 0, false) => Draw::All { temperature },
            (false, 0, true) => Draw::TopP { p, temperature },
            (false, k, false) => Draw::TopK { k, temperature },
            (false, k, true) => Draw::TopKThenTopP { k, p, temperature },
        };
        let seed = sampling.seed.map_or_else(|| RandomState::new().hash_one(0_u8), i64::cast_unsigned);
        Ok(Self { draw: LogitsProcessor::from_sampling(seed.wrapping_add(nth), draw), banned })
    }

    /// The next token.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the scores are no numbers.
    pub(crate) fn next(&mut self, logits: Tensor) -> Result<u32, Error> {
        let logits = if self.banned.is_empty() { Ok(logits) } else { without(&logits, &self.banned) };
        logits.and_then(|logits| self.draw.sample(&logits)).map_err(|error| {
            Error::new(ErrorKind::Server, format!("no token could be drawn from the model's scores: {error}"))
                .caused_by(error)
        })
    }
}

fn without(logits: &Tensor, banned: &[u32]) -> candle_core::Result<Tensor> {
    let mut scores = logits.to_vec1::<f32>()?;
    for id in banned {
        if let Some(score) = scores.get_mut(*id as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
    Tensor::new(scores, &Device::Cpu)
}

fn in_range(name: &str, value: Option<f64>, most: f64) -> Result<Option<f64>, Error> {
    match value {
        Some(value) if !(0.0..=most).contains(&value) => {
            Err(Error::invalid(format!("`{name}` is {value}; 0 to {most} make sense")))
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(sampling: &Sampling, banned: &[u32]) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling, banned.to_vec(), 0).unwrap();
        let scores = Tensor::new(&[1.0_f32, 3.0, 2.9, 2.8, -1.0], &Device::Cpu).unwrap();
        (0..200).map(|_| sampler.next(scores.clone()).unwrap()).collect()
    }

    #[test]
    fn limits_are_kept() {
        let seeded = Sampling { seed: Some(7), temperature: Some(1.0), ..Sampling::default() };
        let check = |sampling: Sampling, banned: &[u32], allowed: &[u32]| {
            let mut seen = draws(&sampling, banned);
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, allowed, "{sampling:?} without {banned:?}");
        };
        check(Sampling { temperature: Some(0.0), ..seeded.clone() }, &[], &[1]);
        check(Sampling { top_k: Some(1), ..seeded.clone() }, &[], &[1]);
        check(Sampling { top_p: Some(0.0), ..seeded.clone() }, &[], &[1]);
        check(Sampling { temperature: Some(0.0), ..seeded.clone() }, &[1], &[2]);
        check(Sampling { top_k: Some(2), ..seeded.clone() }, &[], &[1, 2]);
        check(Sampling { top_k: Some(0), top_p: Some(0.6), ..seeded.clone() }, &[], &[1, 2]);
        check(
            Sampling { top_k: Some(0), top_p: Some(1.0), temperature: Some(5.0), ..seeded.clone() },
            &[],
            &[0, 1, 2, 3, 4],
        );
    }

    #[test]
    fn a_seed_repeats() {
        let seeded = |seed| Sampling { seed: Some(seed), temperature: Some(1.5), ..Sampling::default() };
        assert_eq!(draws(&seeded(1), &[]), draws(&seeded(1), &[]));
        assert_ne!(draws(&seeded(1), &[]), draws(&seeded(-2), &[]));
    }

    #[test]
    fn nonsense_is_refused() {
        let check = |sampling: Sampling, name: &str| {
            let error = Sampler::new(&sampling, Vec::new(), 0).err().unwrap();
            assert!(error.message().contains(name), "{error}");
        };
        check(Sampling { temperature: Some(-1.0), ..Sampling::default() }, "temperature");
        check(Sampling { temperature: Some(f64::NAN), ..Sampling::default() }, "temperature");
        check(Sampling { top_p: Some(1.1), ..Sampling::default() }, "top_p");
    }
}
