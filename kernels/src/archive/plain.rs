//! Chunks of codec `none`: the bytes of each f32, every one of the four places with a model of its own.

use super::coder::{Coder, Fault};
use super::model::Model;

/// What is known of the bytes so far, by their place in the f32.
pub(super) struct Models([Model; 4]);

impl Models {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Model::new(256, 1)))
    }

    /// Takes a chunk through the coder.
    pub(super) fn code(&mut self, coder: &mut impl Coder, bytes: &mut [u8]) -> Result<(), Fault> {
        for element in bytes.chunks_exact_mut(4) {
            for (model, byte) in self.0.iter_mut().zip(element) {
                *byte = model.code(coder, usize::from(*byte))? as u8;
            }
        }
        self.0.iter_mut().for_each(Model::refresh);
        Ok(())
    }
}
