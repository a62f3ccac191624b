//! Compressing dense blocks on a device: one cube half a chunk, one pass over memory.
//!
//! Bytes of global memory an element: fused, 12 are read and 4 written (half of both for bf16) beside the body's 1 or
//! ½; 4 are read by a plain encoding. Neighbouring units read neighbouring words; then shared memory, 65 words a block
//! so that no two units of a plane meet in a bank, gives each unit a quarter of a block: eight elements and the eight
//! that lie 32 further on, which is what shares the two words of a draw of random bits. Three barriers; below 9 KiB of
//! shared memory.
//!
//! Weighed and left: a unit for a whole block, whose reads lie 256 bytes apart; a unit for four neighbours, which draws
//! every random word twice and has half a word of `dense-int4` to write.

use cubecl::prelude::*;

use super::input::{Input, bf16_of, place, read};
use super::integer::{
    bf16_exponent_of, bf16_of_ratio, bf16_significand_of, divide_to_nearest, exponent_of, significand_of,
};
use super::threefry::threefry;

/// Elements that a cube compresses.
pub(super) const SEGMENT: u32 = 2048;
/// Blocks of a segment.
const BLOCKS: u32 = 32;
/// Quarters of the blocks of a segment.
const QUARTERS: u32 = 128;
/// Shared words of a block.
const STRIDE: u32 = 65;

/// A cube that compresses, known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dense {
    /// Bits of a code.
    pub code_bits: u32,
    /// The largest scale's bf16 bits.
    pub scale_max: u32,
    /// Units of the cube, a power of two of at most 128.
    pub units: u32,
    /// Whether codes are rounded by random bits.
    pub stochastic: bool,
    pub input: Input,
}

impl Dense {
    /// Values that a unit reads.
    const fn held(&self) -> u32 {
        SEGMENT / self.units
    }

    /// The largest code.
    const fn q(&self) -> u32 {
        (1 << (self.code_bits - 1)) - 1
    }

    /// Words of the codes of a segment.
    const fn code_words(&self) -> u32 {
        SEGMENT * self.code_bits / 32
    }
}

/// Compresses segment `CUBE_POS`. Its status word is 0, or one more than the index in the segment of the first element
/// that is not finite, and then nothing else means anything.
///
/// # Shapes
/// `values`, `base`, `local`, `left` [elements] as bits, bf16 two a word; the last three are not looked at by a plain
/// encoding. `words` [chunks · (32 + code words) + 2 · chunks]: the body, then the status words. `key_low` and
/// `key_high` are the seed of the random stream.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are its buffers")]
pub(super) fn compress_dense(
    values: &[u32],
    base: &[u32],
    local: &[u32],
    left: &mut [u32],
    words: &mut [u32],
    beta: f32,
    elements: u32,
    chunks: u32,
    key_low: u32,
    key_high: u32,
    #[comptime] shape: Dense,
) {
    let (units, input) = comptime!((shape.units, shape.input));
    let segment = CUBE_POS as u32;
    let first = min(segment, 2u32 * chunks - 1u32) * SEGMENT;
    let mut staged = Shared::<[u32]>::new_slice(comptime!((BLOCKS * STRIDE) as usize));
    let mut largest = Shared::<[u32]>::new_slice(comptime!(QUARTERS as usize));
    let mut scales = Shared::<[u32]>::new_slice(comptime!(BLOCKS as usize));
    let fault = Shared::<[Atomic<u32>]>::new_slice(1usize);
    if UNIT_POS == 0u32 {
        fault[0].store(0u32);
    }
    sync_cube();
    let mut own_fault = 0u32;
    #[unroll]
    for slot in 0..comptime!(shape.held()) {
        let at = place(slot, units, input);
        let (own, bad) = read(values, base, local, beta, first + at, elements, input);
        staged[staged_at(at) as usize] = own;
        own_fault = max(own_fault, select(bad, SEGMENT - at, 0u32));
    }
    if own_fault > 0u32 {
        fault[0].fetch_max(own_fault);
    }
    sync_cube();
    let mut quarter = UNIT_POS;
    while quarter < QUARTERS {
        largest[quarter as usize] = largest_of(&staged, quarter);
        quarter += units;
    }
    sync_cube();
    quarter = UNIT_POS;
    while quarter < QUARTERS {
        let scale = scale_of(&largest, quarter / 4u32, shape);
        if quarter & 3u32 == 0u32 {
            scales[(quarter / 4u32) as usize] = scale;
        }
        if segment < 2u32 * chunks {
            quantise_quarter(&mut staged, words, quarter, scale, first, (key_low, key_high), shape);
        }
        quarter += units;
    }
    sync_cube();
    if segment < 2u32 * chunks {
        write_scales(&scales, words, segment, shape);
        if UNIT_POS == 0u32 {
            let found = fault[0].load();
            let status = chunks * comptime!(32 + 2 * shape.code_words()) + segment;
            words[status as usize] = select(found == 0u32, 0u32, comptime!(SEGMENT + 1) - found);
        }
        if comptime!(input.fused) {
            write_left(&staged, left, first, elements, shape);
        }
    }
}

