//! The loss that a model without context reaches: what training has to beat.

use super::DataError;

/// Mean negative log-likelihood of `held_out` in nats per token under the frequencies of `training`, each count plus
/// one (Laplace), over a vocabulary of `vocabulary` tokens. The first held-out token is not predicted by the model
/// either and is left out.
///
/// # Errors
///
/// [`DataError::TokenOutOfRange`] for a token that is not below `vocabulary`; [`DataError::TooShort`] when nothing is
/// left to predict.
pub fn unigram_loss(training: &[u32], held_out: &[u32], vocabulary: usize) -> Result<f64, DataError> {
    let predicted = held_out.get(1..).unwrap_or_default();
    if predicted.is_empty() {
        return Err(DataError::TooShort { tokens: held_out.len(), needed: 2, length: 1, sequences: 1 });
    }
    let counts = count(training, vocabulary)?;
    let total = (training.len() + vocabulary) as f64;
    let held_out_counts = count(predicted, vocabulary)?;
    let sum: f64 = counts
        .iter()
        .zip(&held_out_counts)
        .map(|(&seen, &times)| times as f64 * (total / (seen + 1) as f64).ln())
        .sum();
    Ok(sum / predicted.len() as f64)
}

fn count(tokens: &[u32], vocabulary: usize) -> Result<Vec<u64>, DataError> {
    let mut counts = vec![0; vocabulary];
    for &token in tokens {
        let Some(count) = counts.get_mut(token as usize) else {
            return Err(DataError::TokenOutOfRange { token, vocabulary });
        };
        *count += 1;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_entropy_of_a_fair_coin() {
        let training: Vec<u32> = (0..10_000).map(|index| index % 2).collect();
        let loss = unigram_loss(&training, &[0, 1, 0, 1, 0], 2).unwrap();
        assert!((loss - 2f64.ln()).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn unseen_tokens_cost_the_logarithm_of_the_total() {
        let loss = unigram_loss(&[0, 0, 0], &[0, 1], 5).unwrap();
        assert!((loss - 8f64.ln()).abs() < 1e-12, "{loss}");
    }

    #[test]
    fn refuses_foreign_tokens_and_empty_text() {
        assert!(matches!(unigram_loss(&[5], &[0, 0], 5), Err(DataError::TokenOutOfRange { token: 5, .. })));
        assert!(unigram_loss(&[1], &[1], 5).is_err());
    }
}
