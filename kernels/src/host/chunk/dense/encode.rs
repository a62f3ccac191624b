//! Encoding a dense chunk.
//!
//! Invariant: a code is the exact quotient rounded once. A product with the reciprocal of the scale is off by less than
//! 2^−15; where one of a block comes that near to a tie, the block is done again with quotients in f64, whose rounding
//! cannot move a tie: the quotient of 24 by 8 significant bits is a tie only when f64 holds it exactly, and is farther
//! from one than f64's error otherwise.

use simd::vectorised;

use super::{BLOCK, SCALE_BYTES, Width, scale_of};
use crate::format::CHUNK;
use crate::host::chunk::bits;
use crate::host::magnitude::{INFINITY_BITS, MAGNITUDE_MASK, ROUNDER, ROUNDER_F32, bf16_parts, bf16_to_f32, parts};
use crate::host::rounding::{Rounding, random_words};

/// Distance from the nearest integer beyond which a product may lie on the wrong side of a tie: ½ − 2^−15.
const NEAR_TIE: f32 = 0.5 - 1.0 / 32_768.0;

/// Exponents of scales and magnitudes within which reciprocals and products are normal numbers with all their bits.
const ORDINARY: std::ops::Range<u32> = 40..215;

vectorised! {
    #![bytes]
    /// Encodes a chunk, padded with zeros, whose first block is number `first_block` of the vector, into bytes of its
    /// size. `left` takes the values less the decoded ones. False where an element is not finite; what was written then
    /// means nothing.
    pub(crate) fn encode(
        width: Width,
        chunk: &[f32; CHUNK],
        rounding: Rounding,
        first_block: u64,
        bytes: &mut [u8],
        left: Option<&mut [f32; CHUNK]>,
    ) -> bool {
        match width {
            Width::Eight => encode_as(Width::Eight, chunk, rounding, first_block, bytes, left),
            Width::Four => encode_as(Width::Four, chunk, rounding, first_block, bytes, left),
        }
    }
}

#[inline(always)]
fn encode_as(
    width: Width,
    chunk: &[f32; CHUNK],
    rounding: Rounding,
    first_block: u64,
    bytes: &mut [u8],
    left: Option<&mut [f32; CHUNK]>,
) -> bool {
    let (scales, fields) = bytes.split_at_mut(SCALE_BYTES);
    let mut left = left.map(|left| left.as_chunks_mut::<BLOCK>().0);
    let mut top = 0;
    let blocks = chunk.as_chunks::<BLOCK>().0;
    for (number, (values, field)) in blocks.iter().zip(fields.chunks_exact_mut(width.block_bytes())).enumerate() {
        let largest = values.iter().fold(0, |largest, value| largest.max((value.to_bits() & MAGNITUDE_MASK) as i32));
        top = top.max(largest);
        if largest >= INFINITY_BITS as i32 {
            continue;
        }
        let bits = quick_scale(width, largest as u32);
        scales[2 * number..2 * number + 2].copy_from_slice(&bits.to_le_bytes());
        let codes = match rounding {
            Rounding::Nearest => nearest(width, values, bits),
            Rounding::Stochastic { seed } => stochastic(width, values, bits, seed, first_block + number as u64),
        };
        write_codes(width, &codes, field);
        if let Some(left) = left.as_deref_mut() {
            take_off(values, bf16_to_f32(bits), &codes, &mut left[number]);
        }
    }
    top < INFINITY_BITS as i32
}

/// As [`scale_of`]: the truncated quotient, raised until its largest multiple, which f32 holds exactly, reaches the
/// magnitude.
#[inline(always)]
fn quick_scale(width: Width, largest: u32) -> u16 {
    if !ORDINARY.contains(&(largest >> 23)) {
        return scale_of(width, largest);
    }
    let (magnitude, q) = (f32::from_bits(largest), width.largest() as f32);
    let low = (magnitude * (1.0 / q)).to_bits() >> 16;
    let misses = |bits: u32| u32::from(f32::from_bits(bits << 16) * q < magnitude);
    let raised = low + misses(low);
    (raised + misses(raised)) as u16
}

