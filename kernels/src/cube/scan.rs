//! What scoring reads, in integers: per chunk (or block, where the codec is dense) the products P = Σ ±V·T and Q = Σ V²
//! of each member and S = Σ T², with T = Σ ±V over the counted members, in 64 bits of two words.
//!
//! Bytes of global memory: each body is read once, and a second time out of the cache when the sums are known.
//!
//! Invariants: all of it is exact, so neither the order of units nor a device's arithmetic shows. |V| ≤ 2^18 and |T| ≤
//! 2^24 for up to 64 counted members, so that |P| ≤ 2^50 in a chunk of 256 entries. Bodies were validated on the host.

pub(super) mod dense;

use cubecl::prelude::*;

use super::decode::{TILE, code_of, high_word, index_of, prepare, raise_highs, sparse_top, sparse_words};
use super::outer::Sums;
use super::together::zero;
use super::wide::{add_product, magnitude};

/// Sums of a member in shared memory: of ±T over its low entries, in parts of 256 and rest, over its high ones, and how
/// many there are of each.
const PARTS: u32 = 5;

/// Words of a result beside four a member: S, and the exponent that E follows from.
pub(super) const REST: u32 = 3;

impl Sums {
    /// Bytes of shared memory of [`scan_sparse`], rounded up.
    pub(super) const fn scan_bytes(&self) -> usize {
        (4 * self.span + 4 * TILE * (self.k / 16 + 2 + PARTS) + 64) as usize
    }
}

/// Scans the part of a chunk that cube `CUBE_POS` holds the sums of.
///
/// # Shapes
/// `bodies` [members · chunks · words of a chunk]; `factors` [members · 2]: 1 where counted or else 0, 256 · clip;
/// `out` [parts · (4 · members + 3)]: P and Q of each member, S, all low word first, the exponent.
#[cube(launch)]
pub(super) fn scan_sparse(
    bodies: &[u32],
    factors: &[u32],
    out: &mut [u32],
    elements: u32,
    chunks: u32,
    members: u32,
    #[comptime] shape: Sums,
) {
    let (k, span, units) = comptime!((shape.k, shape.span, shape.units));
    let part = CUBE_POS as u32;
    let parts = chunks * comptime!(4096 / span);
    let first = min(part, parts - 1u32) * span;
    let chunk = first / 4096u32;
    let sums = Shared::<[Atomic<i32>]>::new_slice(comptime!(span as usize));
    let own = Shared::<[Atomic<u32>]>::new_slice(comptime!((PARTS * TILE) as usize));
    let limbs = Shared::<[Atomic<u32>]>::new_slice(4usize);
    let mut starts = Shared::<[u32]>::new_slice(comptime!((TILE * k / 16) as usize));
    let mut fixed = Shared::<[u32]>::new_slice(comptime!(2 * TILE as usize));
    let largest = Shared::<[Atomic<u32>]>::new_slice(1usize);
    let mut row = UNIT_POS;
    while row < span {
        sums[row as usize].store(0i32);
        row += units;
    }
    zero(&largest, 1u32, units);
    zero(&limbs, 4u32, units);
    sync_cube();
    let stride = chunks * comptime!(sparse_words(k));
    let at = chunk * comptime!(sparse_words(k));
    raise_highs(bodies, at, stride, members, &largest, k, units);
    sync_cube();
    let top = sparse_top(largest[0].load());
    let real = min(elements - chunk * 4096u32, 4096u32);
    let offset = first - chunk * 4096u32;
    let mut tile = 0u32;
    while tile < members {
        let count = min(members - tile, TILE);
        prepare(bodies, factors, at, stride, tile, count, top, &mut starts, &mut fixed, k, units);
        sync_cube();
        visit(bodies, factors, at, stride, tile, count, &starts, &fixed, &sums, &own, (offset, real), shape, false);
        sync_cube();
        tile += TILE;
    }
    let result = part * (4u32 * members + REST);
    tile = 0u32;
    while tile < members {
        let count = min(members - tile, TILE);
        zero(&own, comptime!(PARTS * TILE), units);
        prepare(bodies, factors, at, stride, tile, count, top, &mut starts, &mut fixed, k, units);
        sync_cube();
        visit(bodies, factors, at, stride, tile, count, &starts, &fixed, &sums, &own, (offset, real), shape, true);
        sync_cube();
        if part < parts {
            write_members(&own, &fixed, out, result + 4u32 * tile, count, units);
        }
        sync_cube();
        tile += TILE;
    }
    square_sums(&sums, &limbs, span, units);
    sync_cube();
    if part < parts && UNIT_POS == 0u32 {
        let (low, high) = whole(&limbs);
        let rest = result + 4u32 * members;
        out[rest as usize] = low;
        out[(rest + 1u32) as usize] = high;
        out[(rest + 2u32) as usize] = top;
    }
}

