//! The dense chunk: 64 bf16 scales, then a signed code of 8 or 4 bits for every element.
//!
//! Invariants: a value is `code · scale`, which f32 holds exactly; the scale is the least bf16 that reaches the block's
//! largest magnitude with the largest code.

mod encode;
mod sum;

use super::topk::check_magnitude;
use crate::codec::{BLOCK, BLOCKS};
use crate::magnitude::{self, Toward, bf16_of_ratio, bf16_to_f32};
use crate::simd::vectorised;
use crate::{CHUNK, Codec, DecodeError};
pub(crate) use encode::encode;
pub(crate) use sum::fixed_block;

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

    /// Bytes of a chunk.
    pub(crate) const fn chunk_bytes(self) -> usize {
        SCALE_BYTES + BLOCKS * self.block_bytes()
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
#[inline(always)]
pub(crate) fn scale_of(width: Width, magnitude: u32) -> u16 {
    let (top, significand) = magnitude::parts(magnitude);
    bf16_of_ratio(significand, width.largest(), top, Toward::Up).min(width.scale_max())
}

/// The bf16 bits of the scale of a block.
#[inline(always)]
pub(crate) fn scale(bytes: &[u8], block: usize) -> u16 {
    u16::from_le_bytes([bytes[2 * block], bytes[2 * block + 1]])
}

/// The codes of a block.
#[inline(always)]
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
#[inline(always)]
pub(crate) fn values(width: Width, bytes: &[u8], block: usize) -> [f32; BLOCK] {
    let scale = bf16_to_f32(scale(bytes, block));
    codes(width, bytes, block).map(|code| f32::from(code) * scale)
}

/// Whether a chunk with `real` real elements is one that an encoder writes, in one pass without a branch.
#[inline(always)]
pub(crate) fn is_valid(width: Width, bytes: &[u8], real: usize) -> bool {
    let forbidden = -(width.largest() as i32 + 1) as i8;
    let mut valid = true;
    for block in 0..BLOCKS {
        let bits = scale(bytes, block);
        let codes = codes(width, bytes, block);
        // Zero only, where the scale is zero; anything but the forbidden code elsewhere.
        let allowed = if bits == 0 { 0 } else { u8::MAX };
        let dirty = codes.iter().fold(0, |dirty, &code| dirty | (code as u8 & !allowed) | u8::from(code == forbidden));
        valid &= bits <= width.scale_max() && dirty == 0;
    }
    valid && (real == CHUNK || check_padding(width, bytes, real, 0).is_ok())
}

vectorised! {
    fn is_valid_chunk(width: Width, bytes: &[u8], real: usize) -> bool {
        // One copy of the loop for each width.
        match width {
            Width::Eight => is_valid(Width::Eight, bytes, real),
            Width::Four => is_valid(Width::Four, bytes, real),
        }
    }
}

/// Refuses whatever the encoder never writes in chunk number `chunk`, which has `real` real elements.
pub(crate) fn validate(width: Width, bytes: &[u8], real: usize, chunk: usize) -> Result<(), DecodeError> {
    if is_valid_chunk(width, bytes, real) { Ok(()) } else { find_fault(width, bytes, real, chunk) }
}

/// Names the first fault of a chunk.
fn find_fault(width: Width, bytes: &[u8], real: usize, chunk: usize) -> Result<(), DecodeError> {
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
    if let Some(at) = codes.iter().position(|&code| code == forbidden) {
        return Err(DecodeError::ForbiddenCode { chunk, index: block * BLOCK + at, code: forbidden });
    }
    if scale == 0
        && let Some(at) = codes.iter().position(|&code| code != 0)
    {
        return Err(DecodeError::CodeWithoutScale { chunk, index: block * BLOCK + at });
    }
    Ok(())
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
