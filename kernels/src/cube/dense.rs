//! Encoding dense blocks on a device: two blocks of 64 elements a unit, whose scales share a word.
//!
//! Invariant: no unit looks at another's blocks.

use cubecl::prelude::*;

use super::integer::{
    bf16_exponent_of, bf16_of_ratio, bf16_significand_of, divide_to_nearest, exponent_of, significand_of,
};

/// Encodes the two blocks of unit `ABSOLUTE_POS`, and a status word for them that is 0 or one more than the index in the
/// chunk of their first element that is not finite.
///
/// # Shapes
/// `values` [elements] as bits; `words` [chunks · (32 + code words + 32)]: scales, codes, status words.
#[cube(launch)]
pub(super) fn encode_dense(
    values: &[u32],
    words: &mut [u32],
    elements: u32,
    chunks: u32,
    #[comptime] code_bits: u32,
    #[comptime] scale_max: u32,
) {
    let pair = ABSOLUTE_POS as u32;
    let chunk = pair / 32u32;
    let inside = pair - chunk * 32u32;
    if chunk < chunks {
        let code_words = comptime!(4096 * code_bits / 32);
        let out = chunk * comptime!(64 + code_words);
        let mut scales = 0u32;
        let mut fault = 0u32;
        for half in 0..2u32 {
            let block = 2u32 * inside + half;
            let first = chunk * 4096u32 + block * 64u32;
            let largest = largest_of(values, first, elements);
            if largest >= 0x7f80_0000u32 && fault == 0u32 {
                fault = block * 64u32 + first_fault(values, first, elements) + 1u32;
            }
            let q = comptime!((1u32 << (code_bits - 1)) - 1);
            let exact = bf16_of_ratio(significand_of(largest), q, exponent_of(largest), true);
            let scale = min(exact, scale_max);
            scales |= scale << (16u32 * half);
            let block_words = comptime!(2 * code_bits);
            for word in 0..block_words {
                let codes = code_word(values, first, elements, word, scale, code_bits);
                words[(out + 32u32 + block * block_words + word) as usize] = codes;
            }
        }
        words[(out + inside) as usize] = scales;
        words[(out + 32u32 + code_words + inside) as usize] = fault;
    }
}

/// Bits of an element; padding is zero.
#[cube]
fn bits_of(values: &[u32], index: u32, elements: u32) -> u32 {
    let mut bits = 0u32;
    if index < elements {
        bits = values[index as usize];
    }
    bits
}

/// The largest magnitude bits of a block.
#[cube]
fn largest_of(values: &[u32], first: u32, elements: u32) -> u32 {
    let mut largest = 0u32;
    for offset in 0..64u32 {
        largest = max(largest, bits_of(values, first + offset, elements) & 0x7fff_ffffu32);
    }
    largest
}

/// The first element of a block that is not finite.
#[cube]
fn first_fault(values: &[u32], first: u32, elements: u32) -> u32 {
    let mut least = 64u32;
    for offset in 0..64u32 {
        if bits_of(values, first + offset, elements) & 0x7fff_ffffu32 >= 0x7f80_0000u32 {
            least = min(least, offset);
        }
    }
    least
}

/// Word `word` of a block's codes.
#[cube]
fn code_word(values: &[u32], first: u32, elements: u32, word: u32, scale: u32, #[comptime] code_bits: u32) -> u32 {
    let per_word = comptime!(32 / code_bits);
    let mut codes = 0u32;
    for place in 0..per_word {
        let own = bits_of(values, first + word * per_word + place, elements);
        let code = quantise(own, scale, comptime!((1u32 << (code_bits - 1)) - 1));
        codes |= (code & comptime!((1u32 << code_bits) - 1)) << (place * code_bits);
    }
    codes
}

/// round(e / scale) in −q … q, in two's complement.
#[cube]
fn quantise(bits: u32, scale: u32, #[comptime] q: u32) -> u32 {
    let magnitude = bits & 0x7fff_ffffu32;
    // At least 9 for finite values; from 25 on the quotient is below one half.
    let shift = bf16_exponent_of(scale) + 16u32 - min(exponent_of(magnitude), 16u32 + bf16_exponent_of(scale));
    let divisor = bf16_significand_of(scale) << min(shift, 24u32);
    let quotient = min(divide_to_nearest(significand_of(magnitude), max(divisor, 1u32)), q);
    let counted = select(scale == 0u32 || shift > 24u32, 0u32, quotient);
    select(bits > 0x8000_0000u32, 0u32 - counted, counted)
}
