//! Compressing a sparse chunk on a device: one cube a chunk, one pass over memory.
//!
//! Bytes of global memory an element: fused, 12 are read and 4 written (half of both for bf16) beside the body's 0.02;
//! 4 are read by a plain encoding. Each element is read once, into a register. A chunk takes eight barriers and one for
//! each round of [`bounds`]; shared memory stays below 5 KiB.
//!
//! Invariants: every unit reaches every barrier; fields are put together by atomic or in shared memory and written
//! once.

use cubecl::prelude::*;

use super::input::{bf16_of, place, read};
use super::integer::{aligned, bf16_of_ratio, exponent_of, subtract};
use super::select::{BITMAP, COUNTS, Sparse, bounds, mark, rank, rank_of};
use super::together::{add, raise, zero};

/// Words of shared memory behind those of `bounds`: the largest magnitude, the first fault, sums, the groups of the
/// bitmap.
const LARGEST: u32 = COUNTS;
const FAULT: u32 = COUNTS + 1;
const SUM: u32 = COUNTS + 2;
const LOW_SUM: u32 = COUNTS + 3;
const LOWS: u32 = COUNTS + 4;
const COUNTERS: u32 = COUNTS + 5;

/// Compresses chunk `CUBE_POS`. Status word `CUBE_POS` is 0, or one more than the index in the chunk of the first
/// element that is not finite, and then nothing else means anything.
///
/// # Shapes
/// `values`, `base`, `local`, `left` [elements] as bits, bf16 two a word; the last three are not looked at by a plain
/// encoding. `words` [chunks · words of a chunk + chunks]: the body, then the status words.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are its buffers")]
pub(super) fn compress_sparse(
    values: &[u32],
    base: &[u32],
    local: &[u32],
    left: &mut [u32],
    words: &mut [u32],
    beta: f32,
    elements: u32,
    chunks: u32,
    #[comptime] shape: Sparse,
) {
    let (k, units, input) = comptime!((shape.k, shape.units, shape.input));
    let chunk = min(CUBE_POS as u32, chunks - 1u32);
    let first = chunk * 4096u32;
    let real = min(elements - first, 4096u32);
    let counters = Shared::<[Atomic<u32>]>::new_slice(comptime!(COUNTERS as usize));
    let groups = Shared::<[Atomic<u32>]>::new_slice(8usize);
    let above = Shared::<[Atomic<u32>]>::new_slice(comptime!(BITMAP as usize));
    let ties = Shared::<[Atomic<u32>]>::new_slice(comptime!(BITMAP as usize));
    let fields = Shared::<[Atomic<u32>]>::new_slice(comptime!(field_words(k) as usize));
    let mut ones = Shared::<[u32]>::new_slice(comptime!(BITMAP as usize));
    let mut ranks = Shared::<[u32]>::new_slice(comptime!(BITMAP as usize));
    let mut picked = Shared::<[u32]>::new_slice(comptime!(k as usize));
    let mut bits = Shared::<[u32]>::new_slice(comptime!(k as usize));
    zero(&counters, COUNTERS, units);
    zero(&groups, 8u32, units);
    zero(&above, BITMAP, units);
    zero(&ties, BITMAP, units);
    zero(&fields, comptime!(field_words(k)), units);

    let mut held = Array::<u32>::new(comptime!(shape.held() as usize));
    let mut largest = 0u32;
    // Counted from the end, so that 0 is none and the first is the largest.
    let mut fault = 0u32;
    #[unroll]
    for slot in 0..comptime!(shape.held()) {
        let at = place(slot, units, input);
        let (own, bad) = read(values, base, local, beta, first + at, elements, input);
        held[slot as usize] = own;
        largest = max(largest, own & 0x7fff_ffffu32);
        fault = max(fault, select(bad, 4096u32 - at, 0u32));
    }
    sync_cube();
    raise(&counters, LARGEST, largest, comptime!(shape.planes));
    raise(&counters, FAULT, fault, comptime!(shape.planes));
    sync_cube();
    let largest = counters[LARGEST as usize].load();
    let (low, high) = bounds(&held, largest, &counters, shape);
    mark(&held, low, high, &above, &ties, shape);
    sync_cube();
    rank(&above, &ties, &groups, &mut ones, &mut ranks, shape);
    #[unroll]
    for slot in 0..comptime!(shape.held()) {
        let own = held[slot as usize];
        if own & 0x7fff_ffffu32 >= low {
            let at = place(slot, units, input);
            let entry = rank_of(at, &above, &ranks);
            if entry < k {
                picked[entry as usize] = at;
                bits[entry as usize] = own;
            }
        }
    }
    sync_cube();
    let top = exponent_of(largest);
    code(&picked, &bits, &counters, &fields, top, real, shape);
    let pair = magnitudes(&counters, top, min(real, k));
    write(&fields, &counters, words, chunk, chunks, pair, shape);
    if comptime!(input.fused) {
        take_off(&picked, &mut bits, &counters, pair, top, real, shape);
        sync_cube();
        write_left(&held, &above, &ranks, &bits, left, low, first, elements, shape);
    }
}

