//! A vector on the host or on a device.
//!
//! Invariant: what is computed from a place is in the same place.

use super::CompressorError;
use crate::{Codec, DecodeError, EncodeError};

/// Where the residual lives. [elements]
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cube", allow(clippy::large_enum_variant, reason = "two of them in a process"))]
pub(super) enum Place {
    /// In memory.
    Host(Vec<f32>),
    /// On a burn device.
    #[cfg(feature = "cube")]
    Device(burn::tensor::Tensor<1>),
}

impl Place {
    /// β·self + (base − local); `spare` is a vector whose memory may be used.
    pub(super) fn accumulate(&self, base: &[f32], local: &[f32], beta: f32, spare: Option<Self>) -> Self {
        match self {
            Self::Host(residual) => {
                let mut sum = match spare {
                    Some(Self::Host(sum)) => sum,
                    _ => Vec::new(),
                };
                sum.clone_from(residual);
                crate::accumulate(&mut sum, base, local, beta);
                Self::Host(sum)
            }
            #[cfg(feature = "cube")]
            Self::Device(residual) => {
                let device = residual.device();
                let bring = |values: &[f32]| crate::cube::upload(values.to_vec(), &device);
                Self::Device(crate::cube::accumulate(residual.clone(), bring(base), bring(local), beta))
            }
        }
    }

    /// β·self + (base − local).
    #[cfg(feature = "cube")]
    pub(super) fn accumulate_tensors(
        &self,
        base: burn::tensor::Tensor<1>,
        local: burn::tensor::Tensor<1>,
        beta: f32,
    ) -> Result<Self, CompressorError> {
        match self {
            Self::Host(_) => {
                let read =
                    |tensor| crate::cube::read_floats(tensor).map_err(|reason| CompressorError::Device { reason });
                Ok(self.accumulate(&read(base)?, &read(local)?, beta, None))
            }
            Self::Device(residual) => {
                let device = residual.device();
                let (base, local) = (base.to_device(&device), local.to_device(&device));
                Ok(Self::Device(crate::cube::accumulate(residual.clone(), base, local, beta)))
            }
        }
    }

    /// The body of the vector.
    pub(super) fn encode(&self, codec: Codec) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Host(values) => crate::encode(codec, values),
            #[cfg(feature = "cube")]
            Self::Device(values) => crate::cube::encode(codec, values.clone()),
        }
    }

    /// self ← self − v; unchanged where the body is refused.
    pub(super) fn subtract(&mut self, codec: Codec, body: &[u8]) -> Result<(), DecodeError> {
        match self {
            Self::Host(values) => crate::subtract(codec, body, values),
            #[cfg(feature = "cube")]
            Self::Device(values) => {
                *values = crate::cube::subtract(codec, body, values.clone())?;
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
