//! Decoding, summing and applying on a device: each payload of a chunk is decoded once.
//!
//! Sparse: one cube a chunk where shared memory holds the sums of 4096 elements, two otherwise, as on WebGPU, each of
//! which decodes the chunk and keeps its half. Dense: one unit four neighbouring elements, sums in registers, no shared
//! memory. An element's 4 bytes are read and written once; a body's bytes are read once (by two cubes at worst).
//!
//! Invariants: integers are added atomically, so the order in which units meet is of no account and no barrier stands
//! between payloads, only between tiles of 16. Bodies were validated on the host.
//!
//! Weighed and left: a barrier after every payload and no atomics, which lets 64 of 256 units work; a cube a quarter
//! chunk, which decodes everything four times.

use cubecl::prelude::*;

use super::decode::{
    FLOOR, TILE, code_in, code_of, dense_factor, dense_words, high_word, index_of, prepare, quad_of, raise_highs,
    scale_of, sparse_top, sparse_words,
};
use super::integer::{bf16_exponent_of, divide_to_nearest, float_bits, shift_to_nearest, subtract};

/// A cube that sums, known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sums {
    /// Entries of a chunk.
    pub k: u32,
    /// Elements whose sums the cube holds: a chunk or half of one.
    pub span: u32,
    /// Units of the cube, a power of two.
    pub units: u32,
}

impl Sums {
    /// Bytes of shared memory of [`apply_sparse`], rounded up.
    pub(super) const fn bytes(&self) -> usize {
        (6 * self.span + 4 * TILE * (self.k / 16 + 2) + 64) as usize
    }
}

/// θ ← θ − q·2^(E − 18) of a sparse aggregate. `status` holds all ones, and is brought down to the lowest fault: the
/// index of the element, plus 2^31 where the state was finite before.
///
/// # Shapes
/// `theta`, `next` [elements] as bits; `bodies` [summands · chunks · words of a chunk]; `factors` [summands · 2]:
/// weight, α·clip; `status` [1].
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are its buffers")]
pub(super) fn apply_sparse(
    theta: &[u32],
    bodies: &[u32],
    factors: &[u32],
    next: &mut [u32],
    status: &[Atomic<u32>],
    elements: u32,
    chunks: u32,
    summands: u32,
    divisor_min: u32,
    #[comptime] shape: Sums,
) {
    let (k, span, units) = comptime!((shape.k, shape.span, shape.units));
    let first = (CUBE_POS as u32) * span;
    let chunk = min(first / 4096u32, chunks - 1u32);
    let sums = Shared::<[Atomic<i32>]>::new_slice(comptime!(span as usize));
    let weights = Shared::<[Atomic<u32>]>::new_slice(comptime!(span as usize / 2));
    let mut starts = Shared::<[u32]>::new_slice(comptime!((TILE * k / 16) as usize));
    let mut fixed = Shared::<[u32]>::new_slice(comptime!(2 * TILE as usize));
    let largest = Shared::<[Atomic<u32>]>::new_slice(1usize);
    clear(&sums, &weights, &largest, span, units);
    sync_cube();
    let stride = chunks * comptime!(sparse_words(k));
    let at = chunk * comptime!(sparse_words(k));
    raise_highs(bodies, at, stride, summands, &largest, k, units);
    sync_cube();
    let top = sparse_top(largest[0].load());
    let mut tile = 0u32;
    while tile < summands {
        let count = min(summands - tile, TILE);
        prepare(bodies, factors, at, stride, tile, count, top, &mut starts, &mut fixed, k, units);
        sync_cube();
        add_tile(bodies, factors, at, stride, tile, count, &starts, &fixed, &sums, &weights, shape);
        sync_cube();
        tile += TILE;
    }
    let mut row = UNIT_POS;
    while row < span {
        let index = first + row;
        if index < elements {
            let weight = (weights[(row / 2u32) as usize].load() >> (16u32 * (row & 1u32))) & 0xffffu32;
            let divisor = max(max(weight, divisor_min), 1u32);
            step(theta, next, status, index, sums[row as usize].load(), divisor, top + 6u32);
        }
        row += units;
    }
}

/// Zeroes what is summed in.
#[cube]
fn clear(
    sums: &Shared<[Atomic<i32>]>,
    weights: &Shared<[Atomic<u32>]>,
    largest: &Shared<[Atomic<u32>]>,
    #[comptime] span: u32,
    #[comptime] units: u32,
) {
    let mut row = UNIT_POS;
    while row < span {
        sums[row as usize].store(0i32);
        row += units;
    }
    row = UNIT_POS;
    while row < comptime!(span / 2) {
        weights[row as usize].store(0u32);
        row += units;
    }
    if UNIT_POS == 0u32 {
        largest[0].store(0u32);
    }
}

