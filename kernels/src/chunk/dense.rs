//! The dense chunk: 64 bf16 scales, then a signed code of 8 or 4 bits for every element.
//!
//! Invariants: a value is `code · scale`, which f32 holds exactly; the scale is the least bf16 that reaches the block's
//! largest magnitude with the largest code. Quotients are taken in f64: the quotient of 24 by 8 significant bits is a
//! tie only when f64 holds it exactly, and is farther from a tie than f64's error otherwise.

use super::topk::check_magnitude;
use crate::codec::{BLOCK, BLOCKS};
use crate::magnitude::{self, MAGNITUDE_MASK, Rounding, bf16_of_ratio, bf16_to_f32};
use crate::{CHUNK, Codec, DecodeError};

/// Adding and subtracting this rounds an f64 of small magnitude to an integer, to nearest, ties to even.
pub(crate) const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Bytes of the scales of a chunk.
const SCALE_BYTES: usize = 2 * BLOCKS;

/// How wide the codes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// −127 … 127 in a byte.
    Eight,
    /// −7 … 7 in half a byte, the lower index in the lower half.
    Four,
}

impl Width {
    /// The width of a dense codec, none for the others.
    pub(crate) const fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::DenseInt8 => Some(Self::Eight),
            Codec::DenseInt4 => Some(Self::Four),
            _ => None,
        }
    }

    /// The largest code.
    pub(crate) const fn largest(self) -> u32 {
        match self {
            Self::Eight => 127,
            Self::Four => 7,
        }
    }

    /// The largest scale whose largest multiple is a finite f32, as bf16 bits.
    pub(crate) const fn scale_max(self) -> u16 {
        match self {
            Self::Eight => 0x7c01,
            Self::Four => 0x7e12,
        }
    }

    /// How far the product of coefficient, code and significand is shifted down to fixed point, at the top exponent.
    pub(crate) const fn shift(self) -> u32 {
        match self {
            Self::Eight => 13,
            Self::Four => 9,
        }
    }

    /// `2^(E)` bounds every magnitude of a block whose largest scale has biased exponent `y`, with `E = y − bias`.
    pub(crate) const fn bias(self) -> i32 {
        match self {
            Self::Eight => 119,
            Self::Four => 123,
        }
    }

    /// Bytes of the codes of a block.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            Self::Eight => BLOCK,
            Self::Four => BLOCK / 2,
        }
    }
}

/// The least bf16 that reaches `magnitude` with the largest code.
pub(crate) fn scale_of(width: Width, magnitude: u32) -> u16 {
    let (top, significand) = magnitude::parts(magnitude);
    bf16_of_ratio(significand, width.largest(), top, Rounding::Up).min(width.scale_max())
}

/// Encodes the real elements of a chunk, all finite, into bytes that are zero before.
pub(crate) fn encode(width: Width, chunk: &[f32], bytes: &mut [u8]) {
    let (scales, codes) = bytes.split_at_mut(SCALE_BYTES);
    let blocks = chunk.chunks(BLOCK).zip(scales.chunks_exact_mut(2));
    for ((block, scale), codes) in blocks.zip(codes.chunks_exact_mut(width.block_bytes())) {
        let largest = block.iter().fold(0, |largest, value| largest.max(value.to_bits() & MAGNITUDE_MASK));
        let bits = scale_of(width, largest);
        scale.copy_from_slice(&bits.to_le_bytes());
        if bits != 0 {
            encode_block(width, block, bf16_to_f32(bits), codes);
        }
    }
}

