//! A permutation of 0..n that needs no table: a Feistel network over the next even power of two, walked along its cycle
//! until it lands inside.

use crate::Hash;

const ROUNDS: usize = 6;

/// A keyed permutation of the numbers below `n`.
#[derive(Debug, Clone)]
pub(super) struct Permutation {
    n: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation of the numbers below `n` (at least one, at most 2⁶²) that `seed` picks.
    pub(super) fn new(n: u64, seed: &Hash) -> Self {
        let bits = (64 - n.saturating_sub(1).leading_zeros()).max(2);
        let half_bits = bits.div_ceil(2).min(31);
        let keys = std::array::from_fn(|round| {
            let key = Hash::of_parts("cotrain/permutation/1", &[&seed.0, &[round as u8]]);
            u64::from_le_bytes(std::array::from_fn(|byte| key.0[byte]))
        });
        Self { n: n.clamp(1, 1 << 62), half_bits, keys }
    }

    /// What stands at `position`, which is below n. The domain is at most 4 times n and a cycle returns to `position`,
    /// so the walk ends; it takes four steps on average at most.
    pub(super) fn at(&self, position: u64) -> u64 {
        let mut value = self.shuffle(position % self.n);
        while value >= self.n {
            value = self.shuffle(value);
        }
        value
    }

    fn shuffle(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        (left << self.half_bits) | right
    }
}

/// Stirs 64 bits: the finaliser of SplitMix64.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
