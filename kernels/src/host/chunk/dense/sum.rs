//! A dense block in fixed point.

use super::{BLOCK, SCALE_BYTES, Width, scale};
use crate::host::magnitude::{BF16_FLOOR, bf16_parts};
use crate::host::words::{Product, add_bytes, add_nibbles};

/// A contribution's integers in one aggregate.
#[derive(Clone, Copy)]
pub(crate) struct Factors {
    /// α·clip.
    pub(crate) coefficient: u32,
    /// What its fixed-point numbers are multiplied by.
    pub(crate) weight: u32,
}

/// `sums` ← `sums` ± w·V for every element of a block at the exponent E; `fixed` ← ±V where it is wanted.
#[inline(always)]
pub(crate) fn add_fixed<const LEVEL: u8>(
    width: Width,
    bytes: &[u8],
    block: usize,
    factors: Factors,
    exponent: i32,
    fixed: Option<&mut [i32; BLOCK]>,
    sums: &mut [i32; BLOCK],
) {
    let bits = scale(bytes, block);
    if bits < BF16_FLOOR {
        if let Some(fixed) = fixed {
            fixed.fill(0);
        }
        return;
    }
    let (own, significand) = bf16_parts(bits);
    let shift = width.shift() + (exponent + width.bias() - own as i32) as u32;
    // At most 2^16 · 255 < 2^24.
    let product = Product { factor: factors.coefficient * significand, shift, weight: factors.weight as i32 };
    let codes = &bytes[SCALE_BYTES + block * width.block_bytes()..];
    match width {
        Width::Eight => {
            let Some(codes) = codes.first_chunk() else { return };
            add_bytes::<LEVEL>(codes, product, fixed, sums);
        }
        Width::Four => {
            let Some(codes) = codes.first_chunk() else { return };
            add_nibbles::<LEVEL>(codes, product, fixed, sums);
        }
    }
}
