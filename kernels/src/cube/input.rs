//! What a compressing kernel reads: the bits of a vector, or the worker's update of its residual, made while it is
//! read.
//!
//! Invariants: neighbouring units read neighbouring words, and every word once; a NaN or an infinity in any of the
//! inputs is found by its bits, whatever the device's floats make of it. Vectors of bf16 are bound as words, two values
//! a word.

use cubecl::prelude::*;

/// What is read, known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Input {
    /// β·e + (base − local) of three vectors and a vector of what is left, or the bits of one and no other.
    pub fused: bool,
    /// All vectors are bf16.
    pub halves: bool,
}

/// Index, in the part of the vector that a cube works on, of a unit's value `slot`.
#[cube]
pub(super) fn place(#[comptime] slot: u32, #[comptime] units: u32, #[comptime] input: Input) -> u32 {
    if comptime!(input.halves) {
        2u32 * (comptime!(slot / 2 * units) + UNIT_POS) + comptime!(slot % 2)
    } else {
        comptime!(slot * units) + UNIT_POS
    }
}

/// The bits of value `index` as f32, 0 where the vector has ended; in the second place whether an input was not finite.
#[cube]
pub(super) fn read(
    values: &[u32],
    base: &[u32],
    local: &[u32],
    beta: f32,
    index: u32,
    elements: u32,
    #[comptime] input: Input,
) -> (u32, bool) {
    let at = min(index, elements - 1u32);
    let own = bits_at(values, at, input);
    let mut bits = own;
    let mut largest = own & 0x7fff_ffffu32;
    if comptime!(input.fused) {
        let (global, trained) = (bits_at(base, at, input), bits_at(local, at, input));
        let moved = f32::reinterpret(global) - f32::reinterpret(trained);
        bits = u32::reinterpret(beta * f32::reinterpret(own) + moved);
        let inputs = max(global & 0x7fff_ffffu32, trained & 0x7fff_ffffu32);
        largest = max(max(largest, bits & 0x7fff_ffffu32), inputs);
    }
    let inside = index < elements;
    (select(inside, bits, 0u32), inside && largest >= 0x7f80_0000u32)
}

/// The bits of a value as f32.
#[cube]
fn bits_at(values: &[u32], index: u32, #[comptime] input: Input) -> u32 {
    if comptime!(input.halves) {
        let word = values[(index / 2u32) as usize];
        select(index & 1u32 == 0u32, word << 16u32, word & 0xffff_0000u32)
    } else {
        values[index as usize]
    }
}

/// bf16 bits of a finite f32: to nearest, ties to even.
#[cube]
pub(super) fn bf16_of(bits: u32) -> u32 {
    (bits + 0x7fffu32 + ((bits >> 16u32) & 1u32)) >> 16u32
}
