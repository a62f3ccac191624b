//! Values on a device to a body on the host.

use burn::backend::Dispatch;
use burn::tensor::{DType, Int, Tensor};

use super::extension::KernelOps;
use super::launch::{Compress, Limits, Precision};
use super::{check_size, on_host, read_floats, upload};
use crate::format::{CHUNK, Codec, EncodeError};
use crate::host::{self, Rounding};

/// The body of `values`, as [`crate::encode`] gives it. [elements] → `codec.body_bytes(elements)` bytes.
///
/// # Errors
/// The first NaN or infinity; a device that fails.
pub fn encode(codec: Codec, values: Tensor<1>) -> Result<Vec<u8>, EncodeError> {
    let [elements] = values.dims();
    let values = values.cast(DType::F32);
    if on_host(&values) || codec == Codec::None || elements == 0 {
        let values = read_floats(values).map_err(|reason| EncodeError::Device { reason })?;
        return host::encode(codec, &values);
    }
    check_size(elements).map_err(|reason| EncodeError::Device { reason })?;
    let (rounding, precision, limits) = (Rounding::Nearest, Precision::Whole, Limits::default());
    let task = Compress { codec, rounding, precision, elements, beta: 0.0, limits };
    let words = Dispatch::kernels_encode(values.into_dispatch(), task);
    collect(&task, Tensor::from_dispatch(words))
}

/// The body of e' = β·e + (base − local), and what is left of it, e' − v with v what the body stands for: one pass over
/// the three vectors. 3 · [elements] → `codec.body_bytes(elements)` bytes, [elements]
///
/// e' is made in the device's floats: it is local state, on which no one has to agree. The body is exactly the one of
/// that e'. Sparse codecs have nothing to round. The three vectors are all f32, or all bf16: then e' is still f32, and
/// only what is left is rounded to bf16, to nearest, ties to even.
///
/// # Errors
/// The first element for which an input or e' is NaN or infinite; a device that fails.
pub fn compress(
    codec: Codec,
    rounding: Rounding,
    residual: Tensor<1>,
    base: Tensor<1>,
    local: Tensor<1>,
    beta: f32,
) -> Result<(Vec<u8>, Tensor<1>), EncodeError> {
    compress_within(codec, rounding, residual, base, local, beta, Limits::default())
}

/// As [`compress()`], within limits.
///
/// # Errors
/// As [`compress()`].
pub fn compress_within(
    codec: Codec,
    rounding: Rounding,
    residual: Tensor<1>,
    base: Tensor<1>,
    local: Tensor<1>,
    beta: f32,
    limits: Limits,
) -> Result<(Vec<u8>, Tensor<1>), EncodeError> {
    let [elements] = residual.dims();
    let precision = precision_of([&residual, &base, &local])?;
    if on_host(&residual) || codec == Codec::None || elements == 0 {
        return compress_on_host(codec, rounding, [residual, base, local], beta);
    }
    check_size(elements).map_err(|reason| EncodeError::Device { reason })?;
    let task = Compress { codec, rounding, precision, elements, beta, limits };
    let (words, left) =
        Dispatch::kernels_compress(residual.into_dispatch(), base.into_dispatch(), local.into_dispatch(), task);
    Ok((collect(&task, Tensor::from_dispatch(words))?, Tensor::from_dispatch(left)))
}

/// As the host does it; bf16 goes there and back as f32.
fn compress_on_host(
    codec: Codec,
    rounding: Rounding,
    vectors: [Tensor<1>; 3],
    beta: f32,
) -> Result<(Vec<u8>, Tensor<1>), EncodeError> {
    let (device, dtype) = (vectors[0].device(), vectors[0].dtype());
    let read =
        |tensor: Tensor<1>| read_floats(tensor.cast(DType::F32)).map_err(|reason| EncodeError::Device { reason });
    let [residual, base, local] = vectors;
    let (residual, base, local) = (read(residual)?, read(base)?, read(local)?);
    let mut left = vec![0.0; residual.len()];
    let body = host::compress(codec, rounding, [&residual, &base, &local], beta, &mut left)?;
    Ok((body, upload(left, &device).cast(dtype)))
}

/// How all three vectors are held.
fn precision_of(tensors: [&Tensor<1>; 3]) -> Result<Precision, EncodeError> {
    let [[first], [second], [third]] = tensors.map(Tensor::dims);
    if first != second || first != third {
        let reason = format!("vectors of {first}, {second} and {third} elements: they must be of one length");
        return Err(EncodeError::Device { reason });
    }
    match tensors.map(Tensor::dtype) {
        [DType::F32, DType::F32, DType::F32] => Ok(Precision::Whole),
        [DType::BF16, DType::BF16, DType::BF16] => Ok(Precision::Half),
        mixed => Err(EncodeError::Device { reason: format!("vectors of {mixed:?}: all f32 or all bf16 are needed") }),
    }
}

/// The body's bytes, unless a status word reports a fault.
fn collect(task: &Compress, words: Tensor<1, Int>) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = super::read_bytes(words).map_err(|reason| EncodeError::Device { reason })?;
    let (words, _) = task.words();
    // A status word is for a chunk, or half of one.
    let part = if task.codec.is_sparse() { CHUNK } else { CHUNK / 2 };
    let faults = super::words_of(bytes.get(4 * words..).unwrap_or_default());
    if let Some((at, fault)) = faults.enumerate().find(|(_, fault)| *fault != 0) {
        return Err(EncodeError::NonFinite { index: at * part + fault as usize - 1 });
    }
    bytes.truncate(4 * words);
    Ok(bytes)
}
