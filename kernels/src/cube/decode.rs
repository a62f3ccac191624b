//! Reading bodies on a device.
//!
//! Invariants: bodies were validated on the host. No entry is searched for: a unit takes a position of the high field,
//! and where a one is, the ones before it, counted word by word once for the whole cube, say which entry it is.

use cubecl::prelude::*;

use super::integer::{bf16_exponent_of, bf16_significand_of, shift_to_nearest};

/// bf16 bits of 2^−100.
pub(super) const FLOOR: u32 = 27 << 7;

/// Bodies that are looked at between two barriers, which bounds shared memory.
pub(super) const TILE: u32 = 16;

/// Words of a sparse chunk.
pub(super) const fn sparse_words(k: u32) -> u32 {
    k * (12 - k.ilog2()) / 32 + k / 8 + 1
}

/// Words of a dense chunk.
pub(super) const fn dense_words(code_bits: u32) -> u32 {
    32 + 128 * code_bits
}

/// The index of an entry from its position in the high field.
#[cube]
pub(super) fn index_of(bodies: &[u32], body: u32, position: u32, entry: u32, #[comptime] k: u32) -> u32 {
    let low_bits = comptime!(12 - k.ilog2());
    let bit = entry * low_bits;
    let word = body + bit / 32u32;
    let shift = bit & 31u32;
    let mut low = bodies[word as usize] >> shift;
    if shift + low_bits > 32u32 {
        low |= bodies[(word + 1u32) as usize] << (32u32 - shift);
    }
    ((position - entry) << low_bits) | (low & comptime!((1u32 << (12 - k.ilog2())) - 1))
}

/// Code of an entry of a sparse chunk.
#[cube]
pub(super) fn code_of(bodies: &[u32], body: u32, entry: u32, #[comptime] k: u32) -> u32 {
    let codes = body + comptime!(k * (12 - k.ilog2()) / 32 + k / 16);
    (bodies[(codes + entry / 16u32) as usize] >> (2u32 * (entry & 15u32))) & 3u32
}

/// L in the lower half, H in the upper.
#[cube]
pub(super) fn magnitudes_of(bodies: &[u32], body: u32, #[comptime] k: u32) -> u32 {
    bodies[(body + comptime!(sparse_words(k) - 1)) as usize]
}

/// The word of the high field that holds a position.
#[cube]
pub(super) fn high_word(bodies: &[u32], body: u32, position: u32, #[comptime] k: u32) -> u32 {
    bodies[(body + comptime!(k * (12 - k.ilog2()) / 32) + position / 32u32) as usize]
}

/// Ones of the high field before a word of it.
#[cube]
pub(super) fn ones_before(bodies: &[u32], body: u32, word: u32, #[comptime] k: u32) -> u32 {
    let field = body + comptime!(k * (12 - k.ilog2()) / 32);
    let mut ones = 0u32;
    for before in 0..word {
        ones += u32::count_ones(bodies[(field + before) as usize]);
    }
    ones
}

/// bf16 bits of the scale of a block of a dense chunk.
#[cube]
pub(super) fn scale_of(bodies: &[u32], body: u32, block: u32) -> u32 {
    (bodies[(body + block / 2u32) as usize] >> (16u32 * (block & 1u32))) & 0xffffu32
}

/// The codes of elements 4 · `quad` … 4 · `quad` + 3 of a dense chunk, the first in the lowest bits.
#[cube]
pub(super) fn quad_of(bodies: &[u32], body: u32, quad: u32, #[comptime] code_bits: u32) -> u32 {
    if comptime!(code_bits == 8) {
        bodies[(body + 32u32 + quad) as usize]
    } else {
        bodies[(body + 32u32 + quad / 2u32) as usize] >> (16u32 * (quad & 1u32))
    }
}

/// One code of four.
#[cube]
pub(super) fn code_in(quad: u32, #[comptime] place: u32, #[comptime] code_bits: u32) -> i32 {
    let raw = (quad >> comptime!(place * code_bits)) & comptime!((1u32 << code_bits) - 1);
    let sign = comptime!(1u32 << (code_bits - 1));
    ((raw ^ sign) as i32) - comptime!(1i32 << (code_bits - 1))
}

/// From the largest H of a chunk: its exponent, or that of 2^−101 when it counts as zero, so that E is −100 then.
#[cube]
pub(super) fn sparse_top(largest: u32) -> u32 {
    select(largest >= FLOOR, largest >> 7u32, 26u32)
}

/// V of a magnitude.
#[cube]
pub(super) fn sparse_fixed(bits: u32, factor: u32, top: u32) -> u32 {
    let mut fixed = 0u32;
    if bits >= FLOOR {
        fixed = shift_to_nearest(factor * bf16_significand_of(bits), 6u32 + top - bf16_exponent_of(bits));
    }
    fixed
}

/// What the V of a block's codes have in common: the product α·c·S, 0 for a scale that counts as zero, and the shift.
#[cube]
pub(super) fn dense_factor(scale: u32, factor: u32, top: u32, #[comptime] code_bits: u32) -> (u32, u32) {
    let shift = comptime!(if code_bits == 8 { 13u32 } else { 9u32 });
    let distance = top - min(bf16_exponent_of(scale), top);
    (select(scale >= FLOOR, factor * bf16_significand_of(scale), 0u32), shift + distance)
}

/// Counts the ones before each word of the high fields of up to [`TILE`] bodies, and writes V of L and H of each.
///
/// # Shapes
/// `bodies` [summands · stride], of which the chunk's words begin at `at`; `factors` [summands · 2]: weight, α·clip;
/// `starts` [TILE · k / 16]; `fixed` [TILE · 2].
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's helpers share its state")]
pub(super) fn prepare(
    bodies: &[u32],
    factors: &[u32],
    at: u32,
    stride: u32,
    tile: u32,
    count: u32,
    top: u32,
    starts: &mut Shared<[u32]>,
    fixed: &mut Shared<[u32]>,
    #[comptime] k: u32,
    #[comptime] units: u32,
) {
    let fields = comptime!(k / 16);
    let mut item = UNIT_POS;
    while item < count * fields {
        let body = (tile + item / fields) * stride + at;
        starts[item as usize] = ones_before(bodies, body, item % fields, k);
        item += units;
    }
    item = UNIT_POS;
    while item < count {
        let pair = magnitudes_of(bodies, (tile + item) * stride + at, k);
        let factor = factors[(2u32 * (tile + item) + 1u32) as usize];
        fixed[(2u32 * item) as usize] = sparse_fixed(pair & 0xffffu32, factor, top);
        fixed[(2u32 * item + 1u32) as usize] = sparse_fixed(pair >> 16u32, factor, top);
        item += units;
    }
}

/// The largest H of a chunk, into a zeroed word of shared memory.
#[cube]
pub(super) fn raise_highs(
    bodies: &[u32],
    at: u32,
    stride: u32,
    summands: u32,
    largest: &Shared<[Atomic<u32>]>,
    #[comptime] k: u32,
    #[comptime] units: u32,
) {
    let mut summand = UNIT_POS;
    while summand < summands {
        largest[0].fetch_max(magnitudes_of(bodies, summand * stride + at, k) >> 16u32);
        summand += units;
    }
}
