//! A dense chunk, with quotients in integers.

use crate::format::{BLOCK, BLOCKS};
use crate::host::Rounding;
use crate::host::aggregate::dense_exponent;
use crate::host::chunk::dense::{self, Width, scale_of};
use crate::host::magnitude::{BF16_FLOOR, MAGNITUDE_MASK, bf16_parts, divide_to_nearest, parts, shift_to_nearest};
use crate::host::rounding::threefry;

/// The bytes of a chunk, whose first block is number `first_block` of the vector, from the bits of its real elements.
pub(super) fn encode(width: Width, rounding: Rounding, first_block: u64, real: &[u32]) -> Vec<u8> {
    let mut scales = [0; BLOCKS];
    let mut codes = vec![0i32; BLOCK * BLOCKS];
    for (block, elements) in real.chunks(BLOCK).enumerate() {
        let largest = elements.iter().map(|bits| bits & MAGNITUDE_MASK).max().unwrap_or(0);
        scales[block] = scale_of(width, largest);
        for (place, (code, &bits)) in codes[block * BLOCK..].iter_mut().zip(elements).enumerate() {
            let random = random(rounding, first_block + block as u64, place);
            *code = quantise(width, bits, scales[block], random);
        }
    }
    let mut bytes: Vec<u8> = scales.iter().flat_map(|scale: &u16| scale.to_le_bytes()).collect();
    match width {
        Width::Eight => bytes.extend(codes.iter().map(|&code| code as u8)),
        Width::Four => bytes.extend(codes.chunks(2).map(|pair| (pair[0] & 0xf | (pair[1] & 0xf) << 4) as u8)),
    }
    bytes
}

/// The random word of an element, where one is asked for.
fn random(rounding: Rounding, block: u64, place: usize) -> Option<u32> {
    let Rounding::Stochastic { seed } = rounding else { return None };
    let counter = 32 * block + place as u64 % 32;
    let key = [seed as u32, (seed >> 32) as u32];
    Some(threefry(key, [counter as u32, (counter >> 32) as u32])[place / 32])
}

/// round(e / scale), or the floor of it and a random fraction, brought into the range of the codes.
fn quantise(width: Width, bits: u32, scale: u16, random: Option<u32>) -> i32 {
    if scale == 0 {
        return 0;
    }
    let (exponent, significand) = parts(bits & MAGNITUDE_MASK);
    let (scale_exponent, scale_significand) = bf16_parts(scale);
    // The quotient is significand / (scale_significand · 2^shift). Since the scale reaches the block's largest, the
    // shift is at least 9; from 25 on the quotient is below one half.
    let shift = scale_exponent + 16 - exponent;
    if shift > 24 {
        return 0;
    }
    let quotient = match random {
        None => divide_to_nearest(significand, scale_significand << shift),
        // At most 31 bits each, so that the sum fits 32.
        Some(word) => (significand * 128 / scale_significand + (word & ((1 << (7 + shift)) - 1))) >> (7 + shift),
    };
    let quotient = quotient.min(width.largest());
    if bits > 1 << 31 { -(quotient as i32) } else { quotient as i32 }
}

/// ±V of each body for every element of a block, and E.
pub(super) fn fixed(width: Width, chunks: &[(&[u8], u32, u32)], block: usize) -> (Vec<Vec<i64>>, i32) {
    let largest = chunks.iter().map(|(bytes, ..)| dense::scale(bytes, block)).max().unwrap_or(0);
    let exponent = dense_exponent(width, largest);
    let alone = |&(bytes, _, coefficient): &(&[u8], u32, u32)| {
        let scale = dense::scale(bytes, block);
        let (own, significand) = bf16_parts(scale);
        if scale < BF16_FLOOR {
            return vec![0; BLOCK];
        }
        let shift = width.shift() + (exponent + width.bias()) as u32 - own;
        let value = |code: i8| {
            let product = coefficient * u32::from(code.unsigned_abs()) * significand;
            i64::from(code.signum()) * i64::from(shift_to_nearest(product, shift))
        };
        dense::codes(width, bytes, block).map(value).to_vec()
    };
    (chunks.iter().map(alone).collect(), exponent)
}

/// Σ ±w·V of every element of a block, and E.
pub(super) fn sums(width: Width, chunks: &[(&[u8], u32, u32)], block: usize) -> (Vec<i32>, i32) {
    let (values, exponent) = fixed(width, chunks, block);
    let mut sums = vec![0; BLOCK];
    for (values, &(_, weight, _)) in values.iter().zip(chunks) {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight as i32 * *value as i32);
    }
    (sums, exponent)
}
