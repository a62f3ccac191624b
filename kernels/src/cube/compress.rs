//! Values on a device to a body on the host.

use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

use super::extension::KernelOps;
use super::launch::{Compress, Precision};
use super::{check_size, on_host, read_floats, upload};
use crate::{CHUNK, Codec, EncodeError, Rounding};

/// The body of `values`, as [`crate::encode`] gives it. [elements] → `codec.body_bytes(elements)` bytes.
///
/// # Errors
/// The first NaN or infinity; a device that fails.
pub fn encode(codec: Codec, values: Tensor<1>) -> Result<Vec<u8>, EncodeError> {
    let [elements] = values.dims();
    if on_host(&values) || codec == Codec::None || elements == 0 {
        let values = read_floats(values).map_err(|reason| EncodeError::Device { reason })?;
        return crate::encode(codec, &values);
    }
    check_size(elements).map_err(|reason| EncodeError::Device { reason })?;
    let task = task(codec, Rounding::Nearest, elements, 0.0);
    let words = Dispatch::kernels_encode(values.into_dispatch(), task);
    collect(&task, Tensor::from_dispatch(words))
}

/// The body of e' = β·e + (base − local), and what is left of it, e' − v with v what the body stands for: one pass over
/// the three vectors. 3 · [elements] → `codec.body_bytes(elements)` bytes, [elements]
///
/// e' is made in the device's floats: it is local state, on which no one has to agree. The body is exactly the one of
/// that e'. Sparse codecs have nothing to round.
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
    let [elements] = residual.dims();
    if on_host(&residual) || codec == Codec::None || elements == 0 {
        let device = residual.device();
        let read = |tensor| read_floats(tensor).map_err(|reason| EncodeError::Device { reason });
        let (residual, base, local) = (read(residual)?, read(base)?, read(local)?);
        let mut left = vec![0.0; elements];
        let body = crate::compress(codec, rounding, [&residual, &base, &local], beta, &mut left)?;
        return Ok((body, upload(left, &device)));
    }
    check_size(elements).map_err(|reason| EncodeError::Device { reason })?;
    let task = task(codec, rounding, elements, beta);
    let (words, left) =
        Dispatch::kernels_compress(residual.into_dispatch(), base.into_dispatch(), local.into_dispatch(), task);
    Ok((collect(&task, Tensor::from_dispatch(words))?, Tensor::from_dispatch(left)))
}

fn task(codec: Codec, rounding: Rounding, elements: usize, beta: f32) -> Compress {
    Compress { codec, rounding, precision: Precision::Whole, elements, beta, planes: true }
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
