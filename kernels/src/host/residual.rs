//! Error feedback: what a contribution left unsaid is said in a later one.
//!
//! Invariant: one pass a chunk. The residual, the base and the local parameters are read once, the sum stays in the
//! first cache until it is encoded, and what is left of it is written once: 16 bytes an element in f32, 8 in bf16,
//! beside the body. Nothing of the whole vector's size is kept between.

use rayon::prelude::*;

use super::body::{CHUNKS_PER_TASK, Form, Scratch, for_each_value, validate};
use super::chunk::{dense, plain, topk};
use super::rounding::Rounding;
use super::scalar::Scalar;
use crate::format::{BLOCKS, CHUNK, Codec, DecodeError, EncodeError};

/// e ← β·e + (base − local) alone, the product rounded before the sum. All [elements].
///
/// # Panics
/// When the three differ in length, which is a fault of the caller.
pub fn accumulate(residual: &mut [f32], base: &[f32], local: &[f32], beta: f32) {
    assert!(residual.len() == base.len() && base.len() == local.len(), "vectors of one length");
    for ((e, base), local) in residual.iter_mut().zip(base).zip(local) {
        let decayed = beta * *e;
        *e = decayed + (base - local);
    }
}

/// e ← β·e + (base − local), encoded, and `left` ← e − v with the values v that the body stands for. → the body
///
/// The product is rounded before the sum. The residual is local state on which no one has to agree; that of the host is
/// f32 arithmetic, rounded once more where the state is bf16. The body comes from the sum in f32.
///
/// # Shapes
/// `residual`, `base`, `local`, `left` [elements] → `codec.body_bytes(elements)` bytes.
///
/// # Errors
/// The first NaN or infinity of the sum; `left` means nothing then.
///
/// # Panics
/// When the vectors differ in length, which is a fault of the caller.
pub fn compress<T: Scalar>(
    codec: Codec,
    rounding: Rounding,
    [residual, base, local]: [&[T]; 3],
    beta: f32,
    left: &mut [T],
) -> Result<Vec<u8>, EncodeError> {
    let elements = left.len();
    assert!([residual, base, local].iter().all(|vector| vector.len() == elements), "vectors of one length");
    let mut body = vec![0; codec.body_bytes(elements)];
    let inputs = residual.par_chunks(CHUNK).zip(base.par_chunks(CHUNK)).zip(local.par_chunks(CHUNK));
    let outputs = body.par_chunks_mut(codec.chunk_bytes()).zip(left.par_chunks_mut(CHUNK));
    let fault = inputs
        .zip(outputs)
        .with_min_len(CHUNKS_PER_TASK)
        .enumerate()
        .map_init(Scratch::new, |scratch, (chunk, (((residual, base), local), (bytes, left)))| {
            let sum = &mut scratch.values[..left.len()];
            T::accumulate(residual, base, local, beta, sum);
            encode_rest(Form::of(codec), rounding, chunk, scratch, bytes, left).map(|index| chunk * CHUNK + index)
        })
        .flatten_iter()
        .min();
    fault.map_or(Ok(body), |index| Err(EncodeError::NonFinite { index }))
}

/// Encodes the sum in the scratch and writes what is left of it, or names its first element that is not finite.
fn encode_rest<T: Scalar>(
    form: Form,
    rounding: Rounding,
    chunk: usize,
    scratch: &mut Scratch,
    bytes: &mut [u8],
    left: &mut [T],
) -> Option<usize> {
    let real = left.len();
    scratch.values[real..].fill(0.0);
    let finite = match form {
        Form::Sparse(shape) => {
            let finite = topk::encode(shape, &scratch.values, real, &mut scratch.selection, bytes);
            if finite {
                topk::take_off(&scratch.selection, &mut scratch.values);
                T::narrow(&scratch.values[..real], left);
            }
            finite
        }
        Form::Dense(width) => {
            let first_block = (chunk * BLOCKS) as u64;
            let rest = Some(&mut scratch.rest);
            let finite = dense::encode(width, &scratch.values, rounding, first_block, bytes, rest);
            T::narrow(&scratch.rest[..real], left);
            finite
        }
        Form::Plain => {
            plain::encode(&scratch.values[..real], bytes);
            left.fill(T::default());
            plain::first_non_finite(scratch.values[..real].iter().copied()).is_none()
        }
    };
    if finite { None } else { plain::first_non_finite(scratch.values[..real].iter().copied()) }
}

/// e ← e + v: takes back what [`compress`] took off, for a contribution that was left out of its round. [elements]
///
/// Exact for the dense codecs and `none`; for the sparse ones off by no more than one rounding of each value sent.
///
/// # Errors
/// Whatever [`validate`] refuses; the residual is then as it was.
pub fn restore<T: Scalar>(codec: Codec, body: &[u8], residual: &mut [T]) -> Result<(), DecodeError> {
    validate(codec, residual.len(), body)?;
    for_each_value(codec, body, residual, |target, value| {
        let (mut wide, mut sum) = ([0.0], [*target]);
        T::widen(&sum, &mut wide);
        T::narrow(&[wide[0] + value], &mut sum);
        *target = sum[0];
    })
}

#[cfg(test)]
mod tests;
