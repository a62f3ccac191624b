//! Encoding a sparse chunk on a device: one cube a chunk.
//!
//! Invariants: every unit of a cube reaches every barrier; the list of picked elements is written by rising index, because
//! each unit scans a segment of its own and starts where the segments before it end. Shared memory stays below 4 KiB, so
//! that the smallest of devices take it.

use cubecl::prelude::*;

use super::integer::{aligned, bf16_of_ratio, exponent_of};

/// Encodes chunk `CUBE_POS`: its words, then a status word that is 0 or one more than the first element that is not finite.
///
/// # Shapes
/// `values` [elements] as bits; `words` [chunks · (words of a chunk + 1)]. `units` divides 4096.
#[cube(launch)]
pub(super) fn encode_sparse(
    values: &[u32],
    words: &mut [u32],
    elements: u32,
    chunks: u32,
    #[comptime] k: u32,
    #[comptime] units: u32,
) {
    let chunk = CUBE_POS as u32;
    let first = chunk * 4096u32;
    let real = min(max(elements, first) - first, 4096u32);
    let mut counts = Shared::<[u32]>::new_slice(comptime!(2 * units as usize));
    let mut picked = Shared::<[u32]>::new_slice(comptime!(k as usize));
    let mut bits = Shared::<[u32]>::new_slice(comptime!(k as usize));

    let fault = first_fault(values, first, real, &mut counts, units);
    let bound = threshold(values, first, real, &mut counts, k, units);
    pick(values, first, real, bound, &mut counts, &mut picked, &mut bits, k, units);

    let low_bits = comptime!(12 - k.ilog2());
    let low_words = comptime!(k * low_bits / 32);
    let high_end = comptime!(low_words + k / 16);
    let code_end = comptime!(high_end + k / 16);
    let top = top_exponent(&bits, k);
    let count = min(real, k);
    let sum = significand_sum(&bits, top, k);
    if chunk < chunks {
        let out = chunk * comptime!(code_end + 2);
        let mut word = UNIT_POS;
        while word < code_end {
            let at = (out + word) as usize;
            if word < low_words {
                words[at] = low_word(&picked, word, k, low_bits);
            } else if word < high_end {
                words[at] = high_word(&picked, word - low_words, k, low_bits);
            } else {
                words[at] = code_word(&picked, &bits, word - high_end, top, count, sum, real);
            }
            word += units;
        }
        if UNIT_POS == 0u32 {
            words[(out + code_end) as usize] = magnitudes(&picked, &bits, top, count, sum, real, k);
            words[(out + code_end + 1u32) as usize] = fault;
        }
    }
}

/// Magnitude bits of an element of the chunk; padding is zero.
#[cube]
fn key(values: &[u32], first: u32, index: u32, real: u32) -> u32 {
    let mut bits = 0u32;
    if index < real {
        bits = values[(first + index) as usize] & 0x7fff_ffffu32;
    }
    bits
}

/// 0, or one more than the index in the chunk of the first element that is not finite.
#[cube]
fn first_fault(values: &[u32], first: u32, real: u32, counts: &mut Shared<[u32]>, #[comptime] units: u32) -> u32 {
    let mut own = 4096u32;
    for row in 0..comptime!(4096 / units) {
        let index = row * units + UNIT_POS;
        if key(values, first, index, real) >= 0x7f80_0000u32 {
            own = min(own, index);
        }
    }
    counts[UNIT_POS as usize] = own;
    sync_cube();
    let mut least = 4096u32;
    for unit in 0..units {
        least = min(least, counts[unit as usize]);
    }
    sync_cube();
    select(least < 4096u32, least + 1u32, 0u32)
}

/// The largest bound that at least `k` magnitudes reach, by its bits from the highest on.
#[cube]
fn threshold(
    values: &[u32],
    first: u32,
    real: u32,
    counts: &mut Shared<[u32]>,
    #[comptime] k: u32,
    #[comptime] units: u32,
) -> u32 {
    let mut found = 0u32;
    for step in 0..31u32 {
        let candidate = found | (1u32 << (30u32 - step));
        let mut count = 0u32;
        for row in 0..comptime!(4096 / units) {
            if key(values, first, row * units + UNIT_POS, real) >= candidate {
                count += 1u32;
            }
        }
        counts[UNIT_POS as usize] = count;
        sync_cube();
        let mut sum = 0u32;
        for unit in 0..units {
            sum += counts[unit as usize];
        }
        if sum >= k {
            found = candidate;
        }
        sync_cube();
    }
    found
}