/// Goes over the entries of up to [`TILE`] bodies, a unit a position of a high field: adds V of the counted to T, or
/// then adds ±T to the sums of the entries' members.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's helpers share its state")]
fn visit(
    bodies: &[u32],
    factors: &[u32],
    at: u32,
    stride: u32,
    tile: u32,
    count: u32,
    starts: &Shared<[u32]>,
    fixed: &Shared<[u32]>,
    sums: &Shared<[Atomic<i32>]>,
    own: &Shared<[Atomic<u32>]>,
    place: (u32, u32),
    #[comptime] shape: Sums,
    #[comptime] second: bool,
) {
    let k = comptime!(shape.k);
    let (offset, real) = place;
    let mut item = UNIT_POS;
    while item < count * comptime!(2 * shape.k) {
        let member = item / comptime!(2 * shape.k);
        let position = item % comptime!(2 * shape.k);
        let body = (tile + member) * stride + at;
        let word = high_word(bodies, body, position, k);
        let bit = 1u32 << (position & 31u32);
        if word & bit != 0u32 {
            let start = starts[(member * comptime!(shape.k / 16) + position / 32u32) as usize];
            let entry = start + u32::count_ones(word & (bit - 1u32));
            let index = index_of(bodies, body, position, entry, k);
            let row = index - offset;
            if row < comptime!(shape.span) && index < real {
                let code = code_of(bodies, body, entry, k);
                if comptime!(second) {
                    count_entry(own, member, code, sums[row as usize].load());
                } else {
                    let counted = factors[(2u32 * (tile + member)) as usize];
                    let value = (counted * fixed[(2u32 * member + code / 2u32) as usize]) as i32;
                    sums[row as usize].fetch_add(select(code & 1u32 == 0u32, value, -value));
                }
            }
        }
        item += comptime!(shape.units);
    }
}

/// Adds ±T to its member's sum over the low or the high entries.
#[cube]
fn count_entry(own: &Shared<[Atomic<u32>]>, member: u32, code: u32, sum: i32) {
    let signed = select(code & 1u32 == 0u32, sum, -sum);
    let at = member * PARTS;
    let pair = at + (code & 2u32);
    own[pair as usize].fetch_add((signed >> 8i32) as u32);
    own[(pair + 1u32) as usize].fetch_add(signed as u32 & 0xffu32);
    own[(at + 4u32) as usize].fetch_add(select(code & 2u32 == 0u32, 1u32, 0x1_0000u32));
}

/// P = L·Σ ±T + H·Σ ±T and Q = n·L² + n·H² of up to [`TILE`] members.
#[cube]
fn write_members(
    own: &Shared<[Atomic<u32>]>,
    fixed: &Shared<[u32]>,
    out: &mut [u32],
    at: u32,
    count: u32,
    #[comptime] units: u32,
) {
    let mut member = UNIT_POS;
    while member < count {
        let from = member * PARTS;
        let counts = own[(from + 4u32) as usize].load();
        let mut dot_low = 0u32;
        let mut dot_high = 0u32;
        let mut square_low = 0u32;
        let mut square_high = 0u32;
        #[unroll]
        for which in 0..2u32 {
            let value = fixed[(2u32 * member + which) as usize];
            let many = own[(from + 2u32 * which) as usize].load() as i32;
            let few = own[(from + 2u32 * which + 1u32) as usize].load();
            // A V is below 2^18: with its 8 more bits still a word.
            let by_many = add_product(dot_low, dot_high, magnitude(many), value << 8u32, many < 0i32);
            let both = add_product(by_many.0, by_many.1, few, value, false);
            dot_low = both.0;
            dot_high = both.1;
            let entries = (counts >> (16u32 * which)) & 0xffffu32;
            let squares = add_product(square_low, square_high, entries * value, value, false);
            square_low = squares.0;
            square_high = squares.1;
        }
        let to = at + 4u32 * member;
        out[to as usize] = dot_low;
        out[(to + 1u32) as usize] = dot_high;
        out[(to + 2u32) as usize] = square_low;
        out[(to + 3u32) as usize] = square_high;
        member += units;
    }
}

/// Σ T² in four limbs of 16 bits.
#[cube]
fn square_sums(
    sums: &Shared<[Atomic<i32>]>,
    limbs: &Shared<[Atomic<u32>]>,
    #[comptime] span: u32,
    #[comptime] units: u32,
) {
    let mut low = 0u32;
    let mut high = 0u32;
    let mut row = UNIT_POS;
    while row < span {
        let own = magnitude(sums[row as usize].load());
        let next = add_product(low, high, own, own, false);
        low = next.0;
        high = next.1;
        row += units;
    }
    limbs[0].fetch_add(low & 0xffffu32);
    limbs[1].fetch_add(low >> 16u32);
    limbs[2].fetch_add(high & 0xffffu32);
    limbs[3].fetch_add(high >> 16u32);
}

/// Limbs put together, carries and all.
#[cube]
fn whole(limbs: &Shared<[Atomic<u32>]>) -> (u32, u32) {
    let first = limbs[0].load();
    let second = limbs[1].load() + (first >> 16u32);
    let third = limbs[2].load() + (second >> 16u32);
    let fourth = limbs[3].load() + (third >> 16u32);
    ((first & 0xffffu32) | (second << 16u32), (third & 0xffffu32) | (fourth << 16u32))
}
