//! e ← e − v on a device.
//!
//! Invariant: the decoded value is put together from its bits and subtracted in integers, so that a residual on a device
//! equals one on the host.

use cubecl::prelude::*;

use super::integer::{bf16_exponent_of, bf16_significand_of, float_bits, subtract};
use super::outer::{code_of, dense_code, index_of, scale_of};

/// Subtracts a sparse body: one cube for a segment of 1024 elements.
///
/// # Shapes
/// `residual`, `next` [elements] as bits; `body` [chunks · words of a chunk].
#[cube(launch)]
pub(super) fn subtract_sparse(
    residual: &[u32],
    body: &[u32],
    next: &mut [u32],
    elements: u32,
    chunks: u32,
    #[comptime] k: u32,
    #[comptime] units: u32,
) {
    let segment = CUBE_POS as u32;
    let offset = (segment & 3u32) * 1024u32;
    let chunk_words = comptime!(k * (12 - k.ilog2()) / 32 + k / 8 + 1);
    let at = min(segment / 4u32, chunks - 1u32) * chunk_words;
    let mut values = Shared::<[u32]>::new_slice(1024usize);
    let mut row = UNIT_POS;
    while row < 1024u32 {
        // No bf16 has these bits: not sent.
        values[row as usize] = 0xffff_ffffu32;
        row += units;
    }
    sync_cube();
    let pair = body[(at + chunk_words - 1u32) as usize];
    let mut entry = UNIT_POS;
    while entry < k {
        let index = index_of(body, at, entry, k);
        let code = code_of(body, at, entry, k);
        if index >= offset && index < offset + 1024u32 {
            let magnitude = select(code & 2u32 == 0u32, pair << 16u32, pair & 0xffff_0000u32);
            values[(index - offset) as usize] = magnitude | ((code & 1u32) << 31u32);
        }
        entry += units;
    }
    sync_cube();
    row = UNIT_POS;
    while row < 1024u32 {
        let index = segment * 1024u32 + row;
        if index < elements {
            let own = residual[index as usize];
            let value = values[row as usize];
            next[index as usize] = select(value == 0xffff_ffffu32, own, subtract(own, value));
        }
        row += units;
    }
}

/// Subtracts a dense body: one unit an element.
///
/// # Shapes
/// As [`subtract_sparse`].
#[cube(launch)]
pub(super) fn subtract_dense(
    residual: &[u32],
    body: &[u32],
    next: &mut [u32],
    elements: u32,
    #[comptime] code_bits: u32,
) {
    let index = ABSOLUTE_POS as u32;
    if index < elements {
        let chunk = index / 4096u32;
        let inside = index - chunk * 4096u32;
        let at = chunk * comptime!(32 + 4096 * code_bits / 32);
        let code = dense_code(body, at, inside, code_bits);
        let mut result = residual[index as usize];
        if code != 0i32 {
            let scale = scale_of(body, at, inside);
            let magnitude = select(code < 0i32, -code, code) as u32 * bf16_significand_of(scale);
            let sign = select(code < 0i32, 0x8000_0000u32, 0u32);
            result = subtract(result, float_bits(magnitude, bf16_exponent_of(scale) + 16u32) | sign);
        }
        next[index as usize] = result;
    }
}