/// Where an element of the segment is staged.
#[cube]
fn staged_at(at: u32) -> u32 {
    at + at / 64u32
}

/// Where the first element of a quarter of a block is staged; the other eight are 32 further on.
#[cube]
fn quarter_at(quarter: u32) -> u32 {
    (quarter / 4u32) * STRIDE + (quarter & 3u32) * 8u32
}

/// The largest magnitude bits of a quarter.
#[cube]
fn largest_of(staged: &Shared<[u32]>, quarter: u32) -> u32 {
    let at = quarter_at(quarter);
    let mut largest = 0u32;
    #[unroll]
    for offset in 0..8u32 {
        let low = staged[(at + offset) as usize] & 0x7fff_ffffu32;
        let high = staged[(at + 32u32 + offset) as usize] & 0x7fff_ffffu32;
        largest = max(largest, max(low, high));
    }
    largest
}

/// The least bf16 that is the largest magnitude divided by Q, or the largest allowed.
#[cube]
fn scale_of(largest: &Shared<[u32]>, block: u32, #[comptime] shape: Dense) -> u32 {
    let at = 4u32 * block;
    let one = max(largest[at as usize], largest[(at + 1u32) as usize]);
    let other = max(largest[(at + 2u32) as usize], largest[(at + 3u32) as usize]);
    let all = max(one, other);
    let exact = bf16_of_ratio(significand_of(all), comptime!(shape.q()), exponent_of(all), true);
    min(exact, comptime!(shape.scale_max))
}

/// Writes the codes of a quarter and leaves e' − v where e' was.
#[cube]
fn quantise_quarter(
    staged: &mut Shared<[u32]>,
    words: &mut [u32],
    quarter: u32,
    scale: u32,
    first: u32,
    key: (u32, u32),
    #[comptime] shape: Dense,
) {
    let code_bits = comptime!(shape.code_bits);
    let per_word = comptime!(32 / shape.code_bits);
    let at = quarter_at(quarter);
    // Of the segment: its chunk, the half of the chunk's codes, the block, the quarter.
    let half = first / SEGMENT;
    let chunk_words = comptime!(32 + 2 * shape.code_words());
    let codes = (half / 2u32) * chunk_words + 32u32 + (half & 1u32) * comptime!(shape.code_words());
    let out =
        codes + (quarter / 4u32) * comptime!(2 * shape.code_bits) + (quarter & 3u32) * comptime!(shape.code_bits / 4);
    let draw = (first + (quarter / 4u32) * 64u32) / 2u32 + (quarter & 3u32) * 8u32;
    #[unroll]
    for word in 0..comptime!(shape.code_bits / 4) {
        let mut low = 0u32;
        let mut high = 0u32;
        #[unroll]
        for place in 0..per_word {
            let offset = comptime!(word * 32 / shape.code_bits + place);
            let random = drawn(key, draw + offset, shape);
            let shift = comptime!(place * shape.code_bits);
            low |= quantise(staged, at + offset, scale, random.0, shape) << shift;
            high |= quantise(staged, at + 32u32 + offset, scale, random.1, shape) << shift;
        }
        words[(out + word) as usize] = low;
        words[(out + code_bits + word) as usize] = high;
    }
}

