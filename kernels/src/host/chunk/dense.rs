//! The dense chunk: 64 bf16 scales, then a signed code of 8 or 4 bits for every element.
//!
//! Invariants: a value is `code · scale`, which f32 holds exactly; the scale is the least bf16 that reaches the block's
//! largest magnitude with the largest code.

mod encode;
mod sum;

use simd::vectorised;

use super::bits;
use super::topk::check_magnitude;
use crate::format::{BLOCK, BLOCKS, CHUNK, Codec, DecodeError};
use crate::host::magnitude::{self, Toward, bf16_of_ratio, bf16_to_f32};
pub(crate) use encode::encode;
pub(crate) use sum::{Factors, add_fixed};

/// Bytes of the scales of a chunk.
pub(crate) const SCALE_BYTES: usize = 2 * BLOCKS;

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
        Width::Eight => {
            for (code, &byte) in codes.iter_mut().zip(field) {
                *code = byte as i8;
            }
        }
        Width::Four => {
            for (eight, four) in codes.as_chunks_mut::<8>().0.iter_mut().zip(field.as_chunks::<4>().0) {
                *eight = signed(bits::unpack::<4>(u64::from(u32::from_le_bytes(*four))))
                    .to_le_bytes()
                    .map(|byte| byte as i8);
            }
        }
    }
    codes
}

/// Eight numbers of four bits, a byte each, with their signs carried through the byte.
#[inline(always)]
const fn signed(nibbles: u64) -> u64 {
    const EIGHTS: u64 = 0x0808_0808_0808_0808;
    // (n ^ 8) − 8 in each byte; the highest bit is lent, so that none borrows from its neighbour.
    (((nibbles ^ EIGHTS) | (EIGHTS << 4)) - EIGHTS) ^ (EIGHTS << 4)
}

/// The values of a block, exact.
#[inline(always)]
pub(crate) fn values(width: Width, bytes: &[u8], block: usize) -> [f32; BLOCK] {
    let scale = bf16_to_f32(scale(bytes, block));
    codes(width, bytes, block).map(|code| f32::from(code) * scale)
}

/// Whether a chunk with `real` real elements is one that an encoder writes, as a rule without a branch.
#[inline(always)]
pub(crate) fn is_valid(width: Width, bytes: &[u8], real: usize) -> bool {
    let (scales, fields) = bytes.split_at(SCALE_BYTES);
    // The forbidden code is the least: in the upper half of a byte, where the codes have four bits.
    let mut lowest = 0;
    for &byte in fields {
        lowest = match width {
            Width::Eight => lowest.min(byte as i8),
            Width::Four => lowest.min((byte & 0xf0) as i8).min((byte << 4) as i8),
        };
    }
    let (mut least, mut largest) = (u16::MAX, 0);
    for pair in scales.as_chunks::<2>().0 {
        let scale = u16::from_le_bytes(*pair);
        (least, largest) = (least.min(scale), largest.max(scale));
    }
    let valid = lowest != i8::MIN && largest <= width.scale_max();
    valid
        && (least > 0 || has_no_code_without_scale(width, bytes))
        && (real == CHUNK || has_clean_padding(width, bytes, real))
}

#[inline(never)]
fn has_no_code_without_scale(width: Width, bytes: &[u8]) -> bool {
    (0..BLOCKS).all(|block| scale(bytes, block) != 0 || codes(width, bytes, block).iter().all(|&code| code == 0))
}

#[inline(never)]
fn has_clean_padding(width: Width, bytes: &[u8], real: usize) -> bool {
    check_padding(width, bytes, real, 0).is_ok()
}

/// Raises each block's scale to that of a chunk where it is larger.
#[inline(always)]
pub(crate) fn raise_scales(scales: &mut [u16; BLOCKS], bytes: &[u8]) {
    for (largest, pair) in scales.iter_mut().zip(bytes[..SCALE_BYTES].as_chunks::<2>().0) {
        *largest = u16::from_le_bytes(*pair).max(*largest);
    }
}

vectorised! {
    #![bytes]
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
