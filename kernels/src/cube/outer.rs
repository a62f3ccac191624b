//! Decoding, summing and applying on a device: one cube for a segment of 1024 elements, a quarter of a chunk.
//!
//! Invariants: the sums of a segment live in 8 KiB of shared memory; the entries of one payload never meet in an element,
//! and a barrier stands between payloads, so no two units add to the same place at once. Bodies were validated on the host.

use cubecl::prelude::*;

use super::integer::{
    bf16_exponent_of, bf16_significand_of, divide_to_nearest, float_bits, shift_to_nearest, subtract,
};

/// bf16 bits of 2^−100.
const FLOOR: u32 = 27 << 7;

/// θ ← θ − q·2^(E − 18) of a sparse aggregate, with a status word a segment: 0, or one more than the lowest code of a
/// fault, which is the index in the segment, plus 2^30 where the state was finite before.
///
/// # Shapes
/// `theta`, `next` [elements] as bits; `bodies` [terms · chunks · words of a chunk]; `factors` [terms · 2]: weight, α·clip;
/// `status` [segments].
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are its buffers")]
pub(super) fn apply_sparse(
    theta: &[u32],
    bodies: &[u32],
    factors: &[u32],
    next: &mut [u32],
    status: &mut [u32],
    elements: u32,
    chunks: u32,
    terms: u32,
    divisor_min: u32,
    #[comptime] k: u32,
    #[comptime] units: u32,
) {
    let segment = CUBE_POS as u32;
    let chunk = min(segment / 4u32, chunks - 1u32);
    let offset = (segment & 3u32) * 1024u32;
    let mut sums = Shared::<[i32]>::new_slice(1024usize);
    let mut weights = Shared::<[u32]>::new_slice(1024usize);
    let mut faults = Shared::<[u32]>::new_slice(comptime!(units as usize));
    clear(&mut sums, &mut weights, units);

    let chunk_words = comptime!(k * (12 - k.ilog2()) / 32 + k / 8 + 1);
    let stride = chunks * chunk_words;
    let at = chunk * chunk_words;
    let top = sparse_top(bodies, at, stride, terms, chunk_words);
    sync_cube();
    for term in 0..terms {
        let body = term * stride + at;
        let weight = factors[(2u32 * term) as usize];
        let factor = factors[(2u32 * term + 1u32) as usize];
        let pair = bodies[(body + chunk_words - 1u32) as usize];
        let low = weight * sparse_fixed(pair & 0xffffu32, factor, top);
        let high = weight * sparse_fixed(pair >> 16u32, factor, top);
        let mut entry = UNIT_POS;
        while entry < k {
            let index = index_of(bodies, body, entry, k);
            let code = code_of(bodies, body, entry, k);
            // Fillers lie in the padding, which is never read back.
            if index >= offset && index < offset + 1024u32 {
                let place = (index - offset) as usize;
                let value = select(code & 2u32 == 0u32, low, high) as i32;
                sums[place] += select(code & 1u32 == 0u32, value, -value);
                weights[place] += weight;
            }
            entry += units;
        }
        sync_cube();
    }
    let scale = top + 6u32;
    let first = segment * 1024u32;
    let mut fault = 0xffff_ffffu32;
    let mut row = UNIT_POS;
    while row < 1024u32 {
        let index = first + row;
        if index < elements {
            let own = theta[index as usize];
            let weight = max(weights[row as usize], divisor_min);
            let result = stepped(own, sums[row as usize], max(weight, 1u32), scale);
            next[index as usize] = result;
            fault = min(fault, fault_of(own, result, row));
        }
        row += units;
    }
    report(fault, &mut faults, status, segment, elements, units);
}

