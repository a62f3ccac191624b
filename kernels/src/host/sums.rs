//! One chunk of the outer step: decoded and proven, summed, divided and taken off the state, in one pass.
//!
//! Invariants: a summand's chunk is read once. A sum and the weights of its senders share 64 bits, the weights above,
//! so that an entry costs one addition; neither leaves its half (see `aggregate`). What is wrong with a chunk is not
//! said here but found again by the slow path: a pass says only whether all was well, and writes to no state that
//! anybody holds.

use simd::{opaque, prefetch, vectorised};

use super::aggregate::{Plan, dense_exponent, sparse_exponent, sparse_fixed};
use super::chunk::dense::{self, Factors, Width, add_fixed};
use super::chunk::plain;
use super::chunk::topk::{Entries, Shape};
use super::magnitude::{FRACTION_BITS, INFINITY_BITS, MAGNITUDE_MASK, ROUNDER, ROUNDER_F32, power_of_two};
use super::words::{WORD, WORDS, non_zero, positions_of_ones};
use crate::format::{BLOCK, BLOCKS, CHUNK};

/// Buffers of one thread.
pub(crate) struct Sums {
    /// 2^32 · (weights of the senders) + sum, of each element. Zero between chunks.
    sums: [i64; CHUNK],
    masks: [u64; WORDS],
    /// The elements that somebody sends; a group may be written beyond the last.
    indices: [u16; CHUNK + WORD],
    /// Their sums, then their differences.
    numerators: [f64; CHUNK],
    divisors: [f64; CHUNK],
    entries: Vec<Entries>,
}

/// A chunk of the state before the outer step and after it.
pub(crate) struct Chunk<'a> {
    /// Its number in the vector.
    pub(crate) number: usize,
    /// θ; without it the mean itself is wanted. [real elements]
    pub(crate) theta: Option<&'a [f32]>,
    /// What becomes of it. [real elements]
    pub(crate) next: &'a mut [f32],
}

impl Sums {
    /// Zeroed buffers.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            sums: [0; CHUNK],
            masks: [0; WORDS],
            indices: [0; CHUNK + WORD],
            numerators: [0.0; CHUNK],
            divisors: [0.0; CHUNK],
            entries: Vec::new(),
        })
    }
}

/// The chunk `number` of a body.
#[inline(always)]
fn part(body: &[u8], number: usize, size: usize) -> &[u8] {
    &body[number * size..][..size]
}

/// Fills the chunk with what it was, or with zeros. Whether all of it is finite.
#[inline(always)]
pub(crate) fn begin(chunk: &mut Chunk<'_>) -> bool {
    let Some(theta) = chunk.theta else {
        chunk.next.fill(0.0);
        return true;
    };
    let mut largest = 0;
    for (next, &value) in chunk.next.iter_mut().zip(theta) {
        largest = largest.max((value.to_bits() & MAGNITUDE_MASK) as i32);
        *next = value;
    }
    largest < INFINITY_BITS as i32
}

vectorised! {
    #![bytes]
    /// The outer step of a sparse chunk. Whether the summands are valid and the state is finite before and after.
    pub(crate) fn sparse<'a>(shape: Shape, plan: &Plan<'a>, sums: &mut Sums, chunk: &mut Chunk<'_>) -> bool {
        let size = shape.magnitudes_at() + 4;
        let real = chunk.next.len();
        sums.entries.resize_with(plan.summands.len(), Entries::new);
        for (entries, (body, ..)) in sums.entries.iter_mut().zip(&plan.summands) {
            if entries.read_at::<LEVEL>(shape, part(body, chunk.number, size), real, chunk.number).is_err() {
                return false;
            }
        }
        let mut high = 0;
        for entries in &sums.entries {
            high = entries.magnitudes[1].max(high);
        }
        let exponent = sparse_exponent(high);
        for (entries, &(_, weight, coefficient)) in sums.entries.iter().zip(&plan.summands) {
            let [low, high] =
                entries.magnitudes.map(|bits| i64::from(weight * sparse_fixed(bits, coefficient, exponent)));
            let sender = i64::from(weight) << 32;
            let table = [sender + low, sender - low, sender + high, sender - high];
            for (index, code) in entries.coded() {
                sums.sums[index] += table[code];
            }
        }
        let unit = power_of_two(exponent - FRACTION_BITS);
        let found = collect::<LEVEL>(sums, plan.divisor_min);
        divide(&mut sums.numerators[..found], &sums.divisors[..found], unit);
        begin(chunk) & subtract(chunk, &sums.indices[..found], &sums.numerators[..found])
    }
}

