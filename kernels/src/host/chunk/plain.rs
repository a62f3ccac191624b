//! Codec `none`: f32 as they are.

use crate::host::magnitude::{INFINITY_BITS, MAGNITUDE_MASK};

/// The elements of a body, in order; a rest of less than four bytes is left out.
pub(crate) fn values(bytes: &[u8]) -> impl Iterator<Item = f32> + Clone {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(std::array::from_fn(|i| four[i])))
}

/// Writes the elements.
pub(crate) fn encode(chunk: &[f32], bytes: &mut [u8]) {
    for (four, value) in bytes.chunks_exact_mut(4).zip(chunk) {
        four.copy_from_slice(&value.to_le_bytes());
    }
}

/// The first element that is NaN or infinite, by its bits.
pub(crate) fn first_non_finite(values: impl Iterator<Item = f32> + Clone) -> Option<usize> {
    let non_finite = |value: f32| value.to_bits() & MAGNITUDE_MASK >= INFINITY_BITS;
    // One pass without a branch decides; the index is looked for only when there is one.
    let any = values.clone().fold(false, |any, value| any | non_finite(value));
    if any { values.clone().position(non_finite) } else { None }
}
