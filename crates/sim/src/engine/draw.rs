//! Chance that is decided beforehand: each draw is a function of the seed, a purpose and an index, so that neither
//! order nor concurrency changes it. There is no shared generator.

/// A small generator for one purpose of one request (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The generator of `purpose` for `index` (of a request) and `part` (a token, a rule) under `seed`.
    // Inlined, what a word like "itl" hashes to is known to the compiler.
    #[inline]
    pub(crate) fn new(seed: u64, purpose: &str, index: u64, part: u64) -> Self {
        // Each word goes through a full mixing step, so that neighbouring indices share nothing.
        let state = [fnv(purpose.as_bytes()), index, part].into_iter().fold(seed, |state, word| mix(mix(state) ^ word));
        Self(mix(state))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Even in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.uniform() * bound as f64) as usize
    }

    /// Mean 0, deviation 1 (Box and Muller).
    pub(crate) fn gaussian(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// A number for a text, the same on every machine (FNV-1a).
#[inline]
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
