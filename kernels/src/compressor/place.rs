//! A vector on the host or on a device.
//!
//! Invariant: what is computed from a place is in the same place.

use super::CompressorError;
use crate::format::{Codec, DecodeError};
use crate::host::{self, Rounding};

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
        local: &[f32],
        beta: f32,
        spare: Option<Self>,
    ) -> Result<(Vec<u8>, Self), CompressorError> {
        match self {
            Self::Host(residual) => {
                let mut left = match spare {
                    Some(Self::Host(left)) => left,
                    _ => Vec::new(),
                };
                left.resize(residual.len(), 0.0);
                let body = host::compress(how.0, how.1, [residual, base, local], beta, &mut left)?;
                Ok((body, Self::Host(left)))
            }
            #[cfg(feature = "cube")]
            Self::Device(residual) => {
                let device = residual.device();
                let bring = |values: &[f32]| crate::cube::upload(values.to_vec(), &device);
                self.compress_tensors(how, bring(base), bring(local), beta)
            }
        }
    }

    /// As [`Place::compress`].
    #[cfg(feature = "cube")]
    pub(super) fn compress_tensors(
        &self,
        how: (Codec, Rounding),
        base: burn::tensor::Tensor<1>,
        local: burn::tensor::Tensor<1>,
        beta: f32,
    ) -> Result<(Vec<u8>, Self), CompressorError> {
        match self {
            Self::Host(_) => {
                let read =
                    |tensor| crate::cube::read_floats(tensor).map_err(|reason| CompressorError::Device { reason });
                self.compress(how, &read(base)?, &read(local)?, beta, None)
            }
            Self::Device(residual) => {
                let device = residual.device();
                let (base, local) = (base.to_device(&device), local.to_device(&device));
                let (body, left) = crate::cube::compress(how.0, how.1, residual.clone(), base, local, beta)?;
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
            Self::Device(values) => {
                crate::cube::read_floats(values.clone()).map_err(|reason| CompressorError::Device { reason })
            }
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
