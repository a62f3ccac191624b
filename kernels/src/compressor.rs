//! A worker's residual: what it has learned and not yet said, on the host or on a device.
//!
//! Invariants:
//! - [`Compressor::encode`] never changes the residual. What a body leaves over is written beside it in the same pass
//!   and waits for the verdict; only [`Compressor::verdict`] turns it into the next residual.
//! - A contribution that is accepted leaves e − v, with nothing more to compute; one that is left out of a committed
//!   round goes back into the residual ([`restore`](crate::restore)); after an abandoned round the residual is what it
//!   was, since the same work is done again.
//! - A residual stays where it was made; vectors that come from elsewhere are brought to it.
//! - Whether a build has kernels for a device is known here alone: callers hand over a [`Local`] and never ask.

mod place;

use crate::format::{Codec, DecodeError, EncodeError};
use crate::host::{self, Rounding};
pub use place::Local;
use place::Place;

/// Why a residual cannot be used as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressorError {
    /// The accumulated vector holds a NaN or an infinity.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The body of the verdict is not one that this compressor could have written.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A vector of another length than the residual.
    #[error("a vector of {found} elements, where the residual has {expected}")]
    WrongElements { expected: usize, found: usize },
    /// There is nothing that a verdict could be on.
    #[error("no contribution awaits its verdict")]
    NothingPending,
    /// The device failed.
    #[error("device: {reason}")]
    Device { reason: String },
    /// A tensor was handed over, and this build has no kernels for one.
    #[error("this build has no device but the CPU")]
    NoDevice,
}

/// The residual of one worker.
#[derive(Clone, Debug)]
pub struct Compressor {
    elements: usize,
    beta: f32,
    rounding: Rounding,
    residual: Place,
    /// What the contribution that awaits its verdict leaves over.
    left: Option<Place>,
    /// Memory of an earlier residual.
    spare: Option<Place>,
}

impl Compressor {
    /// A zero residual of the length of the parameters and in the same place, decayed by `beta` a round.
    #[must_use]
    pub fn new(beside: &Local<'_>, beta: f32) -> Self {
        let (elements, residual) = (beside.elements(), beside.zeros());
        Self { elements, beta, rounding: Rounding::Nearest, residual, left: None, spare: None }
    }

    /// How the quotients of dense codecs are rounded from now on; to nearest unless told otherwise, since error
    /// feedback says later what rounding keeps back.
    pub fn round(&mut self, rounding: Rounding) {
        self.rounding = rounding;
    }

    /// Accumulates β·e + (base − local) and encodes it; the residual waits for the verdict. Both [elements]. What is in
    /// one place with the residual is not copied.
    ///
    /// A second call before the verdict replaces what the first one left.
    ///
    /// # Errors
    /// A vector of another length, or a device that fails; a NaN or an infinity. Nothing is pending afterwards.
    pub fn encode(&mut self, codec: Codec, base: &[f32], local: Local<'_>) -> Result<Vec<u8>, CompressorError> {
        self.check(base.len())?;
        self.check(local.elements())?;
        let spare = self.left.take().or_else(|| self.spare.take());
        let (body, left) = self.residual.compress((codec, self.rounding), base, local, self.beta, spare)?;
        self.left = Some(left);
        Ok(body)
    }

    /// The verdict of a committed round on the pending contribution.
    ///
    /// # Errors
    /// Nothing is pending, or `body` does not decode; the contribution is then still pending.
    pub fn verdict(&mut self, codec: Codec, body: &[u8], accepted: bool) -> Result<(), CompressorError> {
        let left = self.left.as_mut().ok_or(CompressorError::NothingPending)?;
        if accepted {
            host::validate(codec, self.elements, body)?;
        } else {
            left.restore(codec, body)?;
        }
        if let Some(left) = self.left.take() {
            self.spare = Some(std::mem::replace(&mut self.residual, left));
        }
        Ok(())
    }

    /// The residual, for a restart; what is pending is no part of it. → [elements]
    ///
    /// # Errors
    /// A device that fails.
    pub fn save(&self) -> Result<Vec<f32>, CompressorError> {
        self.residual.read()
    }

    /// Puts back what [`Compressor::save`] gave; nothing is pending then. [elements]
    ///
    /// # Errors
    /// A vector of another length; nothing is changed then.
    pub fn load(&mut self, residual: Vec<f32>) -> Result<(), CompressorError> {
        self.check(residual.len())?;
        self.residual = self.residual.like(residual);
        self.spare = self.left.take().or_else(|| self.spare.take());
        Ok(())
    }

    fn check(&self, found: usize) -> Result<(), CompressorError> {
        let expected = self.elements;
        if expected == found { Ok(()) } else { Err(CompressorError::WrongElements { expected, found }) }
    }
}

#[cfg(test)]
mod tests;