/// Lists the elements that somebody sends, with sum and divisor, and leaves the sums zero.
#[inline(always)]
fn collect<const LEVEL: u8>(sums: &mut Sums, divisor_min: u32) -> usize {
    for (mask, group) in sums.masks.iter_mut().zip(sums.sums.as_chunks::<WORD>().0) {
        *mask = non_zero::<LEVEL>(group);
    }
    let found = positions_of_ones::<LEVEL>(&sums.masks, &mut sums.indices);
    let pairs = sums.numerators.iter_mut().zip(&mut sums.divisors);
    for (&index, (numerator, divisor)) in sums.indices[..found].iter().zip(pairs) {
        let both = std::mem::take(&mut sums.sums[usize::from(index) % CHUNK]);
        let sum = both as i32;
        let weight = ((both - i64::from(sum)) >> 32) as i32;
        *numerator = f64::from(sum);
        *divisor = f64::from(weight.max(divisor_min as i32));
    }
    found
}

/// round(sum / divisor) · unit. f64 decides rightly: a quotient by at most 4096 is a tie only when f64 holds it, and
/// else is 2^−13 away from one; f32 holds the result exactly.
#[inline(always)]
fn divide(numerators: &mut [f64], divisors: &[f64], unit: f32) {
    for (numerator, divisor) in numerators.iter_mut().zip(divisors) {
        *numerator = ((*numerator / divisor + ROUNDER) - ROUNDER) * f64::from(unit);
    }
}

/// Takes the differences off the listed elements, or puts them there where there is no state. Whether all are finite.
#[inline(always)]
fn subtract(chunk: &mut Chunk<'_>, indices: &[u16], differences: &[f64]) -> bool {
    let mean = chunk.theta.is_none();
    let mut largest = 0;
    for (&index, &difference) in indices.iter().zip(differences) {
        let Some(next) = chunk.next.get_mut(usize::from(index)) else { return false };
        let difference = difference as f32;
        *next = if mean { difference } else { *next - difference };
        largest = largest.max((next.to_bits() & MAGNITUDE_MASK) as i32);
    }
    largest < INFINITY_BITS as i32
}

vectorised! {
    #![bytes]
    /// The outer step of a dense chunk. Whether the summands are valid and the state is finite before and after.
    pub(crate) fn dense<'a>(width: Width, plan: &Plan<'a>, chunk: &mut Chunk<'_>) -> bool {
        match width {
            Width::Eight => dense_as::<LEVEL>(Width::Eight, plan, chunk),
            Width::Four => dense_as::<LEVEL>(Width::Four, plan, chunk),
        }
    }
}

#[inline(always)]
fn dense_as<const LEVEL: u8>(width: Width, plan: &Plan<'_>, chunk: &mut Chunk<'_>) -> bool {
    let (size, real) = (width.chunk_bytes(), chunk.next.len());
    let mut valid = true;
    for (body, ..) in &plan.summands {
        valid &= dense::is_valid(width, part(body, chunk.number, size), real);
    }
    if !valid {
        return false;
    }
    let mut scales = [0; BLOCKS];
    for (body, ..) in &plan.summands {
        dense::raise_scales(&mut scales, part(body, chunk.number, size));
    }
    let mut finite = begin(chunk);
    let mut differences = [0.0; BLOCK];
    for (block, &scale) in scales[..real.div_ceil(BLOCK)].iter().enumerate() {
        let exponent = dense_exponent(width, scale);
        let mut sums = [0; BLOCK];
        for &(body, weight, coefficient) in &plan.summands {
            // The next chunk comes while this one is summed.
            prefetch(body, (chunk.number + 1) * size + block * size / BLOCKS);
            let (bytes, factors) = (part(body, chunk.number, size), Factors { coefficient, weight });
            add_fixed::<LEVEL>(width, bytes, block, factors, exponent, None, &mut sums);
        }
        quotients(&sums, plan.weight_sum, power_of_two(exponent - FRACTION_BITS), &mut differences);
        let end = real.min((block + 1) * BLOCK);
        finite &= subtract_block(&mut chunk.next[block * BLOCK..end], &differences, chunk.theta.is_none());
    }
    finite
}

