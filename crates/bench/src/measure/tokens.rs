//! How many tokens each event carried.
//!
//! Servers tell the sum. Where it is the number of events, each carried one. Where it fits events of one size with a
//! shorter last one, that is what servers do that join tokens. Otherwise the sum is shared out by length of text.

use serde::{Deserialize, Serialize};

use super::Chunk;

/// Where numbers of tokens come from, the surest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// The server told.
    Usage,
    /// A tokenizer counted the answer's text.
    Tokenizer,
    /// Nobody told: each event with content was taken for one token.
    #[default]
    Events,
}

/// The tokens of each event, `total` together; without a total, one each.
pub fn share_out(chunks: &[Chunk], total: Option<u64>) -> Vec<f64> {
    match total.filter(|total| *total > 0) {
        Some(total) => shares(chunks, total, chunks.len() as u64),
        None => vec![1.0; chunks.len()],
    }
}

fn shares(chunks: &[Chunk], total: u64, events: u64) -> Vec<f64> {
    if events == 0 || total == events {
        return vec![1.0; chunks.len()];
    }
    if let Some(sizes) = even(chunks, total, events) {
        return sizes;
    }
    let characters: u64 = chunks.iter().map(|chunk| u64::from(chunk.characters)).sum();
    if characters == 0 {
        return vec![total as f64 / events as f64; chunks.len()];
    }
    chunks.iter().map(|chunk| total as f64 * f64::from(chunk.characters) / characters as f64).collect()
}

/// Events of one size and a last one that is no larger. Where several sizes fit, the last one's text decides.
fn even(chunks: &[Chunk], total: u64, events: u64) -> Option<Vec<f64>> {
    let before_last = events - 1;
    if before_last == 0 {
        return Some(vec![total as f64]);
    }
    let text = |chunks: &[Chunk]| chunks.iter().map(|chunk| f64::from(chunk.characters)).sum::<f64>();
    let expected = total as f64 * text(&chunks[chunks.len() - 1..]) / text(chunks).max(1.0);
    let last = |size: u64| (total - size * before_last) as f64;
    let distance = |size: u64| (last(size) - expected).abs();
    let sizes = total.div_ceil(events)..=(total - 1) / before_last;
    let size = sizes.filter(|size| *size > 1).min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
    let mut shares = vec![size as f64; chunks.len()];
    shares[chunks.len() - 1] = last(size);
    Some(shares)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn chunks(characters: &[u32]) -> Vec<Chunk> {
        characters.iter().map(|&characters| Chunk { at: Duration::ZERO, characters }).collect()
    }

    #[test]
    fn tokens_are_shared_out() {
        let check = |characters: &[u32], total: Option<u64>, expected: &[f64]| {
            assert_eq!(share_out(&chunks(characters), total), expected);
        };
        check(&[3, 9, 1], Some(3), &[1.0, 1.0, 1.0]);
        check(&[3, 9, 1], None, &[1.0, 1.0, 1.0]);
        check(&[20, 21, 9], Some(12), &[5.0, 5.0, 2.0]);
        check(&[20, 21], Some(10), &[5.0, 5.0]);
        check(&[8, 4, 4], Some(4), &[2.0, 1.0, 1.0]);
        check(&[50], Some(10), &[10.0]);
        check(&[], Some(10), &[]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(characters in prop::collection::vec(1..40_u32, 1..60), total in 1..500_u64) {
            let shares = share_out(&chunks(&characters), Some(total));
            prop_assert!((shares.iter().sum::<f64>() - total as f64).abs() < 1e-6);
            prop_assert!(shares.iter().all(|share| *share > 0.0));
        }
    }
}