fn encode_block(width: Width, block: &[f32], scale: f32, codes: &mut [u8]) {
    let mut quotients = [0i8; BLOCK];
    let limit = f64::from(width.largest());
    for (quotient, value) in quotients.iter_mut().zip(block) {
        let exact = f64::from(*value) / f64::from(scale);
        let rounded = (exact + ROUNDER) - ROUNDER;
        *quotient = rounded.clamp(-limit, limit) as i8;
    }
    match width {
        Width::Eight => codes.iter_mut().zip(quotients).for_each(|(code, q)| *code = q as u8),
        Width::Four => {
            for (code, pair) in codes.iter_mut().zip(quotients.chunks_exact(2)) {
                *code = (pair[0] as u8 & 0xf) | (pair[1] as u8) << 4;
            }
        }
    }
}

/// The bf16 bits of the scale of a block.
pub(crate) fn scale(bytes: &[u8], block: usize) -> u16 {
    u16::from_le_bytes([bytes[2 * block], bytes[2 * block + 1]])
}

/// The codes of a block.
pub(crate) fn codes(width: Width, bytes: &[u8], block: usize) -> [i8; BLOCK] {
    let field = &bytes[SCALE_BYTES + block * width.block_bytes()..][..width.block_bytes()];
    let mut codes = [0; BLOCK];
    match width {
        Width::Eight => codes.iter_mut().zip(field).for_each(|(code, &byte)| *code = byte as i8),
        Width::Four => {
            for (pair, &byte) in codes.chunks_exact_mut(2).zip(field) {
                pair[0] = (byte << 4) as i8 >> 4;
                pair[1] = byte as i8 >> 4;
            }
        }
    }
    codes
}

/// The values of a block, exact.
pub(crate) fn values(width: Width, bytes: &[u8], block: usize) -> [f32; BLOCK] {
    let scale = bf16_to_f32(scale(bytes, block));
    codes(width, bytes, block).map(|code| f32::from(code) * scale)
}

/// Refuses whatever the encoder never writes in chunk number `chunk`, which has `real` real elements.
pub(crate) fn validate(width: Width, bytes: &[u8], real: usize, chunk: usize) -> Result<(), DecodeError> {
    for block in 0..BLOCKS {
        let bits = scale(bytes, block);
        check_magnitude(bits, chunk)?;
        if bits > width.scale_max() {
            return Err(DecodeError::ScaleTooLarge { chunk, block, bits, limit: width.scale_max() });
        }
        check_codes(width, &codes(width, bytes, block), bits, block, chunk)?;
    }
    check_padding(width, bytes, real, chunk)
}

fn check_codes(width: Width, codes: &[i8; BLOCK], scale: u16, block: usize, chunk: usize) -> Result<(), DecodeError> {
    let forbidden = -(width.largest() as i32 + 1) as i8;
    if let Some(at) = position(codes, |code| code == forbidden) {
        return Err(DecodeError::ForbiddenCode { chunk, index: block * BLOCK + at, code: forbidden });
    }
    if scale == 0
        && let Some(at) = position(codes, |code| code != 0)
    {
        return Err(DecodeError::CodeWithoutScale { chunk, index: block * BLOCK + at });
    }
    Ok(())
}

/// The first code that `wanted` accepts; most often there is none, and a pass without a branch says so.
fn position(codes: &[i8; BLOCK], wanted: impl Fn(i8) -> bool) -> Option<usize> {
    let any = codes.iter().fold(false, |any, &code| any | wanted(code));
    if any { codes.iter().position(|&code| wanted(code)) } else { None }
}

fn check_padding(width: Width, bytes: &[u8], real: usize, chunk: usize) -> Result<(), DecodeError> {
    for block in real / BLOCK..BLOCKS {
        let first = real.saturating_sub(block * BLOCK);
        let dirty = codes(width, bytes, block)[first..].iter().position(|&code| code != 0);
        if let Some(at) = dirty {
            return Err(DecodeError::PaddingNotZero { chunk, index: block * BLOCK + first + at });
        }
        if first == 0 && scale(bytes, block) != 0 {
            return Err(DecodeError::PaddingNotZero { chunk, index: block * BLOCK });
        }
    }
    Ok(())
}

const _: () = assert!(CHUNK == BLOCK * BLOCKS);