/// round(sum / divisor) · unit of each sum.
#[inline(always)]
fn quotients(sums: &[i32; BLOCK], divisor: u32, unit: f32, results: &mut [f32; BLOCK]) {
    let (divisor, reciprocal) = (divisor as i32, 1.0 / divisor as f32);
    for (result, &sum) in results[..opaque(BLOCK)].iter_mut().zip(sums) {
        *result = quotient(sum, divisor, reciprocal) as f32 * unit;
    }
}

/// round(sum / divisor), to nearest, ties to even, for a divisor of at most 2^12 and a quotient of at most 2^18.
///
/// The product with the reciprocal in f32 rounds three times, so it is off by less than 2^18 · 3 · 2^−24 < 1/16, and
/// rounding it gives the right integer or a neighbour of it; the remainder, exact in 32 bits, says which.
#[inline(always)]
fn quotient(sum: i32, divisor: i32, reciprocal: f32) -> i32 {
    let near = ((sum as f32 * reciprocal + ROUNDER_F32).to_bits() as i32).wrapping_sub(ROUNDER_F32.to_bits() as i32);
    let twice_left = 2 * (sum - near * divisor);
    let odd = near & 1;
    near + i32::from(twice_left + odd > divisor) - i32::from(odd - twice_left > divisor)
}

#[inline(always)]
fn subtract_block(next: &mut [f32], differences: &[f32; BLOCK], mean: bool) -> bool {
    let mut largest = 0;
    for (next, &difference) in next.iter_mut().zip(differences) {
        *next = if mean { difference } else { *next - difference };
        largest = largest.max((next.to_bits() & MAGNITUDE_MASK) as i32);
    }
    largest < INFINITY_BITS as i32
}

/// The outer step of a chunk of codec `none`, in f64 and in the order of the summands; each product is exact. Whether
/// the summands and the state, before and after, are finite.
pub(crate) fn plain(plan: &Plan<'_>, sums: &mut Sums, chunk: &mut Chunk<'_>) -> bool {
    let real = chunk.next.len();
    let totals = &mut sums.numerators[..real];
    totals.fill(0.0);
    for &(body, weight, coefficient) in &plan.summands {
        let values = plain::values(&body[4 * CHUNK * chunk.number..][..4 * real]);
        if plain::first_non_finite(values.clone()).is_some() {
            return false;
        }
        let factor = f64::from(weight * coefficient);
        totals.iter_mut().zip(values).for_each(|(total, value)| *total += factor * f64::from(value));
    }
    let finite = begin(chunk);
    let divisor = f64::from(plan.weight_sum) * 65_536.0;
    let mean = chunk.theta.is_none();
    for (next, total) in chunk.next.iter_mut().zip(totals) {
        let difference = (*total / divisor) as f32;
        *next = if mean { difference } else { *next - difference };
    }
    finite && chunk.next.iter().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_is_rounded_to_nearest_ties_to_even() {
        let check = |sum: i64, divisor: i32| {
            let Ok(sum) = i32::try_from(sum) else { return };
            let exact = (f64::from(sum) / f64::from(divisor)).round_ties_even();
            assert_eq!(f64::from(quotient(sum, divisor, 1.0 / divisor as f32)), exact, "{sum} / {divisor}");
        };
        for divisor in 1..=4096 {
            // Around every kind of tie, up to the largest quotient on both sides.
            for whole in [0, 1, 2, 3, 255, 4095, 65_535, 131_071, 200_001, 262_143] {
                for near in -2..=2 {
                    let sum = whole * i64::from(divisor) + i64::from(divisor) / 2 + near;
                    check(sum.min(i64::from(divisor) << 18), divisor);
                    check(-sum.min(i64::from(divisor) << 18), divisor);
                }
            }
        }
    }
}
