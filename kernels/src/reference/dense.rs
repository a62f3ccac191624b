//! A dense chunk, with quotients in integers.

use crate::aggregate::dense_exponent;
use crate::chunk::dense::{self, Width, scale_of};
use crate::codec::{BLOCK, BLOCKS};
use crate::magnitude::{BF16_FLOOR, MAGNITUDE_MASK, bf16_parts, divide_to_nearest, parts, shift_to_nearest};

/// The bytes of a chunk from the bits of its real elements.
pub(super) fn encode(width: Width, real: &[u32]) -> Vec<u8> {
    let mut scales = [0; BLOCKS];
    let mut codes = vec![0i32; BLOCK * BLOCKS];
    for (block, elements) in real.chunks(BLOCK).enumerate() {
        let largest = elements.iter().map(|bits| bits & MAGNITUDE_MASK).max().unwrap_or(0);
        scales[block] = scale_of(width, largest);
        for (code, &bits) in codes[block * BLOCK..].iter_mut().zip(elements) {
            *code = quantise(width, bits, scales[block]);
        }
    }
    let mut bytes: Vec<u8> = scales.iter().flat_map(|scale: &u16| scale.to_le_bytes()).collect();
    match width {
        Width::Eight => bytes.extend(codes.iter().map(|&code| code as u8)),
        Width::Four => bytes.extend(codes.chunks(2).map(|pair| (pair[0] & 0xf | (pair[1] & 0xf) << 4) as u8)),
    }
    bytes
}

/// round(e / scale), brought into the range of the codes.
fn quantise(width: Width, bits: u32, scale: u16) -> i32 {
    if scale == 0 {
        return 0;
    }
    let (exponent, significand) = parts(bits & MAGNITUDE_MASK);
    let (scale_exponent, scale_significand) = bf16_parts(scale);
    // The quotient is significand / (scale_significand · 2^shift). Since the scale reaches the block's largest, the shift
    // is at least 9; from 25 on the quotient is below one half.
    let shift = scale_exponent + 16 - exponent;
    if shift > 24 {
        return 0;
    }
    let quotient = divide_to_nearest(significand, scale_significand << shift).min(width.largest());
    if bits > 1 << 31 { -(quotient as i32) } else { quotient as i32 }
}

/// Σ ±w·V of every element of a block, and E.
pub(super) fn sums(width: Width, chunks: &[(&[u8], u32, u32)], block: usize) -> (Vec<i32>, i32) {
    let exponent = dense_exponent(width, chunks.iter().map(|(bytes, ..)| dense::scale(bytes, block)));
    let mut sums = vec![0; BLOCK];
    for &(bytes, weight, coefficient) in chunks {
        let scale = dense::scale(bytes, block);
        let (own, significand) = bf16_parts(scale);
        if scale < BF16_FLOOR {
            continue;
        }
        let shift = width.shift() + (exponent + width.bias()) as u32 - own;
        for (sum, code) in sums.iter_mut().zip(dense::codes(width, bytes, block)) {
            let product = coefficient * u32::from(code.unsigned_abs()) * significand;
            *sum += i32::from(code.signum()) * (weight * shift_to_nearest(product, shift)) as i32;
        }
    }
    (sums, exponent)
}
