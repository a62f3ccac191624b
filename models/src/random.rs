//! A counter-based generator: value `i` of a stream is a function of (stream, i) alone.
//!
//! So a stream may be read in any order and by any number of threads, resumes from a counter, and repeats on every
//! machine: only integer operations and one exact conversion are used.

/// One stream of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: u64,
}

/// The increment of SplitMix64 (Steele, Lea, Flood 2014): 2^64 divided by the golden ratio, odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Uniform 16-bit numbers summed for one normal value.
const SUMMANDS: u64 = 12;

impl Stream {
    /// The stream of a purpose (`domain`), a seed and a name within the purpose.
    pub fn new(domain: &str, seed: u64, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(domain);
        hasher.update(&seed.to_le_bytes());
        hasher.update(name.as_bytes());
        let mut key = [0; 8];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self { key: u64::from_le_bytes(key) }
    }

    /// The `counter`-th 64 uniform bits.
    pub fn bits(self, counter: u64) -> u64 {
        let mut z = self.key.wrapping_add(counter.wrapping_add(1).wrapping_mul(GOLDEN));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The `counter`-th number of the uniform distribution on [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(self, counter: u64) -> f64 {
        (self.bits(counter) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The `counter`-th number of a distribution with mean 0 and variance 1 that is close to normal: the sum of twelve
    /// uniform 16-bit numbers. Its tails end at six deviations. The usual logarithm and cosine differ in the last bit
    /// between mathematics libraries; this does not.
    pub fn normal(self, counter: u64) -> f32 {
        let first = counter.wrapping_mul(SUMMANDS / 4);
        let sum: u64 = (0..SUMMANDS / 4).map(|draw| sum_of_quarters(self.bits(first.wrapping_add(draw)))).sum();
        // Twice the sum is an integer around 12 · 65535; one deviation of the sum is 65536 within 1e-10.
        let centred = 2 * sum as i64 - 65_535 * SUMMANDS as i64;
        centred as f32 / 131_072.0
    }
}

fn sum_of_quarters(bits: u64) -> u64 {
    (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
}

#[cfg(test)]
mod tests;
