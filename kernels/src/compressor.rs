//! A worker's residual: what it has learned and not yet said, on the host or on a device.
//!
//! Invariants:
//! - [`Compressor::encode`] never changes the residual. The sum that a body was taken from is kept until the verdict, and
//!   only [`Compressor::settle`] turns it into the next residual.
//! - A contribution that is accepted leaves with e − v; one that is left out of a committed round stays whole in the
//!   residual; after an abandoned round the residual is what it was, since the same work is done again.
//! - A residual stays where it was made; vectors that come from elsewhere are brought to it.

mod place;

use crate::{Codec, DecodeError, EncodeError};
use place::Place;

/// Why a residual cannot be used as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressorError {
    /// The accumulated vector holds a NaN or an infinity.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The body to settle is not one that this compressor could have written.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A vector of another length than the residual.
    #[error("a vector of {found} elements, where the residual has {expected}")]
    WrongElements {
        /// Elements of the residual.
        expected: usize,
        /// Elements of the vector.
        found: usize,
    },
    /// There is nothing to settle.
    #[error("no contribution awaits its verdict")]
    NothingPending,
    /// The device failed.
    #[error("device: {reason}")]
    Device {
        /// What it said.
        reason: String,
    },
}

/// What a restart needs of a residual. All [elements].
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// The residual e.
    pub residual: Vec<f32>,
    /// While a contribution awaits its verdict, the sum that it was taken from.
    pub accumulated: Option<Vec<f32>>,
}

/// The residual of one worker.
#[derive(Clone, Debug)]
pub struct Compressor {
    elements: usize,
    beta: f32,
    residual: Place,
    accumulated: Option<Place>,
}

impl Compressor {
    /// A zero residual on the host for so many elements, decayed by `beta` a round.
    #[must_use]
    pub fn new(elements: usize, beta: f32) -> Self {
        Self { elements, beta, residual: Place::Host(vec![0.0; elements]), accumulated: None }
    }

    /// A zero residual on a device.
    #[cfg(feature = "cube")]
    #[must_use]
    pub fn on_device(elements: usize, beta: f32, device: &burn::tensor::Device) -> Self {
        let residual = Place::Device(burn::tensor::Tensor::zeros([elements], (device, burn::tensor::DType::F32)));
        Self { elements, beta, residual, accumulated: None }
    }

    /// Accumulates β·e + (base − local) and encodes it; the residual waits for the verdict. Both [elements].
    ///
    /// A second call before the verdict replaces the first one's sum.
    ///
    /// # Errors
    /// A vector of another length, or a device that fails; a NaN or an infinity. Nothing is pending afterwards.
    pub fn encode(&mut self, codec: Codec, base: &[f32], local: &[f32]) -> Result<Vec<u8>, CompressorError> {
        self.check(base.len())?;
        self.check(local.len())?;
        let spare = self.accumulated.take();
        let sum = self.residual.accumulate(base, local, self.beta, spare);
        self.pend(codec, sum)
    }

    /// As [`Compressor::encode`], from tensors; on one device with the residual nothing is copied. Both [elements].
    ///
    /// # Errors
    /// As [`Compressor::encode`].
    #[cfg(feature = "cube")]
    pub fn encode_tensors(
        &mut self,
        codec: Codec,
        base: burn::tensor::Tensor<1>,
        local: burn::tensor::Tensor<1>,
    ) -> Result<Vec<u8>, CompressorError> {
        self.check(base.dims()[0])?;
        self.check(local.dims()[0])?;
        self.accumulated = None;
        let sum = self.residual.accumulate_tensors(base, local, self.beta)?;
        self.pend(codec, sum)
    }

    /// The verdict of a committed round on the pending contribution.
    ///
    /// # Errors
    /// Nothing is pending, or `body` does not decode; the contribution is then still pending.
    pub fn settle(&mut self, codec: Codec, body: &[u8], accepted: bool) -> Result<(), CompressorError> {
        let sum = self.accumulated.as_mut().ok_or(CompressorError::NothingPending)?;
        if accepted {
            sum.subtract(codec, body)?;
        }
        std::mem::swap(&mut self.residual, sum);
        self.accumulated = None;
        Ok(())
    }

    /// Forgets the pending contribution, as after an abandoned round: the residual is what it was before.
    pub fn abandon(&mut self) {
        self.accumulated = None;
    }

    /// The residual and the pending sum, for a restart.
    ///
    /// # Errors
    /// A device that fails.
    pub fn save(&self) -> Result<Saved, CompressorError> {
        let accumulated = self.accumulated.as_ref().map(Place::read).transpose()?;
        Ok(Saved { residual: self.residual.read()?, accumulated })
    }

    /// Puts back what [`Compressor::save`] gave.
    ///
    /// # Errors
    /// A vector of another length; nothing is changed then.
    pub fn load(&mut self, saved: Saved) -> Result<(), CompressorError> {
        self.check(saved.residual.len())?;
        saved.accumulated.as_ref().map_or(Ok(()), |sum| self.check(sum.len()))?;
        self.accumulated = saved.accumulated.map(|sum| self.residual.like(sum));
        self.residual = self.residual.like(saved.residual);
        Ok(())
    }

    fn pend(&mut self, codec: Codec, sum: Place) -> Result<Vec<u8>, CompressorError> {
        let body = sum.encode(codec)?;
        self.accumulated = Some(sum);
        Ok(body)
    }

    fn check(&self, found: usize) -> Result<(), CompressorError> {
        let expected = self.elements;
        if expected == found { Ok(()) } else { Err(CompressorError::WrongElements { expected, found }) }
    }
}

#[cfg(test)]
mod tests;