/// Two random words; where none are wanted, whatever is at hand.
#[cube]
fn drawn(key: (u32, u32), counter: u32, #[comptime] shape: Dense) -> (u32, u32) {
    if comptime!(shape.stochastic) { threefry(key, counter, 0u32) } else { (counter, counter) }
}

/// significand / (divisor · 2^shift), rounded.
#[cube]
fn rounded(significand: u32, divisor: u32, shift: u32, random: u32, #[comptime] shape: Dense) -> u32 {
    if comptime!(shape.stochastic) {
        let below = random & ((1u32 << (shift + 7u32)) - 1u32);
        ((significand << 7u32) / divisor + below) >> (shift + 7u32)
    } else {
        divide_to_nearest(significand, divisor << shift)
    }
}

/// The code of a staged element in its bits, with e' − v left in its place.
#[cube]
fn quantise(staged: &mut Shared<[u32]>, at: u32, scale: u32, random: u32, #[comptime] shape: Dense) -> u32 {
    let bits = staged[at as usize];
    let magnitude = bits & 0x7fff_ffffu32;
    // At least 9 for finite values; from 25 on the quotient is below one half.
    let scale_exponent = bf16_exponent_of(scale) + 16u32;
    let shift = scale_exponent - min(exponent_of(magnitude), scale_exponent);
    let far = scale == 0u32 || shift > 24u32;
    let amount = min(shift, 24u32);
    let divisor = max(bf16_significand_of(scale), 1u32);
    let quotient = rounded(significand_of(magnitude), divisor, amount, random, shape);
    let counted = select(far, 0u32, min(quotient, comptime!(shape.q())));
    if comptime!(shape.input.fused) {
        // Both exact: a code has 7 bits and a scale 8, and e' is less than a scale away or is above every code.
        let value = f32::cast_from(counted) * f32::reinterpret((scale << 16u32) | (bits & 0x8000_0000u32));
        let rest = u32::reinterpret(f32::reinterpret(bits) - value);
        staged[at as usize] = select(counted == 0u32, bits, rest);
    }
    let signed = select(bits > 0x8000_0000u32, 0u32 - counted, counted);
    signed & comptime!((1u32 << shape.code_bits) - 1)
}

/// Writes the scales of a segment, two a word.
#[cube]
fn write_scales(scales: &Shared<[u32]>, words: &mut [u32], segment: u32, #[comptime] shape: Dense) {
    let out = (segment / 2u32) * comptime!(32 + 2 * shape.code_words()) + (segment & 1u32) * 16u32;
    let mut pair = UNIT_POS;
    while pair < 16u32 {
        let both = scales[(2u32 * pair) as usize] | (scales[(2u32 * pair + 1u32) as usize] << 16u32);
        words[(out + pair) as usize] = both;
        pair += comptime!(shape.units);
    }
}

/// Writes e' − v.
#[cube]
fn write_left(staged: &Shared<[u32]>, left: &mut [u32], first: u32, elements: u32, #[comptime] shape: Dense) {
    let mut word = 0u32;
    #[unroll]
    for slot in 0..comptime!(shape.held()) {
        let at = place(slot, comptime!(shape.units), comptime!(shape.input));
        let own = staged[staged_at(at) as usize];
        let index = first + at;
        if comptime!(shape.input.halves) {
            let half = select(index < elements, bf16_of(own), 0u32);
            if comptime!(slot % 2 == 0) {
                word = half;
            } else if index - 1u32 < elements {
                left[(index / 2u32) as usize] = word | (half << 16u32);
            }
        } else if index < elements {
            left[index as usize] = own;
        }
    }
}
