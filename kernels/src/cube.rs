//! The same arithmetic on burn's tensors, on whatever device they live, with no copy of the state to the host.
//!
//! Invariants:
//! - Bodies and states equal those of [`crate::reference`] bit for bit on every runtime: the kernels see f32 as bits
//!   and compute in 32-bit integers, and the one float operation of the outer step is emulated. Only what a
//!   residual becomes, local state on which no one has to agree, is left to the device's floats.
//! - What crosses to the host is what the network needs: bodies with a status word a chunk or half of one, and one word
//!   of an outer step.
//! - Tensors on burn's CPU backend take the host path. Tensors must not be tracked by autodiff.

pub mod bench;
mod compress;
mod decode;
mod dense;
mod dot;
mod extension;
mod input;
mod integer;
mod launch;
mod outer;
mod residual;
mod scan;
mod select;
mod sparse;
mod threefry;
mod together;
mod wide;

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::format::{ApplyError, Codec, DecodeError};
use crate::host::aggregate::Plan;
use crate::host::{self, OuterStep, Summand};
pub use compress::{compress, compress_within, encode};
pub use dot::{dot_sum, dot_sum_within};
use extension::KernelOps;
use launch::Aggregate;
pub use launch::Limits;

/// Elements that a kernel can count: indices are 32 bits, with room for the last cube.
const ELEMENTS_MAX: usize = 1 << 31;

