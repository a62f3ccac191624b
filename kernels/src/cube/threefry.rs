//! Random bits for stochastic rounding: Threefry2x32 of 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers:
//! as easy as 1, 2, 3; 2011).
//!
//! Invariant: a draw is a function of key and counter alone, so that a body is a function of its values and its seed on
//! every device and for any split of the work. Element i lies in block b = ⌊i / 64⌋ at place p = i mod 64; it takes
//! word ⌊p / 32⌋ of the draw of counter 32·b + p mod 32, low word first, under the key (low word, high word) of the
//! seed.

use cubecl::prelude::*;

use crate::host::rounding::ROTATIONS;

/// The constant that makes the third word of the key.
const PARITY: u32 = 0x1bd1_1bda;

/// The two words of a draw.
#[cube]
#[allow(clippy::manual_rotate, reason = "the device has no such operation")]
pub(super) fn threefry(key: (u32, u32), low: u32, high: u32) -> (u32, u32) {
    let third = key.0 ^ key.1 ^ PARITY;
    let mut first = low + key.0;
    let mut second = high + key.1;
    #[unroll]
    for round in 0..20u32 {
        let rotation = comptime!(ROTATIONS[(round % 8) as usize]);
        first += second;
        second = ((second << rotation) | (second >> (32u32 - rotation))) ^ first;
        if comptime!(round % 4 == 3) {
            let turn = comptime!(round / 4 + 1);
            first += word_of_key(key, third, comptime!(turn % 3));
            second += word_of_key(key, third, comptime!((turn + 1) % 3)) + turn;
        }
    }
    (first, second)
}

/// One of the three words of a key.
#[cube]
fn word_of_key(key: (u32, u32), third: u32, #[comptime] which: u32) -> u32 {
    if comptime!(which == 0) {
        key.0
    } else if comptime!(which == 1) {
        key.1
    } else {
        third
    }
}
