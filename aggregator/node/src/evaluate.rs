//! Held-out evaluation of the global parameters: the same sequences in every round, spread over the held-out windows.

use models::data::{DataError, Split};
use models::{Batch, ModelError, Trainer};

/// The sequences that every evaluation of a run reads: as many of the held-out windows as there are, up to `sequences`,
/// evenly spaced, so that a small number still covers all of the held-out text.
///
/// # Errors
/// When nothing is held out, which [`models::data::split`] rules out.
pub fn held_out(split: &Split, sequences: usize) -> Result<Batch, DataError> {
    let available = split.held_out.len();
    let count = sequences.min(available).max(1);
    let indices: Vec<usize> = (0..count).map(|i| i * available / count).collect();
    split.held_out.batch(&indices)
}

/// Mean loss of `theta` on a batch, in nats per token. `theta`: [elements]
///
/// # Errors
/// When the device fails or the batch does not fit the model.
pub fn loss(trainer: &mut Trainer, theta: &[f32], batch: &Batch) -> Result<f64, ModelError> {
    let losses = trainer.sequence_losses(theta, batch)?;
    Ok(mean(&losses))
}

/// The arithmetic mean, summed in order; 0 of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::data;

    #[test]
    fn sequences_are_spread_over_the_held_out_text() {
        let tokens: Vec<u32> = (0..4001).collect();
        let split = data::split(&tokens, 10).unwrap();
        let available = split.held_out.len();
        assert!(available > 4);
        let batch = held_out(&split, 4).unwrap();
        assert_eq!(batch.sequences, 4);
        let first: Vec<u32> = batch.tokens.chunks(11).map(|row| row[0]).collect();
        assert!(first.windows(2).all(|pair| pair[1] - pair[0] >= 10 * (available as u32 / 4)), "{first:?}");
        assert_eq!(held_out(&split, 1_000_000).unwrap().sequences, available);
    }

    #[test]
    fn the_mean_of_nothing_is_zero() {
        assert_eq!(mean(&[]), 0.0);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
    }
}