/// θ ← θ − α/256 · mean of the summands, as [`crate::apply`] does it. [elements] → [elements]
///
/// # Errors
/// As [`crate::apply`]; a device that fails.
pub fn apply(
    codec: Codec,
    theta: Tensor<1>,
    summands: &[Summand<'_>],
    step: &OuterStep,
) -> Result<Tensor<1>, ApplyError> {
    apply_within(codec, theta, summands, step, Limits::default())
}

/// As [`apply`], within limits.
///
/// # Errors
/// As [`apply`].
pub fn apply_within(
    codec: Codec,
    theta: Tensor<1>,
    summands: &[Summand<'_>],
    step: &OuterStep,
    limits: Limits,
) -> Result<Tensor<1>, ApplyError> {
    let [elements] = theta.dims();
    if on_host(&theta) || codec == Codec::None || elements == 0 {
        let device = theta.device();
        let mut values = read_floats(theta).map_err(|reason| ApplyError::Device { reason })?;
        host::apply(codec, &mut values, summands, step)?;
        return Ok(upload(values, &device));
    }
    check_size(elements).map_err(|reason| ApplyError::Device { reason })?;
    let plan = host::outer::plan(codec, elements, summands, step)?;
    apply_plan(codec, theta, &plan, limits)
}

/// The plain weighted mean of the summands, as [`crate::mean`] gives it. → [elements]
///
/// # Errors
/// As [`crate::mean`]; a device that fails.
pub fn mean(codec: Codec, elements: usize, summands: &[Summand<'_>], device: &Device) -> Result<Tensor<1>, ApplyError> {
    let zeros = Tensor::<1>::zeros([elements], device);
    if on_host(&zeros) || codec == Codec::None || elements == 0 {
        return Ok(upload(host::mean(codec, elements, summands)?, device));
    }
    // 0 − (0 − q·2^(E − 18)) is exact, and no result is subnormal.
    let negated = apply(codec, zeros.clone(), summands, &OuterStep::MEAN)?;
    Ok(zeros - negated)
}

/// e ← e − v, as [`crate::subtract`] does it. [elements] → [elements]
///
/// # Errors
/// As [`crate::subtract`]; a device that fails.
pub fn subtract(codec: Codec, body: &[u8], residual: Tensor<1>) -> Result<Tensor<1>, DecodeError> {
    move_by(codec, body, residual, false)
}

/// e' = left + v: undoes the taking off of [`compress()`] for a body that was not accepted. [elements] → [elements]
///
/// One IEEE-754 addition an element that the body lists, the same on every device; where nothing was rounded, e' is
/// what it was.
///
/// # Errors
/// As [`subtract`].
pub fn restore(codec: Codec, body: &[u8], left: Tensor<1>) -> Result<Tensor<1>, DecodeError> {
    move_by(codec, body, left, true)
}

/// The values of a tensor on the host, bit for bit. [elements]
///
/// # Errors
/// What the device says.
pub fn read_floats(tensor: Tensor<1>) -> Result<Vec<f32>, String> {
    let data = tensor.try_into_data().map_err(|error| error.to_string())?;
    data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
}

/// A vector on a device, bit for bit. [elements]
#[must_use]
pub fn upload(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let elements = values.len();
    Tensor::from_data(TensorData::new(values, [elements]), (device, DType::F32))
}

fn move_by(codec: Codec, body: &[u8], residual: Tensor<1>, add: bool) -> Result<Tensor<1>, DecodeError> {
    let [elements] = residual.dims();
    let dtype = residual.dtype();
    let residual = residual.cast(DType::F32);
    if on_host(&residual) || codec == Codec::None || elements == 0 {
        let device = residual.device();
        let mut values = read_floats(residual).map_err(|reason| DecodeError::Device { reason })?;
        if add {
            host::restore(codec, body, &mut values)?;
        } else {
            host::subtract(codec, body, &mut values)?;
        }
        return Ok(upload(values, &device).cast(dtype));
    }
    check_size(elements).map_err(|reason| DecodeError::Device { reason })?;
    host::validate(codec, elements, body)?;
    let body = upload_words(words_of(body).collect(), &residual.device());
    let next = Dispatch::kernels_move(residual.into_dispatch(), body.into_dispatch(), codec, add);
    Ok(Tensor::<1>::from_dispatch(next).cast(dtype))
}

fn apply_plan(codec: Codec, theta: Tensor<1>, plan: &Plan<'_>, limits: Limits) -> Result<Tensor<1>, ApplyError> {
    if plan.summands.is_empty() {
        return Ok(theta);
    }
    let device = theta.device();
    let bodies = plan.summands.iter().flat_map(|(body, ..)| words_of(body)).collect();
    let factors = plan.summands.iter().flat_map(|&(_, weight, factor)| [weight, factor]).collect();
    let aggregate = Aggregate {
        codec,
        summands: plan.summands.len(),
        divisor_min: plan.divisor_min,
        weight_sum: plan.weight_sum,
        limits,
    };
    let (next, status) = Dispatch::kernels_apply(
        theta.into_dispatch(),
        upload_words(bodies, &device).into_dispatch(),
        upload_words(factors, &device).into_dispatch(),
        upload_words(vec![u32::MAX], &device).into_dispatch(),
        aggregate,
    );
    let status = read_words(Tensor::from_dispatch(status)).map_err(|reason| ApplyError::Device { reason })?;
    status.into_iter().try_for_each(check_status)?;
    Ok(Tensor::from_dispatch(next))
}

/// The fault that the host path would report: of the state before anything else.
fn check_status(word: u32) -> Result<(), ApplyError> {
    let index = (word & !(1 << 31)) as usize;
    match word {
        u32::MAX => Ok(()),
        word if word >> 31 == 0 => Err(ApplyError::NonFiniteState { index }),
        _ => Err(ApplyError::Overflow { index }),
    }
}

fn on_host(tensor: &Tensor<1>) -> bool {
    !matches!(tensor.device().as_dispatch(), burn::backend::DispatchDevice::Cube(_))
}

fn check_size(elements: usize) -> Result<(), String> {
    if elements < ELEMENTS_MAX {
        return Ok(());
    }
    Err(format!("{elements} elements are more than a kernel can count, {ELEMENTS_MAX}"))
}

fn words_of(body: &[u8]) -> impl Iterator<Item = u32> {
    body.chunks_exact(4).map(|four| u32::from_le_bytes(std::array::from_fn(|i| four[i])))
}

fn upload_words(words: Vec<u32>, device: &Device) -> Tensor<1, Int> {
    let len = words.len();
    Tensor::from_data(TensorData::new(words, [len]), (device, DType::U32))
}

/// The words of a tensor as bytes, little-endian.
fn read_bytes(tensor: Tensor<1, Int>) -> Result<Vec<u8>, String> {
    let data = tensor.try_into_data().map_err(|error| error.to_string())?;
    if cfg!(target_endian = "big") {
        return Err("words of a big-endian machine are not the format's".to_owned());
    }
    Ok(data.bytes().to_vec())
}

fn read_words(tensor: Tensor<1, Int>) -> Result<Vec<u32>, String> {
    let data = tensor.try_into_data().map_err(|error| error.to_string())?;
    data.try_into_vec::<u32>().map_err(|error| format!("{error:?}"))
}