/// Words of a chunk's fields, which L and H follow.
const fn field_words(k: u32) -> u32 {
    k * (12 - k.ilog2()) / 32 + k / 8
}

/// Sums up the picked magnitudes, splits them at their mean and puts the fields together. Ends with a barrier.
#[cube]
fn code(
    picked: &Shared<[u32]>,
    bits: &Shared<[u32]>,
    counters: &Shared<[Atomic<u32>]>,
    fields: &Shared<[Atomic<u32>]>,
    top: u32,
    real: u32,
    #[comptime] shape: Sparse,
) {
    let (k, units, planes) = comptime!((shape.k, shape.units, shape.planes));
    let mut sum = 0u32;
    let mut entry = UNIT_POS;
    while entry < k {
        // Fillers are zeros and add nothing.
        sum += aligned(bits[entry as usize] & 0x7fff_ffffu32, top);
        entry += units;
    }
    add(counters, SUM, sum, planes);
    sync_cube();
    let mut lows = 0u32;
    let mut low_sum = 0u32;
    entry = UNIT_POS;
    while entry < k {
        let (index, own) = (picked[entry as usize], bits[entry as usize]);
        let low = is_low(own, counters, top, min(real, k));
        let negative = select(own > 0x8000_0000u32, 1u32, 0u32);
        let is_real = index < real;
        lows += select(is_real && low, 1u32, 0u32);
        low_sum += select(low, aligned(own & 0x7fff_ffffu32, top), 0u32);
        let code = negative | select(low, 0u32, 2u32);
        put(fields, entry, index, select(is_real, code, 0u32), k);
        entry += units;
    }
    add(counters, LOWS, lows, planes);
    add(counters, LOW_SUM, low_sum, planes);
    sync_cube();
}

/// Whether an entry lies below the mean of the picked.
#[cube]
fn is_low(own: u32, counters: &Shared<[Atomic<u32>]>, top: u32, count: u32) -> bool {
    count * aligned(own & 0x7fff_ffffu32, top) < counters[SUM as usize].load()
}

/// Sets the bits of an entry in the three fields.
#[cube]
fn put(fields: &Shared<[Atomic<u32>]>, entry: u32, index: u32, code: u32, #[comptime] k: u32) {
    let low_bits = comptime!(12 - k.ilog2());
    let high_field = comptime!(k * (12 - k.ilog2()) / 32);
    let code_field = comptime!(k * (12 - k.ilog2()) / 32 + k / 16);
    let low = index & comptime!((1u32 << (12 - k.ilog2())) - 1);
    let at = entry * low_bits;
    let shift = at & 31u32;
    fields[(at / 32u32) as usize].fetch_or(low << shift);
    if shift + low_bits > 32u32 {
        fields[(at / 32u32 + 1u32) as usize].fetch_or(low >> (32u32 - shift));
    }
    let position = (index >> low_bits) + entry;
    fields[(high_field + position / 32u32) as usize].fetch_or(1u32 << (position & 31u32));
    fields[(code_field + entry / 16u32) as usize].fetch_or(code << (2u32 * (entry & 15u32)));
}