#[inline(always)]
fn nearest(width: Width, values: &[f32; BLOCK], bits: u16) -> [i8; BLOCK] {
    if !ORDINARY.contains(&u32::from(bits >> 7)) {
        return exact(width, values, bits);
    }
    let reciprocal = 1.0 / bf16_to_f32(bits);
    // A bit and not the largest distance: only what may be summed in any order is vectorised.
    let (mut codes, mut near) = ([0; BLOCK], 0u32);
    for (code, value) in codes.iter_mut().zip(values) {
        let quotient = value * reciprocal;
        // The low byte of the sum is then that of the integer.
        let sum = quotient + ROUNDER_F32;
        let distance = (quotient - (sum - ROUNDER_F32)).abs();
        near |= u32::from(distance > NEAR_TIE);
        *code = sum.to_bits() as i8;
    }
    if near != 0 { exact(width, values, bits) } else { codes }
}

/// Quotients in f64; all codes are 0 where the scale is.
#[inline(never)]
fn exact(width: Width, values: &[f32; BLOCK], bits: u16) -> [i8; BLOCK] {
    if bits == 0 {
        return [0; BLOCK];
    }
    let (scale, limit) = (f64::from(bf16_to_f32(bits)), f64::from(width.largest()));
    values.map(|value| {
        let rounded = (f64::from(value) / scale + ROUNDER) - ROUNDER;
        rounded.clamp(-limit, limit) as i8
    })
}

/// The quotient of magnitude and scale truncated to a fixed point, plus that many random bits.
#[inline(always)]
fn stochastic(width: Width, values: &[f32; BLOCK], bits: u16, seed: u64, block: u64) -> [i8; BLOCK] {
    let words = random_words(seed, block);
    let (scale_exponent, scale) = bf16_parts(bits);
    let mut codes = [0; BLOCK];
    for ((code, value), word) in codes.iter_mut().zip(values).zip(words) {
        let (exponent, significand) = parts(value.to_bits() & MAGNITUDE_MASK);
        // At least 9, since the scale reaches the block's largest; from 25 on the code is 0.
        let shift = (scale_exponent + 16).wrapping_sub(exponent).min(24);
        let fraction_bits = 7 + shift;
        // f64 divides 31 by 8 bits so closely that the floor is right.
        let quotient = (f64::from(significand << 7) / f64::from(scale.max(1))) as u32;
        let random = word & ((1 << fraction_bits) - 1);
        let magnitude = ((quotient + random) >> fraction_bits).min(width.largest());
        let counts = bits != 0 && scale_exponent + 16 <= exponent + 24;
        let magnitude = if counts { magnitude as i8 } else { 0 };
        *code = if value.is_sign_negative() { -magnitude } else { magnitude };
    }
    codes
}

#[inline(always)]
fn write_codes(width: Width, codes: &[i8; BLOCK], field: &mut [u8]) {
    match width {
        Width::Eight => field.iter_mut().zip(codes).for_each(|(byte, &code)| *byte = code as u8),
        Width::Four => {
            for (four, eight) in field.as_chunks_mut::<4>().0.iter_mut().zip(codes.as_chunks::<8>().0) {
                let nibbles = u64::from_le_bytes(eight.map(|code| code as u8)) & 0x0f0f_0f0f_0f0f_0f0f;
                *four = (bits::pack::<4>(nibbles) as u32).to_le_bytes();
            }
        }
    }
}

/// e − code · scale, both steps exact.
#[inline(always)]
fn take_off(values: &[f32; BLOCK], scale: f32, codes: &[i8; BLOCK], left: &mut [f32; BLOCK]) {
    for ((left, value), &code) in left.iter_mut().zip(values).zip(codes) {
        *left = value - f32::from(code) * scale;
    }
}
