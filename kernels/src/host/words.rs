//! Sixty-four elements at a time: masks of comparisons, positions of bits, rounded products.
//!
//! These few steps no compiler finds by itself, so that they have intrinsics of their own for each level.
//!
//! Invariant: every level gives the same bits, since all arithmetic is on integers or on floats whose results are exact
//! or correctly rounded one by one.

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
use simd::Level;
use simd::opaque;

#[cfg(target_arch = "x86_64")]
use super::magnitude::power_of_two;
use super::magnitude::shift_to_nearest;
use crate::format::CHUNK;

/// Elements that one word of a mask stands for.
pub(crate) const WORD: usize = 64;

/// Words of the mask of a chunk.
pub(crate) const WORDS: usize = CHUNK / WORD;

/// Which of 64 magnitudes reach `bound`, both as bits below 2^31: bit `i` for element `i`.
#[inline(always)]
pub(crate) fn reaching<const LEVEL: u8>(values: &[f32; WORD], bound: u32) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: a body compiled for a level runs only where its features were found; SSE2 is part of the target.
        unsafe {
            if LEVEL == Level::Avx512 as u8 {
                x86::reaching_512(values, bound)
            } else if LEVEL == Level::Avx2 as u8 {
                x86::reaching_256(values, bound)
            } else {
                x86::reaching_128(values, bound)
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let reaches = |value: &f32| u64::from(value.to_bits() & crate::host::magnitude::MAGNITUDE_MASK >= bound);
        values.iter().enumerate().fold(0, |mask, (i, value)| mask | reaches(value) << i)
    }
}

/// Writes the positions of the ones of `words`, at most 64 · 8 of them, in rising order; as many as `positions` holds.
/// Returns how many ones there are.
#[inline(always)]
pub(crate) fn positions_of_ones<const LEVEL: u8>(words: &[u64], positions: &mut [u16]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if LEVEL == Level::Avx512 as u8 {
        // SAFETY: as above.
        return unsafe { x86::positions_512(words, positions) };
    }
    let mut found = 0;
    for (number, &word) in words.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            if let Some(position) = positions.get_mut(found) {
                *position = (number * WORD) as u16 + left.trailing_zeros() as u16;
            }
            found += 1;
            left &= left - 1;
        }
    }
    found
}

/// What turns the codes of a block into its part of the sums.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// At most 2^24.
    pub(crate) factor: u32,
    /// The power of two that the products are divided by; they are below 2^18 then.
    pub(crate) shift: u32,
    /// What the rounded products are multiplied by.
    pub(crate) weight: i32,
}

impl Product {
    /// factor / 2^shift, which f32 holds exactly, and 0 where every product of a code is less than half.
    #[cfg(target_arch = "x86_64")]
    fn ratio(self) -> f32 {
        if self.shift > 32 { 0.0 } else { self.factor as f32 * power_of_two(-(self.shift as i32)) }
    }

    #[inline(always)]
    fn rounded(self, code: i8) -> i32 {
        i32::from(code.signum()) * shift_to_nearest(self.factor * u32::from(code.unsigned_abs()), self.shift) as i32
    }
}

/// `rounded` ← round(code · factor / 2^shift), to nearest, ties to even, where it is wanted, and `sums` ← `sums` +
/// weight · that.
#[inline(always)]
pub(crate) fn add_bytes<const LEVEL: u8>(
    codes: &[u8; WORD],
    product: Product,
    rounded: Option<&mut [i32; WORD]>,
    sums: &mut [i32; WORD],
) {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: as above.
        unsafe {
            if LEVEL == Level::Avx512 as u8 {
                return x86::add_bytes_512(codes, product.ratio(), product.weight, rounded, sums);
            } else if LEVEL == Level::Avx2 as u8 {
                return x86::add_bytes_256(codes, product.ratio(), product.weight, rounded, sums);
            }
        }
    }
    add_codes(codes.map(|code| code as i8), product, rounded, sums);
}

/// As [`add_bytes`], for codes of four bits, the lower index in the lower half of a byte.
#[inline(always)]
pub(crate) fn add_nibbles<const LEVEL: u8>(
    codes: &[u8; WORD / 2],
    product: Product,
    rounded: Option<&mut [i32; WORD]>,
    sums: &mut [i32; WORD],
) {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: as above.
        unsafe {
            if LEVEL == Level::Avx512 as u8 {
                return x86::add_nibbles_512(codes, product.ratio(), product.weight, rounded, sums);
            } else if LEVEL == Level::Avx2 as u8 {
                return x86::add_nibbles_256(codes, product.ratio(), product.weight, rounded, sums);
            }
        }
    }
    add_codes(std::array::from_fn(|i| (codes[i / 2] << (4 * (1 - i % 2))) as i8 >> 4), product, rounded, sums);
}

#[inline(always)]
fn add_codes(codes: [i8; WORD], product: Product, rounded: Option<&mut [i32; WORD]>, sums: &mut [i32; WORD]) {
    let mut unwanted = [0; WORD];
    let rounded = rounded.unwrap_or(&mut unwanted);
    for ((rounded, sum), &code) in rounded[..opaque(WORD)].iter_mut().zip(sums).zip(&codes) {
        *rounded = product.rounded(code);
        *sum += product.weight * *rounded;
    }
}

/// Which of 64 numbers are not zero: bit `i` for number `i`.
#[inline(always)]
pub(crate) fn non_zero<const LEVEL: u8>(values: &[i64; WORD]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: as above.
        unsafe {
            if LEVEL == Level::Avx512 as u8 {
                return x86::non_zero_512(values);
            } else if LEVEL == Level::Avx2 as u8 {
                return x86::non_zero_256(values);
            }
        }
    }
    values.iter().enumerate().fold(0, |mask, (i, &value)| mask | u64::from(value != 0) << i)
}