/// As [`apply_sparse`], for dense bodies: every term sends every element, so Σ w divides all sums.
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
    status: &mut [u32],
    elements: u32,
    chunks: u32,
    terms: u32,
    weight_sum: u32,
    #[comptime] code_bits: u32,
    #[comptime] units: u32,
) {
    let segment = CUBE_POS as u32;
    let first = segment * 1024u32;
    let mut faults = Shared::<[u32]>::new_slice(comptime!(units as usize));
    let chunk_words = comptime!(32 + 4096 * code_bits / 32);
    let stride = chunks * chunk_words;
    let mut fault = 0xffff_ffffu32;
    let mut row = UNIT_POS;
    while row < 1024u32 {
        let index = first + row;
        if index < elements {
            let chunk = index / 4096u32;
            let inside = index - chunk * 4096u32;
            let at = chunk * chunk_words;
            let mut largest = 0u32;
            for term in 0..terms {
                largest = max(largest, scale_of(bodies, term * stride + at, inside));
            }
            let top = bf16_exponent_of(max(largest, FLOOR));
            let mut sum = 0i32;
            for term in 0..terms {
                let body = term * stride + at;
                let scale = scale_of(bodies, body, inside);
                let code = dense_code(bodies, body, inside, code_bits);
                let weight = factors[(2u32 * term) as usize];
                let factor = factors[(2u32 * term + 1u32) as usize];
                let value = (weight * dense_fixed(code, scale, factor, top, code_bits)) as i32;
                sum += select(code < 0i32, -value, value);
            }
            let own = theta[index as usize];
            // E = top − 119 or − 123; q·2^(E − 18) is q·2^(scale − 150).
            let scale = top + comptime!(if code_bits == 8 { 13u32 } else { 9u32 });
            let result = stepped(own, sum, max(weight_sum, 1u32), scale);
            next[index as usize] = result;
            fault = min(fault, fault_of(own, result, row));
        }
        row += units;
    }
    report(fault, &mut faults, status, segment, elements, units);
}

#[cube]
fn clear(sums: &mut Shared<[i32]>, weights: &mut Shared<[u32]>, #[comptime] units: u32) {
    let mut row = UNIT_POS;
    while row < 1024u32 {
        sums[row as usize] = 0i32;
        weights[row as usize] = 0u32;
        row += units;
    }
}

/// The exponent of the largest H of the chunk, or that of 2^−101 when all count as zero, so that E is −100 then.
#[cube]
fn sparse_top(bodies: &[u32], at: u32, stride: u32, terms: u32, #[comptime] chunk_words: u32) -> u32 {
    let mut largest = 0u32;
    for term in 0..terms {
        largest = max(largest, bodies[(term * stride + at + chunk_words - 1u32) as usize] >> 16u32);
    }
    select(largest >= FLOOR, largest >> 7u32, 26u32)
}

/// V of a magnitude.
#[cube]
fn sparse_fixed(bits: u32, factor: u32, top: u32) -> u32 {
    let mut fixed = 0u32;
    if bits >= FLOOR {
        fixed = shift_to_nearest(factor * bf16_significand_of(bits), 6u32 + top - bf16_exponent_of(bits));
    }
    fixed
}

/// V of a code under its scale.
#[cube]
fn dense_fixed(code: i32, scale: u32, factor: u32, top: u32, #[comptime] code_bits: u32) -> u32 {
    let mut fixed = 0u32;
    if scale >= FLOOR {
        let magnitude = select(code < 0i32, -code, code) as u32;
        let product = factor * (magnitude * bf16_significand_of(scale));
        let shift = comptime!(if code_bits == 8 { 13u32 } else { 9u32 });
        fixed = shift_to_nearest(product, shift + top - bf16_exponent_of(scale));
    }
    fixed
}

/// Index of an entry of a sparse chunk.
#[cube]
pub(super) fn index_of(bodies: &[u32], body: u32, entry: u32, #[comptime] k: u32) -> u32 {
    let low_bits = comptime!(12 - k.ilog2());
    let bit = entry * low_bits;
    let word = body + bit / 32u32;
    let shift = bit & 31u32;
    let mut low = bodies[word as usize] >> shift;
    if shift + low_bits > 32u32 {
        low |= bodies[(word + 1u32) as usize] << (32u32 - shift);
    }
    let high = position_of(bodies, body + comptime!(k * low_bits / 32), entry, k) - entry;
    (high << low_bits) | (low & comptime!((1u32 << low_bits) - 1))
}

