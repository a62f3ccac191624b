//! The hard cases that every path must get right, host and device alike.
#![allow(dead_code, reason = "shared between test programs; each uses its part")]

/// Lengths around every boundary of the format.
pub(crate) const LENGTHS: [usize; 16] =
    [1, 2, 31, 32, 33, 63, 64, 65, 129, 255, 257, 4095, 4096, 4097, 8192 + 17, 3 * 4096];

/// What the values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    HeavyTails,
    AllEqual,
    AllEqualMixedSigns,
    Zeros,
    SignedZeros,
    FewNonZero,
    Subnormal,
    AroundSmallestNormal,
    Tiny,
    Huge,
    Largest,
    WideRange,
    SmallIntegers,
    Ramp,
}

impl Kind {
    pub(crate) const ALL: [Self; 15] = [
        Self::Normal,
        Self::HeavyTails,
        Self::AllEqual,
        Self::AllEqualMixedSigns,
        Self::Zeros,
        Self::SignedZeros,
        Self::FewNonZero,
        Self::Subnormal,
        Self::AroundSmallestNormal,
        Self::Tiny,
        Self::Huge,
        Self::Largest,
        Self::WideRange,
        Self::SmallIntegers,
        Self::Ramp,
    ];
}

/// SplitMix64: the same numbers everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In −1 … 1, roughly bell-shaped, by exact operations only.
    pub(crate) fn bell(&mut self) -> f32 {
        let bits = self.next();
        let sum: i32 = (0..4).map(|i| (bits >> (16 * i) & 0xffff) as i32).sum();
        (sum - 2 * 65_535) as f32 / 131_072.0
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn signed(random: &mut Random, magnitude: u32) -> f32 {
    f32::from_bits(magnitude | (random.below(2) as u32) << 31)
}

/// A vector of a kind; the same for the same seed.
pub(crate) fn values(kind: Kind, len: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed ^ 0x5eed);
    (0..len).map(|index| value(kind, index, &mut random)).collect()
}

fn value(kind: Kind, index: usize, random: &mut Random) -> f32 {
    let bell = random.bell();
    match kind {
        Kind::Normal => bell * 1e-3,
        Kind::HeavyTails => bell * bell * bell / (1e-4 + random.bell().abs()),
        Kind::AllEqual => -0.003,
        Kind::AllEqualMixedSigns => signed(random, 0.75f32.to_bits()),
        Kind::Zeros => 0.0,
        Kind::SignedZeros => signed(random, 0),
        Kind::FewNonZero if random.below(400) != 0 => signed(random, 0),
        Kind::FewNonZero => bell,
        Kind::Subnormal => {
            let magnitude = random.below(1 << 23) as u32;
            signed(random, magnitude)
        }
        Kind::AroundSmallestNormal => {
            let magnitude = (1 << 23) - 300 + random.below(600) as u32;
            signed(random, magnitude)
        }
        Kind::Tiny => bell * 2f32.powi(-99),
        Kind::Huge => bell * 2f32.powi(126),
        Kind::Largest => {
            let magnitude = f32::MAX.to_bits() - random.below(3) as u32;
            signed(random, magnitude)
        }
        Kind::WideRange => {
            let magnitude = random.below(0x7f80_0000) as u32;
            signed(random, magnitude)
        }
        Kind::SmallIntegers => (random.below(9) as f32) - 4.0,
        Kind::Ramp => (index as f32 - 1000.0) * 0.5,
    }
}
