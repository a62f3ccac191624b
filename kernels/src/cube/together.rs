//! What the units of a cube find out together: one barrier a question.
//!
//! Invariants: a question's words were zeroed before the barrier that stands before the first answer; every unit
//! answers. Where the device has planes, a plane adds its answers up in registers first and one unit goes to shared
//! memory; where it has none, every unit goes. Both count in integers, so both say the same. A tree over shared memory
//! needs a barrier a level, and loses to this wherever the cube is not alone on its processor.

use cubecl::prelude::*;

/// Adds every unit's `value` to a word of shared memory, to be read behind the next barrier.
#[cube]
pub(super) fn add(words: &Shared<[Atomic<u32>]>, at: u32, value: u32, #[comptime] planes: bool) {
    if comptime!(planes) {
        let sum = plane_sum(value);
        if UNIT_POS_PLANE == 0u32 {
            words[at as usize].fetch_add(sum);
        }
    } else {
        words[at as usize].fetch_add(value);
    }
}

/// Brings a word of shared memory up to every unit's `value`, to be read behind the next barrier.
#[cube]
pub(super) fn raise(words: &Shared<[Atomic<u32>]>, at: u32, value: u32, #[comptime] planes: bool) {
    if comptime!(planes) {
        let largest = plane_max(value);
        if UNIT_POS_PLANE == 0u32 {
            words[at as usize].fetch_max(largest);
        }
    } else {
        words[at as usize].fetch_max(value);
    }
}

/// Zeroes shared words; a barrier must follow.
#[cube]
pub(super) fn zero(words: &Shared<[Atomic<u32>]>, #[comptime] len: u32, #[comptime] units: u32) {
    let mut at = UNIT_POS;
    while at < len {
        words[at as usize].store(0u32);
        at += units;
    }
}