/// The position of one number `entry` of the high field.
#[cube]
fn position_of(bodies: &[u32], high: u32, entry: u32, #[comptime] k: u32) -> u32 {
    let mut left = entry;
    let mut found = 0u32;
    let mut base = 0u32;
    let mut searching = true;
    for place in 0..comptime!(k / 16) {
        if searching {
            let word = bodies[(high + place) as usize];
            let ones = u32::count_ones(word);
            if left < ones {
                found = word;
                base = place * 32u32;
                searching = false;
            } else {
                left -= ones;
            }
        }
    }
    for _step in 0..left {
        found = found & (found - 1u32);
    }
    base + 31u32 - u32::leading_zeros(found & (0u32 - found))
}

/// Code of an entry of a sparse chunk.
#[cube]
pub(super) fn code_of(bodies: &[u32], body: u32, entry: u32, #[comptime] k: u32) -> u32 {
    let codes = body + comptime!(k * (12 - k.ilog2()) / 32 + k / 16);
    (bodies[(codes + entry / 16u32) as usize] >> (2u32 * (entry & 15u32))) & 3u32
}

/// bf16 bits of the scale of an element of a dense chunk.
#[cube]
pub(super) fn scale_of(bodies: &[u32], body: u32, inside: u32) -> u32 {
    let block = inside / 64u32;
    (bodies[(body + block / 2u32) as usize] >> (16u32 * (block & 1u32))) & 0xffffu32
}

/// Code of an element of a dense chunk.
#[cube]
pub(super) fn dense_code(bodies: &[u32], body: u32, inside: u32, #[comptime] code_bits: u32) -> i32 {
    let per_word = comptime!(32 / code_bits);
    let word = bodies[(body + 32u32 + inside / per_word) as usize];
    let shift = (inside & comptime!(32 / code_bits - 1)) * code_bits;
    let raw = (word >> shift) & comptime!((1u32 << code_bits) - 1);
    let sign = comptime!(1u32 << (code_bits - 1));
    ((raw ^ sign) as i32) - comptime!(1i32 << (code_bits - 1))
}

/// θ − round(sum / divisor)·2^(scale − 150), by bits.
#[cube]
fn stepped(own: u32, sum: i32, divisor: u32, scale: u32) -> u32 {
    let quotient = divide_to_nearest(select(sum < 0i32, -sum, sum) as u32, divisor);
    let mut result = own;
    if quotient != 0u32 {
        let sign = select(sum < 0i32, 0x8000_0000u32, 0u32);
        result = subtract(own, float_bits(quotient, scale) | sign);
    }
    result
}

/// The code of an element's fault, or all ones.
#[cube]
fn fault_of(own: u32, result: u32, row: u32) -> u32 {
    let overflow = select(result & 0x7fff_ffffu32 >= 0x7f80_0000u32, row | 0x4000_0000u32, 0xffff_ffffu32);
    select(own & 0x7fff_ffffu32 >= 0x7f80_0000u32, row, overflow)
}

/// Writes the lowest fault of a segment.
#[cube]
fn report(
    fault: u32,
    faults: &mut Shared<[u32]>,
    status: &mut [u32],
    segment: u32,
    elements: u32,
    #[comptime] units: u32,
) {
    faults[UNIT_POS as usize] = fault;
    sync_cube();
    if UNIT_POS == 0u32 && segment * 1024u32 < elements {
        let mut lowest = 0xffff_ffffu32;
        for unit in 0..units {
            lowest = min(lowest, faults[unit as usize]);
        }
        // All ones wraps to 0.
        status[segment as usize] = lowest + 1u32;
    }
}