#[cfg(test)]
mod tests {
    use simd::vectorised;

    use super::*;

    vectorised! {
        #![bytes]
        fn masks(values: &[f32; WORD], bound: u32) -> u64 {
            reaching::<LEVEL>(values, bound)
        }
    }

    vectorised! {
        #![bytes]
        fn positions(words: &[u64], positions: &mut [u16]) -> usize {
            positions_of_ones::<LEVEL>(words, positions)
        }
    }

    #[test]
    fn a_mask_has_a_bit_for_each_magnitude_that_reaches_the_bound() {
        let mut values = [0.0f32; WORD];
        (values[0], values[1], values[17], values[63]) = (-2.0, 1.9, 2.0, f32::NEG_INFINITY);
        assert_eq!(masks(&values, 2.0f32.to_bits()), 1 | 1 << 17 | 1 << 63);
        assert_eq!(masks(&values, 0), u64::MAX);
        assert_eq!(masks(&values, 1), 1 | 2 | 1 << 17 | 1 << 63);
    }

    vectorised! {
        #![bytes]
        fn not_zero(values: &[i64; WORD]) -> u64 {
            non_zero::<LEVEL>(values)
        }
    }

    #[test]
    fn numbers_that_are_not_zero_are_marked() {
        let mut values = [0; WORD];
        (values[2], values[31], values[63]) = (1 << 32, -1, i64::MIN);
        assert_eq!(not_zero(&values), 1 << 2 | 1 << 31 | 1 << 63);
        assert_eq!((not_zero(&[0; WORD]), not_zero(&[7; WORD])), (0, u64::MAX));
    }

    vectorised! {
        #![bytes]
        fn add_eight(codes: &[u8; WORD], product: Product, rounded: &mut [i32; WORD], sums: &mut [i32; WORD]) {
            add_bytes::<LEVEL>(codes, product, Some(rounded), sums);
        }
    }

    vectorised! {
        #![bytes]
        fn add_four(codes: &[u8; WORD / 2], product: Product, rounded: &mut [i32; WORD], sums: &mut [i32; WORD]) {
            add_nibbles::<LEVEL>(codes, product, Some(rounded), sums);
        }
    }

    vectorised! {
        #![bytes]
        fn only_sums(bytes: &[u8; WORD], nibbles: &[u8; WORD / 2], product: Product, sums: &mut [i32; WORD]) {
            add_bytes::<LEVEL>(bytes, product, None, sums);
            add_nibbles::<LEVEL>(nibbles, product, None, sums);
        }
    }

    fn check_products(codes: [i8; WORD], product: Product, rounded: &[i32; WORD], sums: &[i32; WORD]) {
        for (i, code) in codes.into_iter().enumerate() {
            let exact = f64::from(code) * f64::from(product.factor) / f64::from(product.shift).exp2();
            assert_eq!(
                f64::from(rounded[i]),
                exact.round_ties_even(),
                "{code} · {} / 2^{}",
                product.factor,
                product.shift
            );
            assert_eq!(sums[i], 5 + product.weight * rounded[i]);
        }
    }

    #[test]
    fn products_are_rounded_to_nearest_ties_to_even() {
        // Odd and even factors that make ties, the largest ones, and shifts from which on nothing is left.
        let small = [(1, 1), (3, 2), (12_345, 9), (5, 3)].map(|(factor, shift)| (factor, shift));
        let large =
            [(255 << 16, 13), (255 << 16, 24), (7 << 20, 25), (65_280 * 255, 31), (255 << 16, 32), (255 << 16, 200)];
        for (factor, shift) in small.into_iter().chain(large) {
            let product = Product { factor, shift, weight: 3 };
            let codes: [i8; WORD] = std::array::from_fn(|i| i as i8 * 4 - 127);
            let bytes = codes.map(|code| code as u8);
            let (mut rounded, mut sums) = ([9; WORD], [5; WORD]);
            add_eight(&bytes, product, &mut rounded, &mut sums);
            check_products(codes, product, &rounded, &sums);

            let nibbles: [u8; WORD / 2] = std::array::from_fn(|i| (i * 37 + 11) as u8);
            let (mut rounded, mut four_sums) = ([9; WORD], [5; WORD]);
            let shift = shift.saturating_sub(4).max(1);
            let product = Product { shift, ..product };
            add_four(&nibbles, product, &mut rounded, &mut four_sums);
            let codes = std::array::from_fn(|i| (nibbles[i / 2] << (4 * (1 - i % 2))) as i8 >> 4);
            check_products(codes, product, &rounded, &four_sums);

            let product = Product { shift: shift + 4, weight: 64, ..product };
            let (mut found, mut expected) = ([0; WORD], [0; WORD]);
            only_sums(&bytes, &nibbles, product, &mut found);
            add_eight(&bytes, product, &mut rounded, &mut expected);
            add_four(&nibbles, product, &mut rounded, &mut expected);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn positions_are_listed_as_far_as_there_is_room() {
        let words = [1 | 1 << 63, 0, 0xff00];
        let mut room = [9u16; 7];
        assert_eq!(positions(&words, &mut room), 10);
        assert_eq!(room, [0, 63, 136, 137, 138, 139, 140]);
        let mut plenty = [9u16; 200];
        assert_eq!(positions(&words, &mut plenty), 10);
        assert_eq!(plenty[..10], [0, 63, 136, 137, 138, 139, 140, 141, 142, 143]);
    }
}
