//! How a dense codec rounds a quotient to a code.
//!
//! Invariant: a random number is a function of the seed and the element's place in the vector alone, so that a body can
//! be made again, on any device, in any order and from any part of the vector.

/// How quotients are rounded to codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest code, ties to the even one.
    #[default]
    Nearest,
    /// Up or down at random with the quotient as the mean, so that nothing small is always lost where there is no error
    /// feedback to keep it. The sparse codecs and `none` have nothing to round.
    Stochastic {
        /// What the random numbers are drawn from; another one for each round and worker.
        seed: u64,
    },
}

/// Rotations of Threefry-2x32 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011).
pub(crate) const ROTATIONS: [u32; 8] = [13, 15, 26, 6, 17, 29, 16, 24];

/// Threefry-2x32 with 20 rounds.
#[inline(always)]
pub(crate) const fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let keys = [key[0], key[1], 0x1bd1_1bda ^ key[0] ^ key[1]];
    let (mut a, mut b) = (counter[0].wrapping_add(keys[0]), counter[1].wrapping_add(keys[1]));
    let mut round = 0;
    while round < 20 {
        a = a.wrapping_add(b);
        b = b.rotate_left(ROTATIONS[round % 8]) ^ a;
        round += 1;
        if round % 4 == 0 {
            let injection = round / 4;
            a = a.wrapping_add(keys[injection % 3]);
            b = b.wrapping_add(keys[(injection + 1) % 3]).wrapping_add(injection as u32);
        }
    }
    [a, b]
}

/// The 64 random words of a block of 64 elements: those of counter 32·block + l are for its elements l and 32 + l.
#[inline(always)]
pub(crate) fn random_words(seed: u64, block: u64) -> [u32; 64] {
    let mut words = [0; 64];
    let (low, high) = words.split_at_mut(32);
    let key = [seed as u32, (seed >> 32) as u32];
    // 32 counters of a block never carry into the upper word.
    let (first, upper) = ((32 * block) as u32, ((32 * block) >> 32) as u32);
    for (lane, (low, high)) in low.iter_mut().zip(high).enumerate() {
        [*low, *high] = threefry(key, [first | lane as u32, upper]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threefry_gives_the_published_answers() {
        // From the known answers that accompany the paper's code (threefry2x32, 20 rounds).
        assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry([u32::MAX; 2], [u32::MAX; 2]), [0x1cb9_96fc, 0xbb00_2be7]);
        assert_eq!(threefry([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]), [0xc492_3a9c, 0x483d_f7a0]);
    }

    #[test]
    fn words_hang_on_seed_and_place() {
        let words = random_words(7, 3);
        assert_eq!([words[5], words[37]], threefry([7, 0], [101, 0]));
        let far = random_words(1 << 32 | 9, 1 << 40);
        assert_eq!([far[0], far[32]], threefry([9, 1], [0, 32 << 8]));
        assert_ne!(words, random_words(8, 3));
    }
}
