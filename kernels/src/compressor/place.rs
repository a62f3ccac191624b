//! A vector on the host or on a device.
//!
//! Invariants: what is computed from a place is in the same place; a build without kernels for a device has the host
//! alone, and says so when it is handed a tensor.

use super::CompressorError;
use crate::format::{Codec, DecodeError};
use crate::host::{self, Rounding};

/// The parameters after the inner steps, where the trainer left them. [elements]
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cube", allow(clippy::large_enum_variant, reason = "one at a time, and consumed at once"))]
pub enum Local<'a> {
    Host(&'a [f32]),
    /// On one device with the residual as a rule. Not tracked by autodiff.
    #[cfg(feature = "cube")]
    Device(burn::tensor::Tensor<1>),
}

impl Local<'_> {
    /// A tensor of a trainer, which knows of devices whether or not this build has kernels for them.
    ///
    /// # Errors
    /// [`CompressorError::NoDevice`] in a build without.
    #[cfg(feature = "cube")]
    pub fn device(tensor: burn::tensor::Tensor<1>) -> Result<Self, CompressorError> {
        Ok(Self::Device(tensor))
    }

    /// A tensor of a trainer, which knows of devices whether or not this build has kernels for them.
    ///
    /// # Errors
    /// [`CompressorError::NoDevice`]: this is a build without.
    #[cfg(not(feature = "cube"))]
    pub fn device<T>(_tensor: T) -> Result<Self, CompressorError> {
        Err(CompressorError::NoDevice)
    }

    pub(super) fn elements(&self) -> usize {
        match self {
            Self::Host(values) => values.len(),
            #[cfg(feature = "cube")]
            Self::Device(tensor) => tensor.dims()[0],
        }
    }

    /// Zeros in the same place.
    pub(super) fn zeros(&self) -> Place {
        match self {
            Self::Host(values) => Place::Host(vec![0.0; values.len()]),
            #[cfg(feature = "cube")]
            Self::Device(tensor) => {
                let place = (&tensor.device(), burn::tensor::DType::F32);
                Place::Device(burn::tensor::Tensor::zeros([tensor.dims()[0]], place))
            }
        }
    }
}

/// Where the residual lives. [elements]
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cube", allow(clippy::large_enum_variant, reason = "two of them in a process"))]
pub(super) enum Place {
    Host(Vec<f32>),
    #[cfg(feature = "cube")]
    Device(burn::tensor::Tensor<1>),
}

impl Place {
    /// The body of β·self + (base − local), and what it leaves over; `spare` is a vector whose memory may be used.
    pub(super) fn compress(
        &self,
        how: (Codec, Rounding),
        base: &[f32],
        local: Local<'_>,
        beta: f32,
        spare: Option<Self>,
    ) -> Result<(Vec<u8>, Self), CompressorError> {
        match (self, local) {
            (Self::Host(residual), Local::Host(local)) => compress_on_host(how, [residual, base, local], beta, spare),
            #[cfg(feature = "cube")]
            (Self::Host(residual), Local::Device(local)) => {
                let local = read(local)?;
                compress_on_host(how, [residual, base, &local], beta, spare)
            }
            #[cfg(feature = "cube")]
            (Self::Device(residual), local) => {
                // A device's memory is scarce, and its kernels make the vector that is left.
                drop(spare);
                let device = residual.device();
                let bring = |values: &[f32]| crate::cube::upload(values.to_vec(), &device);
                let local = match local {
                    Local::Host(local) => bring(local),
                    Local::Device(local) => local.to_device(&device),
                };
                let (body, left) = crate::cube::compress(how.0, how.1, residual.clone(), bring(base), local, beta)?;
                Ok((body, Self::Device(left)))
            }
        }
    }

    /// self ← self + v; unchanged where the body is refused.
    pub(super) fn restore(&mut self, codec: Codec, body: &[u8]) -> Result<(), DecodeError> {
        match self {
            Self::Host(values) => host::restore(codec, body, values),
            #[cfg(feature = "cube")]
            Self::Device(values) => {
                *values = crate::cube::restore(codec, body, values.clone())?;
                Ok(())
            }
        }
    }

    /// The vector on the host.
    pub(super) fn read(&self) -> Result<Vec<f32>, CompressorError> {
        match self {
            Self::Host(values) => Ok(values.clone()),
            #[cfg(feature = "cube")]
            Self::Device(values) => read(values.clone()),
        }
    }

    /// A vector in the same place as this one.
    pub(super) fn like(&self, values: Vec<f32>) -> Self {
        match self {
            Self::Host(_) => Self::Host(values),
            #[cfg(feature = "cube")]
            Self::Device(own) => Self::Device(crate::cube::upload(values, &own.device())),
        }
    }
}

fn compress_on_host(
    how: (Codec, Rounding),
    vectors: [&[f32]; 3],
    beta: f32,
    spare: Option<Place>,
) -> Result<(Vec<u8>, Place), CompressorError> {
    let mut left = match spare {
        Some(Place::Host(left)) => left,
        _ => Vec::new(),
    };
    left.resize(vectors[0].len(), 0.0);
    let body = host::compress(how.0, how.1, vectors, beta, &mut left)?;
    Ok((body, Place::Host(left)))
}

#[cfg(feature = "cube")]
fn read(tensor: burn::tensor::Tensor<1>) -> Result<Vec<f32>, CompressorError> {
    crate::cube::read_floats(tensor).map_err(|reason| CompressorError::Device { reason })
}
