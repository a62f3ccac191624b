//! The k largest of a chunk of 4096, by bits that the units of a cube hold in registers.
//!
//! Invariants: every unit walks the same path, since all decisions come from shared counts; what is picked is a bitmap
//! of 128 words, so an entry's place in the list is a count of ones before it, whatever unit holds the element.
//!
//! Designs weighed: reading the chunk again for each of 31 bits of the bound costs 31 passes over memory. A histogram
//! of the leading bits needs a shared atomic per element, most of them on the few exponents that a chunk has. Sorting
//! moves every value. Counting against three bounds at once takes two bits of the bound a barrier from registers alone,
//! and ends as soon as a bound is reached by exactly k: after a bracket below the largest, about four rounds on
//! bell-shaped values.

use cubecl::prelude::*;

use super::input::{Input, place};
use super::together::add;

/// Words of a bitmap of a chunk.
pub(super) const BITMAP: u32 = 128;
/// Words that [`bounds`] counts in: three questions of two words, in turn.
pub(super) const COUNTS: u32 = 6;
/// Words that a group of the bitmap has; a group's ones are counted before a word's.
const GROUP: u32 = 16;

/// A cube that compresses, known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sparse {
    /// Entries of a chunk.
    pub k: u32,
    /// Units of the cube, a power of two.
    pub units: u32,
    /// Whether units of a plane add up in registers.
    pub planes: bool,
    pub input: Input,
}

impl Sparse {
    /// Values that a unit holds.
    pub(super) const fn held(&self) -> u32 {
        4096 / self.units
    }
}

/// Two bounds: fewer than k magnitudes reach the upper, and those at or above the lower are k, or at least k where the
/// two are neighbours. Below both when the upper is the lower: then exactly k reach it.
#[cube]
pub(super) fn bounds(
    held: &Array<u32>,
    largest: u32,
    counts: &Shared<[Atomic<u32>]>,
    #[comptime] shape: Sparse,
) -> (u32, u32) {
    let k = comptime!(shape.k);
    let mut low = 0u32;
    let mut high = largest + 1u32;
    let mut reaching = 4096u32;
    let mut step = 0u32;
    while high - low > 1u32 && reaching != k {
        let (first, second, third) = between(low, high, step == 0u32);
        let mut pair = 0u32;
        let mut last = 0u32;
        #[unroll]
        for slot in 0..comptime!(shape.held()) {
            let magnitude = held[slot as usize] & 0x7fff_ffffu32;
            pair += select(magnitude >= first, 1u32, 0u32);
            pair += select(magnitude >= second, 0x1_0000u32, 0u32);
            last += select(magnitude >= third, 1u32, 0u32);
        }
        let turn = 2u32 * (step % 3u32);
        add(counts, turn, pair, comptime!(shape.planes));
        add(counts, turn + 1u32, last, comptime!(shape.planes));
        if UNIT_POS == 0u32 {
            // Read last before the barrier before this one.
            let next = 2u32 * ((step + 1u32) % 3u32);
            counts[next as usize].store(0u32);
            counts[(next + 1u32) as usize].store(0u32);
        }
        sync_cube();
        let pair = counts[turn as usize].load();
        let last = counts[(turn + 1u32) as usize].load();
        let (least, middle) = (pair & 0xffffu32, pair >> 16u32);
        if last >= k {
            low = third;
            reaching = last;
        } else if middle >= k {
            low = second;
            high = third;
            reaching = middle;
        } else if least >= k {
            low = first;
            high = second;
            reaching = least;
        } else {
            high = first;
        }
        step += 1u32;
    }
    (low, select(reaching == k, low, high))
}

/// Three rising numbers strictly between two: at first half an octave, one and three below the upper, then the
/// quarters.
#[cube]
fn between(low: u32, high: u32, bracket: bool) -> (u32, u32, u32) {
    let width = high - low;
    let quarter = max(width >> 2u32, 1u32);
    let half = max(width >> 1u32, 1u32);
    let most = min(max(width - quarter, 1u32), width - 1u32);
    let near = select(bracket, min(quarter, comptime!(1u32 << 22)), quarter);
    let middle = select(bracket, min(half, comptime!(1u32 << 23)), half);
    let far = select(bracket, min(most, comptime!(3u32 << 23)), most);
    (high - far, high - middle, high - near)
}

/// Sets the bits of what lies at or above the upper bound, and of what lies between the two.
#[cube]
pub(super) fn mark(
    held: &Array<u32>,
    low: u32,
    high: u32,
    above: &Shared<[Atomic<u32>]>,
    ties: &Shared<[Atomic<u32>]>,
    #[comptime] shape: Sparse,
) {
    #[unroll]
    for slot in 0..comptime!(shape.held()) {
        let magnitude = held[slot as usize] & 0x7fff_ffffu32;
        if magnitude >= low {
            let at = place(slot, comptime!(shape.units), comptime!(shape.input));
            let bit = 1u32 << (at & 31u32);
            if magnitude >= high {
                above[(at / 32u32) as usize].fetch_or(bit);
            } else {
                ties[(at / 32u32) as usize].fetch_or(bit);
            }
        }
    }
}

/// Completes the bitmap `above` with as many ties as make k, by rising index, and writes the ones before each of its
/// words. Barriers stand before, within and behind.
#[cube]
pub(super) fn rank(
    above: &Shared<[Atomic<u32>]>,
    ties: &Shared<[Atomic<u32>]>,
    groups: &Shared<[Atomic<u32>]>,
    ones: &mut Shared<[u32]>,
    ranks: &mut Shared<[u32]>,
    #[comptime] shape: Sparse,
) {
    let mut word = UNIT_POS;
    while word < BITMAP {
        let certain = u32::count_ones(above[word as usize].load());
        let both = certain | (u32::count_ones(ties[word as usize].load()) << 16u32);
        ones[word as usize] = both;
        groups[(word / GROUP) as usize].fetch_add(both);
        word += comptime!(shape.units);
    }
    sync_cube();
    word = UNIT_POS;
    while word < BITMAP {
        let group = word / GROUP;
        let mut before = 0u32;
        let mut all = 0u32;
        for other in 0..comptime!(BITMAP / GROUP) {
            let count = groups[other as usize].load();
            all += count & 0xffffu32;
            before += select(other < group, count, 0u32);
        }
        for other in group * GROUP..word {
            before += ones[other as usize];
        }
        let wanted = comptime!(shape.k) - all;
        let taken = min(before >> 16u32, wanted);
        let kept = lowest_ones(ties[word as usize].load(), wanted - taken);
        above[word as usize].fetch_or(kept);
        ranks[word as usize] = (before & 0xffffu32) + taken;
        word += comptime!(shape.units);
    }
    sync_cube();
}

/// As many of a word's ones, from the lowest on.
#[cube]
fn lowest_ones(word: u32, count: u32) -> u32 {
    let mut kept = word;
    let mut surplus = u32::count_ones(word);
    surplus -= min(surplus, count);
    while surplus > 0u32 {
        kept ^= 1u32 << (31u32 - u32::leading_zeros(kept));
        surplus -= 1u32;
    }
    kept
}

/// An element's place in the list, or all ones when it was not picked.
#[cube]
pub(super) fn rank_of(at: u32, picked: &Shared<[Atomic<u32>]>, ranks: &Shared<[u32]>) -> u32 {
    let word = picked[(at / 32u32) as usize].load();
    let bit = 1u32 << (at & 31u32);
    let rank = ranks[(at / 32u32) as usize] + u32::count_ones(word & (bit - 1u32));
    select(word & bit == 0u32, 0xffff_ffffu32, rank)
}
