//! e ← e − v and e ← e + v on a device, in place where the vector's buffer is the caller's alone.
//!
//! Bytes of global memory: of a sparse body only the elements that it lists are touched; of a dense one every element
//! is read and written once.
//!
//! Invariant: the decoded value is put together from its bits and subtracted in integers, so that a residual on a
//! device equals one on the host.

use cubecl::prelude::*;

use super::decode::{
    code_in, code_of, dense_words, high_word, index_of, magnitudes_of, ones_before, quad_of, scale_of, sparse_words,
};
use super::integer::{bf16_exponent_of, bf16_significand_of, float_bits, subtract};

/// Takes a sparse body off, or puts it back: one unit a position of a high field.
///
/// # Shapes
/// `residual` [elements] as bits; `body` [chunks · words of a chunk].
#[cube(launch)]
pub(super) fn move_sparse(
    residual: &mut [u32],
    body: &[u32],
    elements: u32,
    chunks: u32,
    #[comptime] k: u32,
    #[comptime] add: bool,
) {
    let item = ABSOLUTE_POS as u32;
    let chunk = item / comptime!(2 * k);
    let position = item % comptime!(2 * k);
    if chunk < chunks {
        let at = chunk * comptime!(sparse_words(k));
        let word = high_word(body, at, position, k);
        let bit = 1u32 << (position & 31u32);
        if word & bit != 0u32 {
            let entry = ones_before(body, at, position / 32u32, k) + u32::count_ones(word & (bit - 1u32));
            let index = chunk * 4096u32 + index_of(body, at, position, entry, k);
            if index < elements {
                let (code, pair) = (code_of(body, at, entry, k), magnitudes_of(body, at, k));
                let magnitude = select(code & 2u32 == 0u32, pair << 16u32, pair & 0xffff_0000u32);
                let value = (magnitude | ((code & 1u32) << 31u32)) ^ sign_of(add);
                residual[index as usize] = subtract(residual[index as usize], value);
            }
        }
    }
}

/// As [`move_sparse`], for a dense body: one unit four elements.
///
/// # Shapes
/// As [`move_sparse`].
#[cube(launch)]
pub(super) fn move_dense(
    residual: &mut [u32],
    body: &[u32],
    elements: u32,
    #[comptime] code_bits: u32,
    #[comptime] add: bool,
) {
    let quad = ABSOLUTE_POS as u32;
    if 4u32 * quad < elements {
        let at = (quad / 1024u32) * comptime!(dense_words(code_bits));
        let inside = quad % 1024u32;
        let codes = quad_of(body, at, inside, code_bits);
        let scale = scale_of(body, at, inside / 16u32);
        #[unroll]
        for place in 0..4u32 {
            let index = 4u32 * quad + place;
            let code = code_in(codes, place, code_bits);
            if index < elements && code != 0i32 {
                let magnitude = select(code < 0i32, -code, code) as u32 * bf16_significand_of(scale);
                let sign = select(code < 0i32, 0x8000_0000u32, 0u32) ^ sign_of(add);
                let value = float_bits(magnitude, bf16_exponent_of(scale) + 16u32) | sign;
                residual[index as usize] = subtract(residual[index as usize], value);
            }
        }
    }
}

/// What turns a difference into a sum.
#[cube]
fn sign_of(#[comptime] add: bool) -> u32 {
    if comptime!(add) { 0x8000_0000u32.runtime() } else { 0u32.runtime() }
}
