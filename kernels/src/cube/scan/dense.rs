//! The scan of dense bodies, with T of 16 blocks in shared memory.
//!
//! Invariants: as of the sparse scan; no unit adds to what another adds to, so there are no atomics here.
//!
//! Weighed and left: products in the pass that sums up T's quads, which takes eight atomics a member for four elements.

use cubecl::prelude::*;

use super::REST;
use crate::cube::decode::{FLOOR, code_in, dense_factor, dense_words, quad_of, scale_of};
use crate::cube::integer::{bf16_exponent_of, shift_to_nearest};
use crate::cube::wide::{add_product, magnitude};

/// Blocks of a dense chunk that a cube scans.
pub(in crate::cube) const BLOCKS: u32 = 16;

/// As [`scan_sparse`](super::scan_sparse), a result a block: 16 blocks a cube. First a unit sums up T of four elements,
/// then a unit goes over a block for a member, or for S.
///
/// # Shapes
/// As [`scan_sparse`](super::scan_sparse); `out` [64 · chunks · (4 · members + 3)].
#[cube(launch)]
pub(in crate::cube) fn scan_dense(
    bodies: &[u32],
    factors: &[u32],
    out: &mut [u32],
    chunks: u32,
    members: u32,
    #[comptime] code_bits: u32,
    #[comptime] units: u32,
) {
    let group = CUBE_POS as u32;
    let inside = min(group, 4u32 * chunks - 1u32);
    let chunk = inside / 4u32;
    let first = (inside % 4u32) * BLOCKS;
    // 65 words a block, so that the units of a plane meet in no bank.
    let mut sums = Shared::<[i32]>::new_slice(comptime!(65 * BLOCKS as usize));
    let stride = chunks * comptime!(dense_words(code_bits));
    let at = chunk * comptime!(dense_words(code_bits));
    let mut quad = UNIT_POS;
    while quad < comptime!(16 * BLOCKS) {
        let block = quad / 16u32;
        sum_quad(
            bodies,
            factors,
            at,
            stride,
            members,
            first + block,
            quad % 16u32,
            64u32 * block + block,
            &mut sums,
            code_bits,
        );
        quad += units;
    }
    sync_cube();
    if group < 4u32 * chunks {
        let mut item = UNIT_POS;
        while item < BLOCKS * (members + 1u32) {
            let block = item % BLOCKS;
            let member = item / BLOCKS;
            let result = (group * BLOCKS + block) * (4u32 * members + REST);
            let top = dense_top(bodies, at, stride, members, first + block);
            if member == members {
                write_block(&sums, out, 65u32 * block, result + 4u32 * members, top);
            } else {
                let body = member * stride + at;
                let scale = scale_of(bodies, body, first + block);
                let factor = dense_factor(scale, factors[(2u32 * member + 1u32) as usize], top, code_bits);
                write_member(
                    bodies,
                    body,
                    first + block,
                    factor,
                    &sums,
                    out,
                    65u32 * block,
                    result + 4u32 * member,
                    code_bits,
                );
            }
            item += units;
        }
    }
}

/// The exponent of a block's largest scale.
#[cube]
fn dense_top(bodies: &[u32], at: u32, stride: u32, members: u32, block: u32) -> u32 {
    let mut largest = FLOOR.runtime();
    for member in 0..members {
        largest = max(largest, scale_of(bodies, member * stride + at, block));
    }
    bf16_exponent_of(largest)
}

/// T of four elements of a block.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's helpers share its state")]
fn sum_quad(
    bodies: &[u32],
    factors: &[u32],
    at: u32,
    stride: u32,
    members: u32,
    block: u32,
    quad: u32,
    row: u32,
    sums: &mut Shared<[i32]>,
    #[comptime] code_bits: u32,
) {
    let top = dense_top(bodies, at, stride, members, block);
    let mut own = Array::<i32>::new(4usize);
    for member in 0..members {
        if factors[(2u32 * member) as usize] != 0u32 {
            let body = member * stride + at;
            let scale = scale_of(bodies, body, block);
            let (factor, shift) = dense_factor(scale, factors[(2u32 * member + 1u32) as usize], top, code_bits);
            let codes = quad_of(bodies, body, 16u32 * block + quad, code_bits);
            #[unroll]
            for place in 0..4u32 {
                let code = code_in(codes, place, code_bits);
                let value = shift_to_nearest(factor * magnitude(code), shift) as i32;
                own[place as usize] += select(code < 0i32, -value, value);
            }
        }
    }
    #[unroll]
    for place in 0..4u32 {
        sums[(row + 4u32 * quad + place) as usize] = own[place as usize];
    }
}

/// P and Q of a member in a block.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's helpers share its state")]
fn write_member(
    bodies: &[u32],
    body: u32,
    block: u32,
    factor: (u32, u32),
    sums: &Shared<[i32]>,
    out: &mut [u32],
    row: u32,
    to: u32,
    #[comptime] code_bits: u32,
) {
    let mut dot_low = 0u32;
    let mut dot_high = 0u32;
    let mut square_low = 0u32;
    let mut square_high = 0u32;
    for quad in 0..16u32 {
        let codes = quad_of(bodies, body, 16u32 * block + quad, code_bits);
        #[unroll]
        for place in 0..4u32 {
            let code = code_in(codes, place, code_bits);
            let value = shift_to_nearest(factor.0 * magnitude(code), factor.1);
            let sum = sums[(row + 4u32 * quad + place) as usize];
            let negative = (sum < 0i32) != (code < 0i32);
            let dot = add_product(dot_low, dot_high, magnitude(sum), value, negative);
            dot_low = dot.0;
            dot_high = dot.1;
            let square = add_product(square_low, square_high, value, value, false);
            square_low = square.0;
            square_high = square.1;
        }
    }
    out[to as usize] = dot_low;
    out[(to + 1u32) as usize] = dot_high;
    out[(to + 2u32) as usize] = square_low;
    out[(to + 3u32) as usize] = square_high;
}

/// S of a block, and the exponent.
#[cube]
fn write_block(sums: &Shared<[i32]>, out: &mut [u32], row: u32, to: u32, top: u32) {
    let mut low = 0u32;
    let mut high = 0u32;
    for at in 0..64u32 {
        let own = magnitude(sums[(row + at) as usize]);
        let next = add_product(low, high, own, own, false);
        low = next.0;
        high = next.1;
    }
    out[to as usize] = low;
    out[(to + 1u32) as usize] = high;
    out[(to + 2u32) as usize] = top;
}