/// L in the lower half, H in the upper.
#[cube]
fn magnitudes(counters: &Shared<[Atomic<u32>]>, top: u32, count: u32) -> u32 {
    let (sum, low_sum) = (counters[SUM as usize].load(), counters[LOW_SUM as usize].load());
    let lows = counters[LOWS as usize].load();
    let low = bf16_of_ratio(low_sum, max(lows, 1u32), top, false);
    let high = bf16_of_ratio(sum - low_sum, max(count - lows, 1u32), top, false);
    low | (high << 16u32)
}

/// Writes the chunk's words and its status.
#[cube]
fn write(
    fields: &Shared<[Atomic<u32>]>,
    counters: &Shared<[Atomic<u32>]>,
    words: &mut [u32],
    chunk: u32,
    chunks: u32,
    pair: u32,
    #[comptime] shape: Sparse,
) {
    let end = comptime!(field_words(shape.k));
    let out = chunk * comptime!(field_words(shape.k) + 1);
    if (CUBE_POS as u32) < chunks {
        let mut word = UNIT_POS;
        while word < end {
            words[(out + word) as usize] = fields[word as usize].load();
            word += comptime!(shape.units);
        }
        if UNIT_POS == 0u32 {
            words[(out + end) as usize] = pair;
            let fault = counters[FAULT as usize].load();
            let status = select(fault == 0u32, 0u32, 4097u32 - fault);
            words[(chunks * comptime!(field_words(shape.k) + 1) + chunk) as usize] = status;
        }
    }
}

/// Turns the bits of the real entries into those of what is left of them.
#[cube]
fn take_off(
    picked: &Shared<[u32]>,
    bits: &mut Shared<[u32]>,
    counters: &Shared<[Atomic<u32>]>,
    pair: u32,
    top: u32,
    real: u32,
    #[comptime] shape: Sparse,
) {
    let mut entry = UNIT_POS;
    while entry < comptime!(shape.k) {
        let own = bits[entry as usize];
        if picked[entry as usize] < real {
            let low = is_low(own, counters, top, min(real, comptime!(shape.k)));
            let magnitude = select(low, pair << 16u32, pair & 0xffff_0000u32);
            let negative = select(own > 0x8000_0000u32, 0x8000_0000u32, 0u32);
            bits[entry as usize] = subtract(own, magnitude | negative);
        }
        entry += comptime!(shape.units);
    }
}

/// Writes e' − v.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's helpers share its state")]
fn write_left(
    held: &Array<u32>,
    above: &Shared<[Atomic<u32>]>,
    ranks: &Shared<[u32]>,
    bits: &Shared<[u32]>,
    left: &mut [u32],
    low: u32,
    first: u32,
    elements: u32,
    #[comptime] shape: Sparse,
) {
    let mut word = 0u32;
    #[unroll]
    for slot in 0..comptime!(shape.held()) {
        let at = place(slot, comptime!(shape.units), comptime!(shape.input));
        let mut own = held[slot as usize];
        if own & 0x7fff_ffffu32 >= low {
            let entry = rank_of(at, above, ranks);
            if entry < comptime!(shape.k) {
                own = bits[entry as usize];
            }
        }
        let index = first + at;
        if comptime!(shape.input.halves) {
            let half = select(index < elements, bf16_of(own), 0u32);
            if comptime!(slot % 2 == 0) {
                word = half;
            } else if index - 1u32 < elements && (CUBE_POS as u32) * 4096u32 < elements {
                left[(index / 2u32) as usize] = word | (half << 16u32);
            }
        } else if index < elements && (CUBE_POS as u32) * 4096u32 < elements {
            left[index as usize] = own;
        }
    }
}