/// Adds the entries of up to [`TILE`] bodies: a unit a position of a high field.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's helpers share its state")]
fn add_tile(
    bodies: &[u32],
    factors: &[u32],
    at: u32,
    stride: u32,
    tile: u32,
    count: u32,
    starts: &Shared<[u32]>,
    fixed: &Shared<[u32]>,
    sums: &Shared<[Atomic<i32>]>,
    weights: &Shared<[Atomic<u32>]>,
    #[comptime] shape: Sums,
) {
    let k = comptime!(shape.k);
    let offset = (CUBE_POS as u32 % comptime!(4096 / shape.span)) * comptime!(shape.span);
    let mut item = UNIT_POS;
    while item < count * comptime!(2 * shape.k) {
        let summand = item / comptime!(2 * shape.k);
        let position = item % comptime!(2 * shape.k);
        let body = (tile + summand) * stride + at;
        let word = high_word(bodies, body, position, k);
        let bit = 1u32 << (position & 31u32);
        if word & bit != 0u32 {
            let start = starts[(summand * comptime!(shape.k / 16) + position / 32u32) as usize];
            let entry = start + u32::count_ones(word & (bit - 1u32));
            // Fillers lie in the padding, which is never read back.
            let row = index_of(bodies, body, position, entry, k) - offset;
            if row < comptime!(shape.span) {
                let weight = factors[(2u32 * (tile + summand)) as usize];
                let code = code_of(bodies, body, entry, k);
                let value = (weight * fixed[(2u32 * summand + code / 2u32) as usize]) as i32;
                sums[row as usize].fetch_add(select(code & 1u32 == 0u32, value, -value));
                weights[(row / 2u32) as usize].fetch_add(weight << (16u32 * (row & 1u32)));
            }
        }
        item += comptime!(shape.units);
    }
}

/// As [`apply_sparse`], for dense bodies: every summand sends every element, so Σ w divides all sums.
///
/// # Shapes
/// As [`apply_sparse`].
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are its buffers")]
pub(super) fn apply_dense(
    theta: &[u32],
    bodies: &[u32],
    factors: &[u32],
    next: &mut [u32],
    status: &[Atomic<u32>],
    elements: u32,
    chunks: u32,
    summands: u32,
    weight_sum: u32,
    #[comptime] code_bits: u32,
) {
    let quad = ABSOLUTE_POS as u32;
    let chunk = quad / 1024u32;
    let inside = quad % 1024u32;
    if 4u32 * quad < elements {
        let stride = chunks * comptime!(dense_words(code_bits));
        let at = chunk * comptime!(dense_words(code_bits));
        let block = inside / 16u32;
        let mut largest = FLOOR.runtime();
        for summand in 0..summands {
            largest = max(largest, scale_of(bodies, summand * stride + at, block));
        }
        let top = bf16_exponent_of(largest);
        let mut sums = Array::<i32>::new(4usize);
        for summand in 0..summands {
            let body = summand * stride + at;
            let weight = factors[(2u32 * summand) as usize];
            let scale = scale_of(bodies, body, block);
            let (factor, shift) = dense_factor(scale, factors[(2u32 * summand + 1u32) as usize], top, code_bits);
            let codes = quad_of(bodies, body, inside, code_bits);
            #[unroll]
            for place in 0..4u32 {
                let code = code_in(codes, place, code_bits);
                let magnitude = select(code < 0i32, -code, code) as u32;
                let value = (weight * shift_to_nearest(factor * magnitude, shift)) as i32;
                sums[place as usize] += select(code < 0i32, -value, value);
            }
        }
        // E = top − 119 or − 123; q·2^(E − 18) is q·2^(scale − 150).
        let scale = top + comptime!(if code_bits == 8 { 13u32 } else { 9u32 });
        #[unroll]
        for place in 0..4u32 {
            let index = 4u32 * quad + place;
            if index < elements {
                step(theta, next, status, index, sums[place as usize], max(weight_sum, 1u32), scale);
            }
        }
    }
}

/// Writes θ − round(sum / divisor)·2^(scale − 150), by bits, and reports what is not finite.
#[cube]
fn step(theta: &[u32], next: &mut [u32], status: &[Atomic<u32>], index: u32, sum: i32, divisor: u32, scale: u32) {
    let own = theta[index as usize];
    let mut result = own;
    if sum != 0i32 {
        let quotient = divide_to_nearest(select(sum < 0i32, -sum, sum) as u32, divisor);
        if quotient != 0u32 {
            let sign = select(sum < 0i32, 0x8000_0000u32, 0u32);
            result = subtract(own, float_bits(quotient, scale) | sign);
        }
    }
    next[index as usize] = result;
    let was_finite = own & 0x7fff_ffffu32 < 0x7f80_0000u32;
    if !was_finite || result & 0x7fff_ffffu32 >= 0x7f80_0000u32 {
        status[0].fetch_min(index | select(was_finite, 0x8000_0000u32, 0u32));
    }
}
