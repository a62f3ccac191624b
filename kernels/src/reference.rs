//! The scalar truth: the format and its arithmetic in plain 32-bit integers, one element after the other.
//!
//! Invariants: no float operation at all (an f32 is its bits), no thread, no table, nothing that depends on a device.
//! The quick host path and the kernels of `cube` are written for speed and must equal this, bit for bit.

mod dense;
mod outer;
mod scan;
mod sparse;
mod subtract;

pub use scan::dot_sum;

use crate::format::{ApplyError, BLOCKS, CHUNK, Codec, EncodeError};
use crate::host::body::Form;
use crate::host::magnitude::{INFINITY_BITS, MAGNITUDE_MASK};
use crate::host::{self, OuterStep, Rounding, Summand};

/// The body of `values`, as [`crate::encode`] must give it. [elements] → `codec.body_bytes(elements)` bytes.
///
/// # Errors
/// The first NaN or infinity.
pub fn encode(codec: Codec, values: &[f32]) -> Result<Vec<u8>, EncodeError> {
    encode_rounded(codec, Rounding::Nearest, values)
}

/// As [`crate::encode_rounded`] must give it.
///
/// # Errors
/// The first NaN or infinity.
pub fn encode_rounded(codec: Codec, rounding: Rounding, values: &[f32]) -> Result<Vec<u8>, EncodeError> {
    let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
    if let Some(index) = bits.iter().position(|bits| bits & MAGNITUDE_MASK >= INFINITY_BITS) {
        return Err(EncodeError::NonFinite { index });
    }
    let mut body = Vec::with_capacity(codec.body_bytes(values.len()));
    for (number, chunk) in bits.chunks(CHUNK).enumerate() {
        match Form::of(codec) {
            Form::Sparse(shape) => body.extend(sparse::encode(shape.k, chunk)),
            Form::Dense(width) => body.extend(dense::encode(width, rounding, (number * BLOCKS) as u64, chunk)),
            Form::Plain => body.extend(chunk.iter().flat_map(|bits| bits.to_le_bytes())),
        }
    }
    Ok(body)
}

/// The outer step, as [`crate::apply`] must do it; codec `none`, which promises no bits, is taken from there.
///
/// # Errors
/// As [`crate::apply`]; the state is then as it was.
pub fn apply(codec: Codec, theta: &mut [f32], summands: &[Summand<'_>], step: &OuterStep) -> Result<(), ApplyError> {
    if let Form::Plain = Form::of(codec) {
        return host::apply(codec, theta, summands, step);
    }
    let plan = host::outer::plan(codec, theta.len(), summands, step)?;
    let is_finite = |value: &f32| value.to_bits() & MAGNITUDE_MASK < INFINITY_BITS;
    if let Some(index) = theta.iter().position(|value| !is_finite(value)) {
        return Err(ApplyError::NonFiniteState { index });
    }
    let next = outer::next(codec, theta, &plan);
    if let Some(index) = next.iter().position(|value| !is_finite(value)) {
        return Err(ApplyError::Overflow { index });
    }
    theta.copy_from_slice(&next);
    Ok(())
}

#[cfg(test)]
mod tests;