/// Lists index and bits of the picked elements: all above the bound, and of those at it the ones of lowest index.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's helpers share its state")]
fn pick(
    values: &[u32],
    first: u32,
    real: u32,
    bound: u32,
    counts: &mut Shared<[u32]>,
    picked: &mut Shared<[u32]>,
    bits: &mut Shared<[u32]>,
    #[comptime] k: u32,
    #[comptime] units: u32,
) {
    let segment = comptime!(4096 / units);
    let start = UNIT_POS * segment;
    let mut above = 0u32;
    let mut at = 0u32;
    for offset in 0..segment {
        let magnitude = key(values, first, start + offset, real);
        above += select(magnitude > bound, 1u32, 0u32);
        at += select(magnitude == bound, 1u32, 0u32);
    }
    counts[UNIT_POS as usize] = above;
    counts[(units + UNIT_POS) as usize] = at;
    sync_cube();
    let mut all_above = 0u32;
    let mut above_before = 0u32;
    let mut ties_before = 0u32;
    for unit in 0..units {
        let own = counts[unit as usize];
        all_above += own;
        if unit < UNIT_POS {
            above_before += own;
            ties_before += counts[(units + unit) as usize];
        }
    }
    let ties = k - all_above;
    let mut position = above_before + min(ties_before, ties);
    for offset in 0..segment {
        let index = start + offset;
        let magnitude = key(values, first, index, real);
        let tie = magnitude == bound && ties_before < ties;
        if magnitude == bound {
            ties_before += 1u32;
        }
        if magnitude > bound || tie {
            picked[position as usize] = index;
            let mut value = 0u32;
            if index < real {
                value = values[(first + index) as usize];
            }
            bits[position as usize] = value;
            position += 1u32;
        }
    }
    sync_cube();
}

/// Exponent of the largest picked magnitude.
#[cube]
fn top_exponent(bits: &Shared<[u32]>, #[comptime] k: u32) -> u32 {
    let mut top = 1u32;
    for entry in 0..k {
        top = max(top, exponent_of(bits[entry as usize] & 0x7fff_ffffu32));
    }
    top
}

/// Σ of the aligned significands; fillers add nothing.
#[cube]
fn significand_sum(bits: &Shared<[u32]>, top: u32, #[comptime] k: u32) -> u32 {
    let mut sum = 0u32;
    for entry in 0..k {
        sum += aligned(bits[entry as usize] & 0x7fff_ffffu32, top);
    }
    sum
}

/// Word `word` of the low bits of the indices.
#[cube]
fn low_word(picked: &Shared<[u32]>, word: u32, #[comptime] k: u32, #[comptime] low_bits: u32) -> u32 {
    let from = word * 32u32;
    let last = min((from + 31u32) / low_bits, comptime!(k - 1));
    let mut entry = from / low_bits;
    let mut value = 0u32;
    while entry <= last {
        let low = picked[entry as usize] & comptime!((1u32 << low_bits) - 1);
        let at = entry * low_bits;
        if at >= from {
            value |= low << (at - from);
        } else {
            value |= low >> (from - at);
        }
        entry += 1u32;
    }
    value
}

/// Word `word` of the high field.
#[cube]
fn high_word(picked: &Shared<[u32]>, word: u32, #[comptime] k: u32, #[comptime] low_bits: u32) -> u32 {
    let mut value = 0u32;
    for entry in 0..k {
        let position = (picked[entry as usize] >> low_bits) + entry;
        if position >> 5u32 == word {
            value |= 1u32 << (position & 31u32);
        }
    }
    value
}

/// Word `word` of the codes, 16 of them.
#[cube]
fn code_word(
    picked: &Shared<[u32]>,
    bits: &Shared<[u32]>,
    word: u32,
    top: u32,
    count: u32,
    sum: u32,
    real: u32,
) -> u32 {
    let mut value = 0u32;
    for place in 0..16u32 {
        let entry = word * 16u32 + place;
        let own = bits[entry as usize];
        let low = count * aligned(own & 0x7fff_ffffu32, top) < sum;
        let negative = select(own > 0x8000_0000u32, 1u32, 0u32);
        let code = negative | select(low, 0u32, 2u32);
        if picked[entry as usize] < real {
            value |= code << (2u32 * place);
        }
    }
    value
}

/// L in the lower half, H in the upper.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's helpers share its state")]
fn magnitudes(
    picked: &Shared<[u32]>,
    bits: &Shared<[u32]>,
    top: u32,
    count: u32,
    sum: u32,
    real: u32,
    #[comptime] k: u32,
) -> u32 {
    let mut lows = 0u32;
    let mut low_sum = 0u32;
    for entry in 0..k {
        let significand = aligned(bits[entry as usize] & 0x7fff_ffffu32, top);
        if count * significand < sum && picked[entry as usize] < real {
            lows += 1u32;
            low_sum += significand;
        }
    }
    let low = bf16_of_ratio(low_sum, max(lows, 1u32), top, false);
    let high = bf16_of_ratio(sum - low_sum, max(count - lows, 1u32), top, false);
    low | (high << 16u32)
}
